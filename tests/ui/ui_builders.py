"""Proposals, statements and screens for the tests of ui/, and what no terminal may ever be sent."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from dataclasses import replace
from typing import Any

from checkout import FIXTURES

from sqlagent.core.nouns.analysis import Analysis, Basis, Finding, Kind, Operation, Risk, Size, Statement, Verb
from sqlagent.core.nouns.session import Proposal
from sqlagent.ui.screen import Colour, Screen

HOSTILE: list[str] = [json.loads(line)["text"] for line in (FIXTURES / "hostile.jsonl").read_text().splitlines()]

CANCEL = (
    "UPDATE orders\n   SET status = 'cancelled', cancelled_at = CURRENT_TIMESTAMP\n"
    " WHERE status = 'pending' AND created_at < DATE('now', '-1 year')"
)


def a_statement(sql: str = CANCEL, *, risk: Risk = Risk.SEVERE, **changes: Any) -> Statement:
    """The UPDATE of SCREENS.md, with the trigger that nobody mentioned."""
    update = Statement(
        index=1,
        sql=sql,
        line=1,
        kind=Kind.UPDATE,
        risk=risk,
        reads=("orders",),
        writes=("orders", "shipments", "audit_log"),
        operations=(
            Operation(Verb.UPDATE, "orders", size=Size(1204, 88310, Basis.EXACT)),
            Operation(Verb.DELETE, "shipments", "trigger trg_cancel", Size(1187, 61002, Basis.COUNTED)),
            Operation(Verb.INSERT, "audit_log", "trigger trg_cancel", Size(1204, None, Basis.ESTIMATED)),
        ),
        findings=(
            Finding("hidden-write", "Deletes from shipments, which the SQL does not mention"),
            Finding("full-scan", "Scans all of orders"),
        ),
        opinions={"syntax": "WRITE", "engine": "SEVERE"},
        plan=("SCAN orders",),
    )
    return replace(update, **changes)


def a_read(sql: str = "SELECT name, total\n  FROM orders JOIN customers USING (customer_id)") -> Statement:
    return Statement(1, sql, 1, Kind.SELECT, Risk.READ, reads=("customers", "orders"))


def a_proposal(*statements: Statement, **changes: Any) -> Proposal:
    known = statements or (a_statement(),)
    proposal = Proposal(
        id="k7f3.1",
        thread="k7f3",
        question="cancel orders stuck in 'pending' for a year",
        sql=";\n".join(statement.sql for statement in known),
        database="prod",
        target="sqlite:/srv/shop.db",
        analysis=Analysis(known),
        requested_by="ana",
        author="gpt-5-mini",
        created_at="2026-03-30T10:02:00+00:00",
        digest="9f2c41d07b3a55e8" * 4,
    )
    return replace(proposal, **changes)


def a_batch() -> Proposal:
    """The four statements of SCREENS.md."""
    sessions = Statement(
        index=2,
        sql="DELETE FROM sessions WHERE expires_at < DATE('now')",
        line=4,
        kind=Kind.DELETE,
        risk=Risk.WRITE,
        writes=("sessions",),
        operations=(Operation(Verb.DELETE, "sessions", size=Size(310, 9020, Basis.EXACT)),),
    )
    dropped = Statement(
        index=4,
        sql="DROP TABLE tmp_import",
        line=6,
        kind=Kind.DROP,
        risk=Risk.UNKNOWN,
        writes=("tmp_import",),
        operations=(Operation(Verb.DROP, "tmp_import", size=Size(5000, 5000, Basis.EXACT)),),
        findings=(Finding("no-undo", "Cannot be undone: DROP TABLE"),),
    )
    third = replace(a_read("SELECT COUNT(*) FROM orders"), index=3, line=5, reads=("orders",))
    return a_proposal(
        a_statement(), sessions, third, dropped, question="cleanup.sql", thread="m2c9", id="m2c9.1", author="ben"
    )


def a_long_batch(alike: int = 200) -> Proposal:
    """A read, a DELETE, and many UPDATEs that differ in nothing but the row; two of them have a finding."""

    def update(index: int) -> Statement:
        sql = f"UPDATE orders SET status = 'shipped', shipped_at = '2026-03-30' WHERE customer = 'Ana' AND id = {index}"
        found = (Finding("full-scan", "Scans all of orders"),) if index in (7, 9) else ()
        size = Size(1, 88310, Basis.EXACT)
        return Statement(
            index, sql, index, Kind.UPDATE, Risk.WRITE, reads=("orders",), writes=("orders",), findings=found,
            operations=(Operation(Verb.UPDATE, "orders", size=size),),
        )  # fmt: skip

    statements = [
        replace(a_batch().analysis.statements[2], index=1),
        replace(a_batch().analysis.statements[1], index=2),
    ]
    return a_proposal(*statements, *map(update, range(3, 3 + alike)), question="ship.sql")


def a_table_made_and_read() -> Proposal:
    """4 reads what 2 creates, and 3 changes what 1 changes."""
    first = a_statement("UPDATE orders SET status = 'x'", risk=Risk.WRITE, writes=("orders",), findings=())
    made = Statement(
        2, "CREATE TABLE tmp_import (id)", 2, Kind.CREATE, Risk.WRITE, writes=("tmp_import",),
        operations=(Operation(Verb.CREATE, "tmp_import"),),
    )  # fmt: skip
    read = replace(a_read("SELECT * FROM tmp_import"), index=4, reads=("tmp_import",))
    return a_proposal(first, made, replace(first, index=3), read)


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def a_screen(stream: io.StringIO | None = None, **env: str) -> Screen:
    return Screen(stream or io.StringIO(), colour=Colour.NEVER, env=env)


_DRAWN_AS_NOTHING = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE0F)}


def untamed(text: str) -> list[str]:
    """Characters that act on a terminal, hide, or reorder a line: what must never get there.  Newlines may."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    found = [c for c in text if c != "\n" and (unicodedata.category(c) in hidden or ord(c) in _DRAWN_AS_NOTHING)]
    found += [c for c in text if c != " " and unicodedata.category(c) == "Zs"]
    run = 0
    for c in text:
        run = run + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        found += [c] if run > 4 else []
    return [f"U+{ord(c):04X}" for c in found]


def check_screen(name: str, text: str) -> None:
    """Compare with fixtures/screens; `UPDATE_SCREENS=1 pytest tests/ui` writes them, to be read before committing."""
    path = FIXTURES / "screens" / f"{name}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"
