"""How far a run is, told to whoever waits for it, and to nobody where it is quick."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_files import SHOP, make

from sqlagent.databases.base import Database, Limits, MeasureBudget, OnConflict
from sqlagent.databases.open import open_database

NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 60000)"
INSERT = f"INSERT INTO numbers {NUMBERS} SELECT x FROM n"
LIMITS = Limits(seconds=None)


class Rows(list[tuple[object, ...]]):
    """A sink that notes what was said before its rows came."""

    def __init__(self, said: list[str]) -> None:
        self._said = said
        self.before: int | None = None

    def write(self, _columns: object, rows: Iterator[tuple[object, ...]]) -> int:
        self.before = len(self._said)
        self.extend(rows)
        return len(self)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = open_database(str(make(tmp_path / "shop.db", SHOP + "CREATE TABLE numbers (x);")), name="shop")
    yield db
    db.close()


def apply(db: Database, *statements: str, said: list[str]) -> bytes:
    kept: list[bytes] = []
    db.apply(
        statements, sink=Rows(said), limits=LIMITS, mark=None, verify=lambda: None, reached=lambda _: None,
        keep=kept.append, heard=said.append,
    )  # fmt: skip
    return kept[0]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.databases.sqlite.connection.progress._FIRST", 0)
    monkeypatch.setattr("sqlagent.databases.sqlite.connection.progress._BETWEEN", 0)


@pytest.mark.usefixtures("at_once")
def test_a_run_names_its_statement_and_how_much_is_changed(db: Database) -> None:
    said: list[str] = []
    apply(db, INSERT, f"{INSERT} RETURNING x", said=said)
    first, second = ([words for words in said if words.startswith(f"running statement {n} of 2, ")] for n in (1, 2))
    assert first + second == said
    assert any(re.search(r"1 of 2, \d+\.\d MB of changes, \d+\.\d s$", words) for words in first)
    assert re.search(r"1 of 2, 60,000 rows, \d+\.\d s$", first[-1])  # counted once it is through
    assert second


@pytest.mark.usefixtures("at_once")
def test_rows_are_told_where_they_are_known_and_those_of_one_statement_only(db: Database) -> None:
    said: list[str] = []
    trigger = "CREATE TRIGGER t AFTER INSERT ON numbers BEGIN INSERT INTO log VALUES (new.x); END"
    apply(db, "CREATE TABLE log (x)", trigger, INSERT, INSERT, said=said)
    counts = [int(c.replace(",", "")) for c in re.findall(r"statement 4 of 4, ([\d,]+) rows", "\n".join(said))]
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] <= 120_000


@pytest.mark.usefixtures("at_once")
def test_an_undo_tells_too(db: Database) -> None:
    kept = apply(db, INSERT, said=[])
    said: list[str] = []
    plan = db.preview_undo(kept, copy=None, budget=MeasureBudget(60), heard=None)
    db.apply_undo(
        kept, copy=None, on_conflict=OnConflict.REFUSE, limits=LIMITS, mark=None, verify=lambda: None,
        reached=lambda _: None, expected=plan.measurement, heard=said.append,
    )  # fmt: skip
    assert said
    assert all(words.startswith("taking it back, ") for words in said)


@pytest.mark.usefixtures("at_once")
def test_a_read_says_nothing_once_its_rows_come(db: Database) -> None:
    said: list[str] = []
    rows = Rows(said)
    db.read(
        f"{NUMBERS} SELECT count(*) FROM n UNION ALL SELECT x FROM n",
        sink=rows,
        limits=Limits(None, None),
        heard=said.append,
    )
    assert len(rows) == 60_001
    assert rows.before == len(said) > 0


def test_what_ends_within_a_second_says_nothing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.databases.sqlite.connection.progress.monotonic", lambda: 5.0)
    said: list[str] = []
    apply(db, INSERT, said=said)
    assert said == []


@pytest.mark.usefixtures("at_once")
def test_a_screen_that_is_gone_takes_no_run_back(db: Database) -> None:
    def gone(_words: str) -> None:
        raise BrokenPipeError

    db.apply([INSERT], sink=Rows([]), limits=LIMITS, mark=None, verify=lambda: None, reached=lambda _: None, heard=gone)
    assert db.count("SELECT count(*) FROM numbers", seconds=60).rows == 60_000
