"""Reads: streamed, bounded, and unable to change a byte of anything."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from checkout import FIXTURES
from sqlite_files import Kept, folder, make, read

from sqlagent.core.errors import QueryError, SqlagentError, TimedOut
from sqlagent.core.nouns.analysis import Basis, Risk, Size
from sqlagent.databases.base import Database, Limits
from sqlagent.databases.open import open_database

ATTACKS = FIXTURES / "attacks"
SQLITE_ATTACKS = [
    row
    for line in (ATTACKS / "attacks.jsonl").open(encoding="utf-8")
    if (row := json.loads(line))["dialect"] == "sqlite"
]
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
MORE = {
    "cte_delete_returning": "WITH gone AS (SELECT 1) DELETE FROM t WHERE id IN gone RETURNING id",
    "explain_pragma": "EXPLAIN PRAGMA journal_mode = wal",
    "explain_query_plan_attach": "EXPLAIN QUERY PLAN ATTACH '{d}/x.db' AS x",
    "pragma_table_optimize": "SELECT * FROM pragma_optimize",
    "pragma_table_wal": "SELECT * FROM pragma_journal_mode('wal')",
    "pragma_spaces": "PRAGMA\n/**/ main . journal_mode /**/ = 'wal'",
    "pragma_temp_directory": "PRAGMA temp_store_directory = '{d}'",
    "pragma_incremental_vacuum": "PRAGMA incremental_vacuum(10)",
    "pragma_quoted": 'PRAGMA "query_only" = "off"',
    "vacuum_main_into": "VACUUM main INTO '{d}/copy.db'",
    "attach_memory": "ATTACH ':memory:' AS m",
    "attach_expression": "ATTACH '{d}/' || 'x.db' AS x",
    "load_in_where": "SELECT * FROM t WHERE load_extension('{d}/x.so') IS NULL",
    "load_quoted": "SELECT \"load_extension\"('{d}/x.so')",
    "insert_returning": "INSERT INTO t VALUES (9, 'z', 'z') RETURNING *",
    "create_temp": "CREATE TEMP VIEW t AS SELECT 1",
    "drop_trigger": "DROP TRIGGER trg",
    "release": "RELEASE dry_run",
    "end_transaction": "END TRANSACTION",
    "writefile": "SELECT writefile('{d}/x', 'y')",
    "fts_create": "CREATE VIRTUAL TABLE f USING fts5(x)",
    "schema_update": "UPDATE sqlite_master SET sql = 'x'",
    "after_a_read": "SELECT 1;\n--\nDELETE FROM t",
}


@pytest.fixture
def shop(tmp_path: Path) -> Database:
    return open_database(str(make(tmp_path / "shop.db")), name="shop")


def attempt(db: Database, sql: str) -> None:
    try:
        read(db, sql, limits=Limits(seconds=5))
    except SqlagentError:
        return


@pytest.mark.parametrize("sql", [pytest.param(a["sql"], id=a["id"]) for a in SQLITE_ATTACKS] + [
    pytest.param(sql, id=name) for name, sql in MORE.items()
])  # fmt: skip
def test_an_attack_run_as_an_approved_read_changes_no_byte_of_any_file(
    tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "target.db", (ATTACKS / "schema.sqlite.sql").read_text(encoding="utf-8"))
    db = open_database(str(path), name="target")
    sql = sql.replace("{d}", str(tmp_path)).replace("{LOOT}", str(tmp_path))
    before, shown = folder(tmp_path), read(db, "SELECT * FROM t")
    attempt(db, sql)
    db.count(sql, seconds=1)
    db.inspect([sql])
    assert folder(tmp_path) == before
    assert read(db, "SELECT * FROM t") == shown  # nor is the session other than it was
    assert read(db, "PRAGMA foreign_keys") == [(1,)]
    db.close()
    assert folder(tmp_path) == before


@pytest.mark.parametrize("attack", [pytest.param(a, id=a["id"]) for a in SQLITE_ATTACKS])
def test_no_attack_that_changed_something_is_called_a_read(tmp_path: Path, attack: dict[str, Any]) -> None:
    path = make(tmp_path / "target.db", (ATTACKS / "schema.sqlite.sql").read_text(encoding="utf-8"))
    found = open_database(str(path), name="target").inspect([attack["sql"]])[0]
    assert found.risk is not Risk.READ or not attack["engine"]["readwrite"]["changed"]


def test_a_full_text_index_is_not_rewritten_by_a_select(tmp_path: Path) -> None:
    script = "CREATE VIRTUAL TABLE f USING fts3(x); INSERT INTO f VALUES ('a'); INSERT INTO f VALUES ('b')"
    path = make(tmp_path / "f.db", script)
    before = folder(tmp_path)
    with pytest.raises(QueryError, match="function optimize is not allowed"):
        read(open_database(str(path), name="f"), "SELECT optimize(f) FROM f")
    assert folder(tmp_path) == before


@pytest.mark.parametrize("module", ["fts3", "fts4", "fts5"])
def test_full_text_search_is_a_read(tmp_path: Path, module: str) -> None:
    path = make(
        tmp_path / "f.db", f"CREATE VIRTUAL TABLE f USING {module}(x); INSERT INTO f VALUES ('red fox'), ('dog')"
    )
    db = open_database(str(path), name="f")
    sql = "SELECT snippet(f) FROM f WHERE f MATCH 'fox'" if module != "fts5" else "SELECT x FROM f('fox') ORDER BY rank"
    assert db.inspect([sql])[0].risk is Risk.READ
    assert len(read(db, sql)) == 1


def test_values_come_as_they_are(tmp_path: Path) -> None:
    path = make(tmp_path / "v.db", "CREATE TABLE v (a)")
    row = read(open_database(str(path), name="v"), "SELECT NULL, x'00ff', 9223372036854775807, 0.1, '\U0001f600', -0.0")
    assert row == [(None, b"\x00\xff", 9223372036854775807, 0.1, "\U0001f600", -0.0)]


def test_columns_keep_their_order_and_their_repeated_names(shop: Database) -> None:
    sink = Kept()
    shop.read(
        'SELECT 1 AS a, 2 AS a, 3 AS "", c.id, o.id FROM customers c, orders o LIMIT 1', sink=sink, limits=Limits()
    )
    assert sink.columns == [("a", "a", "", "id", "id")]


def test_no_rows_still_have_columns(shop: Database) -> None:
    sink = Kept()
    outcome = shop.read("SELECT id, name FROM customers WHERE 0", sink=sink, limits=Limits())
    assert sink.columns == [("id", "name")]
    assert outcome.results[0].returned == 0


@pytest.mark.parametrize(
    "sql", ["PRAGMA table_info(orders)", "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN DELETE FROM orders"]
)
def test_what_answers_without_being_a_select_gives_rows_too(shop: Database, sql: str) -> None:
    assert read(shop, sql)


@pytest.mark.parametrize(
    ("limit", "returned", "truncated"), [(2, 2, True), (3, 3, False), (4, 3, False), (None, 3, False), (0, 0, True)]
)
def test_the_limit_is_exact_and_says_whether_there_was_more(
    shop: Database, limit: int | None, returned: int, truncated: bool
) -> None:
    result = shop.read("SELECT id FROM orders", sink=Kept(), limits=Limits(rows=limit)).results[0]
    assert (result.returned, result.truncated, result.changed) == (returned, truncated, None)


class Counting:
    """Takes rows one by one and keeps none."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        return sum(1 for _ in rows)


