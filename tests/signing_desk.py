"""A shop whose writes need signatures, with somebody at its desk who brings plans and approvals."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_shop import Shop
from signing import People, some_people

from sqlagent.core.approval.plan import Plan, read
from sqlagent.core.approval.signed import Signed, fields

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@dataclass
class Desk:
    """A shop whose writes need ana's or ben's signature, and then zoe's."""

    shop: Shop
    people: People
    thread: str
    plan: Plan

    def ask(self, sql: str = WRITE, *more: str) -> Desk:
        """Another thread, with its plan."""
        thread = self.shop.run("run", "--sql", sql, "--json", *more).document["thread"]
        return replace(self, thread=thread, plan=self.planned(thread))

    def planned(self, thread: str, *more: str) -> Plan:
        done = self.shop.run("plan", thread, *more)
        assert done.code == 0, done.err
        return read(done.out)

    @property
    def asks(self) -> Signed:
        """What ana would sign of the first stage."""
        now = self.plan.asked
        return fields(now.digest, now.thread, now.stage, now.target, "ana", at(0))

    def good(self, **changes: Any) -> str:
        """An approval by ana's own key."""
        return self.people.approval(replace(self.asks, **changes)).text

    def give(self, text: str | bytes, thread: str = "") -> Any:
        (self.shop.folder / "given").write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.shop.run("resume", thread or self.thread, "--approval", "given")

    def entries(self, what: str) -> list[dict[str, Any]]:
        return [e for e in self.shop.run("audit", self.thread, "--json").document["entries"] if e["what"] == what]

    @property
    def stage(self) -> int:
        return int(self.shop.run("show", self.thread, "--json").document["stage"])

    @property
    def unpaid(self) -> int:
        return int(self.shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'")[0][0])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    some_people(folder)
    return folder


@pytest.fixture
def desk(shop: Shop, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for file in keys.iterdir():
        shutil.copy(file, shop.folder)
    monkeypatch.setenv("SQLAGENT_POLICY", str(shop.folder / "policy.toml"))
    first = Desk(shop, People(shop.folder), "", Plan(None, ""))  # type: ignore[arg-type]
    return first.ask()
