"""The only code that asks a person.  Silence never approves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from sqlagent.core.errors import NeedsApproval
from sqlagent.core.model import Risk
from sqlagent.core.session import Choice, Proposal
from sqlagent.core.split import joined
from sqlagent.ui.editor import NoEdit, edited, paged
from sqlagent.ui.human import Body, details, edit_size, numbered, review, statement_view
from sqlagent.ui.keyboard import Keyboard, NothingTyped, signals_leave_it_pending
from sqlagent.ui.layout import Block, paragraph
from sqlagent.ui.safe import one_line
from sqlagent.ui.screen import Screen, is_terminal


class How(StrEnum):
    """What a person did, for the record; the last three are a LATER that nobody chose by its key."""

    ENTER = "enter"
    KEY = "key"
    TYPED = "typed"
    EOF = "eof"
    INTERRUPT = "interrupt"
    HANGUP = "hangup"


class Retry(StrEnum):
    """Whether there is somebody to draft again after a rejection."""

    OFFERED = "offered"
    NOT_OFFERED = "not offered"


class Input(StrEnum):
    """`--no-input` and `CI`."""

    ALLOWED = "allowed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person wants done with a proposal."""

    choice: Choice
    how: How
    sql: str = ""
    reason: str = ""
    retry: bool = False


def can_prompt(stdin: TextIO, stderr: TextIO, input_: Input) -> bool:
    """stdout may be a file: `sqlagent ask ... > out.csv` still asks, on stderr."""
    return input_ is Input.ALLOWED and is_terminal(stdin) and is_terminal(stderr)


def require_prompt(proposal: Proposal, stdin: TextIO, stderr: TextIO, input_: Input) -> None:
    """Raise NeedsApproval where nobody can be asked."""
    if not can_prompt(stdin, stderr, input_):
        raise NeedsApproval(
            f"{proposal.thread} needs a person to approve it, and there is no terminal to ask on",
            hint=f"in a terminal: sqlagent resume {proposal.thread}",
        )


CONTRADICTED = "a person rejected it"
"""How an attempt begins that a person sent back, see `pipeline.nodes.revise`."""
_TYPEABLE = re.compile(r"[!-~]+(?: [!-~]+)*")
_A_KEY = re.compile(r"[aedrlsx?]|\d+|x \d+", re.IGNORECASE)


def word_for(proposal: Proposal) -> str:
    """What must be typed where a key is not enough: the object's name, or the thread where that could not be typed.

    A name that is also a key, or that has characters which look like others, is not one to type.
    """
    statements = proposal.analysis.statements
    name = proposal.analysis.worst.object if statements else ""
    typeable = len(name) <= 60 and _TYPEABLE.fullmatch(name) and not _A_KEY.fullmatch(name)
    return name if typeable else proposal.thread


def ask(
    proposal: Proposal,
    *,
    screen: Screen,
    stdin: TextIO,
    input_: Input = Input.ALLOWED,
    retry: Retry = Retry.OFFERED,
    unfit: str = "",
) -> Answer:
    """Show the proposal and take one answer; `unfit` says why this person may do all but approve it.

    Enter on anything but a proven read, end of input, Ctrl-C and a closed terminal leave it pending.
    """
    require_prompt(proposal, stdin, screen.stream, input_)
    conversation = _Conversation(proposal, screen, Keyboard(stdin), retry, unfit)
    try:
        with signals_leave_it_pending():
            answer = conversation.until_answered()
    except NothingTyped as nothing:
        answer = Answer(Choice.LATER, How(str(nothing)))
    except KeyboardInterrupt:
        answer = Answer(Choice.LATER, How.INTERRUPT)
    except OSError:  # the screen cannot be written: EIO, the terminal was closed
        answer = Answer(Choice.LATER, How.HANGUP)
    if answer.choice is Choice.LATER:
        _say_how_to_come_back(proposal, screen, answer.how)
    return answer


def _say_how_to_come_back(proposal: Proposal, screen: Screen, how: How) -> None:
    try:
        if how is not How.KEY and how is not How.ENTER:
            screen.line()  # the cursor still stands behind the prompt
        screen.line(f"  {proposal.thread} stays pending; nothing ran")
        screen.line(f"  next: sqlagent resume {proposal.thread}")
    except OSError:
        return  # the terminal is gone, and with it whom to tell


