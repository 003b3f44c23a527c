"""What a policy says of SQL and why: for a person, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlagent.core.policy import Ask, Verdict, words
from sqlagent.core.policy.decision import word_of
from sqlagent.core.policy.explanation import Considered, Explained
from sqlagent.ui.visible import one_line


def ruling(explained: Explained, *, rules: bool) -> list[str]:
    """The statement, the verdict and what decided; with every rule that was considered, where that is asked for."""
    s = explained.statement
    lines = [f"{s.index:>3}  {one_line(s.sql)}", f"     {one_line(words(explained.verdict))}: {explained.because}"]
    if rules and explained.rules:
        width = max(len(c.rule) for c in explained.rules)
        lines += [f"       {_considered(c, width)}" for c in explained.rules]
    return lines


def _considered(c: Considered, width: int) -> str:
    mark = "*" if c.fires else "-"
    return one_line(f"{mark} {c.rule:<{width}}  {c.then:<5}  {c.because}")


def sight(explained: Explained) -> list[str]:
    """What the rules saw of a statement."""
    return [f"       {name:<11} {one_line(seen)}" for name, seen in explained.seen.items()]


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """One verdict as JSON, with the policy's rules that it is by."""
    return {
        "verdict": word_of(verdict),
        "rules": verdict.rule.split(", ") if verdict.rule else [],
        "where": list(verdict.where),
        "people": len(verdict.seats) if isinstance(verdict, Ask) else 0,
        "words": words(verdict),
    }


def ruling_json(explained: Sequence[Explained]) -> list[dict[str, Any]]:
    """The verdict on each statement, and every rule that was considered, with what decided about it."""
    return [
        {
            "index": e.statement.index,
            "line": e.statement.line,
            "sql": e.statement.sql,
            **verdict_json(e.verdict),
            "because": e.because,
            "seen": e.seen,
            "considered": [
                {
                    "rule": c.rule,
                    "where": c.where,
                    "then": c.then,
                    "fires": c.fires,
                    "holds": c.answer.name.lower(),
                    "by": c.by,
                    "because": c.because,
                }
                for c in e.rules
            ],
        }
        for e in explained
    ]
