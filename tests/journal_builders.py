"""Nouns of the journal for tests: what a test does not say is the ordinary case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlagent.core.approval.digest import digest
from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Statement
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Source, Status, Thread
from sqlagent.store.journal import Journal

NOW = "2026-03-30T10:02:00.000+00:00"


def a_journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal.db")


def a_thread(**changes: Any) -> Thread:
    facts: dict[str, Any] = {
        "id": "k7f3", "status": Status.NEW, "database": "shop.db", "url": "sqlite:/srv/shop.db",
        "target": "sqlite:/srv/shop.db", "source": Source.MODEL, "question": "cancel old orders",
        "requested_by": "ana", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Thread(**(facts | changes))


def a_proposal(number: int = 1, *, sql: str = "DELETE FROM t WHERE id = 1", **changes: Any) -> Proposal:
    name = f"{changes.get('thread', 'k7f3')}.{number}"
    statement = Statement(1, sql, 1, Kind.DELETE, Risk.WRITE, writes=("t",))
    facts: dict[str, Any] = {
        "id": name, "thread": "k7f3", "question": "cancel old orders", "sql": sql, "database": "shop.db",
        "target": "sqlite:/srv/shop.db", "analysis": Analysis((statement,)), "requested_by": "ana", "author": "gpt",
        "created_at": NOW,
        "digest": digest(proposal=name, sql=sql, target="sqlite:/srv/shop.db", schema="s", stages=1),
    }  # fmt: skip
    return Proposal(**(facts | changes))


def a_decision(proposal: Proposal, choice: Choice = Choice.APPROVE, **changes: Any) -> Decision:
    facts: dict[str, Any] = {"choice": choice, "digest": proposal.digest, "by": "ana", "how": "key"}
    return Decision(**(facts | changes))
