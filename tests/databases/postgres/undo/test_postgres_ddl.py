"""Changes of a PostgreSQL schema: shown as they are, run as they were shown, and taken back or refused beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from postgres_ddl import BASE, REFUSED, TAKEN_BACK
from postgres_server import Pg
from postgres_writes import Target, sorted_dump

from sqlagent.core.errors import Stale
from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.postgres.effect.schema_changes import Key, objects
from sqlagent.databases.postgres.effect.two_sessions import steady
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.undo import undo

_EVERY = 6  # in the short run


def everything(target: Target) -> tuple[dict[str, list[str]], dict[Key, tuple[str, str, str]]]:
    """All rows, and every object."""
    with target.connect() as session:
        session.execute("BEGIN")
        with steady(session):
            found = {key: (o.text, o.extra, o.comment) for key, o in objects(session).items()}
    with target.plain() as db:
        return sorted_dump(db), found


def taken_back(target: Target, script: Sequence[str]) -> None:
    before = everything(target)
    measured = target.measure(script)
    assert everything(target) == before, "a preview left a trace"
    assert (measured.undo, measured.undo_why) == (Undoable.EXACT, "")
    target.apply(script, measured)
    assert everything(target) != before
    target.undo(target.kept)
    assert everything(target) == before


@pytest.mark.parametrize("script", TAKEN_BACK[::_EVERY], ids="; ".join)
def test_a_change_of_the_schema_is_taken_back_whole(pg_of: Callable[[str], Pg], script: Sequence[str]) -> None:
    taken_back(Target(pg_of(BASE).url), script)


@pytest.mark.long
@pytest.mark.parametrize("script", TAKEN_BACK, ids="; ".join)
def test_every_change_of_the_schema_is_taken_back_whole(pg_of: Callable[[str], Pg], script: Sequence[str]) -> None:
    taken_back(Target(pg_of(BASE).url), script)


@pytest.mark.parametrize("script", REFUSED, ids="; ".join)
def test_what_cannot_be_taken_back_is_said_before(pg_of: Callable[[str], Pg], script: Sequence[str]) -> None:
    measured = Target(pg_of(BASE).url).measure(script)

    assert measured.is_exact
    assert measured.undo is Undoable.NONE
    assert measured.undo_why


def test_what_was_made_goes_only_while_it_is_as_the_run_left_it(pg_of: Callable[[str], Pg]) -> None:
    target, script = Target(pg_of(BASE).url), ["CREATE TABLE t AS SELECT 1 AS x"]
    target.apply(script, target.measure(script))
    kept = target.kept
    with target.plain() as db:
        db.execute("INSERT INTO t VALUES (2)")
    plan = undo.plan(target.connect, decoded(kept), budget=MeasureBudget(), heard=None)

    assert plan.refused == "rows of t were changed since"


def test_an_object_that_was_altered_since_is_left_as_it_is(pg_of: Callable[[str], Pg]) -> None:
    target, script = Target(pg_of(BASE).url), ["ALTER TABLE customers ALTER COLUMN city SET DEFAULT 'x'"]
    target.apply(script, target.measure(script))
    kept = target.kept
    with target.plain() as db:
        db.execute("ALTER TABLE customers ALTER COLUMN city SET DEFAULT 'theirs'")

    with pytest.raises((Stale, AssertionError), match="was changed since"):
        target.undo(kept)


def test_a_row_that_came_before_the_lock_is_in_what_a_truncate_is_held_to(pg_of: Callable[[str], Pg]) -> None:
    """TRUNCATE takes rows that its own snapshot does not see: none may come between the two."""
    target, script = Target(pg_of(BASE).url), ["TRUNCATE plain"]
    expected = target.measure(script)

    def insert(point: str) -> None:
        if point == "begun" and not seen:
            seen.append(point)
            with target.plain() as db:
                db.execute("INSERT INTO plain VALUES (7, 'late')")

    seen: list[str] = []
    with pytest.raises(Stale, match="approved 9 rows, now 10"):
        target.apply(script, expected, reached=insert)
