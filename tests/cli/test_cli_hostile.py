"""The screen cannot lie: hostile strings wherever the command line shows text, before a person, in a pipe, in JSON."""

from __future__ import annotations

import csv
import io
import sqlite3

import pytest
from cli_shop import Shop
from hostile_text import HOSTILE, literal, quoted, raw, tamed

NAMES = [text for text in HOSTILE if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)]
"""Those that SQLite takes for a name."""
CELLS = [text for text in HOSTILE if not any("\ud800" <= c <= "\udfff" for c in text)]
"""Those that a database can hold as text; what is not UTF-8 is refused with an error of its own."""


@pytest.fixture
def cells(shop: Shop) -> Shop:
    """A table with every hostile string in a cell."""
    with sqlite3.connect(shop.path) as connection:
        connection.execute("CREATE TABLE hostile (id INTEGER PRIMARY KEY, said TEXT)")
        rows = [(text,) for text in CELLS]
        connection.executemany("INSERT INTO hostile (said) VALUES (?)", rows)
    connection.close()
    return shop


@pytest.fixture
def names(shop: Shop) -> Shop:
    """A database with every hostile string as the name of a column and of a table."""
    different = {name.casefold(): name for name in NAMES if not name.lower().startswith("sqlite_")}
    with sqlite3.connect(shop.path) as connection:
        connection.execute("BEGIN")
        for index, name in enumerate(different.values()):
            connection.execute(f"CREATE TABLE {quoted(f'{index} {name}')} ({quoted(name)})")
    connection.close()
    return shop


def test_there_are_as_many_as_promised() -> None:
    assert len(NAMES) >= 300
    assert len([text for text in NAMES if raw(text)]) >= 200


@pytest.mark.parametrize("format_", ["table", "vertical", "markdown", "json", "jsonl"])
def test_cells_in_a_pipe(cells: Shop, monkeypatch: pytest.MonkeyPatch, format_: str) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    ran = tamed(cells.run("run", "--sql", "SELECT said FROM hostile", "--format", format_, "-n", "-1"))
    assert ran.code == 0
    if format_ == "jsonl":
        assert len(ran.out.splitlines()) == len(CELLS)


def test_cells_in_a_document(cells: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    ran = tamed(cells.run("run", "--sql", "SELECT said FROM hostile", "--json", "-n", "-1"))
    assert ran.document["status"] == "executed"
    assert ran.out.count(b"\n") == 1


def test_csv_in_a_pipe_is_exact(cells: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a spreadsheet or a program reads is the value itself, so nothing is spelled out there."""
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    sql = "SELECT said FROM hostile WHERE id <= 40"
    ran = cells.run("run", "--sql", sql, "--csv", "-n", "-1")
    assert raw(ran.text)
    assert raw(ran.err) == []
    said = [row[0] for row in csv.reader(io.StringIO(ran.text, newline=""))][1:]
    assert said == CELLS[:40]


@pytest.mark.parametrize("format_", ["table", "csv"])
def test_cells_before_a_person(cells: Shop, monkeypatch: pytest.MonkeyPatch, format_: str) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    sql = "SELECT said FROM hostile"
    with cells.terminal("run", "--sql", sql, "--no-pager", "--format", format_, "-n", "-1") as terminal:
        assert terminal.end() == 0
    assert f"{len(CELLS)} rows" in terminal.seen
    assert raw(terminal.seen.replace("\r\n", "\n").replace("\r", "")) == []


def test_names_of_tables_and_columns(names: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    assert tamed(names.run("schema")).code == 0
    assert len(tamed(names.run("schema", "--json")).document["tables"]) >= 300
    select = ", ".join(f"1 AS {quoted(name)}" for name in NAMES if not raw(name) and name.strip())
    for arguments in ((), ("--json",)):
        tamed(names.run("run", "--sql", f"SELECT {select or 1}", *arguments))


@pytest.mark.parametrize("format_", ["text", "json", "github", "sarif"])
def test_sql_and_what_the_database_says_of_it(shop: Shop, format_: str) -> None:
    """As text, as a name that is not there (which the database repeats in its error), as a comment, as it stands."""
    script = ";\n".join(
        f"SELECT {literal(t)}; SELECT {quoted(t)} FROM orders; DELETE FROM {quoted(t)}; /* {t} */ SELECT 1"
        for t in NAMES
    )
    (shop.folder / "all.sql").write_text(script, encoding="utf-8", newline="")
    for database in ((), ("--db", "shop.db")):
        ran = tamed(shop.run("check", "all.sql", "--format", format_, *database))
        assert ran.code == 6
        assert len(ran.out.splitlines()) >= 300 or format_ == "sarif"
