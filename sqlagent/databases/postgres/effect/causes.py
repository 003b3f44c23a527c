"""Why rows change that a statement does not name: views, rules, foreign keys and triggers, as the catalogs say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.changes.causes import UNNAMED
from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.effect.script import Step

_KINDS = "SELECT c.oid, c.relkind, c.relname FROM pg_catalog.pg_class c WHERE c.oid = ANY(%s::oid[])"
_RULES = """
SELECT r.rulename FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = ANY(%s::oid[]) AND r.rulename <> '_RETURN' ORDER BY 1"""
_KEYS = """
SELECT k.conrelid, p.relname FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND (k.confrelid = ANY(%s::oid[]) AND (k.confdeltype <> 'a' OR k.confupdtype <> 'a')
  OR k.confrelid = ANY(%s::oid[]) AND k.confupdtype <> 'a')
ORDER BY 1, 2"""
"""Of tables that lose rows, which a changed key does too, and of tables whose rows change."""
_TRIGGERS = """
SELECT DISTINCT t.tgname FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = ANY(%s::oid[]) AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY 1"""
_ROOTS = """
SELECT o, coalesce(pg_catalog.pg_partition_root(o)::oid, o) FROM pg_catalog.unnest(%s::oid[]) o
UNION SELECT h.inhrelid, h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = ANY(%s::oid[])"""


@dataclass(frozen=True, slots=True)
class Causes:
    """Why rows of other tables change by one step of a script."""

    direct: frozenset[int]
    around: str
    """The view or rules by which its words reach other tables; empty where there are none."""
    reached: frozenset[int]
    """What it writes after those are taken apart."""
    keys: dict[int, tuple[str, ...]]
    """By table, those whose rows it refers to and that changed."""
    triggers: tuple[str, ...]

    def via(self, oid: int) -> str:
        """Why a table's rows changed, such as `trigger audit`; empty where the statement itself names the table."""
        if oid in self.direct:
            return ""
        if oid in self.reached:
            return self.around
        if oid in self.keys:
            return ", ".join(f"foreign key of {parent}" for parent in self.keys[oid])
        return ", ".join(f"trigger {name}" for name in self.triggers) or UNNAMED


def causes(session: Session, step: Step) -> Causes:
    """The causes of one step, from the catalogs as the writer sees them, which have what the script made."""
    touched = [change.table.oid for change in step.changes]
    named, written = step.planned.named, step.planned.written
    kinds = {int(oid or 0): (kind, str(name)) for oid, kind, name in raw(session, _KINDS, list(named))}
    views = sorted(name for kind, name in kinds.values() if kind == "v")
    rules = [str(name) for (name,) in raw(session, _RULES, list(named))] if named else []
    around = [f"view {name}" for name in views] + [f"rule {name}" for name in rules]
    keys: dict[int, list[str]] = {}
    losing = [c.table.oid for c in step.changes if any(row.verb is Verb.DELETE for row in c.rows)]
    for child, parent in raw(session, _KEYS, losing, touched):
        keys.setdefault(int(child or 0), []).append(str(parent))
    triggers = raw(session, _TRIGGERS, [*touched, *named, *written])
    direct, reached = _roots(session, named), _roots(session, written)
    return Causes(
        direct if around or named else reached, ", ".join(around), reached,
        {oid: tuple(dict.fromkeys(parents)) for oid, parents in keys.items()},
        tuple(str(name) for (name,) in triggers),
    )  # fmt: skip


def _roots(session: Session, oids: Iterable[int]) -> frozenset[int]:
    """The tables that partitions are of, and those that inherit from any of them."""
    listed = list(oids)
    return frozenset(int(root or 0) for _, root in raw(session, _ROOTS, listed, listed))


def by_name(found: Causes, step: Step) -> Callable[[str, Verb], str]:
    """The same, asked by a table's name, for lists that know no oids."""
    oids = {change.table.name: change.table.oid for change in step.changes}
    return lambda table, _: found.via(oids[table])
