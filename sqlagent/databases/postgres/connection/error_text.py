"""PostgreSQL's errors as a person needs them: what happened, what to type, and its SQLSTATE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from sqlagent.core.errors import ConnectError, QueryError, SqlagentError


def in_words(error: psycopg.Error) -> SqlagentError:
    """The same error as one of ours."""
    said = str(error).strip().splitlines()
    message = error.diag.message_primary or (said[0] if said else type(error).__name__)
    kind = ConnectError if isinstance(error, psycopg.OperationalError) else QueryError
    found = kind(message, hint=error.diag.message_hint or "")
    found.sqlstate = error.sqlstate or ""
    return found


@contextmanager
def speaking() -> Iterator[None]:
    """Turn what the driver raises into what a person would say."""
    try:
        yield
    except psycopg.Error as e:
        raise in_words(e) from e


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, and with it all that was not committed."""
    lost = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
    return isinstance(error, lost) or (isinstance(error, psycopg.OperationalError) and error.sqlstate is None)
