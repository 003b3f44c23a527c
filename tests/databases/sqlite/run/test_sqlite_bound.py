"""What runs is what was approved, or nothing; and what others do in between is noticed exactly when it matters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from generated_writes import content_of, difference, run_bare
from sqlite_files import LIMITS, SHOP, Kept, ask, beside, dump, make, nothing

from sqlagent.core.nouns.effect import Effect, Measurement, Touched
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.databases.base import Database, EffectDiffers, Limits, MeasureBudget
from sqlagent.databases.open import open_database

MORE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db", SHOP + MORE)


@pytest.fixture
def shop(path: Path) -> Iterator[Database]:
    db = open_database(str(path), name="shop", busy_seconds=0.05)
    yield db
    db.close()


def measure(db: Database, *statements: str) -> Measurement:
    return db.measure(statements, budget=MeasureBudget(), heard=None)


def apply(db: Database, *statements: str, expected: Measurement, kept: list[bytes] | None = None) -> Outcome:
    return db.apply(
        statements, sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=expected,
        keep=None if kept is None else kept.append,
    )  # fmt: skip


def test_an_effect_that_grew_is_taken_back_and_says_what_it_is_now(shop: Database, path: Path) -> None:
    sql = "UPDATE orders SET status = 'cancelled' WHERE status = 'pending'"
    approved = measure(shop, sql)
    ask(path, "UPDATE orders SET status = 'pending' WHERE id = 2")
    before = dump(path)
    with pytest.raises(EffectDiffers, match="it would now change 9 rows; 6 were approved") as caught:
        apply(shop, sql, expected=approved)
    assert caught.value.touched == (
        Touched("audit_log", Verb.INSERT, 3),
        Touched("orders", Verb.UPDATE, 3),
        Touched("shipments", Verb.DELETE, 3),
    )
    assert dump(path) == before


def test_the_same_number_of_other_rows_is_another_effect(shop: Database, path: Path) -> None:
    sql = "DELETE FROM orders WHERE status = 'paid'"
    approved = measure(shop, sql)
    ask(path, "UPDATE orders SET total = 21 WHERE id = 2")
    with pytest.raises(EffectDiffers, match="it would change 2 rows as approved, but other rows or to other values"):
        apply(shop, sql, expected=approved)
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]


def test_a_clock_does_not_make_an_approval_stale(shop: Database, path: Path) -> None:
    sql = "INSERT INTO notes (body) VALUES ('a'), ('b')"
    approved = measure(shop, sql)
    assert approved.volatile == ("notes.at",)
    ask(path, "INSERT INTO audit_log (what) VALUES ('something else')")
    apply(shop, sql, expected=approved)
    assert ask(path, "SELECT count(*) FROM notes") == [(2,)]


def test_a_row_that_others_add_moves_the_numbers_up_and_nothing_else(tmp_path: Path) -> None:
    script = """CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
        CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INT REFERENCES orders, x);
        INSERT INTO orders (x) VALUES (1); CREATE TABLE log (what);
        CREATE TRIGGER log AFTER INSERT ON items BEGIN INSERT INTO log VALUES (NEW.x); END"""
    path = make(tmp_path / "t.db", script)
    db = open_database(str(path), name="t")
    sql = ["INSERT INTO orders (x) VALUES (7)", "INSERT INTO items (order_id, x) SELECT max(id), 8 FROM orders"]
    approved = measure(db, *sql)
    ask(path, "INSERT INTO orders (x) VALUES (9); INSERT INTO log VALUES ('else'); INSERT INTO items (x) VALUES (1)")
    apply(db, *sql, expected=approved)
    assert ask(path, "SELECT order_id, x FROM items WHERE x = 8") == [(3, 8)]
    other = measure(db, "INSERT INTO items (order_id, x) SELECT max(id), 8 FROM orders")
    ask(path, "INSERT INTO orders (x) VALUES (9)")
    with pytest.raises(EffectDiffers):  # this one refers to a row that is there already, and then to another
        apply(db, "INSERT INTO items (order_id, x) SELECT max(id), 8 FROM orders", expected=other)


def test_a_table_that_was_written_before_it_is_dropped_is_another_effect(shop: Database, path: Path) -> None:
    approved = measure(shop, "DROP TABLE notes")
    ask(path, "INSERT INTO notes (body) VALUES ('written meanwhile')")
    with pytest.raises(EffectDiffers):
        apply(shop, "DROP TABLE notes", expected=approved)
    assert ask(path, "SELECT count(*) FROM notes") == [(1,)]


def test_without_an_exact_preview_the_count_is_a_ceiling(shop: Database, path: Path) -> None:
    counted = Measurement((Effect(Basis.COUNTED, (Touched("orders", Verb.DELETE, 1, 3),)),))
    with pytest.raises(EffectDiffers, match="it would now change 2 rows; 1 was approved"):
        apply(shop, "DELETE FROM orders WHERE customer_id = 1", expected=counted)
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]
    apply(shop, "DELETE FROM orders WHERE customer_id = 2", expected=counted)
    assert ask(path, "SELECT count(*) FROM orders") == [(2,)]


def test_the_change_is_kept_before_it_is_marked_and_committed(shop: Database, path: Path, tmp_path: Path) -> None:
    mark = beside(tmp_path)
    points: list[str] = []
    outcome = shop.apply(
        ["DELETE FROM shipments"], sink=Kept(), limits=LIMITS, mark=mark, verify=lambda: points.append("(verify)"),
        reached=points.append, expected=measure(shop, "DELETE FROM shipments"), keep=lambda _: points.append("(keep)"),
    )  # fmt: skip
    assert points == ["begun", "(verify)", "ran 1", "(keep)", "kept", "marked", "committed"]
    assert outcome.settled
    assert [r.changed for r in outcome.results] == [3]


def test_a_change_that_cannot_be_kept_is_not_made(shop: Database, path: Path) -> None:
    def keep(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        shop.apply(
            ["DELETE FROM orders"], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, keep=keep
        )
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]


def test_a_change_too_large_to_keep_is_made_and_not_kept(shop: Database, path: Path) -> None:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)"
    many = f"{numbers} INSERT INTO notes (id) SELECT x FROM n"
    kept: list[bytes] = []
    shop.apply(
        [many, "DELETE FROM orders"], sink=Kept(), limits=Limits(changes_bytes=10_000), mark=None, verify=nothing,
        reached=nothing, keep=kept.append,
    )  # fmt: skip
    assert kept == []
    assert ask(path, "SELECT count(*) FROM notes") == [(20000,)]


# ---- drift ----------------------------------------------------------------------------------------------------------


DRIFTING = """
CREATE TABLE parts (id INTEGER PRIMARY KEY, grp INT, n INT, note TEXT);
CREATE TABLE uses (part INT REFERENCES parts ON DELETE CASCADE, x INT);
CREATE TABLE log (at TEXT DEFAULT CURRENT_TIMESTAMP, part INT, n INT);
CREATE TRIGGER t AFTER UPDATE OF n ON parts BEGIN INSERT INTO log (part, n) VALUES (OLD.id, OLD.n); END;
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40)
  INSERT INTO parts SELECT x, x % 5, x * 3 % 7, 'part ' || x FROM n;
