"""`sqlagent demo postgres`: a server that starts, holds a shop that shows what there is to see, and goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from checkout import FIXTURES
from cli_shop import Shop

SCREEN = FIXTURES / "readme" / "postgres.txt"


@pytest.fixture
def demo(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    started = shop.run("demo", "postgres", "--json")
    assert started.code == 0, started.err
    document: dict[str, object] = json.loads(started.out)
    monkeypatch.setenv("SQLAGENT_DB", str(document["url"]))
    yield document
    assert shop.run("demo", "postgres", "--stop").code == 0


def test_the_demo_shows_what_an_update_would_do_and_takes_it_back(shop: Shop, demo: dict[str, object]) -> None:
    command, *shown = SCREEN.read_text("utf-8").splitlines()
    sql = re.findall(r'"(.*)"', command)[0]
    asked = shop.run("run", "--sql", sql)
    assert asked.code == 8
    thread = re.findall(r"^(\w{4})  ", asked.err, re.MULTILINE)[0]
    assert "\n".join(shown) in asked.err.replace(thread, "k7f3")

    digest = re.findall(r"digest (\w+)", asked.err)[0]
    assert "90 rows changed: 36 orders" in shop.run("resume", thread, "--approve", digest).err
    undo = json.loads(shop.run("undo", thread, "--json").out)
    shop.run("resume", str(undo["thread"]), "--approve", str(undo["digest"]))
    left = shop.run("run", "--sql", "SELECT count(*) FROM shipments", "--csv")
    assert left.code == 8

    again = json.loads(shop.run("demo", "postgres", "--json").out)
    assert (again["started"], again["url"]) == (False, demo["url"])
    doctor = json.loads(shop.run("doctor", "--json").out)
    assert [c["state"] for c in doctor["checks"] if c["name"] == "database"] == ["ok", "note"]  # fsync is off


def test_what_is_not_there_is_said(shop: Shop) -> None:
    assert shop.run("demo", "postgres", "--stop").text.strip() == "no demo runs"
    assert shop.run("demo", "oracle").code == 2


def test_help_says_which_role_to_make(shop: Shop) -> None:
    text = shop.run("help", "databases").text
    assert "CREATE ROLE sqlagent LOGIN" in text
    assert "GRANT SELECT ON ALL TABLES" in text
