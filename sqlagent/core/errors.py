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
    x StoreAway          a team's store does not answer just now
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


class UsageError(SqlagentError):
    """A flag, an argument or a value that cannot be meant."""


class ConfigError(SqlagentError):
    """A config file or a policy file says something that cannot be followed."""


class ConnectError(SqlagentError):
    """No database or no model answers at the other end."""


class AuthError(SqlagentError):
    """A key or a password is missing, or was refused."""


class ModelError(SqlagentError):
    """The model answered, but not with SQL, or not at all."""


class NoDraft(ModelError):
    """The model answered with nothing that could be run."""


class QueryError(SqlagentError):
    """The database refused the SQL."""


class StoreError(SqlagentError):
    """The journal or the checkpoints are damaged, disagree, or cannot be written."""


class StoreAway(StoreError):
    """A team's store does not answer just now: whoever can wait tries again."""


class Altered(StoreError):
    """The record is not what its log says it is."""


class NotPrivate(StoreError):
    """The state folder is somebody else's too."""


class UnknownThread(SqlagentError):
    """There is no such thread."""


class Finished(SqlagentError):
    """The thread has nothing left to decide."""


class Busy(SqlagentError):
    """Another process is working on the thread."""


class Denied(SqlagentError):
    """The policy forbids it, and nobody may approve it."""


class Rejected(SqlagentError):
    """A person said no."""


class Stale(SqlagentError):
    """What was approved is no longer what would run."""


class NeedsApproval(SqlagentError):
    """It waits for a person."""


class NotPermitted(NeedsApproval):
    """It waits for another person, or another way, than the one who answered."""


class OutcomeUnknown(SqlagentError):
    """It started, and its end was not seen."""


class TimedOut(SqlagentError):
    """The time limit ran out."""
