"""What sqlagent says when something went wrong, and the code it exits with."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, TextIO

from sqlagent.core import errors
from sqlagent.ui.visible import one_line, visible

if TYPE_CHECKING:
    from sqlagent.core.nouns.session import Status


class ExitCode(IntEnum):
    """The words are the documentation: `sqlagent help exit-codes` and the README table print them."""

    text: str

    def __new__(cls, value: int, text: str) -> ExitCode:
        """A member is its number; the sentence is its `text`."""
        member = int.__new__(cls, value)
        member._value_, member.text = value, text
        return member

    OK = 0, "Done, or nothing to do (an empty result is not an error)"
    FAILED = 1, "The database or the model refused"
    USAGE = 2, "A bad flag, argument, config file or policy file"
    CONNECTION = 3, "Nothing answered: database or model unreachable"
    AUTH = 4, "A key or password is missing or was refused"
    REJECTED = 5, "A person said no"
    DENIED = 6, "The policy said no; nobody may approve it"
    STALE = 7, "Expired, or what was approved is no longer what would run"
    PENDING = 8, "Waiting for a person: see `sqlagent pending`"
    UNKNOWN = 9, "Interrupted, and may have taken effect: look before you retry"
    TIMEOUT = 124, "The time limit ran out and the statement was cancelled"
    INTERRUPTED = 130, "Ctrl-C"


class Saying(Enum):
    """How errors are said."""

    WORDS = "words"
    JSON = "json"


class Traces(Enum):
    """Whether an error is followed by where in the program it arose."""

    HIDDEN = "hidden"
    SHOWN = "shown"


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (TimeoutError, ExitCode.TIMEOUT),
    (errors.TimedOut, ExitCode.TIMEOUT),
    (errors.UsageError, ExitCode.USAGE),
    (errors.ConfigError, ExitCode.USAGE),
    (errors.UnknownThread, ExitCode.USAGE),
    (errors.Finished, ExitCode.USAGE),
    (errors.ConnectError, ExitCode.CONNECTION),
    (errors.NotPrivate, ExitCode.CONNECTION),
    (errors.StoreAway, ExitCode.CONNECTION),
    (errors.AuthError, ExitCode.AUTH),
    (errors.Rejected, ExitCode.REJECTED),
    (errors.Denied, ExitCode.DENIED),
    (errors.Stale, ExitCode.STALE),
    (errors.NotPermitted, ExitCode.PENDING),
    (errors.NeedsApproval, ExitCode.PENDING),
    (errors.OutcomeUnknown, ExitCode.UNKNOWN),
    (errors.ModelError, ExitCode.FAILED),
    (errors.QueryError, ExitCode.FAILED),
    (errors.StoreError, ExitCode.FAILED),
    (errors.Busy, ExitCode.FAILED),
)

_STATUS_CODES = {
    "new": ExitCode.PENDING,
    "pending": ExitCode.PENDING,
    "executed": ExitCode.OK,
    "rejected": ExitCode.REJECTED,
    "denied": ExitCode.DENIED,
    "stale": ExitCode.STALE,
    "expired": ExitCode.STALE,
    "unknown": ExitCode.UNKNOWN,
    "failed": ExitCode.FAILED,
}
"""By the words of `Status`, whose module `--help` does not need."""


def exit_code_for(error: BaseException) -> ExitCode:
    """The code for an error; what nobody foresaw is FAILED."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def exit_code_of(status: Status) -> ExitCode:
    """The code for where a thread stands."""
    return _STATUS_CODES[status]


def report_error(
    error: BaseException,
    *,
    saying: Saying = Saying.WORDS,
    traces: Traces = Traces.HIDDEN,
    secrets: tuple[str, ...] = (),
    stream: TextIO | None = None,
) -> ExitCode:
    """Two lines, or one JSON object, on stderr: what went wrong, then what to type.  Answers the exit code."""
    out = sys.stderr if stream is None else stream
    _flush_rows()
    code = exit_code_for(error)
    message, hint = _words(error)
    message, hint = redacted(message, secrets), redacted(hint, secrets)
    if saying is Saying.JSON:
        sqlstate = getattr(error, "sqlstate", "") or ""
        said = {"code": code.name, "message": message, "hint": hint} | ({"sqlstate": sqlstate} if sqlstate else {})
        document = json.dumps({"error": said})
        print(document.replace("\x7f", r"\u007f"), file=out)
    else:
        print(f"error: {_printable(message, out)}", file=out)
        if hint:
            print(f"  hint: {_printable(hint, out)}", file=out)
    if traces is Traces.SHOWN:
        trace = "".join(traceback.format_exception(error))
        print(_printable(visible(redacted(trace, secrets)).rstrip(), out, as_lines=Traces.SHOWN), file=out)
    return code


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, errors.SqlagentError):
        return error.message, error.hint
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "sqlagent pending lists what waits for you"
    said = str(error)
    name = type(error).__name__
    return f"{name}: {said}" if said else name, "this is a fault of sqlagent; --debug shows where it arose"


def _printable(text: str, stream: TextIO, *, as_lines: Traces = Traces.HIDDEN) -> str:
    shown = text if as_lines is Traces.SHOWN else one_line(text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _flush_rows() -> None:
    try:
        sys.stdout.flush()  # stdout is block-buffered in a pipe; a diagnostic must not overtake the rows it is about
    except (OSError, ValueError):
        return  # nobody reads the rows any more, and the error is still worth saying


_PASSWORD_IN_A_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)
_LOOKS_SECRET = re.compile(
    r"(?i)\b(bearer\s+|(?:api[_-]?key|password|passwd|token|secret)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;)]+|\bsk-[\w-]{8,}"
)


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without passwords, keys and tokens: those given, and whatever has their shape."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _PASSWORD_IN_A_URL.sub(r"\1:***@", text)
    return _LOOKS_SECRET.sub(lambda found: f"{found[1] or ''}***", text)


def secrets_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose name says that they are secret."""
    named = re.compile(r"(?i)(key|token|secret|password)$")
    return tuple(value for name, value in env.items() if named.search(name) and len(value) >= 6)
