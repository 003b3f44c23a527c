"""Whether running a statement could do what a rollback does not undo: looked for in all that it may call or fire.

Followed are triggers, defaults, checks, rules and indexes of its tables, foreign keys that act, and the functions and
tables that are named in the bodies of functions.  What a body puts together at run time is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlagent.databases.postgres.connection.rows import Session, raw

_FOLLOWED = frozenset({"sql", "plpgsql", "internal"})
_HARMLESS_EXTENSIONS = frozenset(
    "autoinc btree_gin btree_gist citext cube earthdistance fuzzystrmatch hstore insert_username intarray isn ltree"
    " moddatetime pg_trgm pgcrypto plpgsql refint seg tablefunc tcn unaccent uuid-ossp".split()
)
_STAYS = re.compile(
    r"\b(dblink\w*|lo_export|pg_file_\w+|pg_logical_emit_message|pg_(try_)?advisory_(?!xact|unlock)lock\w*|setval"
    r"|pg_(terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal|pg_create_restore_point"
    r"|pg_\w*replication_(slot|origin)\w*|pg_promote|pg_stat_reset\w*|pg_log_\w+|copy\b[^;]*\b(program|to\s+'))",
    re.IGNORECASE,
)
"""Words of what works outside of the transaction, or stays after its end."""
_WORD = re.compile(r"[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*")

_CALLED = """
SELECT DISTINCT d.refobjid, coalesce(t.tgname::text, ''), d.classid::regclass::text,
  coalesce(t.tgrelid, a.adrelid, k.conrelid, r.ev_class, i.indrelid, y.polrelid)::regclass::text
FROM pg_catalog.pg_depend d
LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
  AND t.tgenabled <> 'D'
LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_index i ON d.classid = 'pg_catalog.pg_class'::regclass AND i.indexrelid = d.objid
LEFT JOIN pg_catalog.pg_policy y ON d.classid = 'pg_catalog.pg_policy'::regclass AND y.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid >= 16384
  AND coalesce(t.tgrelid, a.adrelid, k.conrelid, r.ev_class, i.indrelid, y.polrelid) = ANY(%s::oid[])"""
_ACTING = """
SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.confrelid = ANY(%s::oid[])
  AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))
UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = ANY(%s::oid[])"""
_FUNCTIONS = """
SELECT p.oid, p.oid::regproc::text, l.lanname, p.prosrc, p.provolatile,
  coalesce((SELECT x.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'), '')
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND (p.oid = ANY(%s::oid[]) OR p.proname = ANY(%s::name[]))"""
_RELATIONS = """
SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v')
  AND c.relname = ANY(%s::name[])"""


@dataclass(slots=True)
class _Search:
    session: Session
    tables: set[int] = field(default_factory=set)
    functions: set[int] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    how: dict[int, str] = field(default_factory=dict)
    """By function, what calls it."""

    def follow(self, tables: Iterable[int], words: Iterable[str]) -> str:
        new_tables, new_words = set(tables), set(words)
        while new_tables or new_words:
            self.tables |= new_tables
            self.words |= new_words
            called = self._called(new_tables)
            found = raw(self.session, _FUNCTIONS, sorted(called), sorted(new_words))
            reached = self._acting(new_tables) | self._named(new_words)
            new_tables, new_words = reached - self.tables, set()
            for oid, name, language, body, volatile, extension in found:
                if int(oid or 0) in self.functions:
                    continue
                self.functions.add(int(oid or 0))
                if self._may_leave(str(language), str(body), str(volatile), str(extension)):
                    return f"{self.how.get(int(oid or 0), 'it')} calls {name}(), which may reach outside the database"
                new_words |= words_of(str(body)) - self.words
        return ""

    def _called(self, tables: set[int]) -> set[int]:
        found = set()
        for function, trigger, _, table in raw(self.session, _CALLED, sorted(tables)) if tables else ():
            found.add(int(function or 0))
            self.how.setdefault(int(function or 0), f"a trigger of {table}" if trigger else f"{table}")
        return found

    def _acting(self, tables: set[int]) -> set[int]:
        listed = sorted(tables)
        return {int(oid or 0) for (oid,) in raw(self.session, _ACTING, listed, listed)} if listed else set()

    def _named(self, words: set[str]) -> set[int]:
        return {int(oid or 0) for (oid,) in raw(self.session, _RELATIONS, sorted(words))} if words else set()

    @staticmethod
    def _may_leave(language: str, body: str, volatile: str, extension: str) -> bool:
        if extension:
            return extension not in _HARMLESS_EXTENSIONS and volatile == "v"
        return language not in _FOLLOWED or bool(_STAYS.search(body))


def words_of(text: str) -> set[str]:
    """Every word of a text in lower case: among them are the names of all that it may call."""
    return {word.lower() for word in _WORD.findall(text)}


def reaches_outside(session: Session, sql: str, tables: Iterable[int]) -> str:
    """Why a statement may not be tried in a transaction that is rolled back, in words; empty where it may."""
    if found := _STAYS.search(sql):
        return f"{found[0].split()[0].lower()} is not taken back by a rollback"
    return _Search(session).follow(tables, words_of(sql))
