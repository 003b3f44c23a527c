"""Having SQLite compile a statement without running it, or run exactly one and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import apsw

from sqlagent.core.text.lexer import COMMENT, scan


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the engine says of one compiled statement."""

    columns: tuple[str, ...]
    readonly: bool
    explain: bool


class Uncompilable(Exception):
    """The text is not one statement, as the engine cuts it, or not text at all."""


def prepare(connection: apsw.Connection, sql: str) -> Prepared:
    """Compile it and stop there; raises apsw.Error and Uncompilable."""
    seen: list[Prepared] = []
    cursor = _cursor(connection, sql, seen.append)
    try:
        cursor.execute(sql, can_cache=False)
    except apsw.ExecTraceAbort:
        return seen[0]
    finally:
        cursor.close(force=True)
    raise Uncompilable("there is no statement in it")


def plan(connection: apsw.Connection, sql: str) -> tuple[str, ...]:
    """How the engine would go about it, a line a step, indented under the step it belongs to."""
    depth: dict[object, int] = {0: -1}
    lines = []
    for id_, parent, _, detail in connection.execute(sql, can_cache=False, explain=2).fetchall():
        depth[id_] = depth.get(parent, -1) + 1
        lines.append("  " * depth[id_] + str(detail))
    return tuple(lines)


def start(connection: apsw.Connection, sql: str, accept: Callable[[Prepared], bool]) -> tuple[Prepared, apsw.Cursor]:
    """Run the one statement in it if `accept` says so, up to its first row; the cursor holds the rest."""
    seen: list[Prepared] = []

    def accepted(prepared: Prepared) -> bool:
        seen.append(prepared)
        return accept(prepared)

    cursor = _cursor(connection, sql, accepted)
    try:
        cursor.execute(sql, can_cache=False)
    except BaseException:
        cursor.close(force=True)
        raise
    return seen[0], cursor


def _cursor(connection: apsw.Connection, sql: str, accept: Callable[[Prepared], object]) -> apsw.Cursor:
    def look(cursor: apsw.Cursor, first: str, _: object) -> bool:
        if not cursor.has_vdbe:
            raise Uncompilable("there is no statement in it")
        if not _is_blank(sql[len(first) :]):
            raise Uncompilable("there is more than one statement in it")
        names = tuple(name for name, *_ in cursor.get_description())
        return bool(accept(Prepared(names, cursor.is_readonly, cursor.is_explain > 0)))

    if "\0" in sql:
        raise Uncompilable("the statement holds a NUL character")
    if any("\ud800" <= c <= "\udfff" for c in sql):
        raise Uncompilable("the statement is not valid text: it holds half a character")
    cursor = connection.cursor()
    cursor.exec_trace = look
    return cursor


def _is_blank(tail: str) -> bool:
    return all(t.kind == COMMENT or t.text == ";" or t.text.startswith("/*") for t in scan(tail, "sqlite"))