INSERT INTO uses SELECT id, grp FROM parts; INSERT INTO uses SELECT id, n FROM parts WHERE id % 3 = 0;
"""


def a_change(source: random.Random) -> str:
    group, number = source.randrange(5), source.randrange(7)
    return source.choice(
        (
            f"DELETE FROM parts WHERE grp = {group}",
            f"UPDATE parts SET n = n + {number + 1} WHERE grp = {group}",
            f"UPDATE parts SET note = note || n WHERE n < {number}",
            f"DELETE FROM uses WHERE part IN (SELECT id FROM parts WHERE n = {number})",
            f"INSERT INTO uses (part, x) SELECT id, n FROM parts WHERE grp = {group}",
            f"INSERT INTO parts (grp, n) SELECT grp, count(*) FROM parts GROUP BY grp HAVING grp <> {group}",
        )
    )


def an_edit(source: random.Random) -> str:
    part = source.randrange(1, 45)
    return source.choice(
        (
            f"UPDATE parts SET n = n + 1 WHERE id = {part}",
            f"UPDATE parts SET grp = {source.randrange(5)} WHERE id = {part}",
            f"UPDATE parts SET note = 'changed' WHERE id = {part}",
            f"DELETE FROM parts WHERE id = {part}",
            f"INSERT INTO parts (grp, n, note) VALUES ({source.randrange(5)}, {source.randrange(7)}, 'added')",
            f"INSERT INTO uses VALUES ({min(part, 40)}, 1)",
            f"DELETE FROM uses WHERE part = {part}",
            "INSERT INTO log (part, n) VALUES (0, 0)",
        )
    )


def effect_of(path: Path, sql: str) -> object:
    """The plain truth: rows added and removed, cells changed; without the clock, or numbers that SQLite gives out."""
    before = content_of(path)
    last = max(key[1][0][1] for key in before["parts"])
    copy = path.with_name("truth.db")
    copy.write_bytes(path.read_bytes())
    assert run_bare(copy, sql) == ""
    after = content_of(copy)
    found: dict[str, list[str]] = {"parts": [], "uses": [], "log": []}
    for table, rows in found.items():
        for key in before[table].keys() | after[table].keys():
            old, new = before[table].get(key), after[table].get(key)
            if old and new and old != new:
                rows.append(
                    f"{key} {[(place, a, b) for place, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]}"
                )
            elif new and not old and table == "log":
                rows.append(f"{new[1:]}")
            elif new and not old and table == "parts":
                rows.append(f"new {new[0][1] - last} {new[1:]}")
            elif old != new:
                rows.append(f"{key if old else 'new'} {old} {new}")
        rows.sort()
    return found, difference(before, after)


def drift(folder: Path, seed: int) -> str:
    """One preview, one edit by another connection, one run: whether the effect was another, and was it noticed."""
    source = random.Random(seed)
    path = make(folder / f"{seed}.db", DRIFTING)
    db = open_database(str(path), name="drifting")
    try:
        sql, edit = a_change(source), an_edit(source)
        approved, truth = measure(db, sql), effect_of(path, sql)
        assert approved.is_exact
        assert run_bare(path, edit) == ""
        before, is_another = content_of(path), effect_of(path, sql) != truth
        try:
            apply(db, sql, expected=approved)
        except EffectDiffers:
            assert content_of(path) == before, (sql, edit)
            assert is_another, f"false alarm: {sql} after {edit}"
            return "noticed"
        assert not is_another, f"missed: {sql} after {edit}"
        return "the same"
    finally:
        db.close()


def test_an_edit_that_changes_the_effect_is_noticed_and_another_is_not(tmp_path: Path) -> None:
    found = [drift(tmp_path, seed) for seed in range(150)]
    assert found.count("noticed") > 20
    assert found.count("the same") > 20


@pytest.mark.long
def test_two_hundred_edits_that_change_the_effect_are_all_noticed(tmp_path: Path) -> None:
    found = [drift(tmp_path, seed) for seed in range(1000, 2500)]
    assert found.count("noticed") > 200
    assert found.count("the same") > 200


def test_a_preview_beside_a_process_that_writes_sees_one_moment_of_it(path: Path, shop: Database) -> None:
    writer = apsw.Connection(str(path))
    for _ in range(20):
        writer.execute("INSERT INTO notes (body) VALUES ('x')").fetchall()
        (deleted,) = measure(shop, "DELETE FROM notes").effects[0].touched
        assert deleted.rows == deleted.of == writer.changes() * writer.execute("SELECT count(*) FROM notes").get
    writer.close()


SEEN = "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 1), (2, 2); CREATE TABLE u (x);"


@pytest.mark.parametrize("marker_table", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        ["UPDATE t SET a = total_changes()"],
        ["INSERT INTO u VALUES (1)", "UPDATE t SET a = changes()"],
        ["INSERT INTO u VALUES (1)", "INSERT INTO t (a) VALUES (last_insert_rowid())"],
        ["UPDATE t SET a = 9", "UPDATE t SET a = total_changes() * 10 + changes()"],
        ["CREATE TABLE made AS SELECT 1 AS b", "INSERT INTO u VALUES (1), (2)", "UPDATE t SET a = changes()"],
        ["DELETE FROM u", "INSERT INTO u SELECT a FROM t", "UPDATE t SET a = changes() || '/' || total_changes()"],
    ],
)
def test_what_a_statement_sees_of_the_ones_before_it_is_the_same_when_it_is_measured_and_when_it_runs(
    tmp_path: Path, script: list[str], marker_table: bool
) -> None:
    """Else an approval would be stale for ever."""
    db = open_database(str(make(tmp_path / "t.db", SEEN)), name="t", marker_table=marker_table)
    expected = db.measure(script, budget=MeasureBudget(), heard=None)
    assert expected.is_exact
    db.apply(
        script, sink=Kept(), limits=LIMITS, mark=beside(tmp_path), verify=nothing, reached=nothing, expected=expected
    )
    plain = make(tmp_path / "plain.db", SEEN)
    ask(plain, ";".join(script))
    assert ask(tmp_path / "t.db", "SELECT * FROM t") == ask(plain, "SELECT * FROM t")


DEFERRED = """
CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1, 1);
"""


@pytest.mark.parametrize(
    "script", [["INSERT INTO c VALUES (2, 9)"], ["DELETE FROM p"], ["UPDATE c SET p = 3", "SELECT 1"]]
)
def test_a_foreign_key_that_fails_at_the_commit_is_seen_before_it(tmp_path: Path, script: list[str]) -> None:
    db = open_database(str(make(tmp_path / "t.db", DEFERRED)), name="t")
    found = db.measure(script, budget=MeasureBudget(), heard=None)
    assert found.how.startswith("it would fail at its COMMIT: a FOREIGN KEY")
    mended = [*script, "INSERT OR IGNORE INTO p VALUES (1), (3), (9)"]
    assert db.measure(mended, budget=MeasureBudget(), heard=None).is_exact
