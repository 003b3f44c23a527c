"""A plan in a file: every byte of it is hostile until it fits, and `check --plan` says whether it still does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from cli_shop import Shop
from signing import POLICY, needs_ssh_keygen
from signing_desk import Desk

from sqlagent.core.approval.plan import read, written
from sqlagent.core.errors import UsageError

pytestmark = needs_ssh_keygen


# ---- plans: every byte hostile until it fits -------------------------------------------------------------------------


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, (*path, name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from leaves(value, (*path, place))
    else:
        yield path, node


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def test_a_plan_with_any_fact_changed_is_none(desk: Desk) -> None:
    """But for when it expires, which whoever runs it knows."""
    whole = written(desk.plan)
    tried = 0
    for path, value in leaves(json.loads(whole)):
        if path[-1] == "expires_at":
            continue
        for other in _others(value):
            document = json.loads(whole)
            put(document, path, other)
            with pytest.raises(UsageError, match="that is no plan"):
                read(json.dumps(document).encode())
            tried += 1
    assert tried > 60


def _others(value: Any) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1]
        case str():
            return [value + "x", "\x1b[31m"]
    return ["x"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"sqlagent": "sqlagent-plan-v1"}', b"[" * 100_000, b"{" * 100_000,
     b'{"sqlagent": "sqlagent-plan-v2", "proposal": 1, "schema": "", "decided": []}'],
)  # fmt: skip
def test_what_is_no_plan_is_said_so_in_two_lines(shop: Shop, data: bytes) -> None:
    (shop.folder / "p.json").write_bytes(data)
    refused = shop.run("approve", "p.json")
    assert (refused.code, refused.error[0].startswith("that is no plan: ")) == (2, True)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_plan_that_was_cut_is_none(desk: Desk, share: float) -> None:
    whole = written(desk.plan)
    with pytest.raises(UsageError, match="that is no plan"):
        read(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("name", ["fifo", "folder", "/dev/zero", "missing"])
def test_what_is_no_file_is_not_waited_for(shop: Shop, name: str) -> None:
    os.mkfifo(shop.folder / "fifo")
    (shop.folder / "folder").mkdir()
    assert shop.run("approve", name).code == 2


def test_a_plan_with_hostile_text_moves_no_cursor(desk: Desk) -> None:
    hostile = desk.ask("UPDATE orders SET status = 'a\x1b[2J\x1b]0;x\x07\u202e' WHERE id = 1")
    hostile.shop.run("plan", hostile.thread, "-o", "p.json")
    shown = hostile.shop.run("approve", "p.json", "--as", "ana")
    assert shown.code == 8
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.err)


def test_rows_of_the_database_travel_only_where_they_are_asked_for(desk: Desk) -> None:
    secret = desk.ask("DELETE FROM odd WHERE id = 5")
    assert b"quoted" not in secret.shop.run("plan", secret.thread).out
    assert b"quoted" in secret.shop.run("plan", secret.thread, "--rows").out


def test_a_plan_goes_over_nothing_but_a_plan(desk: Desk) -> None:
    shop = desk.shop
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    before = shop.path.read_bytes()
    refused = shop.run("plan", desk.thread, "-o", "shop.db")
    assert (refused.code, shop.path.read_bytes() == before) == (2, True)
    (shop.folder / "link").symlink_to("p.json")
    assert shop.run("plan", desk.thread, "-o", "link").code != 0


# ---- whether it still fits -------------------------------------------------------------------------------------------


CHANGES: dict[str, tuple[str, str]] = {
    "nothing": ("SELECT 1", ""),
    "other rows": ("UPDATE orders SET status = 'pending' WHERE id = 1", "changes other rows now: 11 rows"),
    "another schema": ("ALTER TABLE orders ADD COLUMN note TEXT", "the schema changed"),
    "no rows left": ("UPDATE orders SET status = 'sent' WHERE status = 'pending'", "changes other rows now: 0 rows"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_check_says_whether_a_plan_still_fits(desk: Desk, what: str) -> None:
    script, why = CHANGES[what]
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    desk.shop.write(script)
    checked = desk.shop.run("check", "--plan", "p.json", "--db", "shop.db")
    assert checked.code == (7 if why else 0)
    assert why in checked.err
    told = desk.shop.run("check", "--plan", "p.json", "--db", "shop.db", "--json").document
    assert (told["fits"], why in told["because"]) == (not why, True)


def test_a_plan_of_another_database_or_of_rules_that_ask_more_does_not_fit(desk: Desk) -> None:
    shop = desk.shop
    shop.run("plan", desk.thread, "-o", "p.json")
    shutil.copy(shop.path, shop.folder / "other.db")
    assert "it is of sqlite:" in shop.run("check", "--plan", "p.json", "--db", "other.db").error[0]
    more = POLICY + '[[rule]]\nid = "no"\nwhen = { table = "orders" }\nthen = "deny"\n'
    (shop.folder / "policy.toml").write_text(more)
    assert "the policy denies it now" in shop.run("check", "--plan", "p.json", "--db", "shop.db").error[0]
    asks = POLICY.replace('owner = ["zoe"]', 'owner = ["kim"]')
    (shop.folder / "policy.toml").write_text(asks)
    assert "asks other people now" in shop.run("check", "--plan", "p.json", "--db", "shop.db").error[0]
