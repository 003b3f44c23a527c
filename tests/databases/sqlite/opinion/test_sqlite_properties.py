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

from sqlagent.core.nouns.analysis import Risk
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database

SCRIPT = (
    SHOP
    + "CREATE VIRTUAL TABLE notes USING fts3(body); INSERT INTO notes VALUES ('a'); INSERT INTO notes VALUES ('b');"
)
READABLE = {
    "customers": ("id", "name", "country"),
    "orders": ("id", "customer_id", "status", "total"),
    "shipments": ("id", "order_id"),
    "audit_log": ("id", "what"),
    "german": ("id", "name"),
    "notes": ("body", "notes", "rowid"),
    "sqlite_schema": ("name", "sql", "rootpage"),
    "pragma_table_info('orders')": ("name", "type", "pk"),
}
WRITABLE = dict(list(READABLE.items())[:6])
LITERALS = ("NULL", "1", "2.5", "'x'", "x'00'", "date('now')", '"x"')
PRAGMAS = [str(n) for (n,) in apsw.Connection(":memory:").execute("PRAGMA pragma_list")]
FUNCTIONS = sorted(
    {str(n) for n, *_ in apsw.Connection(":memory:").execute("PRAGMA function_list") if str(n)[0].isalpha()}
)


@cache
def expressions(columns: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Over those columns, with any function that the library has, `load_extension` and `optimize` among them."""
    return st.recursive(
        st.sampled_from((*columns, *columns, *LITERALS)),
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(("=", "<", "||", "AND", "IS NOT", "+")), inner),
            st.builds("{}({})".format, st.sampled_from(FUNCTIONS), st.lists(inner, max_size=3).map(", ".join)),
            st.builds("(SELECT {} FROM orders WHERE {})".format, inner, inner),
        ),
        max_leaves=3,
    )


@st.composite
def select(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(sorted(READABLE)))
    expression = expressions(READABLE[table])
    return draw(st.builds("SELECT {} FROM {} WHERE {}".format, expression, st.just(table), expression))


@st.composite
def change(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(sorted(WRITABLE)))
    columns = WRITABLE[table]
    column, value = draw(st.sampled_from(columns[:2])), draw(expressions(columns))
    conflict = draw(st.sampled_from(("", " OR REPLACE", " OR IGNORE", " OR FAIL")))
    words = (
        f"DELETE FROM {table} WHERE {value}",
        f"UPDATE{conflict} {table} SET {column} = {value}",
        f"INSERT{conflict} INTO {table} ({column}) SELECT {value} FROM {table}",
        f"REPLACE INTO {table} ({column}) VALUES (1)",
        f"DELETE FROM {table} RETURNING {value}",
        f"INSERT INTO {table} ({column}) VALUES (9) RETURNING *",
    )
    return draw(st.sampled_from(words))


@st.composite
def shape(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(sorted(WRITABLE)))
    words = (
        f"DROP TABLE {table}",
        f"DROP VIEW {table}",
        f"CREATE TABLE made AS {draw(select())}",
        f"CREATE INDEX made ON {table} ({WRITABLE[table][0]})",
        f"ALTER TABLE {table} ADD COLUMN made",
        f"CREATE TRIGGER made AFTER INSERT ON {table} BEGIN DELETE FROM orders; END",
    )
    return draw(st.sampled_from(words))


others = (
    "VACUUM",
    "ANALYZE",
    "REINDEX",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT s",
    "VACUUM INTO 'copy.db'",
    "ATTACH 'x.db' AS x",
)
session = st.one_of(
    st.builds("PRAGMA {}".format, st.sampled_from(PRAGMAS)),
    st.builds("PRAGMA {} = {}".format, st.sampled_from(PRAGMAS), st.sampled_from(("1", "0", "wal", "full", "'x'"))),
    st.builds("PRAGMA {}({})".format, st.sampled_from(PRAGMAS), st.sampled_from(("1", "orders", "wal", "truncate"))),
    st.builds("SELECT * FROM pragma_{}".format, st.sampled_from(PRAGMAS)),
    st.sampled_from(others),
)
common = st.sampled_from(("", "", "WITH c AS (SELECT 1) ", "WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x FROM c) "))
dressed = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "", "", "EXPLAIN ", "EXPLAIN QUERY PLAN ", "/* SELECT */ ", "; ", "-- SELECT\n")),
    st.one_of(
        st.builds("{}{}".format, common, select()),
        st.builds("{}{}".format, common, select()),
        st.builds("{}{}".format, common, change()),
        st.builds("{}{}".format, common, change()),
        shape(),
        session,
    ),
    st.sampled_from(("", "", "", "", ";", " -- end", "; DELETE FROM orders")),
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
