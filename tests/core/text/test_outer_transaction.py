"""BEGIN ... COMMIT around statements goes; every other word about transactions stays, and is denied."""

from __future__ import annotations

import pytest

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import Size


def denials(script: str, dialect: str = "sqlite") -> list[tuple[str, str]]:
    read = [judge(i, syntax, None, Size()) for i, syntax in enumerate(parse(script, dialect), 1)]
    return [(s.sql, s.denied) for s in read]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("BEGIN", "COMMIT"),
        ("begin transaction", "commit transaction"),
        ("BEGIN IMMEDIATE", "END"),
        ("BEGIN EXCLUSIVE TRANSACTION", "END TRANSACTION"),
        ("START TRANSACTION", "COMMIT WORK"),
        ("-- written by a tool\nBEGIN -- here\n", "COMMIT /* done */"),
    ],
)
def test_a_plain_pair_around_statements_goes(begin: str, end: str) -> None:
    assert denials(f"{begin};\nCREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n{end};\n") == [
        ("CREATE TABLE a (x)", ""),
        ("INSERT INTO a VALUES (1)", ""),
    ]


def test_one_pair_after_another_goes_and_what_stands_outside_stays() -> None:
    script = "SELECT 1; BEGIN; DELETE FROM a; COMMIT; BEGIN; DELETE FROM b; COMMIT; SELECT 2"
    assert [sql for sql, _ in denials(script)] == ["SELECT 1", "DELETE FROM a", "DELETE FROM b", "SELECT 2"]


@pytest.mark.parametrize(
    "script",
    [
        "BEGIN",
        "COMMIT",
        "BEGIN; COMMIT",
        "BEGIN; DELETE FROM a",
        "DELETE FROM a; COMMIT",
        "BEGIN; DELETE FROM a; ROLLBACK",
        "BEGIN; DELETE FROM a; COMMIT; COMMIT",
        "BEGIN; BEGIN; DELETE FROM a; COMMIT; COMMIT",
        "BEGIN; SAVEPOINT s; DELETE FROM a; COMMIT",
        "BEGIN; DELETE FROM a; RELEASE s; COMMIT",
        "BEGIN; DELETE FROM a; END; DELETE FROM b; COMMIT",
        "START TRANSACTION READ WRITE; DELETE FROM a; COMMIT",
        "BEGIN; DELETE FROM a; COMMIT AND CHAIN",
        "BEGIN; DELETE FROM a; COMMIT PREPARED 'x'",
        'BEGIN; DELETE FROM a; "COMMIT"',
        "BEGIN /*\u202e*/; DELETE FROM a; COMMIT",
    ],
)
def test_what_is_no_plain_pair_is_denied_or_not_understood(script: str) -> None:
    read = [judge(i, syntax, None, Size()) for i, syntax in enumerate(parse(script, "sqlite"), 1)]
    assert any(s.denied or s.risk.name == "UNKNOWN" for s in read)


def test_a_comment_that_mysql_runs_is_not_dropped_with_its_begin() -> None:
    script = "BEGIN /*!50000 ; DROP TABLE b */; DELETE FROM a; COMMIT"
    assert any(denied == "executable-comment" for _, denied in denials(script, "mysql"))


def test_the_begin_of_a_trigger_is_its_own() -> None:
    script = "BEGIN; CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; COMMIT"
    assert [sql for sql, _ in denials(script)] == ["CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END"]
