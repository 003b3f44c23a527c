"""What the model is told of a database, and the hash that voids an approval when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import ROOT
from sqlite_files import ask, make

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.databases.open import open_database


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db")


def tables(path: Path, examples: int = 3) -> dict[str, Table]:
    db = open_database(str(path), name="x")
    try:
        return {t.name: t for t in db.schema(examples=examples).tables}
    finally:
        db.close()


def columns(path: Path, table: str, examples: int = 3) -> dict[str, Column]:
    return {c.name: c for c in tables(path, examples)[table].columns}


def test_tables_come_before_views_in_the_order_they_were_made(shop: Path) -> None:
    assert list(tables(shop)) == ["customers", "orders", "shipments", "audit_log", "german"]
    assert [t.is_view for t in tables(shop).values()] == [False] * 4 + [True]


def test_a_column_says_its_type_keys_and_whether_it_may_be_null(shop: Path) -> None:
    orders = columns(shop, "orders", examples=0)
    assert orders["id"] == Column("id", "INTEGER", nullable=False, primary_key=True)
    assert orders["customer_id"] == Column("customer_id", "INTEGER", nullable=False, references="customers.id")
    assert orders["twice"] == Column("twice", "NUMERIC", generated=True)
    assert columns(shop, "shipments", 0)["order_id"].references == "orders.id"


def test_checks_rows_and_triggers_are_told(shop: Path) -> None:
    orders = tables(shop)["orders"]
    assert (orders.checks, orders.rows, orders.triggers) == (("status <> ''",), 3, ("trg_cancel",))
    assert tables(shop)["german"].rows is None


def test_a_check_with_brackets_and_strings_is_told_whole(tmp_path: Path) -> None:
    sql = "CREATE TABLE t (a CHECK (a IN (1, 2) AND b <> ')' /* ) */), b TEXT, CONSTRAINT c CHECK (length(b)\n < 9))"
    found = tables(make(tmp_path / "c.db", sql))["t"].checks
    assert found == ("a IN (1, 2) AND b <> ')' /* ) */", "length(b) < 9")


def test_examples_are_the_commonest_short_values(tmp_path: Path) -> None:
    values = (
        "INSERT INTO t VALUES ('b'), ('a'), ('b'), (NULL), (''), (x'00'), ('" + "x" * 200 + "'), ('c'), ('d'), (12)"
    )
    path = make(tmp_path / "e.db", f"CREATE TABLE t (v); {values}")
    assert columns(path, "t")["v"].examples == ("b", "12", "a")
    assert columns(path, "t", examples=1)["v"].examples == ("b",)
    assert columns(path, "t", examples=0)["v"].examples == ()


@pytest.mark.parametrize(
    "name",
    ["password", "passwd", "user_pwd", "api_token", "secret_key", "ApiKey", "iban", "ssn", "email", "phone", "pin",
     "credit_card", "date_of_birth", "session_id", "salary", "password_hash"],
)  # fmt: skip
def test_a_column_named_like_a_secret_gives_no_examples(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "s.db", f"CREATE TABLE t ({name} TEXT, city TEXT); INSERT INTO t VALUES ('x', 'Bonn')")
    assert columns(path, "t")[name].examples == ()
    assert columns(path, "t")["city"].examples == ("Bonn",)


@pytest.mark.parametrize(
    "name", ["compass", "shipping", "cubic", "passenger", "title", "status", "country", "email_kind_x"]
)
def test_a_column_whose_name_only_contains_such_a_word_gives_examples(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "s.db", f"CREATE TABLE t ({name} TEXT); INSERT INTO t VALUES ('x')")
    assert columns(path, "t")[name].examples == (() if name == "email_kind_x" else ("x",))


@pytest.mark.parametrize("value", ["ana@mail.example", "+49 30 1234567", "4111 1111 1111 1111"])
def test_values_that_look_personal_are_not_shown(tmp_path: Path, value: str) -> None:
    path = make(tmp_path / "s.db", f"CREATE TABLE t (contact TEXT); INSERT INTO t VALUES ('{value}')")
    assert columns(path, "t")["contact"].examples == ()


def test_names_need_no_quoting_by_anybody_else(tmp_path: Path) -> None:
    path = make(tmp_path / "q.db", 'CREATE TABLE "a ""b"" c" ("x y" TEXT); INSERT INTO "a ""b"" c" VALUES (\'v\')')
    assert columns(path, 'a "b" c')["x y"].examples == ("v",)
    assert tables(path)['a "b" c'].rows == 1


def test_the_engines_own_tables_and_shadow_tables_are_left_out(tmp_path: Path) -> None:
    script = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIRTUAL TABLE f USING fts5(x); ANALYZE"
    assert set(tables(make(tmp_path / "f.db", script))) == {"t", "f"}


def test_a_view_over_what_is_gone_is_told_without_columns(tmp_path: Path) -> None:
    path = make(tmp_path / "b.db", "CREATE TABLE t (a); CREATE VIEW v AS SELECT gone FROM t")
    assert tables(path)["v"].columns == ()


def test_a_large_table_is_described_without_reading_it_all(tmp_path: Path) -> None:
    numbers = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT x, x % 3 AS y FROM n"
    )
    path = make(tmp_path / "l.db", f"CREATE TABLE t AS {numbers}")
    found = columns(path, "t")
    assert found["y"].examples == ("1", "2", "0")
    assert int(found["x"].examples[-1]) <= 2000


BEFORE = "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD COLUMN b",
        "DROP VIEW v",
        "CREATE INDEX i ON t (a)",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END",
        "DROP VIEW v; CREATE VIEW v AS SELECT a + 1 AS a FROM t",
        "ALTER TABLE t RENAME TO u",
    ],
)
def test_whatever_changes_the_meaning_of_sql_changes_the_fingerprint(tmp_path: Path, change: str) -> None:
    path = make(tmp_path / "t.db", BEFORE)
    db = open_database(str(path), name="x")
    before = db.fingerprint()
    ask(path, change)
    assert db.fingerprint() != before


def test_rows_statistics_and_order_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db", BEFORE)
    db = open_database(str(path), name="x")
    before = db.fingerprint()
    ask(path, "INSERT INTO t VALUES (1); ANALYZE; VACUUM")
    assert db.fingerprint() == before
    assert len(before) == 64


def test_the_sample_is_described_as_its_builder_says() -> None:
    found = tables(ROOT / "sample.db")
    assert found["orders"].triggers == ("orders_cancel",)
    assert [c.name for c in found["order_items"].columns if c.generated] == ["line_total"]
    assert {c.references for c in found["order_items"].columns} == {"", "orders.id", "products.id"}
    assert "delivered" in next(c for c in found["orders"].columns if c.name == "status").examples
    assert all(not c.examples for t in found.values() for c in t.columns if c.name in ("email", "phone", "salary"))
