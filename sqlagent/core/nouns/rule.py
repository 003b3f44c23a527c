"""What a rule is: a function that looks at one statement and says what is wrong, with its manual page as docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlagent.core.nouns.analysis import EngineOpinion, Finding, Risk, Severity, Size, Statement, SyntaxOpinion

if TYPE_CHECKING:  # sqlglot takes 180 ms to import, and a manual page needs none of it
    from sqlagent.core.text.parse_tree import Tree


@dataclass(frozen=True, slots=True)
class Text:
    """What a rule of the text sees: the tree of one statement, and what is thought of it so far."""

    tree: Tree
    opinion: SyntaxOpinion
    dialect: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule of the verdict sees: both opinions, the rows counted, and the statement they made so far."""

    syntax: SyntaxOpinion
    engine: EngineOpinion | None
    size: Size
    statement: Statement


Seen = TypeVar("Seen", Text, Known)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Seen]):
    """One thing a DBA would remark."""

    id: str
    severity: Severity
    text: str
    """Its manual page: why, an example, what to do."""
    check: Callable[[Seen], Iterable[str]]
    raises: Risk = Risk.READ
    """The least risk of a statement that it finds fault with."""

    @property
    def title(self) -> str:
        return self.text.splitlines()[0]

    def findings(self, seen: Seen) -> Iterator[Finding]:
        for message in self.check(seen):
            yield Finding(self.id, message, self.severity)


def rule(severity: Severity, *, raises: Risk = Risk.READ) -> Callable[[Callable[[Seen], Iterable[str]]], Rule[Seen]]:
    """Make a rule of a function: its name is the id, its docstring the manual page, what it yields the messages."""

    def made(check: Callable[[Seen], Iterable[str]]) -> Rule[Seen]:
        return Rule(check.__name__.replace("_", "-"), severity, cleandoc(check.__doc__ or ""), check, raises)

    return made
