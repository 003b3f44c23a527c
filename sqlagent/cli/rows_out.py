"""Where the rows of one call go: the screen, a pipe, `-o FILE`, a chart; opened when the first of them come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

from sqlagent.cli.output import may_replace, refuse_output_over
from sqlagent.config import Settings
from sqlagent.databases.base import Sink
from sqlagent.ui.chart import NoShape, Seen, as_file, chosen, extension_of, in_terminal
from sqlagent.ui.export import Existing, Rows, open_rows, refuse_existing, write_whole
from sqlagent.ui.file_formats import format_of
from sqlagent.ui.formats import FOR_PEOPLE, Format
from sqlagent.ui.out import say
from sqlagent.ui.paging import Wide, shown_rows
from sqlagent.ui.screen import Screen, is_terminal


class RowsOut:
    """One call's rows, by its options and settings.  Used as a context manager: leaving it puts a file in its place."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        screen: Callable[[], Screen],
        *,
        output: Path | None,
        chart: str,
        chosen_format: object,
        replaces: bool,
    ) -> None:
        self._settings, self._screen = settings, screen
        self._output, self._chart, self._chosen_format = output, chart, chosen_format
        self._existing = Existing.REPLACE if replaces else Existing.KEEP
        self._seen: Seen | None = None
        self._open = ExitStack()
        self._said_written = False
        self._is_drawn = False
        self.has_more = False
        """More results come after the one that is concluded."""

    def check(self, sources: Sequence[str], *, interactive: Callable[[], bool]) -> None:
        """Refuse a FILE that cannot be, or may not be replaced: before anything is opened, and read or not."""
        if self._chart not in ("", "-"):
            extension_of(Path(self._chart))
            refuse_output_over(Path(self._chart), self._settings(), sources)
            refuse_existing(self._chart, self._existing)
        if self._output is not None and str(self._output) != "-":
            refuse_output_over(self._output, self._settings(), sources)
            assert self.format
            if self._existing is Existing.KEEP and interactive() and self._output.is_file():
                self._existing = may_replace(self._output, self._screen(), sys.stdin)
            refuse_existing(str(self._output), self._existing)

    def __enter__(self) -> RowsOut:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        self._say_written()

    @property
    def _to_file(self) -> Path | None:
        """The FILE of `-o`."""
        return None if self._output is None or str(self._output) == "-" else self._output

    @cached_property
    def format(self) -> Format:
        """`--format`, else what the file's name says, else the setting."""
        path = self._to_file
        if path is None and self._chart == "-" and self._chosen_format is None:
            return Format.NONE  # the picture stands in place of the rows
        if path is None or self._chosen_format is not None or (path.exists() and not path.is_file()):
            return Format(self._settings().format)
        return format_of(path)

    @cached_property
    def rows(self) -> Rows:
        """The screen, a pipe or `-o FILE`, in the chosen format."""
        if self._to_file is None and self.format in FOR_PEOPLE and is_terminal(sys.stdout):
            screen = Screen(sys.stdout, env=self._screen().env)
            return self._open.enter_context(shown_rows(self.format, screen=screen, wide=Wide(self._settings().wide)))
        path = str(self._output) if self._output else None
        rows = open_rows(path, format_=self.format, stdout=sys.stdout.buffer, existing=self._existing)
        return self._open.enter_context(rows)

    def sink(self) -> Sink:
        """What takes the rows; the first are kept on their way where a chart is or may be drawn of them."""
        if not self._chart and not self.is_looked_at:
            return self.rows
        self._seen = Seen(self.rows)
        return self._seen

    @property
    def is_looked_at(self) -> bool:
        """Whether a person looks at the rows, and at nothing else made of them."""
        on_screen = self._to_file is None and self.format in FOR_PEOPLE and is_terminal(sys.stdout)
        return on_screen and not self._chart

    @property
    def seen(self) -> Seen | None:
        """The last result, where there was one and it was kept."""
        return self._seen if self._seen is not None and self._seen.results else None

    def finish(self) -> None:
        """Show them, or put their file in its place, and say so."""
        if "rows" in self.__dict__:
            self.rows.show()
            if self._chart and not self._is_drawn:
                self._is_drawn = self.seen is not None
                self.draw(self.seen)
            if not self.has_more:
                self._open.close()
                self._say_written()

    def draw(self, seen: Seen | None) -> None:
        """The chart of a result where `--chart` says, or why there is none."""
        if seen is None:
            return
        try:
            chart = chosen(seen)
        except NoShape as why:
            self._screen().line(f"no chart: {why}")
            return
        if self._chart != "-":
            written = write_whole(self._chart, as_file(chart, extension_of(Path(self._chart))), self._existing)
            self._screen().line(written)
            self._screen().line(f"({chart.why})")
            return
        put = say if self.format is Format.NONE else self._screen().line
        put(in_terminal(chart, columns=self._screen().columns, rows=self._screen().rows))

    def _say_written(self) -> None:
        rows = self.__dict__.get("rows")
        if rows is None or self._said_written:
            return
        if rows.broken:
            self._screen().line("the pipe was closed by its reader: the rows after that were not written")
        if rows.wrote:
            self._screen().line(rows.wrote)
        self._said_written = rows.broken or bool(rows.wrote)
