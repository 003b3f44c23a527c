"""The error for a proposal that cannot be made, so that no person is asked."""

from __future__ import annotations

from sqlagent.core.errors import QueryError


class Refused(QueryError):
    """The database does not accept the SQL, or there is nothing that could be taken back."""
