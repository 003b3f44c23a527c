"""Taking a run back, but for what others changed since; and telling after a crash whether it ran at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from generated_writes import content_of, without_numbers
from sqlite_files import LIMITS, SHOP, Kept, ask, make, nothing

from sqlagent.core.errors import Stale, StoreError
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.base import Conflict, Database, EffectDiffers, MeasureBudget, OnConflict, UndoPlan, Verdict
from sqlagent.databases.open import open_database

BUDGET = MeasureBudget()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db", SHOP)


@pytest.fixture
def shop(path: Path) -> Iterator[Database]:
    db = open_database(str(path), name="shop", busy_seconds=0.05)
    yield db
    db.close()


def run(db: Database, *statements: str, copy_to: Path | None = None) -> bytes:
    """As approved; what it kept."""
    kept: list[bytes] = []
    expected = db.measure(statements, budget=BUDGET, heard=None)
    assert expected.is_exact
    assert expected.needs_copy == (copy_to is not None)
    db.apply(
        statements, sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=expected,
        keep=kept.append, copy_to=copy_to,
    )  # fmt: skip
    return kept[0]


def plan(db: Database, kept: bytes, copy: Path | None = None) -> UndoPlan:
    return db.preview_undo(kept, copy=copy, budget=BUDGET, heard=None)


def undo(
    db: Database, kept: bytes, *, copy: Path | None = None, on_conflict: OnConflict = OnConflict.LEAVE_ALONE,
    expected: Measurement | None = None, keep: list[bytes] | None = None, copy_to: Path | None = None,
) -> Outcome:  # fmt: skip
    return db.apply_undo(
        kept, copy=copy, on_conflict=on_conflict, limits=LIMITS, mark=None, verify=nothing, reached=nothing,
        expected=expected, keep=None if keep is None else keep.append, copy_to=copy_to,
    )  # fmt: skip


def everything(path: Path) -> Any:
    schema = ask(
        path, "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    )
    return schema, without_numbers(content_of(path))


def test_no_trigger_fires_while_it_is_taken_back(shop: Database, path: Path) -> None:
    before = everything(path)
    kept = run(shop, "UPDATE orders SET status = 'cancelled'", "DELETE FROM customers WHERE id = 1")
    undo(shop, kept)
    assert everything(path) == before


def test_rows_changed_since_are_listed_and_left_alone(shop: Database, path: Path) -> None:
    kept = run(shop, "UPDATE orders SET total = total + 1")
    ask(path, "UPDATE orders SET total = 99 WHERE id = 2; UPDATE orders SET status = 'other' WHERE id = 1")
    found = plan(shop, kept)
    assert found.conflicts == (Conflict("orders", (("id", "2"),), "it was changed since"),)
    assert found.conflicting == 1
    assert [(t.table, t.verb, t.rows) for t in found.measurement.effects[0].touched] == [("orders", Verb.UPDATE, 2)]
    with pytest.raises(Stale, match="1 row cannot be put back; orders id 2: it was changed since"):
        undo(shop, kept, on_conflict=OnConflict.REFUSE)
    undo(shop, kept, expected=found.measurement)
    assert ask(path, "SELECT id, status, total FROM orders") == [(1, "other", 10), (2, "paid", 99), (3, "pending", 5)]


def test_a_deleted_row_whose_key_was_given_out_again_stays_deleted(shop: Database, path: Path) -> None:
    kept = run(shop, "DELETE FROM shipments WHERE id > 1")
    ask(path, "INSERT INTO shipments VALUES (3, 1)")
    undo(shop, kept)
    assert ask(path, "SELECT id, order_id FROM shipments") == [(1, 1), (2, 2), (3, 1)]
    assert plan(shop, kept).conflicts[0].why == "another row has its key now"


def test_an_undo_of_another_effect_than_approved_is_taken_back(shop: Database, path: Path) -> None:
    kept = run(shop, "UPDATE orders SET total = total + 1")
    approved = plan(shop, kept).measurement
    ask(path, "UPDATE orders SET total = 99 WHERE id = 2")
    with pytest.raises(EffectDiffers, match="it would now change 2 rows; 3 were approved"):
        undo(shop, kept, expected=approved)
    assert ask(path, "SELECT total FROM orders WHERE id = 1") == [(11,)]


def test_rows_that_others_refer_to_are_not_taken_away(shop: Database, path: Path) -> None:
    kept = run(shop, "INSERT INTO customers VALUES (9, 'New', 'x', 'y')")
    ask(path, "INSERT INTO orders (id, customer_id) VALUES (50, 9)")
    words = "1 row, of orders first, would refer to rows of customers that are not there"
    assert plan(shop, kept).refused == words
    with pytest.raises(Stale, match=f"it cannot be undone: {words}"):
        undo(shop, kept)
    assert ask(path, "SELECT count(*) FROM orders WHERE id = 50") == [(1,)]


def test_a_table_that_has_another_shape_since_is_not_written(shop: Database, path: Path) -> None:
    kept = run(shop, "DELETE FROM audit_log", "UPDATE orders SET total = 1")
    ask(path, "ALTER TABLE orders ADD COLUMN later")
    assert plan(shop, kept).refused == "table orders has other columns or another key now"
    ask(path, "DROP TABLE orders")
    assert plan(shop, kept).refused == "there is no table orders any more"


@pytest.mark.parametrize("module", ["fts5", "fts4"])
def test_a_full_text_table_that_others_wrote_to_since_is_built_anew(tmp_path: Path, module: str) -> None:
    path = make(tmp_path / "f.db", f"CREATE VIRTUAL TABLE f USING {module}(a); INSERT INTO f VALUES ('one'), ('two')")
    db = open_database(str(path), name="f")
    kept = run(db, "DELETE FROM f WHERE f MATCH 'one'")
    ask(path, "INSERT INTO f VALUES ('three')")
    undo(db, kept)
    assert sorted(ask(path, "SELECT a FROM f")) == [("one",), ("three",), ("two",)]
    assert ask(path, "SELECT a FROM f WHERE f MATCH 'one OR three' ORDER BY a") == [("one",), ("three",)]
    ask(path, "INSERT INTO f (f) VALUES ('integrity-check')")


# ---- shape ----------------------------------------------------------------------------------------------------------


RICH = """
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, g AS (name || '!'));
CREATE TABLE pets (owner INT REFERENCES people ON DELETE CASCADE, name TEXT);
CREATE UNIQUE INDEX by_name ON people (name);
CREATE TABLE log (what);
CREATE TRIGGER hello AFTER INSERT ON people BEGIN INSERT INTO log VALUES (NEW.name); END;
CREATE VIEW owners AS SELECT p.name, q.name AS pet FROM people p JOIN pets q ON q.owner = p.id;
CREATE TABLE plain (a, b TEXT COLLATE NOCASE, PRIMARY KEY (a)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(a);
INSERT INTO people (name) VALUES ('Ann'), ('Bob'), ('Cid'); DELETE FROM people WHERE name = 'Cid';
INSERT INTO pets VALUES (1, 'Rex'), (2, 'Tom'), (NULL, x'00ff'); INSERT INTO plain VALUES (1.0, 'x'), ('k', NULL);
INSERT INTO words VALUES ('hello world'), ('bye');
"""


SHAPES = pytest.mark.parametrize(
    ("script", "copies"),
    [
        (["DROP TABLE people"], True),
        (["DROP TABLE pets"], True),
        (["DROP TABLE plain"], True),
        (["DROP TABLE words"], True),
        (["DROP VIEW owners"], False),
        (["DROP INDEX by_name"], False),
        (["DROP TRIGGER hello"], False),
        (["ALTER TABLE people ADD COLUMN age INT DEFAULT 7"], True),
        (["ALTER TABLE plain DROP COLUMN b"], True),
        (["ALTER TABLE people RENAME TO persons"], True),
        (["ALTER TABLE people RENAME COLUMN name TO called"], True),
        (["CREATE TABLE made AS SELECT * FROM people"], False),
        (["CREATE INDEX made ON pets (name)", "CREATE VIEW v AS SELECT 1"], False),
        (["UPDATE people SET name = name || '?'", "DROP TABLE pets", "DELETE FROM people WHERE id = 1"], True),
        (
            [
                "DELETE FROM pets",
                "ALTER TABLE pets ADD COLUMN z",
                "INSERT INTO pets VALUES (1, 'New', 2)",
                "DROP TABLE log",
            ],
            True,
        ),
        (["CREATE TABLE made (a)", "INSERT INTO made VALUES (1), (2)", "UPDATE made SET a = 5"], False),
        (["CREATE VIRTUAL TABLE found USING fts5(a)", "INSERT INTO found VALUES ('one'), ('two')"], False),
        (["CREATE VIRTUAL TABLE boxes USING rtree(id, a, b)", "INSERT INTO boxes VALUES (1, 2, 3)"], False),
        (["DROP TABLE people", "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"], True),
    ],
)


@SHAPES
@pytest.mark.parametrize("foreign_keys", [True, False])
def test_a_change_of_the_schema_is_taken_back_with_every_row(
    tmp_path: Path, script: list[str], copies: bool, foreign_keys: bool
) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db" if copies else None
    before, sequence = everything(path), ask(path, "SELECT * FROM sqlite_sequence")
    db = open_database(str(path), name="rich", foreign_keys=foreign_keys)
    assert db.measure(script, budget=BUDGET, heard=None).undo is Undoable.EXACT
    kept = run(db, *script, copy_to=copy)
    assert everything(path) != before
    assert db.decided(kept) is Verdict.APPLIED
    again, _ = taken_back(db, kept, copy, tmp_path / "copy2.db")
    assert everything(path) == before
    assert ask(path, "SELECT * FROM sqlite_sequence") == sequence
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    assert (db.decided(kept), db.decided(again)) == (Verdict.NOT_APPLIED, Verdict.APPLIED)
    assert copy is None or copy.stat().st_mode & 0o777 == 0o600
    db.close()


def taken_back(db: Database, kept: bytes, copy: Path | None, copy_to: Path) -> tuple[bytes, Path | None]:
    """As it was measured, which is to be taken back in turn; what takes it back."""
    found = plan(db, kept, copy)
    assert (found.refused, found.measurement.undo) == ("", Undoable.EXACT)
    again: list[bytes] = []
    new = copy_to if found.measurement.needs_copy else None
    undo(db, kept, copy=copy, expected=found.measurement, keep=again, copy_to=new)
    return again[0], new


@SHAPES
@pytest.mark.parametrize("foreign_keys", [True, False])
def test_an_undo_of_a_change_of_the_schema_is_undone_and_that_too(
    tmp_path: Path, script: list[str], copies: bool, foreign_keys: bool
) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy0.db" if copies else None
    before = everything(path)
    db = open_database(str(path), name="rich", foreign_keys=foreign_keys)
    kept = run(db, *script, copy_to=copy)
    after, numbers = everything(path), ask(path, "SELECT * FROM sqlite_sequence")
    for times in range(1, 5):
        last = kept
        kept, copy = taken_back(db, kept, copy, tmp_path / f"copy{times}.db")
        assert everything(path) == (before if times % 2 else after)
        assert (db.decided(kept), ask(path, "PRAGMA integrity_check")) == (Verdict.APPLIED, [("ok",)])
        assert db.decided(last) is Verdict.NOT_APPLIED
    assert ask(path, "SELECT * FROM sqlite_sequence") == numbers
    db.close()


@pytest.mark.parametrize(
    ("since", "words"),
    [
        ("CREATE TABLE people (x)", "table people was changed since"),
        ("INSERT INTO made VALUES (1)", "rows of made were changed since"),
        ("CREATE INDEX i ON made (name)", "index i was made on made since"),
        ("DROP TABLE made", "table made was changed since"),
    ],
)
def test_what_was_made_since_is_not_overwritten(tmp_path: Path, since: str, words: str) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db"
    db = open_database(str(path), name="rich")
    kept = run(db, "CREATE TABLE made AS SELECT name FROM people", "DROP TABLE people", copy_to=copy)
    ask(path, since)
    before = everything(path)
    assert plan(db, kept, copy).refused == words
    with pytest.raises(Stale, match=words):
        undo(db, kept, copy=copy)
    assert everything(path) == before


def test_without_its_copy_a_drop_is_not_taken_back(tmp_path: Path) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db"
    db = open_database(str(path), name="rich")
    kept = run(db, "DROP TABLE log", copy_to=copy)
    copy.unlink()
    assert plan(db, kept, copy).refused == "there is no copy of the rows of log"


def test_a_table_that_a_view_with_triggers_reads_is_dropped_and_comes_back(tmp_path: Path) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db"
    edit = "UPDATE people SET name = NEW.name WHERE name = OLD.name"
    ask(path, f"CREATE TRIGGER edit INSTEAD OF UPDATE ON owners BEGIN {edit}; END")
    before = everything(path)
    db = open_database(str(path), name="rich")
    measured = db.measure(["DROP TABLE people"], budget=BUDGET, heard=None)
    assert "view owners: no such table: main.people" in measured.effects[0].breaks
    taken_back(db, run(db, "DROP TABLE people", copy_to=copy), copy, tmp_path / "copy2.db")
    assert everything(path) == before
    ask(path, "UPDATE owners SET name = 'Zoe' WHERE pet = 'Rex'")


def test_too_much_to_copy_is_known_before(tmp_path: Path) -> None:
    db = open_database(str(make(tmp_path / "rich.db", RICH)), name="rich")
    found = db.measure(["DROP TABLE people"], budget=MeasureBudget(undo_bytes=10), heard=None)
    assert (found.undo, found.needs_copy) == (Undoable.NONE, False)
    assert found.undo_why == "what it drops or alters is larger than 1e-05 MB"


def test_a_run_that_is_taken_back_leaves_no_copy(tmp_path: Path) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db"
    db = open_database(str(path), name="rich")
    expected = db.measure(["DROP TABLE people"], budget=BUDGET, heard=None)
    ask(path, "UPDATE people SET name = 'Zoe' WHERE id = 1")
    with pytest.raises(EffectDiffers):
        db.apply(["DROP TABLE people"], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing,
                 expected=expected, copy_to=copy)  # fmt: skip
    assert not copy.exists()


def test_an_undo_that_could_not_be_measured_has_no_undo(tmp_path: Path) -> None:
    path, copy = make(tmp_path / "rich.db", RICH), tmp_path / "copy.db"
    ask(
        path,
        "INSERT INTO log WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n LIMIT 50000) SELECT x FROM n",
    )
    db = open_database(str(path), name="rich")
    kept = run(db, "DROP TABLE log", copy_to=copy)
    found = db.preview_undo(kept, copy=copy, budget=MeasureBudget(seconds=0.0), heard=None)
    assert (found.refused, found.measurement.undo, found.measurement.undo_why) == ("", Undoable.NONE, "past 0 s")
    again: list[bytes] = []
    undo(db, kept, copy=copy, expected=found.measurement, keep=again)
    assert ask(path, "SELECT count(*) FROM log") == [(50_003,)]
    assert plan(db, again[0]).refused == ""


def test_what_was_not_kept_by_a_run_is_refused(shop: Database) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        plan(shop, b"nonsense")


def test_a_damaged_connection_leaves_the_file_to_others(shop: Database, path: Path) -> None:
    plan(shop, run(shop, "DELETE FROM audit_log WHERE 0", "DELETE FROM shipments"))
    other = apsw.Connection(str(path))
    other.execute("BEGIN EXCLUSIVE; ROLLBACK").fetchall()  # nothing holds a lock any more
    other.close()
