"""`sqlagent check`: the analysis alone, for editors and CI.  It never asks, never runs, and connects only to `--db`."""

from __future__ import annotations

import pytest
from check_lines import FIELDS, SCRIPT, lines, one
from cli_shop import Shop

# ---- what it says ------------------------------------------------------------------------------------------------


def test_a_statement_is_a_line_of_json_with_the_agreed_fields_in_order(shop: Shop) -> None:
    (shop.folder / "a.sql").write_text(SCRIPT)
    told = lines(shop.run("check", "a.sql", "--json"))
    assert [list(line) for line in told] == [["format_version", *FIELDS]] * 3
    assert [(t["format_version"], t["index"], t["line"], t["kind"], t["risk"]) for t in told] == [
        (1, 1, 1, "select", "READ"),
        (1, 2, 3, "update", "WRITE"),
        (1, 3, 4, "delete", "SEVERE"),
    ]
    assert [t["sql"] for t in told] == [line.rstrip(";") for line in SCRIPT.splitlines() if line]
    assert [t["writes"] for t in told] == [[], ["orders"], ["orders"]]
    assert told[0]["reads"] == ["customers"]
    assert told[0]["findings"] == []
    (finding,) = told[2]["findings"]
    assert sorted(finding) == ["message", "rule", "severity"]
    assert (finding["rule"], finding["severity"]) == ("no-where", "danger")
    assert [t["denied"] for t in told] == [None] * 3


def test_without_a_database_the_engine_has_no_opinion(shop: Shop) -> None:
    assert one(shop, "SELECT 1")["opinions"] == {"syntax": "READ", "engine": None}
    assert one(shop, "SELECT name FROM customers", "--db", "shop.db")["opinions"] == {
        "syntax": "READ",
        "engine": "READ",
    }


def test_with_a_database_what_the_text_cannot_know_is_told(shop: Shop) -> None:
    assert one(shop, "SELECT nam FROM customers")["risk"] == "READ"
    told = one(shop, "SELECT nam FROM customers", "--db", "shop.db")
    assert told["risk"] == "UNKNOWN"
    assert "no such column: nam" in told["findings"][0]["message"]


def test_a_person_reads_a_line_a_statement_and_its_findings_below(shop: Shop) -> None:
    (shop.folder / "a.sql").write_text(SCRIPT + "ATTACH 'x' AS y")
    assert shop.run("check", "a.sql").text.splitlines() == [
        "a.sql:1: READ    select customers",
        "a.sql:3: WRITE   update orders",
        "a.sql:4: SEVERE  delete orders",
        "    ! no WHERE: it deletes every row of orders  [no-where]",
        "a.sql:5: UNKNOWN attach   denied [outside-database]",
        "    ! it opens or closes another database  [outside-database]",
    ]


# ---- what it never does ------------------------------------------------------------------------------------------


def test_it_connects_to_nothing_unless_a_database_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_DB", "postgresql://nobody.invalid/x")
    (shop.folder / "sqlagent.toml").write_text('database = "gone.db"\n')
    ran = shop.cold("check", "--sql", "SELECT 1", prelude=_IMPORTED)
    assert (ran.code, ran.text) == (0, "command line:1: READ    select\n")
    assert ran.err == "were imported\n"
    assert not shop.state.exists()


_IMPORTED = """
import atexit, sys
import apsw
def refuse(*_, **__):
    raise AssertionError("it opened a database")
apsw.Connection = refuse
def hook(event, _):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen"):
        refuse()
sys.addaudithook(hook)
drivers = {"sqlagent.databases.sqlite", "sqlagent.databases.open", "sqlite3", "openai", "langgraph"}
atexit.register(lambda: print(*sorted(drivers & sys.modules.keys()), "were imported", file=sys.stderr))
"""


def test_a_database_that_is_not_there_is_missed_only_when_it_is_named(shop: Shop) -> None:
    ran = shop.run("check", "--sql", "SELECT 1", "--db", "gone.db")
    assert ran.code == 3
    assert "gone.db" in ran.error[0]
    assert not (shop.folder / "gone.db").exists()


