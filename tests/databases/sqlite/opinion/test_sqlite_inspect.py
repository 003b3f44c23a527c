"""The engine's opinion: what SQLite itself says that a statement would do, without doing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_files import folder, make, opinion

from sqlagent.core.nouns.analysis import Access, EngineOpinion, Kind, Risk, Verb
from sqlagent.databases.open import open_database


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db")


def touched(found: EngineOpinion, *verbs: Verb) -> set[tuple[str, str, str]]:
    return {(a.verb.value, a.table, a.via) for a in found.accesses if not verbs or a.verb in verbs}


CHANGES = (Verb.INSERT, Verb.UPDATE, Verb.DELETE)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM customers",
        "VALUES (1, 2)",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT max(x) FROM n",
        "SELECT name, row_number() OVER (ORDER BY id) FROM german",
        "SELECT json_extract('{\"a\": 1}', '$.a'), date('now'), printf('%05d', 3)",
        "SELECT value FROM json_each('[1, 2]')",
        "SELECT * FROM pragma_table_info('orders')",
        "PRAGMA table_info(orders)",
        "PRAGMA user_version",
        "EXPLAIN SELECT 1",
        "EXPLAIN QUERY PLAN DELETE FROM orders",
        "SELECT * FROM sqlite_schema",
        " -- a comment\n SELECT 1 ; -- another",
    ],
)
def test_a_read_is_called_a_read(shop: Path, sql: str) -> None:
    found = opinion(shop, sql)
    assert (found.error, found.denied, found.risk, found.why) == ("", "", Risk.READ, "")


@pytest.mark.parametrize(
    ("sql", "kind", "risk"),
    [
        ("INSERT INTO audit_log (what) VALUES ('x')", Kind.INSERT, Risk.WRITE),
        ("REPLACE INTO audit_log VALUES (1, 'x')", Kind.REPLACE, Risk.WRITE),
        ("WITH x AS (SELECT 1) REPLACE INTO audit_log SELECT 1, 'x' FROM x", Kind.REPLACE, Risk.WRITE),
        ("WITH x AS (SELECT 1) DELETE FROM orders", Kind.DELETE, Risk.WRITE),
        ("WITH x AS (SELECT 1) UPDATE orders SET total = 0", Kind.UPDATE, Risk.WRITE),
        ("WITH x AS (SELECT 1) INSERT INTO audit_log SELECT 9, 'x' FROM x", Kind.INSERT, Risk.WRITE),
        ("; /* x */ DELETE FROM orders RETURNING *", Kind.DELETE, Risk.WRITE),
        ("CREATE TABLE t (a)", Kind.CREATE, Risk.WRITE),
        ("CREATE INDEX i ON orders (total)", Kind.CREATE, Risk.WRITE),
        ("CREATE VIEW v AS SELECT total FROM orders", Kind.CREATE, Risk.WRITE),
        ("CREATE TRIGGER g AFTER DELETE ON orders BEGIN SELECT 1; END", Kind.CREATE, Risk.SEVERE),
        ("CREATE VIRTUAL TABLE f USING fts5(x)", Kind.CREATE, Risk.SEVERE),
        ("CREATE TEMP TABLE t AS SELECT 1", Kind.CREATE, Risk.WRITE),
        ("ALTER TABLE orders ADD COLUMN note", Kind.ALTER, Risk.SEVERE),
        ("DROP TABLE orders", Kind.DROP, Risk.SEVERE),
        ("REINDEX", Kind.MAINTENANCE, Risk.UNKNOWN),
        ("ANALYZE", Kind.MAINTENANCE, Risk.UNKNOWN),
    ],
)
def test_a_change_is_called_what_it_is(shop: Path, sql: str, kind: Kind, risk: Risk) -> None:
    found = opinion(shop, sql)
    assert (found.error, found.kind, found.risk) == ("", kind, risk)
    assert found.why


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ATTACH 'other.db' AS o", "outside-database"),
        ("DETACH main", "outside-database"),
        ("VACUUM INTO 'copy.db'", "outside-database"),
        ("SELECT load_extension('x.so')", "outside-database"),
        ("SELECT fts3_tokenizer('simple')", "outside-database"),
        ("PRAGMA query_only = 0", "unsafe-pragma"),
        ("PRAGMA writable_schema(1)", "unsafe-pragma"),
        ("PRAGMA user_version = 9", "unsafe-pragma"),
        ("EXPLAIN PRAGMA user_version = 9", "unsafe-pragma"),
        ("PRAGMA wal_checkpoint", "unsafe-pragma"),
        ("SELECT * FROM pragma_optimize", "unsafe-pragma"),
        ("BEGIN", "transaction-control"),
        ("COMMIT", "transaction-control"),
        ("SAVEPOINT s", "transaction-control"),
        ("END", "transaction-control"),
        ("VACUUM", "transaction-control"),
    ],
)
def test_what_reaches_beyond_the_database_is_denied_by_rule(shop: Path, sql: str, rule: str) -> None:
    found = opinion(shop, sql)
    assert (found.denied, found.risk, found.error) == (rule, Risk.UNKNOWN, "")
    assert found.why


def test_looking_changes_nothing_whatever_is_looked_at(shop: Path) -> None:
    before = folder(shop.parent)
    db = open_database(str(shop), name="x")
    db.inspect(
        ["DROP TABLE orders", "PRAGMA journal_mode = wal", "VACUUM INTO 'x.db'", "DELETE FROM customers", "ANALYZE"]
    )
    db.schema(examples=3)
    db.close()
    assert folder(shop.parent) == before


def test_a_trigger_is_named_as_the_cause(shop: Path) -> None:
    found = opinion(shop, "UPDATE orders SET status = 'cancelled' WHERE status = 'pending'")
    assert touched(found, *CHANGES) == {
        ("update", "orders", ""),
        ("delete", "shipments", "trigger trg_cancel"),
        ("insert", "audit_log", "trigger trg_cancel"),
    }
    assert Access(Verb.UPDATE, "orders", "status") in found.accesses


def test_an_instead_of_trigger_is_named_as_the_cause(shop: Path) -> None:
    found = opinion(shop, "UPDATE german SET name = 'x'")
    assert ("update", "customers", "trigger german_edit") in touched(found)
    assert ("update", "german", "") in touched(found)


def test_what_a_view_reads_is_read_by_the_view(shop: Path) -> None:
    found = opinion(shop, "SELECT name FROM german")
    assert touched(found) == {("read", "german", ""), ("read", "customers", "view german")}


def test_foreign_key_actions_are_named_to_the_end_of_the_chain(shop: Path) -> None:
    found = opinion(shop, "DELETE FROM customers WHERE id = 1")
    assert touched(found, *CHANGES) == {
        ("delete", "customers", ""),
        ("delete", "orders", "foreign key of customers"),
        ("update", "shipments", "foreign key of orders"),
    }


def test_without_foreign_keys_there_are_no_actions(shop: Path) -> None:
    found = opinion(shop, "DELETE FROM customers WHERE id = 1", foreign_keys=False)
    assert touched(found, *CHANGES) == {("delete", "customers", "")}


def test_a_foreign_key_that_is_only_checked_is_not_a_read_of_the_statement(shop: Path) -> None:
    found = opinion(shop, "INSERT INTO orders (customer_id) VALUES (1)")
    assert touched(found) == {("insert", "orders", ""), ("read", "customers", "foreign key of orders")}


@pytest.mark.parametrize(
    "sql",
    [
        "REPLACE INTO audit_log VALUES (1, 'x')",
        "INSERT OR REPLACE INTO audit_log VALUES (1, 'x')",
        "UPDATE OR REPLACE audit_log SET id = 2",
        "/* REPLACE */ insert /**/ or -- x\n replace into audit_log values (1, 'x')",
    ],
)
def test_replace_is_said_to_delete(shop: Path, sql: str) -> None:
    assert ("delete", "audit_log", "") in touched(opinion(shop, sql))


def test_a_word_replace_in_a_text_or_an_expression_deletes_nothing(shop: Path) -> None:
    select = "SELECT 'OR REPLACE INTO' || replace('a', 'b', 'c') WHERE 1 OR replace('a', 'b', 'c')"
    assert touched(opinion(shop, f"INSERT INTO audit_log (what) {select}"), *CHANGES) == {("insert", "audit_log", "")}


def test_a_constraint_that_replaces_is_said_to_delete(tmp_path: Path) -> None:
    path = make(tmp_path / "r.db", "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)")
    assert touched(opinion(path, "INSERT INTO t VALUES (1)")) == {("insert", "t", ""), ("delete", "t", "")}


def test_a_common_table_expression_is_no_table(shop: Path) -> None:
    found = opinion(shop, "WITH recent AS (SELECT * FROM orders) SELECT count(*) FROM recent")
    assert {t for _, t, _ in touched(found)} == {"orders"}


def test_a_table_counted_without_a_column_is_read(shop: Path) -> None:
    assert touched(opinion(shop, "SELECT count(*) FROM orders")) == {("read", "orders", "")}


def test_a_temporary_table_is_not_mistaken_for_the_real_one(shop: Path) -> None:
    db = open_database(str(shop), name="x")
    first, second = db.inspect(["CREATE TEMP TABLE customers (id)", "DELETE FROM customers"])
    assert touched(first) == {("create", "temp.customers", "")}
    assert ("delete", "temp.customers", "") in touched(second)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT o.totl FROM orders o", "no such column: o.totl (closest: orders.total)"),
        ("UPDATE orders SET statsu = 'x'", "no such column: statsu (closest: orders.status)"),
        ("INSERT INTO orders (totla) VALUES (1)", "table orders has no column named totla (closest: orders.total)"),
        ("SELECT * FROM oders", "no such table: oders (closest: orders)"),
        ("SELECT uper('x')", "no such function: uper (closest: upper)"),
        ("SELECT zzzzzz FROM orders", "no such column: zzzzzz"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("", "there is no statement in it"),
        ("-- nothing", "there is no statement in it"),
        ("SELECT 1; DELETE FROM orders", "there is more than one statement in it"),
        ("SELECT * FROM orders WHERE id = ?", "the statement has a parameter, and nothing gives it a value"),
        ("SELECT 1\x00; DELETE FROM orders", "the statement holds a NUL character"),
        ("SELECT '\ud800'", "the statement is not valid text: it holds half a character"),
    ],
)
def test_what_does_not_compile_says_why_and_what_is_nearest(shop: Path, sql: str, error: str) -> None:
    found = opinion(shop, sql)
    assert found.error == error
    assert found.risk is Risk.UNKNOWN
    assert found.accesses == ()


def test_a_later_statement_sees_what_an_earlier_one_made(shop: Path) -> None:
    db = open_database(str(shop), name="x")
    before = folder(shop.parent)
    script = [
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, order_id REFERENCES orders ON DELETE CASCADE, word TEXT)",
        "CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN INSERT INTO audit_log (what) VALUES (NEW.word); END",
        "INSERT INTO tags (word) VALUES ('x')",
        "ALTER TABLE tags RENAME COLUMN word TO label",
        "SELECT label FROM tags",
        "DELETE FROM orders",
        "DROP TABLE tags",
        "SELECT * FROM tags",
    ]
    found = db.inspect(script)
    assert [o.error for o in found[:7]] == [""] * 7
    assert ("insert", "audit_log", "trigger tagged") in touched(found[2])
    assert found[4].risk is Risk.READ
    assert ("delete", "tags", "foreign key of orders") in touched(found[5])
    assert found[7].error == "no such table: tags"
    assert folder(shop.parent) == before


def test_an_endless_create_table_as_is_given_up(shop: Path) -> None:
    db = open_database(str(shop), name="x")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT zeroblob(1000000) AS x FROM n"
    first, second = db.inspect([f"CREATE TABLE big AS {endless}", "SELECT x FROM big"])
    assert first.risk is Risk.WRITE
    assert second.error == "no such table: big"


def test_a_full_text_index_that_rewrites_itself_in_a_select_is_no_read(tmp_path: Path) -> None:
    path = make(tmp_path / "f.db", "CREATE VIRTUAL TABLE f USING fts3(x); INSERT INTO f VALUES ('a')")
    found = opinion(path, "SELECT optimize(f) FROM f")
    assert found.readonly
    assert found.risk is Risk.UNKNOWN
    assert found.why == "function optimize"


def test_a_word_that_sqlite_takes_for_text_is_pointed_out(shop: Path) -> None:
    assert opinion(shop, "DELETE FROM orders WHERE \"statu\" = 'x'").quoted_as_text == ("statu",)
    assert opinion(shop, "DELETE FROM orders WHERE \"status\" = 'x'").quoted_as_text == ()


def test_the_plan_is_the_engines_own_indented_by_step(shop: Path) -> None:
    plan = opinion(shop, "SELECT * FROM orders UNION SELECT * FROM orders WHERE id = 1").plan
    assert "SCAN orders" in [step.strip() for step in plan]
    assert any(step.startswith("  ") for step in plan)


def test_a_schema_with_broken_views_is_still_inspected(tmp_path: Path) -> None:
    path = make(tmp_path / "b.db", "CREATE TABLE t (a); CREATE VIEW v AS SELECT gone FROM t")
    assert opinion(path, "SELECT a FROM t").risk is Risk.READ
    assert "no such column" in opinion(path, "SELECT * FROM v").error


def test_a_table_called_like_a_pragma_is_a_table_unless_sqlite_has_that_pragma(tmp_path: Path) -> None:
    path = make(tmp_path / "p.db", "CREATE TABLE pragma_notes (a)")
    assert opinion(path, "SELECT a FROM pragma_notes").risk is Risk.READ
