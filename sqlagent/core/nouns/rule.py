"""What a rule is: a function that looks at one statement and says what is wrong, with its manual page as docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlagent.core.nouns.analysis import EngineOpinion, Finding, Risk, Severity, Size, Statement, SyntaxOpinion
from sqlagent.core.nouns.effect import Effect

if TYPE_CHECKING:  # sqlglot takes 180 ms to import, and a manual page needs none of it
    from sqlagent.core.text.parse_tree import Tree


@dataclass(frozen=True, slots=True)
class Text:
    """What a rule of the text sees: the tree of one statement, and what is thought of it so far."""

    tree: Tree
    opinion: SyntaxOpinion
    dialect: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What the database found out about one statement by running it where it leaves no trace, or by counting."""

    effect: Effect | None = None
    """None where nothing was run."""
    unmeasured: str = ""
    """Why its effect is not known, where that it can be undone was not tried either; empty where it is known."""
    matches: int | None = None
    """Of an UPDATE with a FROM: how often its rows are matched, every match counted."""
    matched: int | None = None
    """How many rows those are."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule of the verdict sees: both opinions, the rows counted, and the statement they made so far."""

    syntax: SyntaxOpinion
    engine: EngineOpinion | None
    size: Size
    statement: Statement
    tried: Tried = Tried()


Seen = TypeVar("Seen", Text, Known)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Seen]):
    """One finding that there can be, as a DBA would remark it."""

    id: str
    severity: Severity
    text: str
    """Its manual page: why, an example, what to do."""
    check: Callable[[Seen], Iterable[str]]
    raises: Risk = Risk.READ
    """The least risk of a statement that it finds fault with."""

    @property
    def title(self) -> str:
        """The first line of its page."""
        return self.text.splitlines()[0]

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """What it has to say of one statement; nothing where that is fine."""
        for message in self.check(seen):
            yield Finding(self.id, message, self.severity)


def rule(severity: Severity, *, raises: Risk = Risk.READ) -> Callable[[Callable[[Seen], Iterable[str]]], Rule[Seen]]:
    """Make a rule of a function: its name is the id, its docstring the manual page, what it yields the messages."""

    def made(check: Callable[[Seen], Iterable[str]]) -> Rule[Seen]:
        return Rule(check.__name__.replace("_", "-"), severity, cleandoc(check.__doc__ or ""), check, raises)

    return made
