"""Without a connection a text is a read only where nobody could have put another meaning behind one of its names."""

from __future__ import annotations

import pytest

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import EngineOpinion, Kind, Risk, Size, Statement

RELATIONS = "these are tables, or views that only read"


def judged(sql: str, dialect: str, engine: EngineOpinion | None = None) -> Statement:
    (syntax,) = parse(sql, dialect)
    return judge(1, syntax, engine, Size())


def vouched(risk: Risk, *, readonly: bool = True) -> EngineOpinion:
    return EngineOpinion("", Kind.SELECT, risk=risk, readonly=readonly)


@pytest.mark.parametrize(
    ("sql", "condition"),
    [
        ("SELECT length('a'), lower('b')", "these names are the built-ins: length, lower"),
        ("SELECT u.wipe FROM users u", f"these are columns: u.wipe; and {RELATIONS}: users"),
        ("SELECT (u).wipe FROM users u", f"these are columns: (...).wipe; and {RELATIONS}: users"),
        ("SELECT (SELECT u FROM users u).wipe", f"these are columns: (...).wipe; and {RELATIONS}: users"),
        ("SELECT lower(u) FROM users u", f"these names are the built-ins: lower; and {RELATIONS}: users"),
        ("SELECT a || b FROM t", f"these names are the built-ins: ||; and {RELATIONS}: t"),
        ("TABLE users", f"{RELATIONS}: users"),
        ("COPY users TO STDOUT", f"{RELATIONS}: users"),
        ("COPY (SELECT upper('a')) TO STDOUT", "these names are the built-ins: upper"),
        ("EXPLAIN SELECT length('a')", "these names are the built-ins: length"),
        ("EXPLAIN DELETE FROM t WHERE lower(a) = 'x'", f"these names are the built-ins: lower, =; and {RELATIONS}: t"),
        ("SELECT wipe", "these are columns: wipe"),
    ],
)
def test_postgres_text_says_what_it_would_have_to_take_for_granted(sql: str, condition: str) -> None:
    statement = judged(sql, "postgres")
    assert (statement.risk, statement.word) == (Risk.UNKNOWN, "READ*")
    assert [f.message for f in statement.findings if f.rule == "reads-if"] == [f"reads, if {condition}"]


def test_a_quote_behind_a_backslash_is_one_by_a_setting_of_the_server() -> None:
    assert judged("SELECT '\\' , sleep(5) -- '", "mysql").reads_if == ("\\'",)
    assert judged('SELECT "\\" , f() -- "', "mysql").reads_if == ('\\"',)
    assert judged("SELECT 'a\\\\'", "mysql").word == "READ"


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb", "snowflake"])
def test_what_names_nothing_that_could_be_somebodys_is_a_read(dialect: str) -> None:
    assert {judged(sql, dialect).word for sql in ("SELECT 1", "SELECT 'a', NULL", "SELECT 1 AS n")} == {"READ"}


def test_a_function_of_pg_catalog_by_its_full_name_is_nobody_elses() -> None:
    assert judged("SELECT pg_catalog.length('a')", "postgres").risk is Risk.READ
    assert judged("SELECT public.length('a')", "postgres").word == "UNKNOWN"


@pytest.mark.parametrize("sql", ["SELECT lower(u.name) || 'x' FROM users u", "SELECT 1", "PRAGMA table_info(t)"])
def test_a_sqlite_database_holds_no_code_so_its_text_is_enough(sql: str) -> None:
    assert judged(sql, "sqlite").word == "READ"


def test_the_database_may_turn_read_if_into_read_and_only_by_looking() -> None:
    sql = "SELECT length(name) FROM users"
    assert judged(sql, "postgres", vouched(Risk.READ)).risk is Risk.READ
    assert judged(sql, "postgres", vouched(Risk.READ)).reads_if == ()
    assert judged(sql, "postgres", vouched(Risk.READ, readonly=False)).risk is Risk.UNKNOWN
    assert judged(sql, "postgres", vouched(Risk.WRITE)).risk is Risk.WRITE
    assert judged(sql, "postgres", EngineOpinion("", error="no such table")).risk is Risk.UNKNOWN


def test_the_database_does_not_clear_what_is_wrong_with_more_than_names() -> None:
    for sql in ("SELECT nextval('s')", "SELECT a FROM t FOR UPDATE", "SELECT /*+ Set(work_mem 1) */ a FROM t"):
        assert judged(sql, "postgres", vouched(Risk.READ)).risk is not Risk.READ


