"""The only code that asks a person.  Silence never approves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from sqlagent.core.analysis.measured import would_fail
from sqlagent.core.approval.batch import FEWEST, places, rejection, spans
from sqlagent.core.approval.one_key import word_to_type
from sqlagent.core.errors import NeedsApproval, UsageError
from sqlagent.core.nouns.analysis import Analysis, Risk
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Choice, Proposal
from sqlagent.ui.batch import part_lines, several_lines
from sqlagent.ui.editor import NoEdit, edited, paged
from sqlagent.ui.human import Body, details, edit_size, numbered, review, statement_view
from sqlagent.ui.keyboard import Keyboard, NothingTyped, Watch, say_it_waits, signals_leave_it_pending
from sqlagent.ui.layout import Block, paragraph, text_line
from sqlagent.ui.screen import Input, Screen, can_prompt
from sqlagent.ui.visible import one_line


class How(StrEnum):
    """What a person did, for the record; the last four are a LATER that nobody chose by its key."""

    ENTER = "enter"
    KEY = "key"
    TYPED = "typed"
    EOF = "eof"
    INTERRUPT = "interrupt"
    HANGUP = "hangup"
    ELSEWHERE = "elsewhere"
    """Somebody else did: nothing that was typed here by then counts."""


class Retry(StrEnum):
    """Whether there is somebody to draft again after a rejection."""

    OFFERED = "offered"
    NOT_OFFERED = "not offered"


class Ends(StrEnum):
    """What an approval leads to, as the key says it."""

    RUN = "run"
    SIGN = "sign"
    """Of a plan, which is approved as a whole and as it stands."""


class Then(StrEnum):
    """What a person wants done with what they have not decided."""

    WAIT = "wait"
    MEASURE = "measure"
    """Measure it again, then ask again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person wants done with a proposal."""

    choice: Choice
    how: How
    sql: str = ""
    reason: str = ""
    retry: bool = False
    keep: tuple[int, ...] = ()
    """Of a PARTIAL, the statements that are approved."""
    then: Then = Then.WAIT
    """Of a LATER, what is done meanwhile."""


def require_prompt(proposal: Proposal, stdin: TextIO, stderr: TextIO, input_: Input) -> None:
    """Raise NeedsApproval where nobody can be asked."""
    if not can_prompt(stdin, stderr, input_):
        raise NeedsApproval(
            f"{proposal.thread} needs a person to approve it, and there is no terminal to ask on",
            hint=f"in a terminal: sqlagent resume {proposal.thread}",
        )


CONTRADICTED = "a person rejected it"
"""How an attempt begins that a person sent back, see `pipeline.nodes.revise`."""
_LEAVE_OUT = re.compile(r"[xX]\s+(\d+(?:-\d+)?(?:\s*,\s*\d+(?:-\d+)?)*)(?:\s+([^\s\d,-].*))?", re.ASCII)
"""`x 2,4-6 why`: the reason begins with something that is no more of the numbers."""
_A_RANGE = re.compile(r"\d{1,9}-\d{1,9}", re.ASCII)
_MOST_NUMBERS = 40
"""Characters of a list of numbers on the key line; past that only their count is said."""


def ask(
    proposal: Proposal,
    *,
    screen: Screen,
    stdin: TextIO,
    input_: Input = Input.ALLOWED,
    retry: Retry = Retry.OFFERED,
    unfit: str = "",
    ends: Ends = Ends.RUN,
    measured: str = "",
    elsewhere: Watch | None = None,
) -> Answer:
    """Show the proposal and take one answer; `unfit` says why this person may do all but approve it, `measured` how old
    its measurement is, and `elsewhere` whether others have decided meanwhile.

    Enter on anything but a proven read, end of input, Ctrl-C and a closed terminal leave it pending.
    """
    require_prompt(proposal, stdin, screen.stream, input_)
    conversation = _Conversation(proposal, screen, Keyboard(stdin, elsewhere), retry, unfit, ends, measured)
    try:
        with signals_leave_it_pending():
            answer = conversation.until_answered()
    except NothingTyped as nothing:
        answer = Answer(Choice.LATER, How(str(nothing)))
    except KeyboardInterrupt:
        answer = Answer(Choice.LATER, How.INTERRUPT)
    except OSError:  # the screen cannot be written: EIO, the terminal was closed
        answer = Answer(Choice.LATER, How.HANGUP)
    waits = answer.choice is Choice.LATER and answer.then is Then.WAIT and answer.how is not How.ELSEWHERE
    if waits and ends is Ends.RUN:
        say_it_waits(proposal.thread, screen, answer.how)
    return answer


class _Conversation:
    """One proposal before one person, until there is an answer."""

    def __init__(
        self, proposal: Proposal, screen: Screen, keyboard: Keyboard, retry: Retry, unfit: str, ends: Ends,
        measured: str,
    ) -> None:  # fmt: skip
        self.proposal = proposal
        self.screen = screen
        self.keyboard = keyboard
        self.retry = retry
        self.unfit = unfit
        self.measured = measured
        self.ends = ends
        self.is_fixed = bool(proposal.undo_of) or ends is Ends.SIGN
        """Nothing of it can be changed here: an undo has no SQL, and a plan is somebody else's."""
        self.contradicted = sum(attempt.error.startswith(CONTRADICTED) for attempt in proposal.attempts)
        self.count = len(proposal.analysis.statements)
        self.out: dict[int, str] = {}
        """The statements of a batch that are marked as rejected, and why."""
        self.body = Body.WHOLE

    @property
    def kept(self) -> tuple[int, ...]:
        """The statements that an approval would be of."""
        return tuple(s.index for s in self.proposal.analysis.statements if s.index not in self.out)

    @property
    def risk(self) -> Risk:
        """Of what is kept."""
        return Analysis(tuple(s for s in self.proposal.analysis.statements if s.index not in self.out)).risk

    @property
    def _measurement(self) -> Measurement | None:
        return self.proposal.measurement

    @property
    def fails(self) -> bool:
        """Whether what is kept would fail, as far as it was tried: there is nothing to approve."""
        return self._measurement is not None and would_fail(self._measurement) and not self.out

    @property
    def word(self) -> str:
        """What must be typed to approve what is kept; empty where a key is enough or nothing can be approved."""
        return "" if self.fails else word_to_type(self.proposal, self.kept)

    def until_answered(self) -> Answer:
        self._page_if_long()
        columns = self.screen.columns
        self.screen.show(review(self.proposal, columns=columns, body=self.body, measured=self.measured))
        while True:
            for line in self.keys():
                self.screen.line(line)
            answer = self.answer_to(self._typed("  > "))
            if answer is not None:
                return answer

    def keys(self) -> list[str]:
        """The prompt block: what can be typed here."""
        rest = f"[d] details  [r] reject{' all' if self.count > 1 else ''}  [l] later"
        rest = rest if self.is_fixed else f"[e] edit  {rest}"
        again = ["  [s] show the SQL again"] if self.body is Body.PAGED else []
        if self._measurement is not None and not self._measurement.is_exact and self.ends is Ends.RUN:
            again.append("  [m] measure again, with ten times the time for it")
        if self.count > 1:
            several = f", or at 2-{self.count}" if self.count >= FEWEST else ""
            again.append(f"  [1-{self.count}] look at one{several}{self._marking()}")
        if self.unfit:
            said = Block(tuple(paragraph(f"not for you to approve: {self.unfit}", self.screen.columns)))
            goes_on = ["  it goes on here once others have decided"] if self.keyboard.is_watching else []
            return [*again, *str(said).split("\n"), *goes_on, f"  {rest}"]
        if self.fails:
            return [*again, f"  {rest}", "  it would fail, so there is nothing to approve"]
        if not self.kept and self.count:
            return [*again, f"  {rest}", "  nothing is left to approve"]
        many = f" {self._which()}" if self.count > 1 else ""
        last = self.proposal.stage == self.proposal.stages  # else somebody else comes before a run
        run = f" and {self.ends}" if last or self.ends is Ends.SIGN else ""
        if word := self.word:
            words = f"type {word} to approve{many}{run}"
            if len(words) + len(rest) + 4 > self.screen.columns or self.count > 1:
                return [*again, f"  {rest}", f"  {words}"]
            return [*again, f"  {words}, {rest}"]
        key = f"[a] approve{many}{run}"
        if self.risk is Risk.READ:
            key = f"[Enter] {self.ends if run else 'approve'}{f' {self._which()}' if self.out else ''}"
        if len(key) + len(rest) + 4 > self.screen.columns:
            return [*again, f"  {rest}", f"  {key}"]
        return [*again, f"  {key}  {rest}"]

    def _marking(self) -> str:
        """How to leave a statement out, and how to take that back."""
        if self.unfit or self.is_fixed:
            return ""
        if self.out:
            more = f"  [x {self.kept[0]} reason] skip {self.kept[0]}" if self.kept else ""
            return f"{more}  [x {min(self.out)}] take back"
        some = f"2,{self.count} reason] skip 2 and {self.count}" if self.count > 2 else "2 reason] skip 2"
        return f"  [x {some}"

    def _which(self) -> str:
        """`all 4`, `1,3-4`: what an approval would be of."""
        if not self.out:
            return f"all {self.count:,}"
        named = spans(self.kept)
        return named if len(named) <= _MOST_NUMBERS else f"{len(self.kept):,} of {self.count:,}"

    def answer_to(self, typed: str) -> Answer | None:
        """The answer that a line is, or None where it only asks for more."""
        if typed == "":
            runs = self.risk is Risk.READ and not self.fails and not self.unfit
            return self._approval(How.ENTER) if runs else Answer(Choice.LATER, How.ENTER)
        if self.word and typed == self.word and not self.unfit and self.kept:
            return self._approval(How.TYPED)
        if marked := _LEAVE_OUT.fullmatch(typed):
            self._leave_out(typed, marked[1], (marked[2] or "").strip())
            return None
        if _A_RANGE.fullmatch(typed) and self.count > 1:
            self._list(typed)
            return None
        match typed.lower().split():
            case ["a"]:
                return self._approve()
            case ["e"] if not self.is_fixed:
                return self._edit()
            case ["r"]:
                return self._reject()
            case ["l"]:
                return Answer(Choice.LATER, How.KEY)
            case ["d"]:
                self.screen.show(details(self.proposal, columns=self.screen.columns))
            case ["m"] if self._measurement is not None and self.ends is Ends.RUN:
                return Answer(Choice.LATER, How.KEY, then=Then.MEASURE)
            case ["s"] if self.body is Body.PAGED:
                self._page()
            case [number] if number.isdecimal() and self._has(number):
                self.screen.show(statement_view(self.proposal, int(number), columns=self.screen.columns))
            case _:
                self._not_understood(typed)
        return None

    def _approve(self) -> Answer | None:
        if self.unfit:
            self.screen.line(f"  {one_line(self.unfit)}")
            return None
        if self.out and not self.kept:
            self.screen.line(f"  nothing is left to approve: [r] rejects all, [x {min(self.out)}] takes it back")
            return None
        if self.fails:
            self.screen.line("  it would fail, so there is nothing to approve: [e] edits it")
            return None
        if self.word:
            self.screen.line(f"  `a` is not enough for {self.risk.name}: type {self.word}")
            return None
        return self._approval(How.KEY)

    def _approval(self, how: How) -> Answer:
        """Of the whole, or of what is kept of it."""
        if not self.out:
            return Answer(Choice.APPROVE, how)
        return Answer(Choice.PARTIAL, how, reason=rejection(self.out), keep=self.kept)

    def _edit(self) -> Answer | None:
        try:
            sql = edited(self.proposal, terminal=self.screen.stream, env=self.screen.env)
        except NoEdit as why:
            self.screen.line(f"  {one_line(str(why))}; {self.proposal.thread} is as it was")
            return None
        self._say_edited(sql)
        return Answer(Choice.EDIT, How.KEY, sql=sql)

    def _leave_out(self, typed: str, numbers: str, why: str) -> None:
        """Mark statements as rejected, or take that back where they all are; nothing is decided by it."""
        if self.unfit or self.is_fixed or self.count < 2:
            self._not_understood(typed)
            return
        try:
            named = places(numbers, self.count)
        except UsageError as e:
            self.screen.line(f"  {e.message}; {e.hint}")
            return
        if not why and all(number in self.out for number in named):
            for number in named:
                del self.out[number]
        else:
            self.out |= dict.fromkeys(named, why)
        shown = part_lines(self.proposal, self.out, columns=self.screen.columns)
        self.screen.show(shown if self.out else Block((text_line("  nothing is left out"),)))

    def _list(self, typed: str) -> None:
        """Some of the statements one by one, through the pager where they are many."""
        try:
            named = places(typed, self.count)
        except UsageError as e:
            self.screen.line(f"  {e.message}; {e.hint}")
            return
        block = several_lines(self.proposal, named, columns=self.screen.columns)
        text = str(block) + "\n"
        fits = len(block.lines) <= self.screen.rows - 2
        if fits or not paged(text, terminal=self.screen.stream, env=self.screen.env):
            self.screen.show(block)

    def _say_edited(self, sql: str) -> None:
        size = edit_size(self.proposal.sql, sql)
        said = f"edited: {size}; you are now its author, and earlier approvals are void"
        self.screen.show(Block(tuple(paragraph(said, self.screen.columns, rest="  "))))
        self.screen.line("  checking again ...")

    def _reject(self) -> Answer | None:
        if self.out and not self.kept and any(self.out.values()):
            return Answer(Choice.REJECT, How.KEY, reason=rejection(self.out))
        reason = self._typed("  why? (one line, or Enter for none) ")
        again = False
        if self.retry is Retry.OFFERED and self.contradicted:  # whoever corrects it twice knows better than it does
            self.screen.line("  the model was told before, and does not have it yet")
            meant = self._typed("  try again with this, or edit it yourself? [y/e/N] ").lower()
            if meant in ("e", "edit"):
                return self._edit()
            again = bool(reason) and meant in ("y", "yes")
        elif reason and self.retry is Retry.OFFERED:
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
