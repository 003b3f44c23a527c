"""Which values of a database may be shown to a model as examples: none of a column that holds secrets or people."""

from __future__ import annotations

import re
from collections.abc import Iterable

LOOKED_AT = 2000
"""Rows of a table that are looked at."""
LONGEST = 40
"""Characters of a value."""
_SECRET_WORDS = frozenset(
    {"pass", "pwd", "pin", "otp", "salt", "hash", "session", "cookie", "mail", "mobile", "dob", "birth"}
    | {"bic", "card", "cvv", "cvc", "ssn", "tax"}
)
_SECRET_PARTS = re.compile(
    "passw|passphrase|secret|token|apikey|privatekey|iban|swift|socialsecurity|passport|credit|signature|phone|email|"
    "birthda|salary|credential"
)
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?\d[\d ()-]{9,}\d$")


def looks_secret(column: str) -> bool:
    """Whether the name alone says that nobody should see what is in it."""
    words = [w.lower() for w in _NAME_PARTS.findall(column)]
    return not _SECRET_WORDS.isdisjoint(words) or bool(_SECRET_PARTS.search("".join(words)))


def fit_to_show(values: Iterable[str]) -> tuple[str, ...]:
    """The values that may be shown; none at all where one looks like an address or a telephone number."""
    found = tuple(values)
    return () if any(_PERSONAL.match(value) for value in found) else found
