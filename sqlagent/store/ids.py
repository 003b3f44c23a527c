"""Names of threads: short enough to type, and never mistaken for one another."""

from __future__ import annotations

import secrets

_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_DIGITS = "23456789"


def new_id(taken: int = 0) -> str:
    """Four characters such as `k7f3`, a letter first, without `l o 0 1`; longer once so many ids were taken."""
    length = 4 + taken // 8
    return secrets.choice(_LETTERS) + "".join(
        secrets.choice(_DIGITS if place % 2 else _LETTERS + _DIGITS) for place in range(1, length)
    )
