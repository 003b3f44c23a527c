"""One invocation: its flags, settings, screen and agent, each made when it is first needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlagent import config
from sqlagent.cli.narrator import Narrator
from sqlagent.config import Settings
from sqlagent.service import Agent, Listener
from sqlagent.ui.export import Rows, open_rows
from sqlagent.ui.formats import Format
from sqlagent.ui.machine import FORMAT_VERSION, JsonRows, write_document
from sqlagent.ui.prompt import Input, can_prompt
from sqlagent.ui.screen import Colour, Screen

_OURS = frozenset({"json", "output", "csv", "csv_safe", "no_pager", "no_repair"})
"""Options that are not settings."""


class Call:
    """What a command is given.  Used as a context manager: leaving it closes what was opened."""

    def __init__(self, flags: dict[str, Any]) -> None:
        self.json: bool = flags["json"]
        self._output: Path | None = flags.get("output")
        self._flags = {name: value for name, value in flags.items() if name not in _OURS}
        if flags.get("csv"):
            self._flags["format"] = "csv"
        if flags.get("csv_safe"):
            self._flags["format"] = "csv-safe"
        if flags.get("no_pager"):
            self._flags["pager"] = ""
        if flags.get("no_repair"):
            self._flags["repair"] = False
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def check_output(self, sources: Sequence[str]) -> None:
        """Refuse `-o FILE` where it would go over a file in use: before anything is opened, and read or not."""
        if self._output is not None and str(self._output) != "-":
            from sqlagent.cli.output import refuse_output_over  # only where rows go to a file

            refuse_output_over(self._output, self.settings, sources)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "narrator" in self.__dict__:
            self.narrator.done()
        if "agent" in self.__dict__:
            self.agent.close()
        self._open.__exit__(kind, error, trace)

    @cached_property
    def settings(self) -> Settings:
        return config.load(self._flags, os.environ, Path.cwd())

    @cached_property
    def screen(self) -> Screen:
        s = self.settings
        env = {**os.environ, "SQLAGENT_PAGER": s.pager, "SQLAGENT_EDITOR": s.editor}
        return Screen(sys.stderr, colour=Colour(s.color), env=env)

    @cached_property
    def narrator(self) -> Narrator:
        return Narrator(self.screen)

    @cached_property
    def rows(self) -> Rows:
        """Where rows go: stdout or `-o FILE`, in the chosen format."""
        path = str(self._output) if self._output else None
        rows = open_rows(path, format_=Format(self.settings.format), stdout=sys.stdout.buffer)
        return self._open.enter_context(rows)

    @cached_property
    def kept(self) -> JsonRows:
        """Rows that wait for the document of `--json`."""
        return self._open.enter_context(JsonRows())

    @cached_property
    def agent(self) -> Agent:
        """With `--json` rows are kept for the document; otherwise they stream."""
        listener = Listener(environment=self.environment)
        if not self.json:
            n = self.narrator
            listener = Listener(n.begin, n.note, n.heard, n.downloading, n.done, n.unasked, self.environment, n.so_far)
        return Agent(self.settings, sink=self.kept if self.json else self.rows, listener=listener)

    def flag(self, name: str) -> object:
        """What was typed for a setting on this command line; None where it was not."""
        return self._flags.get(name)

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        allowed = Input.NEVER if self.settings.no_input or self.json else Input.ALLOWED
        return can_prompt(sys.stdin, sys.stderr, allowed)

    @property
    def environment(self) -> str:
        """Where this is, for the policy's rules."""
        if self.settings.ci:
            return "ci"
        return "terminal" if self.interactive else "script"

    def say_which_database(self) -> None:
        """The sample is used when nobody chose a database: that is said, never silent."""
        if self.settings.database.is_sample and not self.json:
            self.screen.line("  using ./sample.db: no --db, no SQLAGENT_DB and no database in a config file")

    def print_json(self, facts: dict[str, Any]) -> None:
        """The one document of `--json`, with the rows that came meanwhile as its `results`."""
        rows = self.kept if "kept" in self.__dict__ else None
        write_document({"format_version": FORMAT_VERSION, **facts}, sys.stdout.buffer, rows=rows)
