"""What the tools answer: where a proposal stands and what it would do, never the digest that an approval names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from sqlagent.core.nouns.analysis import Statement, Verb
from sqlagent.core.nouns.session import Proposal, Report
from sqlagent.store.audit import Entry
from sqlagent.ui.formats import json_value

_DIGEST = re.compile(r"(?<![0-9A-Fa-f])[0-9a-f]{8,64}(?![0-9A-Fa-f])")
_HIDDEN = "(digest: shown to people only)"


def report(told: Report) -> dict[str, Any]:
    """Where a thread stands, with what it would do and who decides."""
    secrets = [told.proposal.digest, *(a.digest for a in told.proposal.approvals)] if told.proposal else []
    document: dict[str, Any] = {
        "thread": told.thread,
        "status": told.status.value,
        "message": _without(told.message, secrets),
        "decided_by": told.decided_by,
        "reason": told.reason,
    }
    if told.proposal is not None:
        document |= proposal(told.proposal)
    if told.outcome is not None:
        document["rows_changed"] = [result.changed for result in told.outcome.results]
    if told.status.value == "pending":
        document["next"] = f"a person decides in a terminal: sqlagent resume {told.thread}"
    return document


def proposal(proposed: Proposal) -> dict[str, Any]:
    """What a proposal would do, as its screen says it."""
    measurement = proposed.measurement
    return {
        "proposal": proposed.id,
        "sql": proposed.sql,
        "risk": proposed.analysis.risk.name,
        "effect": [line for s in proposed.analysis.statements for line in _effect(s)],
        "findings": [{"rule": f.rule, "message": f.message} for s in proposed.analysis.statements for f in s.findings],
        "undo": {"how": measurement.undo.value, "why": measurement.undo_why} if measurement else None,
        "policy": proposed.policy,
        "approvals": f"{len(proposed.approvals)} of {proposed.stages}",
        "requested_by": proposed.requested_by,
        "environment": proposed.environment,
        "created_at": proposed.created_at,
        "expires_at": proposed.expires_at or None,
    }


def _effect(statement: Statement) -> Iterable[dict[str, Any]]:
    for op in statement.operations:
        if op.verb is not Verb.READ:
            yield {
                "verb": op.verb.value, "table": op.target, "rows": op.size.rows, "of": op.size.of,
                "basis": op.size.basis.value, "cause": op.via or "the statement itself",
            }  # fmt: skip


def rows(told: Report) -> dict[str, Any]:
    """The rows of a read that ran, as JSON has them."""
    return {
        "thread": told.thread,
        "results": [
            {"columns": list(rowset.columns), "rows": json.loads(json_value(rowset.rows))} for rowset in told.rowsets
        ],
        "more_rows": any(result.truncated for result in told.outcome.results) if told.outcome else False,
    }


def entry(recorded: Entry) -> dict[str, Any]:
    """One entry of the record, without the digests that approvals name."""
    detail = json.loads(_without(recorded.detail))
    return {
        "number": recorded.number, "at": recorded.at, "what": recorded.what, "who": recorded.who,
        "thread": recorded.thread, "detail": detail,
    }  # fmt: skip


def _without(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with no digest in it, whole or begun: what begins one is enough to approve by."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN) if secret else text
    return _DIGEST.sub(lambda found: _HIDDEN if not found[0].isdecimal() else found[0], text)
