"""
What can go wrong, as a person would say it.

* SqlagentError          every one has a message (what) and a hint (what to do next)
  x UsageError           a flag or an argument
  x ConfigError          a config file or a policy file
  x ConnectError         no database or no model at the other end
  x AuthError            a key or a password is missing or was refused
  x ModelError           the model answered, but not with SQL, or not at all
    x NoDraft            it answered, with nothing that could be run
  x QueryError           the database refused the SQL
  x StoreError           the journal or the checkpoints are damaged, disagree, or cannot be written
  x UnknownThread        there is no such thread
  x Finished             the thread has nothing left to decide
  x Busy                 another process is working on the thread
  x Denied               the policy forbids it; nobody may approve
  x Rejected             a person said no
  x Stale                what was approved is no longer what would run
  x NeedsApproval        it waits for a person
    x NotPermitted       it waits for another person than the one who answered
  x OutcomeUnknown       it started and its end was not seen
  x TimedOut             the time limit ran out and the statement was cancelled
"""

from __future__ import annotations


class SqlagentError(Exception):
    """`message` says what happened, with the value; `hint` says what to type."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.thread = ""
        """The thread that it happened to, once that is known."""
        self.sqlstate = ""
        """The five characters by which a database told it, such as `42501`; empty where it has none."""


class UsageError(SqlagentError): ...


class ConfigError(SqlagentError): ...


class ConnectError(SqlagentError): ...


class AuthError(SqlagentError): ...


class ModelError(SqlagentError): ...


class NoDraft(ModelError): ...


class QueryError(SqlagentError): ...


class StoreError(SqlagentError): ...


class Altered(StoreError):
    """The record is not what its log says it is."""


class NotPrivate(StoreError):
    """The state folder is somebody else's too."""


class UnknownThread(SqlagentError): ...


class Finished(SqlagentError): ...


class Busy(SqlagentError): ...


class Denied(SqlagentError): ...


class Rejected(SqlagentError): ...


class Stale(SqlagentError): ...


class NeedsApproval(SqlagentError): ...


class NotPermitted(NeedsApproval): ...


class OutcomeUnknown(SqlagentError): ...


class TimedOut(SqlagentError): ...
