"""What a person sees of whole commands, at 80 columns and without colour, as drawn in fixtures/screens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Shop
from data_files import SALES, fill, workbook
from ui_builders import check_screen

LOGGED = """
CREATE TABLE audit_log (id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER logged AFTER UPDATE ON orders BEGIN INSERT INTO audit_log (what) VALUES (NEW.status); END;
"""


def export(shop: Shop) -> list[Ran]:
    reads = "SELECT id, name FROM customers ORDER BY id"
    command = ("run", "--sql", reads, "-o", "customers.csv")
    return [shop.run(*command), shop.run(*command), shop.run("run", "--sql", reads, "-o", "customers.doc")]


def trap(shop: Shop) -> list[Ran]:
    shop.write("CREATE TABLE closed (customer_id INTEGER); INSERT INTO closed VALUES (1)")
    return [shop.run("run", "--sql", "DELETE FROM customers WHERE id IN (SELECT id FROM closed)")]


def quoted(shop: Shop) -> list[Ran]:
    return [shop.run("run", "--sql", 'SELECT name FROM customers WHERE country = "germany"')]


def drift(shop: Shop) -> list[Ran]:
    asked = shop.run("run", "--sql", "UPDATE orders SET total = 0 WHERE status = 'pending'", "--json").document
    shop.write("UPDATE orders SET status = 'pending' WHERE id < 4")
    return [shop.run("resume", asked["thread"], "--approve", asked["digest"])]


def measured_again(shop: Shop) -> list[Ran]:
    """What a person sees who comes back to a proposal whose rows have changed."""
    asked = shop.run("run", "--sql", "UPDATE orders SET total = 0 WHERE status = 'pending'", "--json").document
    shop.write("UPDATE orders SET status = 'pending' WHERE id < 4")
    with shop.terminal("resume", str(asked["thread"])) as terminal:
        code = terminal.type("l").end()
    return [Ran(code, b"", "\n".join(terminal.lines))]


def pending(shop: Shop) -> list[Ran]:
    asked = shop.run("run", "--sql", "DELETE FROM odd WHERE id = 1", "--json").document
    return [shop.run("show", str(asked["thread"]))]


def risk(shop: Shop) -> list[Ran]:
    shop.write(LOGGED)
    return [shop.run("run", "--sql", "UPDATE orders SET total = 12 WHERE id = 1")]


def nulls(shop: Shop) -> list[Ran]:
    shop.write("UPDATE odd SET value = 'NULL' WHERE id = 4; UPDATE odd SET value = '5' WHERE id = 5")
    asked = shop.run("run", "--sql", "UPDATE odd SET value = NULL WHERE id IN (2, 4, 5)")
    return [asked, shop.run("run", "--sql", "SELECT * FROM odd ORDER BY id", "--format", "table")]


def fails(shop: Shop) -> list[Ran]:
    script = (
        "UPDATE orders SET total = 0 WHERE id = 1;\nDELETE FROM odd;\nINSERT INTO customers VALUES (1, 'again', NULL)"
    )
    return [shop.run("run", "--sql", script)]


def data(shop: Shop) -> list[Ran]:
    workbook(
        fill(shop.folder / "data", {"customers.csv": "id,name\n1,Ana\n2,\n", "notes.txt": "x"}) / "sales.xlsx", SALES
    )
    command = ("run", "--db", "data", "--sql")
    return [
        shop.run("schema", "--db", "data"),
        shop.run(*command, "SELECT name, count(*) AS n FROM customers GROUP BY ALL ORDER BY n", "--format", "table"),
        shop.run(*command, "DELETE FROM customers"),
    ]


def chart(shop: Shop) -> list[Ran]:
    return [shop.run("run", "--sql", "SELECT status, sum(total) AS total FROM orders GROUP BY 1", "--chart")]


def vertical(shop: Shop) -> list[Ran]:
    wide = "SELECT *, 'a note that is long enough not to fit ' || id AS note, upper(status) AS s FROM orders LIMIT 2"
    return [shop.run("run", "--sql", wide, "--format", "vertical")]


SHOWN: tuple[Callable[[Shop], list[Ran]], ...] = (
    *(export, trap, quoted, drift, measured_again, pending),
    *(risk, nulls, fails, data, chart, vertical),
)
TOLD = {f"told-{made.__name__}": made for made in SHOWN}


def shown(ran: Ran, folder: Path) -> str:
    """What stood on the screen, with the same in place of ids, times and digests."""
    text = ran.err + ran.out.decode()
    text = text.replace(str(folder), "/srv")
    text = re.sub(r"\b[a-z]\d[a-z]\d\b|\b[a-z]\d\d\d\b", "k7f3", text)
    text = re.sub(r"\d+\.\d\d s\b", "0.01 s", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d  by \S+", "2026-03-30 10:02  by ana", text)
    text = re.sub(r"\b\d+s\b", "4s", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "9f2c" * 16, text)
    return re.sub(r"audit #\d+ [0-9a-f]{8}", "audit #5 20bd733d", text)


@pytest.mark.parametrize("name", TOLD)
def test_what_a_person_is_told_is_as_drawn(shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("SQLAGENT_MEASURE_AGAIN", "0.001s")
    text = "\n".join(f"{shown(ran, shop.folder)}(exit code {ran.code})\n" for ran in TOLD[name](shop))

    assert "\x1b" not in text
    check_screen(name, text.rstrip("\n"))