class _Conversation:
    """One proposal before one person, until there is an answer."""

    def __init__(self, proposal: Proposal, screen: Screen, keyboard: Keyboard, retry: Retry, unfit: str) -> None:
        self.proposal = proposal
        self.screen = screen
        self.keyboard = keyboard
        self.retry = retry
        self.unfit = unfit
        self.contradicted = sum(attempt.error.startswith(CONTRADICTED) for attempt in proposal.attempts)
        self.risk = proposal.analysis.risk if proposal.analysis.statements else Risk.UNKNOWN
        self.count = len(proposal.analysis.statements)
        self.word = word_for(proposal) if self.risk >= Risk.SEVERE else ""
        self.body = Body.WHOLE

    def until_answered(self) -> Answer:
        self._page_if_long()
        self.screen.show(review(self.proposal, columns=self.screen.columns, body=self.body))
        while True:
            for line in self.keys():
                self.screen.line(line)
            answer = self.answer_to(self._typed("  > "))
            if answer is not None:
                return answer

    def keys(self) -> list[str]:
        """The prompt block: what can be typed here."""
        rest = "[d] details  [r] reject  [l] later"
        rest = rest if self.proposal.undo_of else f"[e] edit  {rest}"  # an undo has no SQL
        again = ["  [s] show the SQL again"] if self.body is Body.PAGED else []
        if self.count > 1:
            again.append(f"  [1-{self.count}] look at one  [x {self.count}] take one out")
        many = f" all {self.count}" if self.count > 1 else ""
        if self.unfit:
            said = Block(tuple(paragraph(f"not for you to approve: {self.unfit}", self.screen.columns)))
            return [*again, *str(said).split("\n"), f"  {rest}"]
        if self.word:
            words = f"type {self.word} to approve{many} and run"
            if len(words) + len(rest) + 4 > self.screen.columns or self.count > 1:
                return [*again, f"  {rest}", f"  {words}"]
            return [*again, f"  {words}, {rest}"]
        key = "[Enter] run" if self.risk is Risk.READ else f"[a] approve{many} and run"
        return [*again, f"  {key}  {rest}"]

    def answer_to(self, typed: str) -> Answer | None:
        """The answer that a line is, or None where it only asks for more."""
        if typed == "":
            runs = self.risk is Risk.READ and not self.unfit
            return Answer(Choice.APPROVE if runs else Choice.LATER, How.ENTER)
        if self.word and typed == self.word and not self.unfit:
            return Answer(Choice.APPROVE, How.TYPED)
        match typed.lower().split():
            case ["a"]:
                return self._approve()
            case ["e"] if not self.proposal.undo_of:
                return self._edit()
            case ["r"]:
                return self._reject()
            case ["l"]:
                return Answer(Choice.LATER, How.KEY)
            case ["d"]:
                self.screen.show(details(self.proposal, columns=self.screen.columns))
            case ["s"] if self.body is Body.PAGED:
                self._page()
            case [number] if number.isdecimal() and self._has(number):
                self.screen.show(statement_view(self.proposal, int(number), columns=self.screen.columns))
            case ["x", number] if number.isdecimal() and self._has(number):
                return self._take_out(int(number))
            case _:
                self._not_understood(typed)
        return None

    def _approve(self) -> Answer | None:
        if self.unfit:
            self.screen.line(f"  {one_line(self.unfit)}")
            return None
        if self.word:
            self.screen.line(f"  `a` is not enough for {self.risk.name}: type {self.word}")
            return None
        return Answer(Choice.APPROVE, How.KEY)

    def _edit(self) -> Answer | None:
        try:
            sql = edited(self.proposal, terminal=self.screen.stream, env=self.screen.env)
        except NoEdit as why:
            self.screen.line(f"  {one_line(str(why))}; {self.proposal.thread} is as it was")
            return None
        self._say_edited(sql)
        return Answer(Choice.EDIT, How.KEY, sql=sql)

    def _take_out(self, index: int) -> Answer:
        statements = self.proposal.analysis.statements
        sql = joined([statement.sql for statement in statements if statement.index != index])
        self.screen.line(f"  statement {index} taken out; {len(statements) - 1} left")
        self._say_edited(sql)
        return Answer(Choice.EDIT, How.KEY, sql=sql)

    def _say_edited(self, sql: str) -> None:
        size = edit_size(self.proposal.sql, sql)
        said = f"edited: {size}; you are now its author, and earlier approvals are void"
        self.screen.show(Block(tuple(paragraph(said, self.screen.columns, rest="  "))))
        self.screen.line("  checking again ...")

    def _reject(self) -> Answer | None:
        if self.retry is Retry.OFFERED and self.contradicted >= 2:
            self.screen.line("  the model has been told twice and still does not have it")
            if self._typed("  edit the SQL yourself? [y/N] ").lower() in ("y", "yes"):
                return self._edit()
        reason = self._typed("  why? (one line, or Enter for none) ")
        again = False
        if reason and self.retry is Retry.OFFERED:
            again = self._typed("  try again with this? [y/N] ").lower() in ("y", "yes")
        return Answer(Choice.REJECT, How.KEY, reason=reason, retry=again)

    def _not_understood(self, typed: str) -> None:
        shown = one_line(typed if len(typed) <= 60 else typed[:60] + "...")
        wanted = f"; to approve, type {self.word}" if self.word else ""
        self.screen.line(f"  {shown} is none of these{wanted}")

    def _has(self, number: str) -> bool:
        return self.count > 1 and len(number) < 8 and 1 <= int(number) <= self.count

    def _typed(self, question: str) -> str:
        self.keyboard.forget()
        self.screen.ask(question)
        return self.keyboard.line()

    def _page_if_long(self) -> None:
        lines = numbered(self.proposal.sql, columns=self.screen.columns)
        if len(lines) > self.screen.rows - 2 and self._page():
            self.body = Body.PAGED

    def _page(self) -> bool:
        text = str(Block(tuple(numbered(self.proposal.sql, columns=self.screen.columns))))
        return paged(text + "\n", terminal=self.screen.stream, env=self.screen.env)
