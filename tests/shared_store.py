"""A shared store for tests: a database of its own, with people who log in as themselves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver

from sqlagent.core.nouns.session import Decision, Proposal
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer
from sqlagent.store.shared.connection import Session
from sqlagent.store.shared.journal import SharedJournal
from sqlagent.store.shared.setup import upgrade

PEOPLE = ("ana", "ben", "cyd", "gpt")
WORKER = "porter"
_ROLES = (
    "".join(
        f"DO $$ BEGIN IF to_regrole('{who}') IS NULL THEN CREATE ROLE {who} LOGIN IN ROLE {group}; END IF; END $$;"
        for who, group in [*((p, "sqlagent_people") for p in PEOPLE), (WORKER, "sqlagent_workers")]
    )
    + "DO $$ BEGIN IF to_regrole('nobody_known') IS NULL THEN CREATE ROLE nobody_known LOGIN; END IF; END $$;"
)


@dataclass
class Store:
    """One test's own shared store."""

    url: str
    folder: Path
    server: ThrowawayServer
    _opened: list[SharedJournal] = field(default_factory=list)

    def url_of(self, who: str) -> str:
        return self.url.replace("//postgres@", f"//{who}@")

    def of(self, who: str) -> SharedJournal:
        """The store as one person has it."""
        self._opened.append(SharedJournal(self.url_of(who), self.folder))
        return self._opened[-1]

    def everybody(self) -> Everybody:
        self._opened.append(made := Everybody(self))
        return made

    def owner(self, script: str, *values: object) -> list[Any]:
        """What the server's superuser does, of several statements the last one's rows."""
        with psycopg.connect(self.url, autocommit=True) as db:
            done = db.execute(script.encode(), values or None)
            return done.fetchall() if done.description else []

    def close(self) -> None:
        for journal in self._opened:
            journal.close()


class Everybody(SharedJournal):
    """A journal through which tests act as whoever they name, each by a login of their own."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.url_of("ana"), store.folder)
        self._store = store
        self._sessions: dict[str, Session] = {}
        self._now_acts = "ana"

    def me(self) -> str:
        return self._now_acts

    def decide(self, proposal: Proposal, decision: Decision) -> Decision:
        self._now_acts = decision.by if decision.by in PEOPLE else "ana"
        return super().decide(proposal, decision)

    def _call(self, what: str, function: str, *arguments: Any, by: str = "") -> Any:
        who = by if by in (*PEOPLE, WORKER) else "ana"
        if who not in self._sessions:
            self._sessions[who] = Session(self._store.url_of(who))
        own, self.session = self.session, self._sessions[who]
        try:
            return super()._call(what, function, *arguments)
        finally:
            self.session = own

    def close(self) -> None:
        super().close()
        for session in self._sessions.values():
            session.close()


@pytest.fixture(scope="session")
def store_template(pg_server: ThrowawayServer) -> str:
    name = "store_template"
    _admin(pg_server, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY wal_log")
    upgrade(pg_server.loopback_url(name), lambda db: PostgresSaver(db).setup())
    _admin(pg_server, _ROLES)
    return name


@pytest.fixture
def store_of(pg_server: ThrowawayServer, store_template: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Makes shared stores; they go with the test."""
    made: list[Store] = []

    def make() -> Store:
        name = f"store_{uuid.uuid4().hex[:12]}"
        _admin(pg_server, f"CREATE DATABASE {name} TEMPLATE {store_template} STRATEGY wal_log")
        made.append(Store(pg_server.loopback_url(name), tmp_path / "state", pg_server))
        return made[-1]

    yield make
    for store in made:
        store.close()
        _admin(pg_server, f"DROP DATABASE IF EXISTS {store.url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture
def store(store_of: Callable[[], Store]) -> Store:
    return store_of()


def _admin(server: ThrowawayServer, script: str) -> None:
    with psycopg.connect(server.loopback_url(), autocommit=True) as db:
        db.execute(script.encode())