def test_nothing_runs_and_nothing_is_asked(shop: Shop) -> None:
    before = shop.path.read_bytes()
    sql = "DELETE FROM orders; DROP TABLE odd; CREATE TABLE t(a); INSERT INTO t VALUES (1); PRAGMA user_version = 9"
    assert shop.run("check", "--sql", sql, "--db", "shop.db").code == 6
    assert shop.path.read_bytes() == before
    assert sorted(path.name for path in shop.folder.iterdir()) == ["shop.db"]
    with shop.terminal("check", "--sql", "DELETE FROM orders", "--db", "shop.db") as terminal:
        assert terminal.end() == 5
    assert "  > " not in terminal.seen
    assert shop.run("pending", "--json").document["threads"] == []


def test_a_statement_may_build_on_the_one_before_it(shop: Shop) -> None:
    ran = shop.run("check", "--sql", "CREATE TABLE t(a); SELECT a FROM t", "--db", "shop.db", "--json")
    assert [line["risk"] for line in lines(ran)] == ["WRITE", "READ"]


# ---- the exit code -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("", 0),
        ("SELECT 1; SELECT 2", 0),
        ("SELECT 1; UPDATE t SET a = 1 WHERE b = 2", 5),
        ("DELETE FROM t", 5),
        ("SELECT refresh_totals()", 5),
        ("DELETE FROM t; ATTACH 'x' AS y", 6),
        ("COMMIT", 6),
    ],
)
def test_the_exit_code_is_that_of_the_worst_statement(shop: Shop, sql: str, code: int) -> None:
    (shop.folder / "a.sql").write_text(sql)
    assert shop.run("check", "a.sql").code == code
    assert shop.run("check", "a.sql", "--format", "sarif").code == code


_OF_EACH_RISK = {
    "READ": "SELECT 1",
    "WRITE": "UPDATE t SET a = 1 WHERE b = 2",
    "SEVERE": "DELETE FROM t",
    "UNKNOWN": "SELECT refresh_totals()",
}


@pytest.mark.parametrize(
    ("level", "codes"),
    [
        ("READ", [5, 5, 5, 5]),
        ("WRITE", [0, 5, 5, 5]),
        ("SEVERE", [0, 0, 5, 5]),
        ("unknown", [0, 0, 0, 5]),
    ],
)
def test_fail_on_moves_the_line(shop: Shop, level: str, codes: list[int]) -> None:
    ran = [shop.run("check", "--sql", sql, "--fail-on", level) for sql in _OF_EACH_RISK.values()]
    assert [r.text.split()[2] for r in ran] == list(_OF_EACH_RISK)
    assert [r.code for r in ran] == codes


def test_fail_on_never_lets_what_is_denied_pass(shop: Shop) -> None:
    assert shop.run("check", "--sql", "ATTACH 'x' AS y", "--fail-on", "UNKNOWN").code == 6


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--fail-on", "HIGH"), "--fail-on is not one of its values: HIGH", "READ WRITE SEVERE UNKNOWN"),
        (("--format", "xml"), "--format is not one of its values: xml", "text json github gitlab sarif"),
        (("--input", "csv"), "--input is not one of its values: csv", "sql jsonl"),
        (("--dialect", "klingon"), "--dialect is not one of its values: klingon", "postgres"),
        (("--dialect", "mysql", "--db", "shop.db"), "shop.db speaks sqlite, not mysql", "leave --dialect out"),
        (("--input", "jsonl"), "--input jsonl reads standard input", "sqlagent check --input jsonl"),
        (("a.sql",), "name one source of SQL", "--sql TEXT"),
    ],
)
def test_a_flag_that_says_nothing_we_know_is_two_lines(
    shop: Shop, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    ran = shop.run("check", "--sql", "SELECT 1", *arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert message in ran.error[0]
    assert hint in ran.error[1]


# ---- dialects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "sql", "denied"),
    [
        ("mariadb", "SELECT 1 /*M! OR 1 */", "executable-comment"),
        ("MySQL", "SELECT 1 /*! OR 1 */", "executable-comment"),
        ("sqlite", "SELECT 1 /*! OR 1 */", None),
        ("postgresql", "COPY t TO PROGRAM 'sh'", "outside-database"),
        ("postgres", "SET ROLE admin", "session-change"),
        ("duckdb", "INSTALL httpfs", "outside-database"),
    ],
)
def test_the_dialect_goes_by_each_of_its_names(shop: Shop, dialect: str, sql: str, denied: str | None) -> None:
    told = one(shop, sql, "--dialect", dialect)
    assert told["denied"] == denied
    assert denied is None or [f["rule"] for f in told["findings"]] == [denied]
