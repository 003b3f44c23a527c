"""What an approval is bound to."""

from __future__ import annotations

import hashlib


def digest(*, proposal: str, sql: str, target: str, schema: str, stage: int, stages: int, effect: str = "") -> str:
    """SHA-256, hex, over the exact SQL and everything that gives it its meaning; change a byte and it is another.

    `proposal` is the proposal's id, so that an approval of one thread is worth nothing in another; `effect` is the
    fingerprint of what it was measured to do, where it was.
    """
    measured = (effect,) if effect else ()
    parts = ("sqlagent-approval-1", proposal, f"{stage}/{stages}", target, schema, *measured, sql)
    sealed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        sealed.update(len(raw).to_bytes(8, "big") + raw)  # length first: no two lists of parts read alike
    return sealed.hexdigest()
