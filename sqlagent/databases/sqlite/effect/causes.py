"""Why rows change that a statement does not name: the triggers and foreign keys that the engine says it compiles to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlagent.core.nouns.analysis import Access, Verb
from sqlagent.core.nouns.effect import Touched
from sqlagent.databases.changes.causes import ORDER, UNNAMED
from sqlagent.databases.sqlite.effect.net_changes import Tally

_CHANGES = frozenset({Verb.INSERT, Verb.UPDATE, Verb.DELETE})


def touched(
    tally: Tally,
    accesses: Iterable[Access],
    rows_after: Mapping[str, int | None],
    virtual: Iterable[str],
    dropped: Iterable[str] = (),
) -> Iterator[Touched]:
    """The rows of each table and verb, the ones that the SQL itself changes apart from the others."""
    otherwise = ", ".join(f"foreign key of {name}" for name in dropped)
    known = [a for a in accesses if a.verb in _CHANGES]
    direct_tables = {a.table.lower() for a in known if not a.via}
    opaque = {name.lower() for name in virtual}  # whose rows are told apart by a look before and after
    grown = _grown(tally)
    for (table, verb), rows in sorted(
        tally.rows.items(), key=lambda item: _place(item[0][0], item[0][1], direct_tables)
    ):
        after = rows_after.get(table)
        of = None if after is None else after - grown.get(table, 0)
        indirect = tally.indirect[table, verb]
        via = _via(known, table, verb) or otherwise or UNNAMED
        if table.lower() in opaque and table.lower() not in direct_tables:
            indirect = rows
        if rows - indirect:
            yield Touched(table, verb, rows - indirect, of)
        if indirect:
            yield Touched(table, verb, indirect, of, via)


def _place(table: str, verb: Verb, direct: set[str]) -> tuple[bool, str, int]:
    return table.lower() not in direct, table, ORDER.index(verb)


def _grown(tally: Tally) -> dict[str, int]:
    """By how many rows each table is longer."""
    found: dict[str, int] = {}
    for (table, verb), rows in tally.rows.items():
        change = {Verb.INSERT: rows, Verb.DELETE: -rows}.get(verb, 0)
        found[table] = found.get(table, 0) + change
    return found


def _via(known: list[Access], table: str, verb: Verb) -> str:
    """Several causes joined; those of another verb where the same row was written twice."""
    on_table = [a for a in known if a.table.lower() == table.lower() and a.via]
    fitting = [a for a in on_table if a.verb is verb] or on_table
    return ", ".join(dict.fromkeys(a.via for a in fitting))
