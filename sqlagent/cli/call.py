"""One invocation: its flags, settings, screen and agent, each made when it is first needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlagent import config
from sqlagent.cli.narrator import Narrator
from sqlagent.config import Settings
from sqlagent.core.nouns.documents import FORMAT_VERSION
from sqlagent.databases.base import Sink
from sqlagent.service import Agent, Listener
from sqlagent.ui.screen import Colour, Input, Screen, can_prompt, is_terminal

if TYPE_CHECKING:
    from sqlagent.cli.rows_out import RowsOut
    from sqlagent.ui.machine import JsonRows

_MOST_LEFT_OUT = 4
_OURS = frozenset({"json", "output", "csv", "csv_safe", "no_pager", "no_repair", "force", "chart", "wait"})
"""Options that are not settings."""


class Call:
    """What a command is given.  Used as a context manager: leaving it closes what was opened."""

    def __init__(self, flags: dict[str, Any]) -> None:
        self.json: bool = flags["json"]
        self.waits: bool = bool(flags.get("wait"))
        """Nobody is asked here: what others decide is waited for."""
        self._options = flags
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
        """Refuse an `-o FILE` that cannot be, or may not be replaced: before anything is opened, and read or not."""
        if self._output is not None or self._options.get("chart"):
            self.out.check(sources, interactive=lambda: self.interactive)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "narrator" in self.__dict__:
            self.narrator.done()
        if "agent" in self.__dict__:
            self.agent.close()
        try:
            if "out" in self.__dict__:
                self.out.__exit__(kind, error, trace)
        finally:
            self._open.__exit__(kind, error, trace)

    @cached_property
    def settings(self) -> Settings:
        """What is configured for this call; without a `limit` of the person's own, files and programs get every row."""
        settings = config.load(self._flags, os.environ, Path.cwd())
        return replace(settings, limit=-1) if settings.is_default("limit") and self._takes_all(settings) else settings

    def _takes_all(self, settings: Settings) -> bool:
        """A person looks at some rows; a file, a pipe and a format for programs have every one."""
        if self.json or self._to_file is not None or not is_terminal(sys.stdout):
            return True
        from sqlagent.ui.formats import FOR_PEOPLE, Format  # with every format, which a listing does not need

        return Format(settings.format) not in FOR_PEOPLE

    @property
    def _to_file(self) -> Path | None:
        """The FILE of `-o`."""
        return None if self._output is None or str(self._output) == "-" else self._output

    @cached_property
    def screen(self) -> Screen:
        """The person's screen, which is stderr: stdout is for rows and JSON alone."""
        s = self.settings
        env = {**os.environ, "SQLAGENT_PAGER": s.pager, "SQLAGENT_EDITOR": s.editor}
        return Screen(sys.stderr, colour=Colour(s.color), env=env)

    @cached_property
    def narrator(self) -> Narrator:
        """Tells on the screen how a call goes on, while it lasts."""
        return Narrator(self.screen)

    @cached_property
    def out(self) -> RowsOut:
        """Where rows go."""
        from sqlagent.cli.rows_out import RowsOut  # with every format, which a listing does not need

        return RowsOut(
            lambda: self.settings,
            lambda: self.screen,
            output=self._output,
            chart=self._options.get("chart") or "",
            chosen_format=self.flag("format"),
            replaces=bool(self._options.get("force")),
        )

    def finish_rows(self) -> None:
        """Show them, or put their file in its place, and say so."""
        if "out" in self.__dict__:
            self.out.finish()

    @cached_property
    def kept(self) -> JsonRows:
        """Rows that wait for the document of `--json`."""
        from sqlagent.ui.machine import JsonRows  # only where rows are kept for a document

        return self._open.enter_context(JsonRows())

    @cached_property
    def agent(self) -> Agent:
        """With `--json` rows are kept for the document, if no file is named for them; otherwise they stream."""
        if self.json and self._to_file is None:
            return self.open_agent(self.kept)
        if "output" not in self._options:
            return self.open_agent(_WhenTheyCome(self))
        return self.open_agent(self.out.rows if self.json else self.out.sink())

    @property
    def offers_chart(self) -> bool:
        """Whether a person looks at the rows, and at nothing else made of them."""
        return "out" in self.__dict__ and self.out.is_looked_at and self.interactive

    def open_agent(self, sink: Sink) -> Agent:
        """An agent of these settings, which tells of its work on this screen."""
        listener = Listener(environment=self.environment)
        if not self.json:
            n = self.narrator
            listener = Listener(n.begin, n.note, n.heard, n.downloading, n.done, n.unasked, self.environment, n.so_far)
        return Agent(self.settings, sink=sink, listener=listener)

    def again(self, *, output: Path | None, chart: str) -> dict[str, Any]:
        """The flags of one more call as this one was typed, whose rows go elsewhere."""
        return {"json": self.json, "output": output, "chart": chart, **self._flags}

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
        """What is easily taken for something else: the sample that nobody chose, and a folder without some files."""
        if self.json:
            return
        if self.settings.database.is_sample:
            self.screen.line("  using ./sample.db: no --db, no SQLAGENT_DB and no database in a config file")
        if not self.settings.database.takes_writes:
            left_out = self.agent.database.concerns()
            for concern in left_out[:_MOST_LEFT_OUT]:
                self.screen.line(f"  {concern.what}")
            if len(left_out) > _MOST_LEFT_OUT:
                self.screen.line(f"  and {len(left_out) - _MOST_LEFT_OUT:,} more: sqlagent doctor lists them")

    def print_json(self, facts: dict[str, Any]) -> None:
        """The one document of `--json`, with the rows that came meanwhile as its `results`."""
        from sqlagent.ui.machine import write_document  # only where a document is printed

        rows = self.kept if "kept" in self.__dict__ else None
        write_document({"format_version": FORMAT_VERSION, **facts}, sys.stdout.buffer, rows=rows)


class _WhenTheyCome:
    """The rows of a command that has no options for them: where they go is opened when there are any."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row; answers how many there were."""
        return self._call.out.rows.write(columns, rows)
