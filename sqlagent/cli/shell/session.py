"""A session: line after line through the same gate, with model, schema and imports kept warm in between."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlagent.cli.app import in_our_words, run
from sqlagent.cli.call import Call
from sqlagent.cli.session import attend
from sqlagent.cli.shell import commands
from sqlagent.cli.shell.lines import Kind, Typed, read
from sqlagent.cli.shell.names import Names
from sqlagent.cli.shell.reader import line_reader
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.session import TERMINAL, Report, Status
from sqlagent.databases.base import Sink
from sqlagent.service import Agent
from sqlagent.ui.chart import Seen
from sqlagent.ui.diagnostics import ExitCode, Traces, report_error, secrets_of
from sqlagent.ui.layout import shorten
from sqlagent.ui.visible import one_line

_ANSWERED = TERMINAL - {Status.UNKNOWN}
_LONGEST_NAME = 24
_TITLE = 100
"""Characters of SQL that stand for a question in lists."""


def hold(call: Call) -> ExitCode:
    """Read and do line after line, until `\\q`, the end of input or a closed terminal; answers the exit code."""
    outlet = Outlet()
    with call.open_agent(outlet) as agent:
        call.say_which_database()
        agent.database.identity()  # said now where there is none, and not after the first question
        session = Session(call, agent, outlet)
        name = one_line(call.settings.database.name)
        call.screen.line(f"  {name}: ask in words, end SQL with ;   \\? lists the commands, \\q leaves")
        folder, coloured = call.settings.state_dir, call.screen.coloured
        reader = line_reader(f"{shorten(name, _LONGEST_NAME)}> ", folder=folder, names=session.names, coloured=coloured)
        while call.interactive and not session.left:
            try:
                typed = read(reader.prompt())
            except KeyboardInterrupt:  # Ctrl-C drops the line
                continue
            except (EOFError, OSError):  # Ctrl-D, or the terminal is gone
                break
            session.do(typed)
    return ExitCode.OK


class Outlet:
    """The agent's sink during a session: hands rows on to where those of the present line go."""

    def __init__(self) -> None:
        self.line: Line | None = None

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Hand a result to the line that runs now; answers how many rows it took."""
        assert self.line is not None
        return self.line.sink.write(columns, rows)


class Line(Call):
    """One line of a session as a call of its own: its rows go where it says, while the agent stays open."""

    def __init__(self, session: Session, output: Path | None = None, chart: str = "") -> None:
        super().__init__(session.call.again(output=output, chart=chart))
        self.__dict__.update(agent=session.agent, screen=session.call.screen, narrator=session.call.narrator)

    @cached_property
    def sink(self) -> Sink:
        """Where its rows go; the first are kept on their way, for a chart of them now or later."""
        return self.out.sink()

    @property
    def offers_chart(self) -> bool:
        """At the next prompt `c` draws it."""
        return False

    def __exit__(self, *error: Any) -> None:
        self.__dict__.pop("agent")  # it stays open for the next line
        super().__exit__(*error)


class Session:
    """What one line of a session leaves for the next: its conversation, the last run, and where results go."""

    def __init__(self, call: Call, agent: Agent, outlet: Outlet) -> None:
        self.call = call
        self.agent = agent
        self.thread = ""
        """The conversation that a question follows up."""
        self.ran = ""
        """The thread that ran last, for `\\undo`."""
        self.seen: Seen | None = None
        """The last result, for `\\chart`."""
        self.output: Path | None = None
        """Where the next result goes."""
        self.chart = ""
        """Where the next result is drawn, `-` for the terminal; empty where it is not."""
        self.left = False
        self.names = Names(commands.COMMANDS, agent.database.outline, self._ids)
        self._outlet = outlet

    def do(self, typed: Typed) -> None:
        """Carry one line out; whatever goes wrong is said in two lines, and the session goes on."""
        try:
            match typed.kind:
                case Kind.COMMAND:
                    commands.do(self, typed.text, typed.argument)
                case Kind.SQL:
                    title = " ".join(typed.text.split())[:_TITLE]
                    self.put(lambda agent: agent.run(typed.text, title=title))
                case Kind.QUESTION if typed.text.startswith("sqlagent "):  # what a `next:` says to type
                    run(shlex.split(typed.text)[1:])
                case Kind.QUESTION:
                    self._ask(typed.text)
                case Kind.NOTHING:
                    pass
        except (Exception, KeyboardInterrupt) as e:  # noqa: BLE001 - as at the command line, one failure ends a line alone
            self.call.narrator.done()
            if isinstance(e, KeyboardInterrupt):
                self.call.screen.line()  # the cursor still stands behind the ^C
            traces = Traces.SHOWN if self.call.settings.debug else Traces.HIDDEN
            with suppress(OSError):  # the terminal is gone, and with it whom to tell
                report_error(in_our_words(e), traces=traces, secrets=secrets_of(os.environ))

    def put(self, begin: commands.Begin) -> Report:
        """Have the agent begin something, and see it through with the person; answers where it stands then."""
        output, self.output = self.output, None
        chart, self.chart = self.chart, ""
        with Line(self, output, chart) as line:
            line.check_output(())
            self.agent.use(line.settings)
            self._outlet.line = line
            thread = begin(self.agent)
            attend(line, thread)
            self.seen = line.out.seen or self.seen
        report = self.agent.show(thread.thread)
        if report.status is Status.EXECUTED:
            self.ran = report.thread
            self.names.forget()
        return report

    def draw(self, where: str) -> None:
        """The last result as a chart, `-` in the terminal, else in a file."""
        with Line(self, chart=where) as line:
            line.check_output(())
            line.out.draw(self.seen)

    def look(self, at: Callable[[Line], object]) -> None:
        """Have a listing printed; nothing is put to anybody."""
        with Line(self) as line:
            at(line)

    def _ask(self, question: str) -> None:
        """A follow-up where there is a conversation that has an answer; otherwise the first question of one."""
        follows = self.thread
        if follows and self.agent.journal.thread(follows).status not in _ANSWERED:
            self.call.screen.line(f"  {follows} still waits, so this begins a new conversation")
            follows = ""
        try:
            self.thread = self.put(lambda agent: agent.ask(question, thread=follows)).thread
        except SqlagentError as e:
            self.thread = e.thread or follows
            raise

    def _ids(self) -> list[str]:
        return [thread.id for thread in self.agent.sessions(limit=20)]
