"""Clients that speak LangGraph to a thread which the command line left waiting, and what they see of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_process import Warm
from jsonschema import Draft202012Validator
from langgraph.types import Command
from shops import SELL, Shop, audited

from sqlagent import schemas
from sqlagent.core.nouns.session import Report, Status
from sqlagent.graph import open_graph
from sqlagent.pipeline.thread.langgraph_server import Served
from sqlagent.store.identity import current_user

BATCH = "; ".join(f"DELETE FROM stock WHERE id = {id_}" for id_ in (1, 2, 3))
TOOL = "execute_sql"


class Cli:
    """The real command line as a process of its own, on the shop."""

    def __init__(self, shop: Shop, warm: Warm) -> None:
        self.shop = shop
        self._warm = warm

    def __call__(self, *arguments: str) -> dict[str, Any]:
        out = self.shop.folder / "out.json"
        given = [*arguments, "--json", "--state-dir", str(self.shop.state)]
        with out.open("wb") as stdout, Path(os.devnull).open("rb") as stdin:
            standard = (stdin.fileno(), stdout.fileno(), stdout.fileno())
            self._warm.start(given, standard=standard, terminal=False, folder=self.shop.folder).wait()
        return dict(json.loads(out.read_text()))

    def run(self, sql: str = SELL, *more: str) -> dict[str, Any]:
        waits = self("run", "--sql", sql, "-d", str(self.shop.db), *more)
        assert waits["status"] == "pending"
        return waits


@pytest.fixture
def cli(shop: Shop, warm: Warm) -> Cli:
    return Cli(shop, warm)


@contextmanager
def the_graph(shop: Shop, **settings: Any) -> Iterator[Served]:
    with open_graph(database=str(shop.db), state_dir=str(shop.state), **settings) as opened:
        yield opened


def at(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def resumed(shop: Shop, thread: str, answer: Any, **settings: Any) -> dict[str, Any]:
    """LangGraph's own call, with what a client sends."""
    with the_graph(shop, **settings) as opened:
        return dict(opened.invoke(Command(resume=answer), at(thread)))


def waits_for(shop: Shop, thread: str) -> tuple[str, dict[str, Any]]:
    """Id and payload of the one interrupt that waits."""
    with the_graph(shop) as opened:
        (asked,) = opened.get_state(at(thread)).interrupts
    return asked.id, asked.value


def refusals(shop: Shop, thread: str) -> list[str]:
    entries = [e for e in audited(shop) if (e.what, e.thread) == ("refused", thread)]
    assert {e.who for e in entries} <= {current_user()}
    return [str(msgspec.json.decode(e.detail)["because"]) for e in entries]


def still_waits(shop: Shop, thread: str) -> Report:
    report = shop.report(thread)
    assert (report.status, shop.sold) == (Status.PENDING, 0)
    return report


def action(sql: str, called: str = "action") -> dict[str, Any]:
    return {called: TOOL, "args": {"sql": sql}}


def ag_ui(name: str, payload: object) -> dict[str, Any]:
    return {"interruptId": name, "status": "resolved", "payload": payload}


def held_to(name: str, document: object) -> None:
    assert [e.message for e in Draft202012Validator(schemas.load(name)).iter_errors(document)] == []


Answer = Callable[[str, str], Any]
"""Of the interrupt's id and the digest."""
