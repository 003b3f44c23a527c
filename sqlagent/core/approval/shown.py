"""One hash over everything that a person sees of a proposal: an approval is of exactly that, wherever it is shown."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from sqlagent.core.nouns.session import Proposal

_MOVES_ON = ("digest", "stage", "stages", "approvals", "expires_at")
"""What becomes another thing from seat to seat, and what the digest is itself."""


def shown(proposal: Proposal) -> str:
    """SHA-256, hex, of all that a proposal says but rows of the database, which do not travel.

    What is empty is left out, so that a fact that is told one day changes nothing for proposals that lack it.
    """
    document = msgspec.to_builtins(proposal)
    for name in _MOVES_ON:
        del document[name]
    for effect in (document["measurement"] or {}).get("effects", ()):
        del effect["samples"]
    return hashlib.sha256(msgspec.json.encode(_told(document), order="deterministic")).hexdigest()


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(each) for name, each in value.items() if not _is_empty(each)}
    return [_told(each) for each in value] if isinstance(value, list | tuple) else value


def _is_empty(value: object) -> bool:
    """Nothing, and not 0, which is a number of rows."""
    return value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value)
