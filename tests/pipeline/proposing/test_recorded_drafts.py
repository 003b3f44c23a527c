"""Recorded drafts of the embedded model, repaired and weighed again: nothing that was right may become wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from questions import FOLDER, Judge, Question, questions

from sqlagent.cli.topics import topic
from sqlagent.core.confidence import Sureness, chance, sureness
from sqlagent.core.repair.missing import missing
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database
from sqlagent.llm import reply
from sqlagent.pipeline.proposing.draft_agreement import COMPARED_ROWS, agree
from sqlagent.pipeline.proposing.draft_repair import Mended, mended, stands
from sqlagent.pipeline.proposing.looking import Looking

SHORT = ("hotel", "league")
"""Schemas of the default run: names in capitals, and keys that are words."""
ALL = sorted({q.schema for q in questions()})


@dataclass(frozen=True, slots=True)
class Replayed:
    """What becomes of one question's recorded drafts."""

    question: Question
    was_right: bool
    right: bool
    stands: bool
    confidence: float
    mended: Mended
    of_three: bool
    share: float
    empty: bool
    refused: bool
    """It stands nowhere, and names what no table has."""


@cache
def recorded() -> dict[tuple[str, str], dict[str, Any]]:
    lines = (FOLDER / "drafts.jsonl").read_text().splitlines()
    return {(d["schema"], d["ask"]): d for d in map(json.loads, lines)}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    made = Judge(tmp_path_factory.mktemp("questions"))
    yield made
    made.close()


def replayed(judge: Judge, schemas: Sequence[str]) -> list[Replayed]:
    found = []
    for name in schemas:
        database = open_database(str(judge.database(name)), name=name)
        try:
            found += [_replayed(q, database, judge) for q in questions() if q.schema == name]
        finally:
            database.close()
    return found


def _replayed(question: Question, database: Database, judge: Judge) -> Replayed:
    said = recorded()[question.schema, question.ask]
    own = [reply.parse(text).sql for text in said["drafts"]]
    schema = database.schema(examples=0)
    look = Looking(database, lambda _analysis: True, time.monotonic() + 60)
    drafts = [mended(sql, schema, database, look) if sql else Mended("") for sql in own]
    first = drafts[0]
    agreed = agree([d.sql for d in drafts], database, seconds=60, rows=COMPARED_ROWS) if first.sql else None

    def is_right(sql: str) -> bool:
        return bool(sql and question.sql) and judge.is_right(question, sql)

    prepared = stands(first.sql, database)
    absent = not first.sql or bool(missing(first.sql, schema))
    return Replayed(
        question=question,
        was_right=is_right(own[0]),
        right=is_right(first.sql),
        stands=prepared,
        confidence=chance(question.ask, own[0], said["logprob"]),
        mended=first,
        of_three=is_right(agreed.sql) if agreed else False,
        share=agreed.share if agreed else 0.0,
        empty=look.is_empty(first.sql),
        refused=not prepared and absent,
    )


def area(told: Sequence[tuple[float, bool]]) -> float:
    """How often a right answer is given more confidence than a wrong one."""
    right, wrong = [c for c, r in told if r], [c for c, r in told if not r]
    wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    return wins / (len(right) * len(wrong))


def _worse(found: Sequence[Replayed]) -> list[str]:
    return [r.question.ask for r in found if r.was_right and not r.right]


def test_every_question_has_its_recorded_drafts() -> None:
    assert {(q.schema, q.ask) for q in questions()} == set(recorded())
    assert len(questions()) >= 150
    assert len(ALL) == 10


def test_a_right_answer_is_right_by_its_own_judge(judge: Judge) -> None:
    for question in questions():
        if question.schema in SHORT and question.sql:
            assert judge.is_right(question, question.sql), question.ask


def test_the_judge_minds_rows_columns_and_the_order_that_is_asked_for(judge: Judge) -> None:
    (count,) = [q for q in questions() if q.ask == "How many games ended in a draw?"]
    assert not judge.is_right(count, "SELECT 17")
    assert not judge.is_right(count, "SELECT * FROM game")
    assert not judge.is_right(count, "SELECT nothing FROM nowhere")
    assert judge.is_right(count, "SELECT sum(home_goals = away_goals), 'more' FROM game")


def test_repair_makes_right_and_never_wrong(judge: Judge) -> None:
    found = replayed(judge, SHORT)
    assert _worse(found) == []
    assert sum(r.right for r in found) >= sum(r.was_right for r in found) + 8


@pytest.mark.long
def test_all_recorded_drafts(judge: Judge) -> None:
    """The figures of the notes and of `help confidence`."""
    found = replayed(judge, ALL)
    print("\n".join(figures(found)))
    assert _worse(found) == []
    answerable = [r for r in found if r.question.kind in ("read", "write")]
    assert sum(r.right for r in answerable) >= 97
    standing = [r for r in found if r.stands]
    assert area([(r.confidence, r.right) for r in standing]) >= 0.8
    page = topic("confidence")
    for word in Sureness:
        for drafts in (1, 3):
            assert told(standing, word, drafts) in page


def figures(found: Sequence[Replayed]) -> Iterator[str]:
    for kind in ("read", "write", "ambiguous"):
        of = [r for r in found if r.question.kind == kind]
        counts = [sum(getattr(r, name) for r in of) for name in ("was_right", "right", "of_three")]
        yield f"{kind}: of {len(of)} right as drafted {counts[0]}, repaired {counts[1]}, of three repaired {counts[2]}"
    lost = [r for r in found if r.question.kind == "unanswerable"]
    yield f"unanswerable: {sum(r.refused for r in lost)} of {len(lost)} refused by a name that exists nowhere"
    standing = [r for r in found if r.stands]
    yield f"area under the curve {area([(r.confidence, r.right) for r in standing]):.3f}"
    for word in Sureness:
        yield f"{word}: {told(standing, word, 1)} of one draft, {told(standing, word, 3)} of three"


def told(standing: Sequence[Replayed], word: Sureness, drafts: int) -> str:
    """`97 %, of 22 %`: how often it was right, and of how many it was said; as the help has it."""
    if drafts == 1:
        said = [r.right for r in standing if sureness(r.confidence, 1, is_empty=r.empty) is word]
    else:
        said = [r.of_three for r in standing if sureness(r.share, 3, r.confidence, is_empty=r.empty) is word]
    return f"{sum(said) / max(len(said), 1):.0%}, of {len(said) / len(standing):.0%}".replace("%", " %")
