"""The guard on every connection: SQLite asks it about each action of a statement, before and while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import apsw

from sqlagent.databases.sqlite.connection import marker_table

OUTSIDE, UNSAFE_PRAGMA, TRANSACTION_CONTROL = "outside-database", "unsafe-pragma", "transaction-control"
"""Ids of the rules that forbid a statement."""

REACHING_OUT = frozenset(
    {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "eval", "fsdir", "zipfile"}
)
"""Functions that read or write files or load code; those that a shell or an extension brings are here in case."""

CREATES = {
    apsw.SQLITE_CREATE_TABLE: "table",
    apsw.SQLITE_CREATE_TEMP_TABLE: "table",
    apsw.SQLITE_CREATE_VTABLE: "table",
    apsw.SQLITE_CREATE_VIEW: "view",
    apsw.SQLITE_CREATE_TEMP_VIEW: "view",
    apsw.SQLITE_CREATE_INDEX: "index",
    apsw.SQLITE_CREATE_TEMP_INDEX: "index",
    apsw.SQLITE_CREATE_TRIGGER: "trigger",
    apsw.SQLITE_CREATE_TEMP_TRIGGER: "trigger",
}
DROPS = {
    apsw.SQLITE_DROP_TABLE: "table",
    apsw.SQLITE_DROP_TEMP_TABLE: "table",
    apsw.SQLITE_DROP_VTABLE: "table",
    apsw.SQLITE_DROP_VIEW: "view",
    apsw.SQLITE_DROP_TEMP_VIEW: "view",
    apsw.SQLITE_DROP_INDEX: "index",
    apsw.SQLITE_DROP_TEMP_INDEX: "index",
    apsw.SQLITE_DROP_TRIGGER: "trigger",
    apsw.SQLITE_DROP_TEMP_TRIGGER: "trigger",
}
SHAPE = frozenset({*CREATES, *DROPS, apsw.SQLITE_ALTER_TABLE})
"""Codes that change what there is, not what it holds."""
ADDS = frozenset(code for code, made in CREATES.items() if made != "trigger") - {apsw.SQLITE_CREATE_VTABLE}
"""Those that take nothing away: a DROP undoes them.  A trigger changes what later statements do; a module, anything."""
ROWS = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
UPKEEP = frozenset({apsw.SQLITE_ANALYZE, apsw.SQLITE_REINDEX})
_HARMLESS = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_RECURSIVE})


class Event(NamedTuple):
    """One action that SQLite asks permission for; what the names mean depends on the code."""

    code: int
    first: str | None
    second: str | None
    database: str | None
    cause: str | None
    """The innermost trigger, view or CTE that does it."""

    def __str__(self) -> str:
        word = apsw.mapping_authorizer_function[self.code]
        name = str(word).removeprefix("SQLITE_").replace("_", " ").lower()
        return " ".join([name, *(x for x in (self.first, self.second) if x)])


class Mode(Enum):
    """Whose SQL is being prepared or run."""

    OURS = auto()
    """sqlagent's own: everything goes."""
    READ = auto()
    """A proven read: SELECT, columns, listed functions, PRAGMAs that answer."""
    STATEMENT = auto()
    """A person's or a model's: rows and shapes of this database, and nothing beyond it."""


class Guard:
    """The authorizer of one connection; refuses by default and remembers what it was asked."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.mode = Mode.OURS
        self.events: list[Event] = []
        self.refused: Event | None = None
        connection.authorizer = self

    def __call__(
        self, code: int, first: str | None, second: str | None, database: str | None, cause: str | None
    ) -> int:
        """SQLite's question about one action; refusing it fails the statement.  In `Mode.OURS` nothing is refused."""
        if self.mode is Mode.OURS:
            return apsw.SQLITE_OK
        event = Event(code, first, second, database, cause)
        self.events.append(event)
        if forbidding_rule(event) or (self.mode is Mode.READ and not is_harmless(event)):
            self.refused = self.refused or event
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    @contextmanager
    def watching(self, mode: Mode) -> Iterator[None]:
        """In this mode, with a clean record, until the block ends."""
        before, self.mode = self.mode, mode
        self.events, self.refused = [], None
        try:
            yield
        finally:
            self.mode = before


def is_harmless(event: Event) -> bool:
    """Whether a proven read may do this."""
    match event.code:
        case apsw.SQLITE_READ:
            return _is_harmless_table(event.first or "")
        case apsw.SQLITE_FUNCTION:
            return (event.second or "").lower() in harmless_functions()
        case apsw.SQLITE_PRAGMA:
            return is_harmless_pragma((event.first or "").lower(), event.second)
        case code:
            return code in _HARMLESS


def forbidding_rule(event: Event) -> str:
    """The rule that forbids this whoever asks, or nothing."""
    match event.code:
        case apsw.SQLITE_PRAGMA:
            return "" if is_harmless_pragma((event.first or "").lower(), event.second) else UNSAFE_PRAGMA
        case apsw.SQLITE_TRANSACTION | apsw.SQLITE_SAVEPOINT:
            return TRANSACTION_CONTROL
        case apsw.SQLITE_FUNCTION:
            return OUTSIDE if (event.second or "").lower() in REACHING_OUT else ""
        case code if code in ROWS | SHAPE | UPKEEP | _HARMLESS:
            if _changes_marks(event):
                return marker_table.RULE
            at = event.first if code == apsw.SQLITE_ALTER_TABLE else event.database
            if at not in (None, "", "main", "temp"):
                return OUTSIDE
            return "" if code != apsw.SQLITE_READ or _is_harmless_table(event.first or "") else UNSAFE_PRAGMA
        case _:
            return OUTSIDE


def _changes_marks(event: Event) -> bool:
    """Whether it would change the table that sqlagent keeps its marks in, or make one of that name."""
    return event.code in ROWS | SHAPE and (marker_table.is_ours(event.first) or marker_table.is_ours(event.second))


def is_harmless_pragma(name: str, argument: str | None) -> bool:
    """Whether a PRAGMA only answers: by its name with any argument, or only without one."""
    plain, asking = _pragmas()
    return name in asking or (argument is None and name in plain)


def _is_harmless_table(name: str) -> bool:
    """A `pragma_x` table runs PRAGMA x once it is stepped, so it is judged by the same list."""
    pragma = name.lower().removeprefix("pragma_")
    return pragma == name.lower() or pragma not in _engine_pragmas() or is_harmless_pragma(pragma, None)


@cache
def harmless_functions() -> frozenset[str]:
    """Names of SQL functions that do nothing but answer, in lower case."""
    return frozenset(_listed("functions.txt"))


@cache
def _pragmas() -> tuple[frozenset[str], frozenset[str]]:
    names = _listed("pragmas.txt")
    asking = frozenset(n.removesuffix("()") for n in names if n.endswith("()"))
    return frozenset(names) - asking, asking


@cache
def _engine_pragmas() -> frozenset[str]:
    return frozenset(str(name) for (name,) in apsw.Connection(":memory:").execute("PRAGMA pragma_list"))


def _listed(file: str) -> list[str]:
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    return [word for line in text.splitlines() for word in line.partition("#")[0].split()]
