"""Changes of a PostgreSQL schema: shown as they are, run as they were shown, and taken back or refused beforehand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import postgres_ddl
import postgres_ddl_parts
import pytest
from postgres_server import Pg
from postgres_writes import Target, sorted_dump

from sqlagent.core.errors import SqlagentError, Stale
from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.postgres.effect.schema_changes import Key, objects
from sqlagent.databases.postgres.effect.two_sessions import steady
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.undo import undo

_EVERY = 15  # in the short run
_GENERATED = 2  # in the short run
_MANY = 80
EVERY_WAY = [
    *((postgres_ddl.BASE, script, Undoable.EXACT) for script in postgres_ddl.TAKEN_BACK),
    *((postgres_ddl_parts.BASE, script, Undoable.EXACT) for script in postgres_ddl_parts.TAKEN_BACK),
    *((postgres_ddl.BASE, script, Undoable.PARTIAL) for script in postgres_ddl.PARTLY),
    *((postgres_ddl_parts.BASE, script, Undoable.PARTIAL) for script in postgres_ddl_parts.PARTLY),
]
REFUSED = [
    *((postgres_ddl.BASE, script) for script in postgres_ddl.REFUSED),
    *((postgres_ddl_parts.BASE, script) for script in postgres_ddl_parts.REFUSED),
]
Everything = tuple[dict[str, list[str]], dict[Key, tuple[str, str, str]]]


def everything(target: Target) -> Everything:
    """All rows, and every object."""
    with target.connect() as session:
        session.execute("BEGIN")
        with steady(session):
            found = {key: (o.text, o.extra, o.comment) for key, o in objects(session).items()}
    with target.plain() as db:
        return sorted_dump(db), found


def wherever(found: Everything) -> Everything:
    """The same, whichever place a column has among the others."""
    rows = {name: sorted("".join(sorted(row)) for row in rows) for name, rows in found[0].items()}
    kept = {
        key: (text, "\x1f".join(e for e in extra.split("\x1f") if not e.startswith("place=")), comment)
        for key, (text, extra, comment) in found[1].items()
    }
    return rows, kept


def whole_way(target: Target, script: Sequence[str]) -> Undoable:
    """Measured, run and taken back as it was said beforehand; nothing where it was refused, or would fail."""
    before = everything(target)
    measured = target.measure(script)
    assert everything(target) == before, "a preview left a trace"
    if measured.undo is Undoable.NONE or not measured.is_exact:
        assert measured.undo_why
        return Undoable.NONE
    target.apply(script, measured)
    if target.kept:
        target.undo(target.kept)
    after = everything(target)
    assert after == before or (measured.undo is Undoable.PARTIAL and wherever(after) == wherever(before))
    return measured.undo


@pytest.mark.parametrize(("base", "script", "said"), EVERY_WAY[::_EVERY])
def test_a_change_of_the_schema_is_taken_back_whole(
    pg_of: Callable[[str], Pg], base: str, script: Sequence[str], said: Undoable
) -> None:
    assert whole_way(Target(pg_of(base).url), script) is said


@pytest.mark.long
@pytest.mark.parametrize(("base", "script", "said"), EVERY_WAY)
def test_every_change_of_the_schema_is_taken_back_whole(
    pg_of: Callable[[str], Pg], base: str, script: Sequence[str], said: Undoable
) -> None:
    assert whole_way(Target(pg_of(base).url), script) is said


def generated(pg_of: Callable[[str], Pg], seed: int) -> tuple[Undoable, list[str]]:
    """Two or three of them one after the other, whatever they make of each other."""
    chance = random.Random(f"ddl {seed}")
    module = chance.choice([postgres_ddl, postgres_ddl_parts])
    known = (*module.TAKEN_BACK, *module.PARTLY, *module.REFUSED)
    script = [sql for each in chance.sample(known, chance.choice([2, 2, 3])) for sql in each]
    return whole_way(Target(pg_of(module.BASE).url), script), script


@pytest.mark.parametrize("seed", range(_GENERATED))
def test_changes_in_any_order_are_taken_back_or_refused_beforehand(pg_of: Callable[[str], Pg], seed: int) -> None:
    generated(pg_of, seed)


@pytest.mark.long
def test_of_many_changes_in_any_order_none_is_taken_back_wrong(pg_of: Callable[[str], Pg]) -> None:
    found, wrong = Counter[str](), list[str]()
    for seed in range(_GENERATED, _GENERATED + _MANY):
        try:
            said, _ = generated(pg_of, seed)
            found[said.value] += 1
        except (AssertionError, SqlagentError) as e:
            wrong.append(f"{seed}: {str(e)[:300]}")
    print(f"{dict(found)}; wrong: {wrong}")
    assert not wrong
    assert found["exact"] > _MANY / 5


@pytest.mark.parametrize(
    ("base", "script"), [REFUSED[0], *(pytest.param(*each, marks=pytest.mark.long) for each in REFUSED[1:])]
)
def test_what_cannot_be_taken_back_is_said_before(pg_of: Callable[[str], Pg], base: str, script: Sequence[str]) -> None:
    measured = Target(pg_of(base).url).measure(script)

    assert measured.is_exact
    assert measured.undo is Undoable.NONE
    assert measured.undo_why


def test_a_column_is_not_filled_from_rows_that_were_changed_since(pg_of: Callable[[str], Pg]) -> None:
    """Rows with a key are told by it, whatever else is in them now; rows without one by all that is left of them."""
    base = postgres_ddl.BASE
    keyed, bare = Target(pg_of(base).url), Target(pg_of(base).url)
    for target, table, column in ((keyed, "customers", "m"), (bare, "plain", "b")):
        script = [f"ALTER TABLE {table} DROP COLUMN {column}"]
        target.apply(script, target.measure(script))
    with keyed.plain() as db:
        db.execute("UPDATE customers SET name = 'theirs' WHERE id = 3")
        db.execute("INSERT INTO customers (name) VALUES ('new')")
    with bare.plain() as db:
        db.execute("UPDATE plain SET a = 99 WHERE ctid = '(0,1)'")
    keyed.undo(keyed.kept)
    plan = undo.plan(bare.connect, decoded(bare.kept), budget=MeasureBudget(), heard=None)

    with keyed.plain() as db:
        found = db.execute("SELECT name, m::text FROM customers WHERE id IN (2, 3, 10) ORDER BY id").fetchall()
    assert found == [("c2", "sad"), ("theirs", "sad"), ("new", None)]
    assert plan.refused == "rows of plain were changed since, and it has no key"


def test_a_partition_that_others_wrote_to_since_is_not_dropped(pg_of: Callable[[str], Pg]) -> None:
    target = Target(pg_of(postgres_ddl_parts.BASE).url)
    script = ["CREATE TABLE log_3 PARTITION OF log FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"]
    target.apply(script, target.measure(script))
    with target.plain() as db:
        db.execute("INSERT INTO log VALUES (5, '2027-02-02', 'theirs')")

    plan = undo.plan(target.connect, decoded(target.kept), budget=MeasureBudget(), heard=None)
    assert "log" in plan.refused


def test_what_was_made_goes_only_while_it_is_as_the_run_left_it(pg_of: Callable[[str], Pg]) -> None:
    target, script = Target(pg_of(postgres_ddl.BASE).url), ["CREATE TABLE t AS SELECT 1 AS x"]
    target.apply(script, target.measure(script))
    kept = target.kept
    with target.plain() as db:
        db.execute("INSERT INTO t VALUES (2)")
    plan = undo.plan(target.connect, decoded(kept), budget=MeasureBudget(), heard=None)

    assert plan.refused == "rows of t were changed since"


def test_an_object_that_was_altered_since_is_left_as_it_is(pg_of: Callable[[str], Pg]) -> None:
    target, script = Target(pg_of(postgres_ddl.BASE).url), ["ALTER TABLE customers ALTER COLUMN city SET DEFAULT 'x'"]
    target.apply(script, target.measure(script))
    kept = target.kept
    with target.plain() as db:
        db.execute("ALTER TABLE customers ALTER COLUMN city SET DEFAULT 'theirs'")

    with pytest.raises((Stale, AssertionError), match="was changed since"):
        target.undo(kept)


def test_a_row_that_came_before_the_lock_is_in_what_a_truncate_is_held_to(pg_of: Callable[[str], Pg]) -> None:
    """TRUNCATE takes rows that its own snapshot does not see: none may come between the two."""
    target, script = Target(pg_of(postgres_ddl.BASE).url), ["TRUNCATE plain"]
    expected = target.measure(script)

    def insert(point: str) -> None:
        if point == "begun" and not seen:
            seen.append(point)
            with target.plain() as db:
                db.execute("INSERT INTO plain VALUES (7, 'late')")

    seen: list[str] = []
    with pytest.raises(Stale, match="it would now change 10 rows; 9 were approved"):
        target.apply(script, expected, reached=insert)
