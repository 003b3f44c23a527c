"""What a pooler between us and the server says of itself, PgBouncer's words, and how a person is told."""

from __future__ import annotations

import re

import psycopg

from sqlagent.core.errors import ConnectError

_WORDS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"not allowed in statement pooling mode"),
     "the pooler is in statement mode, which has no transactions: nothing can be held to what was approved",
     "pool_mode = transaction, or name the server itself"),
    (re.compile(r"query_wait_timeout"),
     "the pooler had no session of the server to give: all are taken, or the server does not answer",
     "previews and runs take two at once: look at its pool_size, and whether the server is up"),
    (re.compile(r"server login has been failing|cannot connect to server|server conn crashed|server_login_retry"),
     "the pooler cannot reach its server", "try again when that is back; the pooler's log says why"),
    (re.compile(r"unsupported startup parameters?: (\S+)"),
     "the pooler does not pass on `{0}` of the URL", "leave it out, or ignore_startup_parameters = {0} in its config"),
    (re.compile(r"(max_client_conn|max_user_connections|max_db_connections|max_user_client_connections)"),
     "the pooler takes no more sessions: {0}", "try again in a moment"),
    (re.compile(r"(query_timeout|client_idle_timeout|idle_transaction_timeout|idle transaction timeout)"),
     "the pooler ended the session: its {0}", "a longer one in its config, or name the server itself"),
)  # fmt: skip
"""In its own words, what happened in ours, and what to do."""


def of_the_pooler(text: str) -> ConnectError | None:
    """The error in words; None where it is not one of a pooler's own."""
    for pattern, message, hint in _WORDS:
        if found := pattern.search(text):
            return ConnectError(message.format(*found.groups()), hint=hint.format(*found.groups()))
    return None


def said_by_the_pooler(error: psycopg.Error) -> ConnectError | None:
    """The same of an error of the driver.  A server's own errors never have that SQLSTATE."""
    return of_the_pooler(error.diag.message_primary or "") if error.sqlstate == "08P01" else None
