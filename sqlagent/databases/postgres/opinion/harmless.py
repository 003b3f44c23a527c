"""Whether everything that a statement calls only answers: built-in functions and trusted extensions, by oid."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib.resources import files

from sqlagent.core.functions import Effect, effect_of
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.postgres.opinion.node_text import read
from sqlagent.databases.postgres.opinion.reached import Reached

FIRST_OF_USERS = 16384
"""Objects below were made by initdb; whatever anybody makes is numbered from here."""

_ATTACHED = """
WITH RECURSIVE tables (oid) AS (
  SELECT pg_catalog.unnest(%(tables)s::oid[])
  UNION SELECT i.inhrelid FROM tables t JOIN pg_inherits i ON i.inhparent = t.oid
), types (oid) AS (
  SELECT pg_catalog.unnest(%(made)s::oid[])
  UNION SELECT pg_catalog.unnest(ARRAY[y.typelem, y.typbasetype] || ARRAY(
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = y.typrelid AND y.typrelid <> 0 AND a.attnum > 0
    UNION SELECT r.rngsubtype FROM pg_range r WHERE y.oid IN (r.rngtypid, r.rngmultitypid)))
  FROM types t JOIN pg_type y USING (oid))
SELECT e.tree FROM (
  SELECT i.indexprs::text FROM tables t JOIN pg_index i ON i.indrelid = t.oid
  UNION ALL SELECT i.indpred::text FROM tables t JOIN pg_index i ON i.indrelid = t.oid
  UNION ALL SELECT k.conbin::text FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
  UNION ALL SELECT s.stxexprs::text FROM tables t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
  UNION ALL SELECT p.partexprs::text FROM tables t JOIN pg_partitioned_table p ON p.partrelid = t.oid
  UNION ALL SELECT d.adbin::text FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attgenerated = 'v'
    JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
  UNION ALL SELECT k.conbin::text FROM types t JOIN pg_constraint k ON k.contypid = t.oid AND k.contypid <> 0
) e (tree) WHERE e.tree IS NOT NULL"""
"""What planning a read of these tables may evaluate, and what making values of these types does."""

_WITHIN = """
WITH RECURSIVE tables (oid) AS (
  SELECT pg_catalog.unnest(%(tables)s::oid[])
  UNION SELECT i.inhrelid FROM tables t JOIN pg_inherits i ON i.inhparent = t.oid
), types (oid) AS (
  SELECT pg_catalog.unnest(%(types)s::oid[])
  UNION SELECT pg_catalog.unnest(ARRAY[y.typelem, y.typbasetype]) FROM types t JOIN pg_type y USING (oid))
SELECT f.oid, '' FROM types t JOIN pg_type y USING (oid),
  pg_catalog.unnest(ARRAY[y.typinput, y.typoutput, y.typsubscript]::oid[]) f (oid) WHERE f.oid >= %(users)s
UNION SELECT f.oid, '' FROM pg_aggregate a, pg_catalog.unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
    a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]) f (oid)
  WHERE a.aggfnoid = ANY(%(functions)s::oid[]) AND a.aggfnoid >= %(users)s AND f.oid <> 0
