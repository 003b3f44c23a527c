"""Whatever is called a read, run without any guard on a copy, leaves the copy as it was."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import SHOP, folder, make

from sqlagent.core.model import Risk
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database

SCRIPT = (
    SHOP
    + "CREATE VIRTUAL TABLE notes USING fts3(body); INSERT INTO notes VALUES ('a'); INSERT INTO notes VALUES ('b');"
)
TABLES = (
    "customers",
    "orders",
    "shipments",
    "audit_log",
    "german",
    "notes",
    "sqlite_schema",
    "pragma_table_info('orders')",
)
COLUMNS = ("id", "name", "status", "total", "customer_id", "body", "notes", "NULL", "1", "'x'", "date('now')", '"x"')
PRAGMAS = [str(n) for (n,) in apsw.Connection(":memory:").execute("PRAGMA pragma_list")]
FUNCTIONS = sorted(
    {str(n) for n, *_ in apsw.Connection(":memory:").execute("PRAGMA function_list") if str(n)[0].isalpha()}
)

column = st.sampled_from(COLUMNS)
expression = st.recursive(
    column,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(("=", "<", "||", "AND", "IS NOT", "IN")), inner),
        st.builds("{}({})".format, st.sampled_from(FUNCTIONS), st.lists(inner, max_size=3).map(", ".join)),
        st.builds("(SELECT {} FROM {})".format, inner, st.sampled_from(TABLES)),
    ),
    max_leaves=4,
)
source = st.sampled_from(TABLES)
select = st.builds("SELECT {} FROM {} WHERE {}".format, expression, source, expression)
change = st.one_of(
    st.builds("DELETE FROM {} WHERE {}".format, source, expression),
    st.builds("UPDATE {} SET {} = {}".format, source, column, expression),
    st.builds("UPDATE OR REPLACE {} SET id = {}".format, source, expression),
    st.builds("INSERT OR REPLACE INTO {} SELECT {} FROM {}".format, source, expression, source),
    st.builds("REPLACE INTO {} DEFAULT VALUES".format, source),
    st.builds("INSERT INTO {} DEFAULT VALUES RETURNING {}".format, source, expression),
    st.builds("DELETE FROM {} RETURNING *".format, source),
)
shape = st.one_of(
    st.builds("DROP TABLE {}".format, source),
    st.builds("DROP VIEW {}".format, source),
    st.builds("CREATE TABLE made AS {}".format, select),
    st.builds("CREATE INDEX made ON {} ({})".format, source, column),
    st.builds("ALTER TABLE {} ADD COLUMN made".format, source),
    st.builds("CREATE TRIGGER made AFTER INSERT ON {} BEGIN DELETE FROM orders; END".format, source),
)
session = st.one_of(
    st.builds("PRAGMA {}".format, st.sampled_from(PRAGMAS)),
    st.builds("PRAGMA {} = {}".format, st.sampled_from(PRAGMAS), st.sampled_from(("1", "0", "wal", "full", "'x'"))),
    st.builds("PRAGMA {}({})".format, st.sampled_from(PRAGMAS), st.sampled_from(("1", "orders", "wal", "truncate"))),
    st.builds("SELECT * FROM pragma_{}".format, st.sampled_from(PRAGMAS)),
    st.sampled_from(
        (
            "VACUUM",
            "ANALYZE",
            "REINDEX",
            "BEGIN",
            "COMMIT",
            "SAVEPOINT s",
            "VACUUM INTO 'copy.db'",
            "ATTACH 'x.db' AS x",
        )
    ),
)
dressed = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(("", "", "EXPLAIN ", "EXPLAIN QUERY PLAN ", "/* SELECT */ ", "; ", "-- SELECT\n")),
    st.sampled_from(("", "", "WITH c AS (SELECT 1) ", "WITH RECURSIVE orders AS (SELECT 1 AS id) ")),
    st.one_of(select, select, change, change, shape, session),
    st.sampled_from(("", ";", " -- end", "; SELECT 1", "; DELETE FROM orders")),
)


@cache
def template() -> tuple[Path, bytes, Database]:
    path = make(Path(tempfile.mkdtemp(prefix="sqlagent-")) / "template.db", SCRIPT)
    return path, path.read_bytes(), open_database(str(path), name="template")


def state(path: Path) -> Any:
    """All that another connection could see of it."""
    db = apsw.Connection(str(path))
    try:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
        settings_ = [db.pragma(p) for p in ("user_version", "application_id", "journal_mode", "schema_version")]
        schema = db.execute("SELECT * FROM sqlite_schema").fetchall()
        return schema, settings_, [db.execute(f'SELECT * FROM "{n}"').fetchall() for n in names]
    finally:
        db.close()


def run_without_any_guard(sql: str, bytes_: bytes) -> tuple[Any, Any]:
    with tempfile.TemporaryDirectory(prefix="sqlagent-") as name:
        path = Path(name) / "copy.db"
        path.write_bytes(bytes_)
        before = state(path), sorted(folder(path.parent))
        db = apsw.Connection(str(path))
        db.set_progress_handler(lambda: True, 5_000_000)
        try:
            db.execute(sql).fetchall()
        except (apsw.Error, UnicodeDecodeError):
            pass
        finally:
            db.close(force=True)
        return before, (state(path), sorted(folder(path.parent)))


def check(sql: str) -> None:
    path, bytes_, db = template()
    found = db.inspect([sql])[0]
    assert path.read_bytes() == bytes_
    if found.risk is Risk.READ:
        before, after = run_without_any_guard(sql, bytes_)
        assert before == after, sql


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(dressed)
def test_whatever_is_called_a_read_changes_nothing_when_run_unguarded(sql: str) -> None:
    check(sql)


@pytest.mark.long
@settings(max_examples=30_000, deadline=None, database=None)
@given(dressed)
def test_whatever_is_called_a_read_changes_nothing_in_a_long_run(sql: str) -> None:
    check(sql)
