"""Mechanical repair of a model's draft: what the schema alone can tell is mistaken, in the text, without a model.

Pure: it knows the draft and the schema.  Whether the repaired text stands the database says, and whoever calls this
keeps the draft where it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlagent.core.nouns.draft import Schema
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.repair.computed import column_that_is_ready
from sqlagent.core.repair.join_keys import path_instead
from sqlagent.core.repair.keys import Keys
from sqlagent.core.repair.misplaced_columns import alias_that_has_it, table_that_has_it
from sqlagent.core.repair.one_of_many import in_instead_of_equal
from sqlagent.core.repair.reading import Change, Reading, read
from sqlagent.core.repair.same_name import side_of_each, the_one_that_is_meant
from sqlagent.core.repair.several_words import with_quotes
from sqlagent.core.repair.unknown_names import column_that_is_meant, table_that_is_meant

Kind = Callable[[Reading], Change | None]
KINDS: dict[str, tuple[Kind, ...]] = {
    "unknown name": (table_that_is_meant, column_that_is_meant),
    "computed already": (column_that_is_ready,),
    "join key": (path_instead, side_of_each),
    "misplaced column": (alias_that_has_it, table_that_has_it),
    "ambiguous name": (the_one_that_is_meant,),
    "one of many": (in_instead_of_equal,),
}
"""Each finds the first mistake of its kind; in this order, since a name has to exist before it can be in its place."""
MOST = 12
"""Corrections after which a draft is one that nobody understands."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A draft after its repair, and what was changed."""

    sql: str
    corrections: tuple[str, ...] = ()
    """What was changed, in words: `T2.name to T1.name`."""
    kinds: tuple[str, ...] = ()
    """Of each, in the words of `KINDS`."""


def repaired(sql: str, schema: Schema) -> Repaired:
    """The draft with every mistake put right that the schema tells; as it was where it is not understood."""
    catalogue = Catalogue.of(schema)
    keys = Keys(catalogue)
    text, quoted = with_quotes(sql, schema)
    changes = list(quoted)
    kinds = ["unknown name"] * len(quoted)
    while (reading := read(text, catalogue, keys)) and (found := _next(reading)):
        if len(changes) == MOST:
            return Repaired(sql)
        kind, change = found
        text = change.applied(text)
        changes.append(change.said)
        kinds.append(kind)
    return Repaired(text, tuple(changes), tuple(kinds)) if reading else Repaired(sql)


def _next(reading: Reading) -> tuple[str, Change] | None:
    for kind, finders in KINDS.items():
        for find in finders:
            if change := find(reading):
                return kind, change
    return None