UNION SELECT o.oprcode, '' FROM pg_operator o WHERE o.oid = ANY(%(operators)s::oid[]) AND o.oid >= %(users)s
UNION SELECT 0, c.oid::regclass::text FROM tables t JOIN pg_class c USING (oid)
  WHERE c.relkind NOT IN ('r', 'p', 'v', 'm', 't', 'S')"""
"""The functions behind a type, an aggregate and an operator that somebody made; and foreign tables, by name."""

_FUNCTIONS = """
SELECT p.oid, p.proname, p.oid::regprocedure::text, l.lanname, p.provolatile = 'v', p.pronargs = 0,
  p.pronamespace = 'information_schema'::regnamespace, p.prokind = 'a', coalesce(
    (SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid WHERE d.classid = 'pg_proc'::regclass
     AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'), '')
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = ANY(%(functions)s::oid[])"""

_OPERATORS = """
SELECT p.oid::regprocedure::text FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
WHERE o.oid = ANY(%(operators)s::oid[]) AND o.oid < %(users)s AND p.provolatile = 'v'"""
"""PostgreSQL's own operators answer and do nothing else, unless one of them is made otherwise."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function as the catalog has it."""

    oid: int
    name: str
    signature: str
    language: str
    is_volatile: bool
    is_bare: bool
    """It takes no arguments."""
    is_standard: bool
    """It belongs to `information_schema`, whose views are made with it."""
    is_aggregate: bool
    extension: str

    @classmethod
    def of(cls, row: Raw) -> Function:
        """One row of the catalog query, as a noun."""
        oid, name, signature, language, *facts, extension = (value or "" for value in row)
        volatile, bare, standard, aggregate = (fact == "t" for fact in facts)
        return cls(int(oid), name, signature, language, volatile, bare, standard, aggregate, extension)

    @property
    def effect(self) -> Effect:
        """What calling it can do."""
        if self.oid < FIRST_OF_USERS:
            if self.is_standard:
                return Effect.PURE
            bare = effect_of(f"{self.name}()", "postgres") if self.is_bare else Effect.UNKNOWN
            return effect_of(self.name, "postgres") if bare is Effect.UNKNOWN else bare
        if self.is_aggregate:  # the functions that it is made of are looked at themselves
            return Effect.PURE
        known = trusted_extensions().get(self.extension)
        compiled = self.language in ("c", "internal")  # only a superuser makes such a function
        return Effect.PURE if compiled and known and known.covers(self) else Effect.UNKNOWN


class Trust(Enum):
    """How far an extension's functions in C are trusted to only answer."""

    STEADY = "steady"
    """Those that are declared immutable or stable."""
    ALL = "all"
    """The volatile ones too: they are random numbers."""

    def covers(self, function: Function) -> bool:
        """Whether the extension is trusted with this function of its own."""
        return self is Trust.ALL or not function.is_volatile


@lru_cache
def trusted_extensions() -> dict[str, Trust]:
    """Extensions whose code is known, by name."""
    text = files(__package__).joinpath("extensions.txt").read_text("utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: Trust(trust) for name, trust in lines}


@dataclass(frozen=True, slots=True)
class Calls:
    """Why a statement does more than answer, a reason of each sort; empty where it only answers."""

    unknown: str = ""
    """Of which nobody knows what it does."""
    volatile: str = ""
    """Which changes something inside the database or the session."""
    outside: str = ""
    """Which reaches files, programs, other servers or sessions."""

    @property
    def worst(self) -> str:
        """The gravest reason: what reaches outside, then what nobody knows, then what changes something inside."""
        return self.outside or self.unknown or self.volatile


_WHY = {
    Effect.UNKNOWN: "is on no list of functions",
    Effect.VOLATILE: "changes something",
    Effect.OUTSIDE: "reaches outside the database",
}


def judge(session: Session, reached: Reached) -> Calls:
    """Ask the catalog of everything reached.  The session's `search_path` must be `pg_catalog` alone."""
    reached.settle()
    attached = raw(session, _ATTACHED, tables=sorted(reached.tables), made=sorted(reached.made))
    for (tree,) in attached:
        reached.add(read(str(tree)))
    reached.settle()
    types, operators = sorted(reached.made | reached.carried), sorted(reached.operators)
    functions, tables = sorted(reached.functions), sorted(reached.tables)
    within = raw(
        session, _WITHIN, tables=tables, types=types, functions=functions, operators=operators, users=FIRST_OF_USERS
    )
    found: dict[Effect, str] = {}
    if foreign := next((name for _, name in within if name), ""):
        found[Effect.UNKNOWN] = f"{foreign} is a foreign table: another server answers"
    asked = sorted({*functions, *(int(oid or 0) for oid, _ in within)} - {0})
    for row in raw(session, _FUNCTIONS, functions=asked):
        function = Function.of(row)
        if function.effect is not Effect.PURE:
            found.setdefault(function.effect, f"it calls {function.signature}, which {_WHY[function.effect]}")
    for (signature,) in raw(session, _OPERATORS, operators=operators, users=FIRST_OF_USERS):
        found.setdefault(Effect.UNKNOWN, f"an operator calls {signature}, which is volatile")
    return Calls(*(found.get(effect, "") for effect in (Effect.UNKNOWN, Effect.VOLATILE, Effect.OUTSIDE)))
