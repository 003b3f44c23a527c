"""One invocation: its flags, settings, screen and agent, each made when it is first needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlagent import config
from sqlagent.cli.narrator import Narrator
from sqlagent.config import Settings
from sqlagent.databases.base import Sink
from sqlagent.service import Agent, Listener
from sqlagent.ui.chart import NoShape, Seen, as_file, chosen, extension_of, in_terminal
from sqlagent.ui.export import Existing, Rows, open_rows, refuse_existing, write_whole
from sqlagent.ui.file_formats import format_of
from sqlagent.ui.formats import FOR_PEOPLE, Format
from sqlagent.ui.machine import FORMAT_VERSION, JsonRows, write_document
from sqlagent.ui.out import say
from sqlagent.ui.paging import Wide, shown_rows
from sqlagent.ui.prompt import Input, can_prompt
from sqlagent.ui.screen import Colour, Screen, is_terminal

_MOST_LEFT_OUT = 4
_OURS = frozenset({"json", "output", "csv", "csv_safe", "no_pager", "no_repair", "force", "chart", "wait"})
"""Options that are not settings."""


class Call:
    """What a command is given.  Used as a context manager: leaving it closes what was opened."""

    def __init__(self, flags: dict[str, Any]) -> None:
        self.json: bool = flags["json"]
        self.waits: bool = bool(flags.get("wait"))
        """Nobody is asked here: what others decide is waited for."""
        self._output: Path | None = flags.get("output")
        self._chart: str = flags.get("chart") or ""
        self._seen: Seen | None = None
        self._existing = Existing.REPLACE if flags.get("force") else Existing.KEEP
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
        self._open_rows = ExitStack()

        self.has_more = False
        """More results come after the one that is concluded."""
        self._said_written = False

    def __enter__(self) -> Self:
        return self

    def check_output(self, sources: Sequence[str]) -> None:
        """Refuse an `-o FILE` that cannot be, or may not be replaced: before anything is opened, and read or not."""
        if self._chart not in ("", "-"):
            from sqlagent.cli.output import refuse_output_over

            extension_of(Path(self._chart))
            refuse_output_over(Path(self._chart), self.settings, sources)
            refuse_existing(self._chart, self._existing)
        if self._output is not None and str(self._output) != "-":
            from sqlagent.cli.output import may_replace, refuse_output_over  # only where rows go to a file

            refuse_output_over(self._output, self.settings, sources)
            assert self.format
            if self._existing is Existing.KEEP and self.interactive and self._output.is_file():
                self._existing = may_replace(self._output, self.screen, sys.stdin)
            refuse_existing(str(self._output), self._existing)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "narrator" in self.__dict__:
            self.narrator.done()
        if "agent" in self.__dict__:
            self.agent.close()
        try:
            self._open_rows.__exit__(kind, error, trace)
            self._say_written()
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
        return Format(settings.format) not in FOR_PEOPLE

    @property
    def _to_file(self) -> Path | None:
        """The FILE of `-o`."""
        return None if self._output is None or str(self._output) == "-" else self._output

    @cached_property
    def format(self) -> Format:
        """`--format`, else what the file's name says, else the setting."""
        path = self._to_file
        if path is None and self._chart == "-" and self.flag("format") is None:
            return Format.NONE  # the picture stands in place of the rows
        if path is None or self.flag("format") is not None or (path.exists() and not path.is_file()):
            return Format(self.settings.format)
        return format_of(path)

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
    def rows(self) -> Rows:
        """Where rows go: the screen, a pipe or `-o FILE`, in the chosen format."""
        if self._to_file is None and self.format in FOR_PEOPLE and is_terminal(sys.stdout):
            screen = Screen(sys.stdout, env=self.screen.env)
            shown = shown_rows(self.format, screen=screen, wide=Wide(self.settings.wide))
            return self._open_rows.enter_context(shown)
        path = str(self._output) if self._output else None
        rows = open_rows(path, format_=self.format, stdout=sys.stdout.buffer, existing=self._existing)
        return self._open_rows.enter_context(rows)

    def finish_rows(self) -> None:
        """Show them, or put their file in its place, and say so."""
        if "rows" in self.__dict__:
            self.rows.show()
            self._draw()
            if not self.has_more:
                self._open_rows.close()
                self._say_written()

    def _draw(self) -> None:
        """The chart of what was read, or why there is none."""
        seen, self._seen = self._seen, None
        if seen is None or not seen.results:
            return
        try:
            chart = chosen(seen)
        except NoShape as why:
            self.screen.line(f"no chart: {why}")
            return
        if self._chart != "-":
            self.screen.line(write_whole(self._chart, as_file(chart, extension_of(Path(self._chart))), self._existing))
            self.screen.line(f"({chart.why})")
            return
        put = say if self.format is Format.NONE else self.screen.line
        put(in_terminal(chart, columns=self.screen.columns, rows=self.screen.rows))

    def _say_written(self) -> None:
        rows = self.__dict__.get("rows")
        if rows is None or self._said_written:
            return
        if rows.broken:
            self.screen.line("the pipe was closed by its reader: the rows after that were not written")
        if rows.wrote:
            self.screen.line(rows.wrote)
        self._said_written = rows.broken or bool(rows.wrote)

    @cached_property
    def kept(self) -> JsonRows:
        """Rows that wait for the document of `--json`."""
        return self._open.enter_context(JsonRows())

    @cached_property
    def agent(self) -> Agent:
        """With `--json` rows are kept for the document, if no file is named for them; otherwise they stream."""
        sink: Sink = self.kept if self.json and self._to_file is None else self.rows
        if self._chart and not self.json:
            sink = self._seen = Seen(sink)
        return self.open_agent(sink)

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
        rows = self.kept if "kept" in self.__dict__ else None
        write_document({"format_version": FORMAT_VERSION, **facts}, sys.stdout.buffer, rows=rows)
