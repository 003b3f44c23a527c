from __future__ import annotations

import pytest

from sqlagent.core.analyze import opinions, parse
from sqlagent.core.text.split import split

TRIGGER = "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM x; END"


def texts(script: str, dialect: str) -> list[str]:
    return [o.sql for o in parse(script, dialect)]


def test_an_empty_script_has_no_statements() -> None:
    assert parse(" ;; -- nothing\n /* at all */ ;", "sqlite") == ()


def test_each_statement_is_its_exact_text_without_semicolon_or_comments_around() -> None:
    script = "-- total\nSELECT  1 /* in */ +1 ; select 2 -- last\n;"
    assert texts(script, "sqlite") == ["SELECT  1 /* in */ +1", "select 2"]


def test_the_line_is_where_the_statement_starts() -> None:
    assert [o.line for o in parse("\n-- c\nSELECT 1;\n\n SELECT\n2; SELECT 3", "sqlite")] == [3, 5, 6]


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("sqlite", TRIGGER),
        ("sqlite", TRIGGER.replace("CREATE", "CREATE TEMP")),
        ("sqlite", "SELECT ';', [;], `;`, \";\" /* ; */ -- ;"),
        ("postgres", "SELECT $$;$$, $a$ $$;$$ $a$, E'\\';' /* /* ; */ ; */"),
        ("postgres", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN 1=1 THEN 2 END; END"),
        ("postgres", "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; SELECT 1)"),
        ("postgres", "DO $$ BEGIN DELETE FROM t; END $$"),
        ("mysql", "SELECT 'a\\';', \";\", `;` # ;"),
        ("mysql", "CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; CASE x WHEN 1 THEN SELECT 1; END CASE; END"),
        ("duckdb", "SELECT $$;$$, ';'"),
    ],
)
def test_a_semicolon_inside_does_not_end_a_statement(dialect: str, statement: str) -> None:
    found = texts(f"{statement}\n; SELECT 2", dialect)
    assert len(found) == 2
    assert statement.startswith(found[0])
    assert found[1] == "SELECT 2"


@pytest.mark.parametrize(
    ("dialect", "script", "count"),
    [
        ("sqlite", "SELECT 1 /* /* */ ; DELETE FROM t; -- */", 2),
        ("postgres", "SELECT 1 /* /* */ ; DELETE FROM t; -- */", 1),
        ("sqlite", "SELECT '\\'; DELETE FROM t; --'", 2),
        ("mysql", "SELECT '\\'; DELETE FROM t; --'", 1),
        ("mysql", 'SELECT "; DELETE FROM t"', 1),
        ("mysql", "SELECT 5--1; DELETE FROM t", 2),
        ("sqlite", "SELECT 5--1; DELETE FROM t", 1),
        ("sqlite", "CREATE TRIGGER t; DELETE FROM t", 2),
    ],
)
def test_engines_disagree_about_quotes_and_comments_and_so_do_we(dialect: str, script: str, count: int) -> None:
    assert len(texts(script, dialect)) == count


def test_an_executable_comment_is_a_statement_where_the_server_runs_it() -> None:
    assert [o.denied for o in parse("/*!50000 DELETE FROM users */", "mysql")] == ["executable-comment"]
    assert parse("/*!50000 DELETE FROM users */", "sqlite") == ()


def test_a_long_script_is_read_statement_by_statement() -> None:
    script = "SELECT 1;\n" * 1000
    stream = opinions(script, "sqlite")
    assert next(stream).line == 1
    assert sum(1 for _ in stream) == 999


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "tsql", "oracle", "clickhouse", "spark", "trino"])
def test_every_dialect_that_the_parser_knows_is_read(dialect: str) -> None:
    read, write = parse("SELECT a, count(*) FROM t WHERE b = 'x;' GROUP BY a; DELETE FROM t WHERE a = 1", dialect)
    assert (read.word, read.reads, write.word, write.writes) == ("READ*", ("t",), "WRITE", ("t",))


LARGE = {
    "rows": "INSERT INTO t VALUES " + ",".join(["(1,'a b',2)"] * 60_000) + "\n-- the end\n",
    "a list": "SELECT " + ",".join(["1"] * 200_000),
    "brackets": "SELECT " + "(" * 200_000 + "1" + ")" * 200_000,
    "comments": "SELECT 1\n" + "--\n" * 200_000 + "+ 2",
    "a trigger": "CREATE TRIGGER g AFTER INSERT ON t BEGIN " + "DELETE FROM u;" * 60_000 + " END",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_of_a_statement_that_is_too_long_to_analyze_no_million_tokens_are_kept(text: str) -> None:
    large, small = split(f"{text};\nSELECT 2", "sqlite")
    assert len(large.tokens) + len(large.comments) < 70_000
    assert large.sql == text.removesuffix("\n-- the end\n")
    assert (small.sql, small.line) == ("SELECT 2", text.count("\n") + 2)


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "us\u0435rs"])
def test_what_hides_far_behind_in_a_long_statement_is_seen_and_what_stands_in_its_strings_is_not_taken_for_it(
    hidden: str,
) -> None:
    values = ",".join(["(1,'a')"] * 20_000)
    (outside,) = parse(f"INSERT INTO t VALUES {values}, ({hidden})", "sqlite")
    (inside,) = parse(f"INSERT INTO t VALUES {values}, ('{hidden}')", "sqlite")
    assert (outside.denied, inside.denied) == ("hidden-characters", "")
    (comment,) = parse(f"SELECT {'1,' * 40_000} 2 /*!50000 + 1 */", "mysql")
    assert comment.denied == "executable-comment"