FILES = """
passwd.csv | "passwd".csv | x."csv" | x . json | x/**/.parquet | a.b.CSV | x.csv t | x.csv.gz | 'x.csv' | "x.csv"
'https://h/x' | main.csv  | x.xlsx
"""
PLACES = """
FROM {0} | SELECT EXISTS (FROM {0}) | SELECT 1 IN (FROM {0}) | SELECT (FROM {0}) | FROM t POSITIONAL JOIN {0}
WITH c AS (FROM {0}) FROM c | SELECT 1 UNION ALL FROM {0} | INSERT INTO t FROM {0} | CREATE TABLE n AS FROM {0}
CREATE VIEW v AS FROM {0} | EXPLAIN FROM {0} | DELETE FROM t USING {0} | UPDATE t SET a = 1 FROM {0} | SUMMARIZE {0}
DESCRIBE {0}
"""


def cells(table: str) -> list[str]:
    return [cell.strip() for line in table.strip().splitlines() for cell in line.split("|")]


@pytest.mark.parametrize("name", cells(FILES))
def test_duckdb_reads_a_file_by_any_name_that_could_be_one(name: str) -> None:
    assert {judged(place.format(name), "duckdb").word for place in cells(PLACES)} == {"UNKNOWN"}


@pytest.mark.parametrize("sql", ["PIVOT x.csv ON a", "UNPIVOT x.csv ON a", "FROM (PIVOT x.csv ON a)"])
def test_duckdb_pivots_a_file_too(sql: str) -> None:
    assert judged(sql, "duckdb").denied == "outside-database"


def test_a_duckdb_column_may_be_called_like_the_ending_of_a_file() -> None:
    assert judged("SELECT x.csv, x.json FROM x", "duckdb").word == "READ*"


@pytest.mark.parametrize("view", ["pg_hba_file_rules", "pg_catalog.pg_file_settings", "pg_ident_file_mappings"])
def test_postgres_views_of_the_servers_files_are_denied(view: str) -> None:
    assert judged(f"SELECT * FROM {view}", "postgres").denied == "outside-database"
    assert judged("TABLE pg_config", "postgres").denied == "outside-database"


def test_what_reads_text_as_a_type_given_by_number_is_on_no_list() -> None:
    for call in ("array_in('{1}', 16400, -1)", "pg_catalog.record_in('(1)', 16400, -1)", "domain_in('1', 16400, -1)"):
        assert judged(f"SELECT {call}", "postgres", vouched(Risk.READ)).risk is Risk.UNKNOWN


MORE_THAN_READS = """
SELECT now () | SELECT count (1) FROM t | SELECT now/**/() | SELECT `length` ('a') | SELECT db.now() | SELECT db.f(1)
SELECT s.nextval | SELECT db.s.NEXTVAL FROM t | SELECT s . `nextval` | SELECT NEXT VALUE FOR s | SELECT nextval(s)
SELECT PREVIOUS VALUE FOR s | SELECT setval(s, 1) | SELECT /*+ SET_VAR(sql_mode='') */ 1 | SELECT @x := 1
SELECT /*+ MAX_EXECUTION_TIME(0) */ a FROM t | SELECT (SELECT /*+ RESOURCE_GROUP(g) */ 1) | SELECT 1 INTO @x
SELECT * FROM (SELECT @`x`:=a FROM t) d | SELECT a INTO @x FROM t | SELECT a INTO @x, @y FROM t
SELECT a FROM t PROCEDURE ANALYSE() | EXPLAIN FORMAT=JSON INTO @x SELECT 1 | TABLE t INTO OUTFILE 'x'
SELECT * FROM information_schema.INNODB_CMP_RESET | SELECT get_lock('a', 1) | SELECT sleep(1) | SELECT benchmark(1, 1)
SELECT load_file('/x') | SELECT LAST_INSERT_ID (7) | HANDLER t OPEN | SELECT /*M!100100 sleep(1), */ 1
SELECT a FROM t FOR SHARE | SELECT a FROM t LOCK IN SHARE MODE | SELECT spider_direct_sql('x') | DO f()
SET STATEMENT max_statement_time = 0 FOR SELECT 1 | SELECT 1 INTO DUMPFILE 'x' | ANALYZE SELECT f() FROM t
"""


@pytest.mark.parametrize("sql", cells(MORE_THAN_READS))
def test_mysql_and_mariadb_do_more_than_read_here(sql: str) -> None:
    assert {o.word for o in parse(sql, "mysql")} & {"READ", "READ*"} == set()


@pytest.mark.parametrize(
    "sql", ["SELECT count(1) FROM t", "SELECT now()", "SELECT CAST(a AS CHAR (10)) FROM t WHERE b IN (1) OR (c)"]
)
def test_mysql_built_ins_without_a_gap_wait_for_the_database_only(sql: str) -> None:
    assert judged(sql, "mysql").word == "READ*"