def test_rows_reach_the_sink_before_the_query_is_done(shop: Database) -> None:
    class First:
        def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
            assert next(rows) == (1,)
            return 1

    outcome = shop.read(ENDLESS.format("x"), sink=First(), limits=Limits(rows=None))
    assert outcome.results[0].returned == 1


def test_a_sink_that_fails_leaves_no_lock_behind(shop: Database, tmp_path: Path) -> None:
    class Broken:
        def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
            next(rows)
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        shop.read("SELECT * FROM orders", sink=Broken(), limits=Limits())
    other = apsw.Connection(str(tmp_path / "shop.db"))
    other.execute("BEGIN EXCLUSIVE; ROLLBACK").fetchall()
    other.close()


@pytest.mark.parametrize("sql", [ENDLESS.format("count(*)"), ENDLESS.format("x")])
def test_a_read_past_its_time_is_cancelled(shop: Database, sql: str) -> None:
    with pytest.raises(TimedOut, match=r"the statement was cancelled after 0\.05 s") as caught:
        shop.read(sql, sink=Counting(), limits=Limits(rows=None, seconds=0.05))
    assert "--timeout" in caught.value.hint
    assert read(shop, "SELECT 1") == [(1,)]


def test_another_thread_can_cancel_a_read(shop: Database) -> None:
    class Cancelling:
        def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
            next(rows)
            threading.Thread(target=shop.interrupt).start()
            return sum(1 for _ in rows)

    with pytest.raises(QueryError, match="the statement was cancelled"):
        shop.read(ENDLESS.format("x"), sink=Cancelling(), limits=Limits(rows=None, seconds=None))
    assert read(shop, "SELECT 1") == [(1,)]


