"""Examples: questions and the SQL that people approved, from which the prompts of later questions may learn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.draft import Attempt, Clarification, Example
from sqlagent.core.nouns.session import Choice, Source, Status
from sqlagent.store.reader import Reader

if TYPE_CHECKING:
    from sqlagent.store.journal import Journal

LONGEST = 2_000
"""Characters of question and SQL together: a longer example would crowd the schema out of a small model's prompt."""
_WORDS = 64
"""Of a question, so many different words are looked for."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question, what a model drafted for it, and what a person let run."""

    id: int
    target: str
    """The database's identity; an example is never told of another."""
    database: str
    run: str
    """`k7f3.2`: the run that was approved.  Taken back, it is no example any more."""
    question: str
    """With the questions before it in its session, and what the model asked back: it must mean something alone."""
    drafted: str
    """The model's first draft."""
    final: str
    """What ran."""
    choice: Choice
    """APPROVE, or EDIT where a person changed the model's SQL."""
    why: str
    """What people said of drafts that they rejected or changed on the way."""
    approved_by: str
    approved_at: str


class Examples:
    """The examples in a journal.  They are kept apart for each database, and only what people approved is one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def like(self, question: str, *, target: str, thread: str = "", limit: int = 3) -> tuple[Example, ...]:
        """The examples of a database that share most words with a question, the closest first.

        Of several answers to the same question the newest counts.  `thread` is the session that asks: its own earlier
        turns are its history, and need not be told twice.
        """
        asked = standing_alone(self._earlier(thread), question) if thread else question
        words = telling_words(asked)
        if not words:
            return ()
        found = self._journal.alike(words, target=target, thread=thread, longest=LONGEST, limit=limit)
        with self._journal.reading() as db:
            return tuple(Example(question, sql, *_writers_in(db, run)) for question, sql, run in found)

    def _earlier(self, thread: str) -> tuple[str, ...]:
        with self._journal.reading() as db:
            return _earlier_in(db, thread)

    def all(self, *, target: str = "", limit: int = -1) -> tuple[Lesson, ...]:
        """Every one, the newest first; of one database where it is named."""
        return self._listed("SELECT * FROM examples", target, limit)

    def newest(self, *, target: str = "") -> tuple[Lesson, ...]:
        """One for each question of each database: what a model should learn."""
        return self._listed("SELECT * FROM newest_examples", target, -1)

    def _listed(self, select: str, target: str, limit: int) -> tuple[Lesson, ...]:
        with self._journal.reading() as db:
            rows: Any = db.execute(
                f"{select} WHERE ?1 = '' OR target = ?1 ORDER BY approved_at DESC, id DESC LIMIT ?2", (target, limit)
            ).fetchall()
        return tuple(map(_lesson, rows))

    def forget(self, ids: Sequence[int], *, by: str, target: str = "") -> int:
        """Drop these, all or none of them; raises UsageError for an id that is not there (in that database)."""
        wanted = sorted(set(ids))
        known = {lesson.id for lesson in self.all(target=target)}
        if missing := [number for number in wanted if number not in known]:
            raise UsageError(f"no example {missing[0]}; nothing was forgotten", hint="sqlagent examples list")
        return self._journal.forget_examples(wanted, by=by, target=target)

    def forget_all(self, *, by: str, target: str = "") -> int:
        """Drop every one, or every one of a database; answers how many."""
        return self._journal.forget_examples(None, by=by, target=target)


def _lesson(row: Sequence[Any]) -> Lesson:
    values = list(row)
    values[7] = Choice(values[7])
    return Lesson(*values)


# ---- from a turn to an example -----------------------------------------------------------------------------------


def learn_in(db: apsw.Connection, thread: str, turn: int) -> None:
    """Keep the example that an ended turn gives, and drop those that it speaks against, in the open transaction.

    Against an example speak a person who rejects the same SQL for the same question, and an undo of its run.  Twice is
    as good as once.
    """
    told, new = lesson_of(db, thread, turn)
    db.execute(
        "DELETE FROM examples WHERE run IN (SELECT p.undo_of FROM proposals p JOIN turns t USING (thread, turn)"
        " WHERE p.thread = ? AND p.turn = ? AND t.source = 'undo' AND t.status = 'executed')",
        (thread, turn),
    )
    db.execute(
        "DELETE FROM examples WHERE question = ? AND target = (SELECT target FROM threads WHERE id = ?)"
        " AND final IN (SELECT p.sql FROM proposals p"
        "  JOIN decisions d ON d.proposal = p.id WHERE p.thread = ? AND p.turn = ? AND d.choice = 'reject'"
        "   AND d.how NOT IN ('auto-reject', 'expired', 'policy'))",
        (told, thread, thread, turn),
    )
    if new is None:
        return
    db.execute(
        "INSERT INTO examples (target, database, run, question, drafted, final, choice, why, approved_by, approved_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, question, final) DO UPDATE SET"
        " run = excluded.run, drafted = excluded.drafted, choice = excluded.choice, why = excluded.why,"
        " approved_by = excluded.approved_by, approved_at = excluded.approved_at",
        (new.target, new.database, new.run, new.question, new.drafted, new.final, new.choice, new.why, new.approved_by,
         new.approved_at),
    )  # fmt: skip


def lesson_of(db: Reader, thread: str, turn: int) -> tuple[str, Lesson | None]:
    """The question that an ended turn answered, as it means something alone, and the example that it gives.

    An example comes of a turn whose SQL a model drafted, of which people approved all, and that ran.  What the policy
    let run unasked is none, since nobody said that it answers the question.
    """
    row: Any = db.execute(
        "SELECT source, status, question FROM turns WHERE thread = ? AND turn = ?", (thread, turn)
    ).fetchone()
    documents: Any = db.execute(
        "SELECT id, document FROM proposals WHERE thread = ? AND turn = ? ORDER BY number", (thread, turn)
    ).fetchall()
    if row is None or not documents or row[0] != Source.MODEL:
        return "", None
    _, status, question = row
    run, last = documents[-1][0], _read(documents[-1][1])
    told = standing_alone(_earlier_in(db, thread, before=turn), _clarified(question, last.clarified))
    approved = _approved_in(db, run)
    if status != Status.EXECUTED or approved is None or last.part_of:
        return told, None
    return told, Lesson(
        0, last.target, last.database, run, told, _first_draft(_read(documents[0][1])), last.sql,
        Choice.EDIT if last.edited_by else Choice.APPROVE, _why_in(db, thread, turn), *approved,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Proposed:
    """The fields of a proposal that an example needs; the others are not decoded."""

    target: str
    database: str
    sql: str
    attempts: tuple[Attempt, ...] = ()
    edited_by: str = ""
    part_of: str = ""
    undo_of: str = ""
    clarified: tuple[Clarification, ...] = ()


def _read(document: str) -> _Proposed:
    return msgspec.json.decode(document, type=_Proposed)


def _earlier_in(db: Reader, thread: str, *, before: int = 2**31) -> tuple[str, ...]:
    """The questions that the session's history tells a model."""
    rows: Any = db.execute(
        "SELECT question FROM turns WHERE thread = ? AND turn < ? AND status = 'executed' AND source = 'ask'"
        " ORDER BY turn",
        (thread, before),
    ).fetchall()
    return tuple(question for (question,) in rows)


