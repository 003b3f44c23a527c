"""PostgreSQL's errors as a person needs them: what happened, what to type, and its SQLSTATE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import psycopg

from sqlagent.core.errors import ConnectError, QueryError, SqlagentError, TimedOut
from sqlagent.databases.postgres.connection.pooler import said_by_the_pooler

LOST = frozenset({"57P01", "57P02", "57P03", "08000", "08001", "08003", "08004", "08006", "08P01"})
"""The server goes down, or the connection is gone, and with it all that was not committed.

08P01 is what a pooler says of its own troubles, after which it ends the session.
"""
READ_ONLY, LOCK_TIMEOUT, CANCELLED, NO_PRIVILEGE = "25006", "55P03", "57014", "42501"


@dataclass(frozen=True, slots=True)
class Said:
    """An error of the server, in its own words."""

    sqlstate: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: psycopg.Error) -> Said:
        """What the server said; what it did not get to say is taken from psycopg's own text."""
        lines = str(error).strip().splitlines()
        message = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
        hint = (error.diag.message_hint or "").rstrip(".")
        return cls(error.sqlstate or "", message, hint[:1].lower() + hint[1:])


def in_words(error: psycopg.Error) -> SqlagentError:
    """The driver's error as one of sqlagent's."""
    said = Said.of(error)
    if is_lost(error):
        found: SqlagentError = said_by_the_pooler(error) or ConnectError(
            f"the server went away in the middle: {said.message}", hint="try again when it is back"
        )
    else:
        make = _WORDS.get(said.sqlstate) or _WORDS.get(said.sqlstate[:2], _refused)
        found = make(said)
    found.sqlstate = said.sqlstate
    if said.sqlstate and isinstance(found, QueryError):
        found.message = coded(found.message, said.sqlstate)
    return found


def coded(message: str, sqlstate: str) -> str:
    """A message with the SQLSTATE behind it, which stays the same in every language of the server."""
    return f"{message}  [{sqlstate}]" if sqlstate else message


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, and with it all that was not committed."""
    if error.sqlstate:
        return error.sqlstate in LOST
    return isinstance(error, psycopg.OperationalError)


@contextmanager
def speaking(*, seconds: float | None = None) -> Iterator[None]:
    """Turn what the driver raises into what a person would say; `seconds` is the time limit that is set."""
    begun = monotonic()
    try:
        yield
    except psycopg.Error as e:
        found = in_words(e)
        if e.sqlstate == CANCELLED and seconds is not None and monotonic() - begun >= seconds:
            found = TimedOut(
                f"the statement was cancelled after {seconds:g} s",
                hint="--timeout 60s gives it longer; 0 is no limit",
            )
            found.sqlstate = CANCELLED
        raise found from e
    except UnicodeDecodeError as e:
        raise QueryError(
            "a text in the result is not valid UTF-8", hint="select convert_to(column, 'UTF8') to see its bytes"
        ) from e


def _refused(said: Said) -> SqlagentError:
    return QueryError(f"the database refused it: {said.message}", hint=said.hint)


def _cancelled(_said: Said) -> SqlagentError:
    return QueryError("the statement was cancelled", hint="it was by the server, if not by you: see its log")


def _locked(_said: Said) -> SqlagentError:
    return ConnectError("another session holds a lock on what it needs", hint="try again when that one is done")


def _denied(said: Said) -> SqlagentError:
    return QueryError(said.message, hint=said.hint or "its owner may GRANT it to the role")


def _read_only(_said: Said) -> SqlagentError:
    return QueryError(
        "it would write, and this server or this transaction only reads", hint="a standby: name the primary instead"
    )


def _full(said: Said) -> SqlagentError:
    return ConnectError(f"the server has no room: {said.message}", hint="try again later, or ask who runs it")


def _serialization(said: Said) -> SqlagentError:
    return QueryError(f"another session was faster: {said.message}", hint="run it again")


_WORDS: dict[str, Callable[[Said], SqlagentError]] = {
    CANCELLED: _cancelled,
    LOCK_TIMEOUT: _locked,
    NO_PRIVILEGE: _denied,
    READ_ONLY: _read_only,
    "53": _full,
    "40": _serialization,
}
"""By SQLSTATE, or by its class."""