def test_ctrl_c_ends_a_query_that_gives_no_row(shop: Database) -> None:
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        read(shop, ENDLESS.format("count(*)"), limits=Limits(seconds=None))
    timer.join()
    assert read(shop, "SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "sql", ["SELECT zeroblob(2000000000)", "SELECT replace(hex(zeroblob(99000000)), '0', '0123456789')"]
)
def test_a_value_too_large_to_hold_is_refused(shop: Database, sql: str) -> None:
    with pytest.raises(QueryError, match="a value is larger than it may be"):
        read(shop, sql)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1; SELECT 2", "there is more than one statement"),
        ("SELECT ?", "it has a parameter"),
        ("DELETE FROM orders", "not a read"),
        ("PRAGMA user_version = 1", r"pragma user_version 1 is not allowed  \[unsafe-pragma\]"),
        ("COMMIT", r"not allowed  \[transaction-control\]"),
        ("SELECT 1 FROM nowhere", "the database refused the statement: no such table: nowhere"),
    ],
)
def test_what_is_no_read_is_refused_with_the_reason(shop: Database, sql: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        read(shop, sql)


LATIN = """CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
INSERT INTO t VALUES (1, 'ok', x'00'), (2, CAST(x'63e9' AS TEXT), 2), (3, 'z', 3.5), (4, 'y', NULL)"""
SHOWN = [(1, "ok", b"\0"), (2, "c\\xe9", 2), (3, "z", 3.5), (4, "y", None)]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM t", SHOWN),
        ("SELECT * FROM t ORDER BY id DESC -- all", SHOWN[::-1]),
        ("WITH q AS (SELECT * FROM t) SELECT a, a FROM q WHERE id > 1 LIMIT 2", [("c\\xe9",) * 2, ("z", "z")]),
        ("SELECT a || 'é' FROM t UNION ALL VALUES ('last')", [("oké",), ("c\\xe9é",), ("zé",), ("yé",), ("last",)]),
        ("SELECT CAST(a AS BLOB) FROM t WHERE id = 2", [(b"c\xe9",)]),
    ],
)
def test_text_that_is_not_utf8_is_shown_by_its_bytes_among_the_others(
    tmp_path: Path, sql: str, rows: list[tuple[object, ...]]
) -> None:
    db = open_database(str(make(tmp_path / "l.db", LATIN)), name="l")
    assert read(db, sql) == rows
    sink = Kept()
    outcome = db.read(sql, sink=sink, limits=Limits(rows=2))
    assert (sink.rows, outcome.results[0].truncated) == (rows[:2], len(rows) > 2)


def test_half_a_character_of_utf16_is_shown_by_its_bytes(tmp_path: Path) -> None:
    script = "PRAGMA encoding = 'UTF-16be'; CREATE TABLE t (a); INSERT INTO t VALUES ('é'), (CAST(x'0061d800' AS TEXT))"
    db = open_database(str(make(tmp_path / "l.db", script)), name="l")
    assert read(db, "SELECT a FROM t") == [("é",), ("a\\xd8\\x00",)]


def test_a_count_is_counted(shop: Database) -> None:
    assert shop.count("SELECT COUNT(*) FROM orders WHERE status = 'pending'", seconds=1) == Size(2, None, Basis.COUNTED)


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS.format("count(*)"),
        "DELETE FROM orders RETURNING 1",
        "SELECT 'x'",
        "SELECT 1, 2",
        "SELECT id FROM orders",
        "nonsense",
        "SELECT -1",
        "SELECT NULL",
    ],
)
def test_what_cannot_be_counted_in_time_is_a_question_mark(shop: Database, sql: str) -> None:
    assert shop.count(sql, seconds=0.05) == Size()
    assert read(shop, "SELECT count(*) FROM orders") == [(3,)]
