"""The digest that an approval names: a hash of the SQL and of everything that gives the SQL its meaning."""

from __future__ import annotations

import hashlib


def digest(
    *,
    proposal: str,
    sql: str,
    target: str,
    schema: str,
    stages: int,
    effect: str = "",
    policy: str = "",
    shown: str = "",
) -> str:
    """SHA-256, hex, over the exact SQL and everything that gives it its meaning; change a byte and it is another.

    `proposal` is the proposal's id, so that an approval of one thread is worth nothing in another; `effect` is the
    fingerprint of what it was measured to do, where it was; `policy` its word and the seats that it wants filled;
    `shown` all else that is on the screen, so that a plan on another machine cannot show another thing.
    This is the digest that the first stage approves; `next_stage` makes those of the others.
    """
    return _sealed("sqlagent-approval-3", proposal, str(stages), target, schema, effect, policy, sql, shown)


def next_stage(before: str, *, by: str) -> str:
    """The digest of a stage: over that of the stage before it and who filled that one."""
    return _sealed("sqlagent-stage-1", before, by)


def _sealed(*parts: str) -> str:
    sealed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        sealed.update(len(raw).to_bytes(8, "big") + raw)  # length first: no two lists of parts read alike
    return sealed.hexdigest()
