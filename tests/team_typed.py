"""Commands of a team on one shared store, as each person types them on a machine of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_process import Running as Process
from cli_process import Terminal, Warm
from cli_shop import Shop
from shared_store import Store


@dataclass
class Waiting:
    """A command off a terminal, whose end is somebody else's to bring about."""

    process: Process
    written: Path

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit code and the one document that it printed."""
        return self.process.wait(), dict(json.loads(self.written.read_text()))


class As:
    """What somebody types: run here, in a process of its own, or before a terminal."""

    def __init__(self, shop: Shop, store: Store, warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop, self.store = shop, store
        self._warm, self._patch = warm, monkeypatch

    def is_now(self, who: str) -> None:
        """What is started next is theirs."""
        self._patch.setenv("SQLAGENT_STORE", self.store.url_of(who))
        self._patch.setenv("SQLAGENT_STATE_DIR", str(self.store.folder.parent / f"state-{who}"))

    def __call__(self, who: str, *arguments: str, away: bool = False) -> tuple[int, str]:
        """Exit code and all that was said; `away` from the machine that has the database."""
        self.is_now(who)
        hidden = self.shop.path.with_suffix(".elsewhere")
        if away:
            self.shop.path.rename(hidden)
        try:
            ran = self.shop.run(*arguments)
        finally:
            if away:
                hidden.rename(self.shop.path)
        return ran.code, ran.out.decode() + ran.err

    def document(self, who: str, *arguments: str, **more: Any) -> dict[str, Any]:
        """What `--json` printed."""
        return dict(json.loads(self(who, *arguments, "--json", **more)[1].partition("\nerror")[0]))

    def at_terminal(self, who: str, *arguments: str) -> Terminal:
        self.is_now(who)
        return self.shop.terminal(*arguments)

    def waiting(self, who: str, *arguments: str) -> Waiting:
        """A script of theirs that waits for others, in a process of its own."""
        self.is_now(who)
        written = self.shop.folder / f"{who}.json"
        with written.open("wb") as stdout, Path(os.devnull).open("rb") as stdin:
            standard = (stdin.fileno(), stdout.fileno(), stdout.fileno())
            started = self._warm.start(
                [*arguments, "--json"], standard=standard, terminal=False, folder=self.shop.folder
            )
        return Waiting(started, written)

    def pending(self, who: str) -> dict[str, Any]:
        """What waits, once something does, with its digest."""
        while not (threads := self.document(who, "pending")["threads"]) or not threads[0]["digest"]:
            pass
        return dict(threads[0])


@pytest.fixture
def typed(shop: Shop, store: Store, warm: Warm, monkeypatch: pytest.MonkeyPatch) -> As:
    return As(shop, store, warm, monkeypatch)
