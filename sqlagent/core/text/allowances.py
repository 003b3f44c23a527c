"""`-- sqlagent: allow RULE because ...`: what whoever wrote a script says about a finding, beside the statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlagent.core.text.lexer import COMMENT, scan

_SAID = re.compile(r"(?:--|#|/\*)+\s*sqlagent:\s*(?P<said>.*?)\s*(?:\*/)?\s*", re.DOTALL)
_ALLOW = re.compile(r"allow\s+(?P<rules>[a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)\s+because\s+(?P<reason>\S.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One comment that says which rules may be broken there, and why."""

    rules: tuple[str, ...]
    reason: str
    line: int
    alone: bool
    """Whether nothing else stands on its line: it then speaks of the statement that begins next."""

    def speaks_of(self, first: int, last: int, before: int) -> bool:
        """Whether it speaks of the statement on lines `first` to `last`; the one ahead of it ends on line `before`."""
        return first <= self.line <= last or (self.alone and before < self.line < first)


class NotUnderstood(ValueError):
    """A comment that begins with `sqlagent:` and says nothing that is known; `line` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def allowances(script: str, dialect: str, known: Iterable[str]) -> Iterator[Allowance]:
    """Every allowance of the script.  Raises NotUnderstood for one that is mistyped, which would allow nothing."""
    if "sqlagent:" not in script:
        return
    rules = frozenset(known)
    for token in scan(script, dialect):
        said = _SAID.fullmatch(token.text) if token.kind == COMMENT else None
        if said is None:
            continue
        line = script.count("\n", 0, token.start) + 1
        allow = _ALLOW.fullmatch(said["said"])
        if allow is None:
            raise NotUnderstood("`sqlagent:` is followed by `allow RULE because REASON`", line)
        named = tuple(re.split(r"\s*,\s*", allow["rules"]))
        if unknown := [name for name in named if name not in rules]:
            raise NotUnderstood(f"there is no rule {unknown[0]}", line)
        begins = script.rfind("\n", 0, token.start) + 1
        ends = script.find("\n", token.end)
        around = script[begins : token.start] + script[token.end : ends if ends >= 0 else len(script)]
        yield Allowance(named, " ".join(allow["reason"].split()), line, alone=not around.strip())
