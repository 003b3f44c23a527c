"""Tables that keep a record of changes, such as `audit_log`, and triggers that only append to one."""

from __future__ import annotations

import re

from sqlagent.core.analysis.measured import operations_known
from sqlagent.core.nouns.analysis import Basis, Operation, Verb
from sqlagent.core.nouns.rule import Known

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_RECORDS = frozenset(
    "audit audits auditing log logs logging changelog auditlog history histories journal trail trails revisions".split()
)
_ENDINGS = ("history", "audit", "changelog", "auditlog")
_MOST_APPENDED = 10
"""Rows that a record of one changed row may have; more is not a record of it."""


def keeps_a_record(table: str) -> bool:
    """Whether its name says so: `audit_log`, `orders_history`, `PriceHistory`, and not `catalog` or `blog`."""
    words = [word.lower() for word in _WORDS.findall(table.rpartition(".")[2])]
    return any(word in _RECORDS or word.endswith(_ENDINGS) for word in words)


def appends_to_trail(operation: Operation, known: Known) -> bool:
    """Whether a trigger only appends to such a table, about as many rows as the statement changes."""
    if operation.verb is not Verb.INSERT or not operation.via.startswith("trigger "):
        return False
    if not keeps_a_record(operation.target):
        return False
    every = operations_known(known.statement, known.tried.effect)
    others = [o for o in every if o.target.lower() == operation.target.lower()]
    if any(o.verb not in (Verb.INSERT, Verb.READ) for o in others):
        return False
    effect = known.tried.effect
    if effect is None or effect.basis is not Basis.EXACT:  # what is not measured is severe for another reason
        return True
    appended = sum(t.rows for t in effect.touched if t.table.lower() == operation.target.lower())
    changed = sum(t.rows for t in effect.touched if not t.via)
    return appended <= _MOST_APPENDED * max(changed, 1)
