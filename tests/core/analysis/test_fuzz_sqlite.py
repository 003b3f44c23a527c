"""Statements made by chance, with SQLite as the judge of what they change."""

from __future__ import annotations

import apsw
import apsw.ext
import pytest
from fuzzing import SCHEMA, Grammar

from sqlagent.core.analyze import parse
from sqlagent.core.nouns.analysis import Risk

_HARMLESS = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE, apsw.SQLITE_PRAGMA}


class Judge:
    """A database that prepares statements, runs none, and remembers what its authorizer was asked."""

    def __init__(self) -> None:
        self.asked: set[int] = set()
        self.connection = apsw.Connection(":memory:", statementcachesize=0)
        self.connection.execute(SCHEMA)
        self.connection.authorizer = self.note

    def note(self, code: int, *_: str | None) -> int:
        self.asked.add(code)
        return apsw.SQLITE_OK

    def changes(self, sql: str) -> bool | None:
        """Whether any statement of the text changes something; None where one cannot be prepared."""
        rest: str | None = sql
        found = False
        while rest and rest.strip():
            self.asked.clear()
            try:
                info = apsw.ext.query_info(self.connection, rest)
            except apsw.Error:
                return None
            found |= not info.is_explain and (not info.is_readonly or bool(self.asked - _HARMLESS))
            rest = info.query_remaining
        return found


def run(seed: int, wanted: int) -> tuple[int, int, int, list[str]]:
    """Statements prepared, those of them that change something, the reads called so, and the misses."""
    grammar, judge = Grammar(seed), Judge()
    prepared = writes = reads_known = 0
    misses = []
    while prepared < wanted:
        sql = grammar.statement()
        changing = judge.changes(sql)
        if changing is None:
            continue
        prepared += 1
        writes += changing
        called_read = all(o.risk is Risk.READ for o in parse(sql, "sqlite"))
        reads_known += called_read and not changing
        if changing and called_read:
            misses.append(sql)
    return prepared, writes, reads_known, misses


def test_no_statement_that_changes_something_is_called_a_read() -> None:
    prepared, writes, reads_known, misses = run(seed=20_260_331, wanted=4_000)
    assert misses == []
    assert writes * 3 >= prepared
    assert reads_known >= 0.95 * (prepared - writes)


def test_the_judge_would_notice_a_miss() -> None:
    judge = Judge()
    statements = ("SELECT 1", "SELECT 1; DELETE FROM users", "END", "REINDEX", "nonsense")
    assert [judge.changes(s) for s in statements] == [False, True, True, True, None]


def test_the_same_seed_gives_the_same_statements() -> None:
    first, second = Grammar(1), Grammar(1)
    assert [first.statement() for _ in range(50)] == [second.statement() for _ in range(50)]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_statements_and_no_miss(seed: int) -> None:
    prepared, writes, _, misses = run(seed, wanted=10_000)
    assert (misses, prepared, writes * 3 >= prepared) == ([], 10_000, True)
