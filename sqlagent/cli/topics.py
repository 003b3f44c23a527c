"""`sqlagent help TOPIC`: the words of the tables that the program itself runs by."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from sqlagent import config
from sqlagent.core.errors import UsageError
from sqlagent.ui.diagnostics import ExitCode

_JSON = """\
Every command takes --json and then prints one JSON document on stdout and asks nobody.

  {"format_version": 1, "thread": "k7f3", "status": "pending", "digest": "9f2c...", ...}

status     new pending executed rejected denied stale expired unknown failed
digest     what `sqlagent resume THREAD --approve DIGEST` approves
errors     {"error": {"code": "PENDING", "message": "...", "hint": "..."}} on stderr
values     NULL is null, a BLOB is {"$blob": "53514c"}, integers keep every digit
"""


def _exit_codes() -> str:
    return "".join(f"{code.value:>4}  {code.name:<12}  {code.text}\n" for code in ExitCode)


def _environment() -> str:
    return "".join(
        f"{row.environment or '-'}\n    flag {row.flag or 'none'}, config key {row.key or 'none'}, "
        f"default {row.default}\n    {row.note}\n"
        for row in config.environment_rows()
    )


def _rules() -> str:
    from sqlagent.core.rules import catalogue  # only this topic needs the rules

    return "".join(f"{rule.id:<24}{rule.title}\n" for rule in catalogue()) + "\nsqlagent help RULE explains one\n"


TOPICS: dict[str, Callable[[], str]] = {
    "exit-codes": _exit_codes,
    "environment": _environment,
    "json": lambda: _JSON,
    "rules": _rules,
}


def topic(name: str) -> str:
    """The text of a topic, or of a rule's manual page."""
    if name in TOPICS:
        return TOPICS[name]()
    from sqlagent.core.rules import catalogue

    pages = {rule.id: rule.text for rule in catalogue()}
    if name in pages:
        return f"{name}: {pages[name].strip()}\n"
    near = get_close_matches(name, [*TOPICS, *pages], n=1)
    raise UsageError(f"no help on {name}", hint=f"sqlagent help {near[0]}" if near else "sqlagent help")