def standing_alone(earlier: Sequence[str], question: str) -> str:
    """A follow-up with the questions before it, so that it means something alone: `orders of May; then: ...`."""
    return "; then: ".join((*earlier, question))


def _clarified(question: str, clarified: Sequence[Clarification]) -> str:
    """A question that reads two ways, with the way that was meant."""
    told = [f"{c.question} {c.answer}" for c in clarified if c.answer]
    return f"{question} ({'; '.join(told)})" if told else question


def _writers_in(db: Reader, run: str) -> tuple[str, str]:
    """Who wrote the SQL of a run, and the model that was asked first for it."""
    found: Any = db.execute(
        "SELECT document ->> '$.author' FROM proposals WHERE id = ?1 UNION ALL SELECT * FROM ("
        " SELECT f.document ->> '$.author' FROM proposals p JOIN proposals f ON f.thread = p.thread AND f.turn = p.turn"
        " WHERE p.id = ?1 ORDER BY f.number LIMIT 1) AS first",
        (run,),
    ).fetchall()
    return found[0][0] or "", found[1][0] or ""


def _approved_in(db: Reader, proposal: str) -> tuple[str, str] | None:
    """Who approved it and when, where people did; None where the policy let it run."""
    rows: Any = db.execute(
        "SELECT decided_by, decided_at FROM decisions WHERE proposal = ? AND choice = 'approve' AND how <> 'policy'"
        " ORDER BY stage",
        (proposal,),
    ).fetchall()
    return (", ".join(dict.fromkeys(by for by, _ in rows)), rows[-1][1]) if rows else None


def _first_draft(first: _Proposed) -> str:
    """What the model wrote before anybody, the database included, found fault with it."""
    return next((attempt.sql for attempt in first.attempts if attempt.sql), first.sql)


def _why_in(db: Reader, thread: str, turn: int) -> str:
    rows: Any = db.execute(
        "SELECT d.reason FROM decisions d JOIN proposals p ON p.id = d.proposal"
        " WHERE p.thread = ? AND p.turn = ? AND d.choice IN ('reject', 'edit') AND d.reason <> ''"
        " ORDER BY p.number, d.stage",
        (thread, turn),
    ).fetchall()
    return "; ".join(reason for (reason,) in rows)


# ---- which words to look for -------------------------------------------------------------------------------------

_STOP_WORDS = frozenset(
    "a about all am an and any are as at be been but by can could did do does each find for from get give had has have"
    " her his how i if in into is it its just list made make many me more most much my no not now of off on only or our"
    " out over please put select set should show so some such tell than that the their them then there these they this"
    " those to up us was we were what when where which who whose why will with would you your".split()
)
"""Words that say nothing of what a question is about."""


def telling_words(text: str) -> list[str]:
    """The words of a question that say what it is about, to find others by; empty where it has none."""
    words = dict.fromkeys(re.findall(r"\w+", text.lower()))
    return [word for word in words if word not in _STOP_WORDS][:_WORDS]
