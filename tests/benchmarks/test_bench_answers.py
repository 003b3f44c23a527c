"""Our own questions to the embedded model: how many are right as drafted, repaired, and of three; how sure it was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from questions import Judge, Question, questions

from sqlagent.core.confidence import Sureness, sureness
from sqlagent.core.errors import ModelError
from sqlagent.core.nouns.session import Report
from sqlagent.service import Agent

pytestmark = [pytest.mark.benchmark, pytest.mark.model]
EVERY = {1: 2, 3: 5}
"""Of so many questions one is asked: the whole takes half an hour on two cores then."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    made = Judge(tmp_path_factory.mktemp("questions"))
    yield made
    made.close()


@pytest.mark.parametrize("samples", [1, 3])
def test_our_own_questions(weights_path: Path, judge: Judge, tmp_path: Path, samples: int) -> None:
    settings: dict[str, Any] = {
        "model": "local", "cache_dir": str(weights_path.parent.parent), "state_dir": str(tmp_path / "state"),
        "samples": samples, "learn": False,
    }  # fmt: skip
    asked = []
    for question in questions()[:: EVERY[samples]]:
        with Agent.open(str(judge.database(question.schema)), **settings) as agent:
            began = time.monotonic()
            report: Report | str
            try:
                report = agent.ask(question.ask)
            except ModelError as e:  # it wrote without end, say: an answer that is none
                report = e.message
            asked.append(Asked(question, report, time.monotonic() - began, judge))
            print(asked[-1].line)
    print("\n".join(summary(asked)))
    from sqlagent.llm import local

    local.stop(tmp_path / "state")


class Asked:
    """One question, and what became of it."""

    def __init__(self, question: Question, report: Report | str, seconds: float, judge: Judge) -> None:
        self.question, self.seconds = question, seconds
        self.proposal = None if isinstance(report, str) else report.proposal
        self.message = report if isinstance(report, str) else report.message
        sql = self.proposal.sql if self.proposal else ""
        self.refused = self.proposal is None
        self.right = judge.is_right(question, sql) if sql and question.sql else self.refused
        drafted = self.proposal.drafted if self.proposal else ""
        self.was_right = judge.is_right(question, drafted) if drafted and question.sql else self.right
        if question.kind in ("read", "write") and self.refused:
            self.right = self.was_right = False

    @property
    def line(self) -> str:
        words = (self.question.schema, self.question.kind, "right" if self.right else "wrong", f"{self.seconds:.1f} s")
        said = self.proposal.sql if self.proposal else self.message
        return f"| {' | '.join(words)} | {self.question.ask[:60]} | {' '.join(said.split())[:90]} |"


def summary(asked: Sequence[Asked]) -> Iterator[str]:
    for kind in ("read", "write", "ambiguous", "unanswerable"):
        of = [a for a in asked if a.question.kind == kind]
        yield f"{kind}: {sum(a.right for a in of)} of {len(of)} right"
    mended = [a for a in asked if a.proposal and a.proposal.corrections]
    gained = sum(a.right and not a.was_right for a in mended)
    lost = sum(a.was_right and not a.right for a in mended)
    yield f"repaired {len(mended)}: {gained} made right, {lost} made wrong"
    told = [
        (p.confidence, sureness(p.confidence, p.drafts, p.chance, is_empty=bool(p.why_empty)), a.right)
        for a in asked
        if (p := a.proposal) and p.confidence is not None
    ]
    for word in Sureness:
        right = [r for _, said, r in told if said is word]
        yield f"{word}: {sum(right)} of {len(right)} right, coverage {len(right) / max(len(told), 1):.0%}"
    yield f"area under the curve {area([(c, r) for c, _, r in told]):.3f}"
    yield f"seconds a question, median {sorted(a.seconds for a in asked)[len(asked) // 2]:.1f}"


def area(told: Sequence[tuple[float, bool]]) -> float:
    """How often a right answer is given more confidence than a wrong one."""
    right, wrong = [c for c, r in told if r], [c for c, r in told if not r]
    wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    return wins / (len(right) * len(wrong)) if right and wrong else 0.5
