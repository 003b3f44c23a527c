"""What can happen to an object, and how well a number of rows is known."""

from __future__ import annotations

from enum import StrEnum


class Verb(StrEnum):
    """What happens to one object."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    OTHER = "other"


class Basis(StrEnum):
    """Where a number comes from, best first; the screen always says which."""

    EXACT = "exact"
    COUNTED = "counted"
    ESTIMATED = "estimated"
    UNKNOWN = "?"
