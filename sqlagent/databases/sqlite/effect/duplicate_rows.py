"""Rows that SQLite's session extension reports twice: told apart where that is certain, not measured where it is not.

The session extension finds a row again by a hash.  The hash of a row without a declared key is another one once its
table has grown, so that every doubling leaves a row of an UPDATE recorded a second time, as inserted.  And two keys
that are equal to SQL, 1 and 1.0 or 'A' and 'a', are two to the session: it reports the old one as updated and the new
one as inserted.  Read as they are, such reports would count a row twice, and taking them back would delete it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import apsw

from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.effect.changeset import Check
from sqlagent.databases.sqlite.opinion.table_shapes import TableShape

_SURELY_SMALL = 60  # rows touched with which no table of a session has grown
_BETWEEN_CHECKS = 4096

Found = dict[Any, list[str]]
"""By key, the operations reported for it."""


def suspected(shapes: dict[str, TableShape], touched: int) -> set[str]:
    """Tables, in lower case, of which a session that recorded so many touched rows may report some twice."""
    return {name for name, shape in shapes.items() if shape.is_loose or (shape.is_keyless and touched > _SURELY_SMALL)}


def without_duplicates(
    changeset: bytes, suspected: set[str], shapes: dict[str, TableShape], last_numbers: dict[str, int], *,
    inserts: Collection[str] | None, check: Check | None = None,
) -> bytes:  # fmt: skip
    """The changeset with each row of the suspected tables once; raises Unmeasurable.

    `inserts` are the tables, in lower case, that the statement may insert into; None where every row was touched once.
    """
    found: dict[str, Found] = {name: {} for name in suspected}
    for number, change in enumerate(apsw.Changeset.iter(changeset) if changeset else ()):
        if (name := change.name.lower()) in suspected:
            found[name].setdefault(_key(shapes[name], change), []).append(change.op)
        if check is not None and not number % _BETWEEN_CHECKS:
            check()
    dropped = {name: _dropped(shapes[name], rows, last_numbers.get(name), inserts) for name, rows in found.items()}
    return _without(changeset, shapes, dropped, check) if any(dropped.values()) else changeset


def _key(shape: TableShape, change: apsw.TableChange) -> Any:
    row = change.old if change.old is not None else change.new or ()
    return tuple(_folded(row[place]) for place in shape.key)


def _folded(value: Any) -> Any:
    """The same for all values that a collation of SQLite's own takes for equal."""
    return value.lower().rstrip(" ") if isinstance(value, str) else value


def _dropped(shape: TableShape, rows: Found, last: int | None, inserts: Collection[str] | None) -> set[tuple[Any, str]]:
    """Reports that are not true, by key and operation."""
    found: set[tuple[Any, str]] = set()
    for key, operations in rows.items():
        if not shape.is_keyless:
            if len(operations) > 1:
                raise Unmeasurable(f"a key of {shape.name} is replaced by one that is equal to it")
            continue
        is_new = last is not None and key[0] > last
        match sorted(operations):
            case ["INSERT", "UPDATE"]:
                found.add((key, "UPDATE" if is_new else "INSERT"))
            case ["INSERT"] if not is_new and inserts is not None:
                if shape.name.lower() in inserts:
                    raise Unmeasurable(f"{shape.name} has no key, and a row of it may have been changed twice")
                found.add((key, "INSERT"))
            case ["DELETE" | "UPDATE" as only] if is_new:
                found.add((key, only))
            case [_]:
                pass
            case _:
                raise Unmeasurable(f"{shape.name} has no key, and a row of it was changed twice")
    return found


def _without(
    changeset: bytes, shapes: dict[str, TableShape], dropped: dict[str, set[tuple[Any, str]]], check: Check | None
) -> bytes:
    builder = apsw.ChangesetBuilder()  # type: ignore[no-untyped-call] # its stub says nothing of what it answers
    for number, change in enumerate(apsw.Changeset.iter(changeset)):
        name = change.name.lower()
        if check is not None and not number % _BETWEEN_CHECKS:
            check()
        if name not in dropped or (_key(shapes[name], change), change.op) not in dropped[name]:
            builder.add_change(change)
    return builder.output()
