"""What cannot be put to a person at all."""

from __future__ import annotations

from sqlagent.core.errors import QueryError


class Refused(QueryError):
    """The database would not prepare it, or has nothing to take back."""
