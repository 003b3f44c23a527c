"""Which functions an engine has and what calling one can do: a list for each dialect that a person can review."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

LISTED = ("sqlite", "postgres", "mysql", "duckdb")
_SAME_AS = {"redshift": "postgres", "materialize": "postgres", "risingwave": "postgres", "mariadb": "mysql"}


class Effect(StrEnum):
    """What calling a function can do."""

    PURE = "pure"
    """Nothing but give an answer."""
    VOLATILE = "volatile"
    """It changes something inside the database or the session: a sequence, a lock, a setting, an index."""
    OUTSIDE = "outside"
    """It reaches files, programs, the network or other sessions, or runs SQL that is hidden in a string."""
    UNKNOWN = "unknown"
    """It is on no list."""


def effect_of(name: str, dialect: str) -> Effect:
    """What calling this function can do, whatever its case."""
    return functions(dialect).get(name.lower(), Effect.UNKNOWN)


@lru_cache
def functions(dialect: str) -> dict[str, Effect]:
    """Every listed function of a dialect.  Of a dialect without a list: what is pure wherever it is known."""
    dialect = _SAME_AS.get(dialect, dialect)
    if dialect in LISTED:
        return _read(dialect)
    known: dict[str, Effect] = {}
    for listed in LISTED:
        for name, effect in _read(listed).items():
            known[name] = effect if known.get(name, Effect.PURE) is Effect.PURE else known[name]
    return known


@lru_cache
def _read(dialect: str) -> dict[str, Effect]:
    text = files(__name__).joinpath(f"{dialect}.txt").read_text("utf-8")
    pairs = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: Effect(effect) for name, effect in pairs}
