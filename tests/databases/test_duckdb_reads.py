"""Nothing but a proven read runs on files, and no read reaches anything beside them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from data_files import fill
from sqlite_files import Kept, folder, read

from sqlagent.core.analyze import judge, parse
from sqlagent.core.errors import QueryError
from sqlagent.core.nouns.analysis import Analysis, Risk, Size, Statement
from sqlagent.core.nouns.policy import Deny, Facts, Policy, Writes
from sqlagent.core.policy.decision import decide
from sqlagent.databases.base import Database, Limits
from sqlagent.databases.open import open_database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CANARY = "c4n4ry"
ENDLESS = "SELECT count(*) FROM range(100000000000000)"
ATTACKS = """
SELECT * FROM read_csv('{secret}')
SELECT * FROM read_csv_auto(['{secret}'])
SELECT * FROM read_text('{secret}')
SELECT * FROM read_blob('{secret}')
SELECT * FROM read_json('{secret}')
SELECT * FROM read_json_auto('{secret}')
SELECT * FROM read_ndjson_objects('{secret}')
SELECT * FROM read_parquet('{secret}')
SELECT * FROM parquet_scan('{secret}')
SELECT * FROM parquet_metadata('{secret}')
SELECT * FROM sniff_csv('{secret}')
SELECT * FROM glob('{folder}/*')
SELECT * FROM '{secret}'
SELECT * FROM "{secret}"
FROM '{secret}'
FROM "{folder}/*.csv"
TABLE "{secret}"
SELECT * FROM 'file://{secret}'
SELECT * FROM 'https://127.0.0.1/x.csv'
SELECT * FROM 's3://bucket/x.parquet'
SELECT (SELECT content FROM read_text('{secret}'))
SELECT name FROM customers WHERE EXISTS (SELECT 1 FROM read_csv('{secret}'))
WITH x AS (FROM read_text('{secret}')) SELECT * FROM x
WITH x AS MATERIALIZED (SELECT 1), "{secret}x" AS (SELECT 2) SELECT * FROM "{secret}"
SELECT * FROM customers UNION ALL BY NAME FROM read_csv('{secret}')
SELECT * FROM customers, LATERAL (SELECT * FROM read_text('{secret}'))
SELECT main.read_text('{secret}')
SELECT '{secret}'.read_text()
SELECT * FROM system.main.read_text('{secret}')
SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')
SELECT * FROM query_table('{secret}')
SELECT * FROM query_table(['{secret}'])
DESCRIBE SELECT * FROM read_csv('{secret}')
DESCRIBE '{secret}'
SUMMARIZE '{secret}'
SUMMARIZE SELECT * FROM read_csv('{secret}')
EXPLAIN ANALYZE SELECT * FROM read_csv('{secret}')
EXPLAIN (ANALYZE) SELECT * FROM read_csv('{secret}')
EXPLAIN SELECT * FROM read_csv('{secret}')
EXPLAIN ANALYZE DELETE FROM customers
SELECT getenv('HOME')
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_logs()
SELECT * FROM which_secret('s3://x', 's3')
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{secret}'')'))
FROM sqlite_scan('{secret}', 'x')
FROM sql_auto_complete('SELECT * FROM ''{folder}/')
FROM arrow_scan(1, 2, 3)
FROM pandas_scan(1)
FROM python_map_function(1)
SELECT nextval('s')
SELECT * FROM force_checkpoint()
SELECT write_log('x')
SELECT * FROM enable_logging()
PRAGMA enable_external_access = true
PRAGMA database_list
SET enable_external_access = true
SET GLOBAL enable_external_access = true
RESET enable_external_access
SET lock_configuration = false
SET VARIABLE x = 1
SET temp_directory = '{folder}/made'
SET log_query_path = '{folder}/made'
ATTACH '{folder}/made.db'
ATTACH '{secret}' AS s (READ_ONLY)
ATTACH ':memory:' AS m
DETACH memory
USE system
COPY customers TO '{folder}/made.csv'
COPY (SELECT * FROM customers) TO '{folder}/made.parquet' (FORMAT parquet)
COPY customers FROM '{secret}'
COPY FROM DATABASE memory TO other
EXPORT DATABASE '{folder}/made'
IMPORT DATABASE '{folder}'
INSTALL httpfs
FORCE INSTALL httpfs FROM community
LOAD httpfs
LOAD '{folder}/x.duckdb_extension'
UPDATE EXTENSIONS
CREATE SECRET s (TYPE s3)
CREATE TABLE t (a INTEGER)
CREATE TEMP TABLE t AS SELECT 1
CREATE OR REPLACE TABLE customers AS FROM read_csv('{secret}')
CREATE VIEW v AS SELECT * FROM read_text('{secret}')
CREATE MACRO upper(x) AS x
CREATE MACRO t() AS TABLE SELECT * FROM read_text('{secret}')
CREATE SEQUENCE s
CREATE TYPE e AS ENUM ('a')
INSERT INTO customers SELECT * FROM customers
INSERT OR REPLACE INTO customers VALUES (1)
UPDATE customers SET name = 'x'
DELETE FROM customers
TRUNCATE customers
MERGE INTO customers USING orders ON (true) WHEN MATCHED THEN DELETE
DROP TABLE customers
ALTER TABLE customers RENAME TO c
COMMENT ON TABLE customers IS 'x'
WITH x AS (DELETE FROM customers RETURNING *) SELECT * FROM x
PREPARE p AS DELETE FROM customers
EXECUTE p
DEALLOCATE p
CALL pragma_version()
CALL dbgen(sf = 1)
CHECKPOINT
FORCE CHECKPOINT
VACUUM ANALYZE customers
ANALYZE
BEGIN
COMMIT
ROLLBACK
BEGIN; DROP TABLE customers; COMMIT
SELECT 1; DROP TABLE customers
SELECT 1 -- ; DROP TABLE customers
PIVOT customers ON name USING count(*)
SELECT * FROM customers AT (VERSION => 1)
SELECT * FROM temp.main.customers
SELECT * FROM sqlite_master
SELECT * FROM os
SELECT * FROM Path
SELECT * FROM db
""".strip().splitlines()
READS = """
SELECT 1 -- ; DROP TABLE customers
""".strip().splitlines()
ORDINARY = """
SELECT * FROM customers
select c.name, sum(o.total) as t from customers c join orders o on o.customer_id = c.id group by all order by t desc
WITH n AS (SELECT * FROM orders) SELECT count(*) FROM n WHERE total BETWEEN 1 AND 50
SELECT name, row_number() OVER (PARTITION BY country ORDER BY id) FROM customers QUALIFY true
SELECT * EXCLUDE (email) FROM customers WHERE name ILIKE 'a%' OR country IN ('France') ORDER BY 1 LIMIT 2
SELECT country, list(name ORDER BY name), count(*) FILTER (WHERE id > 1) FROM customers GROUP BY country
SELECT CASE WHEN total > 5 THEN 'big' END, CAST(total AS VARCHAR), total::DOUBLE, coalesce(state, 'x') FROM orders
SELECT strftime(DATE '2024-02-03', '%Y'), date_trunc('month', DATE '2024-02-03'), upper('x') || 'y'
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT sum(x) FROM n
SELECT name FROM customers EXCEPT SELECT name FROM german
SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) FROM customers c
SELECT [x * 2 FOR x IN [1, 2]], {'a': 1}.a, list_transform([1], lambda x: x + 1)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(n, s)
FROM orders
SELECT quantile_cont(total, 0.5), regexp_matches(state, 'n') FROM orders GROUP BY state
DESCRIBE customers
SHOW TABLES
SUMMARIZE customers
SELECT table_name FROM information_schema.tables
EXPLAIN SELECT * FROM orders
""".strip().splitlines()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    fill(tmp_path / "beside", {"secret.csv": f"s\n{CANARY}\n"})
    opened = open_database(f"duckdb:{fill(tmp_path / 'shop')}", name="shop")
    yield opened
    opened.close()


def judged(db: Database, sql: str) -> list[Statement]:
    syntax = parse(sql, "duckdb")
    engine = db.inspect([s.sql for s in syntax])
    return [judge(i, s, e, Size()) for i, (s, e) in enumerate(zip(syntax, engine, strict=True), 1)]


def test_no_attack_is_a_read_and_none_runs_where_reads_run(db: Database, tmp_path: Path) -> None:
    before = folder(tmp_path)
    tried = [sql.format(secret=tmp_path / "beside/secret.csv", folder=tmp_path / "beside") for sql in ATTACKS]
    attacks = [sql for sql in tried if sql not in READS]
    assert len(attacks) >= 40

    for sql in attacks:
        assert max(s.risk for s in judged(db, sql)) is not Risk.READ, sql
        sink = Kept()
        with pytest.raises(QueryError):
            db.read(sql, sink=sink, limits=Limits())
        assert CANARY not in str(sink.rows), sql
    assert folder(tmp_path) == before
    assert read(db, "SELECT count(*) FROM customers") == [(3,)]


@pytest.mark.parametrize("sql", [*ORDINARY, *READS])
def test_ordinary_questions_are_reads_to_both_opinions(db: Database, sql: str) -> None:
    (statement,) = judged(db, sql)
    assert statement.risk is Risk.READ, statement.findings
    read(db, sql)


@pytest.mark.parametrize("sql", ["UPDATE customers SET id = 1", "SELECT getenv('HOME')", "DROP TABLE customers"])
def test_what_is_no_read_is_denied_and_nobody_is_asked(db: Database, sql: str) -> None:
    analysis = Analysis(tuple(judged(db, sql)))
    relaxed = Policy(writes=Writes.NEVER, relaxed=frozenset({"outside-database"}))
    assert isinstance(decide(analysis, relaxed, Facts("shop", "ana", NOW)), Deny)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT name FROM customers WHERE id = 1", {"customers.id", "customers.name"}),
        ("SELECT count(*) FROM german", {"german."}),
        ("SELECT #2 FROM german", {"german.id", "german.name"}),
        ("SELECT german FROM german", {"german.id", "german.name"}),
        ("SELECT x FROM german AS g(x, y)", {"german.id", "german.name"}),
        ("SELECT COLUMNS('n.*') FROM german", {"german.id", "german.name"}),
        ("SELECT 1 FROM german JOIN audit ON NAME = what", {"german.name", "audit.what"}),
        ("SELECT 1 FROM german a JOIN german b USING (id)", {"german.id", "german.name"}),
        ("SELECT 1 FROM german a NATURAL JOIN german b", {"german.id", "german.name"}),
        ("WITH customers AS (SELECT * FROM customers) SELECT 1 FROM customers", {
            "customers.id", "customers.name", "customers.country", "customers.email"}),
    ],
)  # fmt: skip
def test_every_column_that_a_read_may_look_at_is_told(db: Database, sql: str, columns: set[str]) -> None:
    (opinion,) = db.inspect([sql])
    assert {f"{access.table}.{access.column}" for access in opinion.accesses} == columns


def test_text_that_is_not_utf_8_is_refused_in_words(db: Database) -> None:
    assert db.inspect(["SELECT '\ud800'"])[0].error == "it is not UTF-8 text"
    with pytest.raises(QueryError, match="not UTF-8"):
        read(db, "SELECT '\ud800'")


def test_a_read_can_be_cancelled_from_another_thread(db: Database) -> None:
    teller = threading.Event()

    def cancel() -> None:
        teller.wait()
        db.interrupt()

    threading.Thread(target=cancel).start()
    with pytest.raises(QueryError, match="cancelled"):
        db.read(ENDLESS, sink=Kept(), limits=Limits(seconds=None), heard=lambda _: teller.set())
    assert read(db, "SELECT 1") == [(1,)]


def test_a_ctrl_c_ends_a_read_at_once(db: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        db.read(ENDLESS, sink=Kept(), limits=Limits(seconds=None), heard=lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert read(db, "SELECT 1") == [(1,)]


def test_a_read_that_needs_too_much_memory_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.databases.duckdb.connection.load._BYTES_OF_MEMORY", 30_000_000)
    db = open_database(f"duckdb:{fill(tmp_path)}", name="shop")
    with pytest.raises(QueryError, match="more memory"):
        read(db, "SELECT range AS n, 'some text ' || range AS t FROM range(50000000) ORDER BY t")


def test_rows_come_in_their_order_and_as_they_are_asked_for(db: Database) -> None:
    sink = Kept()
    sql = "SELECT range AS n, to_days(range::INTEGER) FROM range(1000000) ORDER BY n DESC"
    outcome = db.read(sql, sink=sink, limits=Limits(rows=3))
    assert sink.rows == [(999999, "999999 days"), (999998, "999998 days"), (999997, "999997 days")]
    assert outcome.results[0].truncated
