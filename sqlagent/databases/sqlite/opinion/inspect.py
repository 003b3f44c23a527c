"""The engine's opinion of statements: what SQLite compiles them to, read off its authorizer, none of them run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice, pairwise
from time import thread_time

import apsw

from sqlagent.core.nouns.analysis import Access, EngineOpinion, Kind, Risk, Verb
from sqlagent.core.text.lexer import COMMENT, QUOTED, STRING, scan
from sqlagent.databases.sqlite.connection.authorizer import (
    ADDS,
    CREATES,
    DROPS,
    OUTSIDE,
    ROWS,
    SHAPE,
    TRANSACTION_CONTROL,
    UPKEEP,
    Event,
    Guard,
    Mode,
    forbidding_rule,
    harmless_functions,
    is_harmless,
)
from sqlagent.databases.sqlite.connection.error_text import explained
from sqlagent.databases.sqlite.connection.open import Budget
from sqlagent.databases.sqlite.connection.prepare import Prepared, Uncompilable, plan, prepare
from sqlagent.databases.sqlite.opinion.schema_facts import Facts
from sqlagent.databases.sqlite.opinion.scratch_schema import Replica

_MOST_WORDS = 32 * 1024  # a statement of more is too long to be analyzed, whatever the engine makes of it
_SECONDS = 5.0  # compiling takes microseconds; this is for the statement that was written to take for ever
_KINDS = {
    **{k.value.upper(): k for k in (Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.CREATE)},
    **{k.value.upper(): k for k in (Kind.ALTER, Kind.DROP, Kind.PRAGMA, Kind.EXPLAIN, Kind.ATTACH)},
    **dict.fromkeys(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"), Kind.TRANSACTION),
    **dict.fromkeys(("VACUUM", "ANALYZE", "REINDEX"), Kind.MAINTENANCE),
    "VALUES": Kind.SELECT,
    "DETACH": Kind.ATTACH,
}
_VERBS = {apsw.SQLITE_INSERT: Verb.INSERT, apsw.SQLITE_UPDATE: Verb.UPDATE, apsw.SQLITE_DELETE: Verb.DELETE}
_QUOTED = re.compile(r'no such column: "?(.+?)"? - should this be a string literal')
_SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})
_ROW_KINDS = frozenset({Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE})
_PLANNED = _ROW_KINDS | {Kind.SELECT}


def inspect(
    connection: apsw.Connection, guard: Guard, statements: Sequence[str], *, known: Facts, foreign_keys: bool
) -> tuple[EngineOpinion, ...]:
    """An opinion of each in order; what a statement before it would create, alter or drop is taken as done."""
    opinions: list[EngineOpinion] = []
    replica: Replica | None = None
    try:
        for index, sql in enumerate(statements):
            where = (replica.connection, replica.guard) if replica else (connection, guard)
            opinion = _opinion(*where, sql, known)
            opinions.append(opinion)
            if _changes_shape(opinion) and index + 1 < len(statements):
                replica = replica or Replica(connection, foreign_keys=foreign_keys)
                known = replica.known_after(sql, creates=opinion.kind is Kind.CREATE)
    finally:
        if replica:
            replica.close()
    return tuple(opinions)


def _changes_shape(opinion: EngineOpinion) -> bool:
    return not opinion.error and not opinion.denied and opinion.kind in (Kind.CREATE, Kind.ALTER, Kind.DROP)


def _opinion(connection: apsw.Connection, guard: Guard, sql: str, known: Facts) -> EngineOpinion:
    """With its plan, for people; asking for that sets what `changes()` answers to 0."""
    found = compiled(connection, guard, sql, known)
    if found.error or found.denied or found.kind not in _PLANNED:
        return found
    with guard.watching(Mode.STATEMENT), Budget(connection, _SECONDS, clock=thread_time).holding():
        return replace(found, plan=_plan(connection, sql), quoted_as_text=_quoted_as_text(connection, sql))


def compiled(connection: apsw.Connection, guard: Guard, sql: str, known: Facts) -> EngineOpinion:
    """What the engine makes of one statement, leaving nothing on the connection that a statement could see."""
    words = _words(sql)
    kind = _kind_by(words)
    if kind is Kind.MAINTENANCE and words[0] == "VACUUM":
        return _vacuum(sql, words)
    prepared: Prepared | None = None
    error = ""
    with guard.watching(Mode.STATEMENT), Budget(connection, _SECONDS, clock=thread_time).holding():
        try:
            prepared = prepare(connection, sql)
        except (apsw.BusyError, apsw.LockedError):
            raise
        except (apsw.Error, Uncompilable) as e:
            error = _reason(e, sql, known)
        events, refused = tuple(guard.events), guard.refused
        if kind is Kind.OTHER and words[:1] == ["WITH"]:
            kind = _kind_of(events, words)
    if refused:
        return _forbidden(sql, kind, events, refused, known)
    if prepared is None:
        return EngineOpinion(sql, kind, error=error)
    drops_nothing = kind is Kind.DROP and not events and ("IF", "EXISTS") in pairwise(words)
    risk, why = (Risk.WRITE, "what it drops is not there") if drops_nothing else _risk(events, prepared)
    return EngineOpinion(
        sql,
        kind,
        readonly=prepared.readonly,
        risk=risk,
        accesses=tuple(dict.fromkeys(_accesses(events, kind, words, known))),
        functions=_functions(events),
        why=why,
    )


def may_only_change_rows(sql: str) -> bool:
    """As its first word tells, before anything is compiled."""
    return (words := _words(sql)) != [] and (words[0] == "WITH" or _kind_by(words) in _ROW_KINDS)


def _kind_by(words: list[str]) -> Kind:
    return _KINDS.get(words[0], Kind.OTHER) if words else Kind.OTHER


def _words(sql: str) -> list[str]:
    """Its words and symbols in upper case, without comments; a string or quoted name is kept from being a keyword."""
    tokens = islice((t for t in scan(sql.lstrip("\ufeff"), "sqlite") if t.kind != COMMENT), _MOST_WORDS)
    words = [f"'{t.text}" if t.kind in (STRING, QUOTED) else t.text.upper() for t in tokens]
    while words and words[0] == ";":
        del words[0]
    return words


def _vacuum(sql: str, words: list[str]) -> EngineOpinion:
    """VACUUM asks the authorizer nothing before it runs, so its words are all there is."""
    if "INTO" in words:
        return EngineOpinion(sql, Kind.MAINTENANCE, denied=OUTSIDE, why="VACUUM INTO writes another file")
    return EngineOpinion(
        sql, Kind.MAINTENANCE, denied=TRANSACTION_CONTROL, why="VACUUM cannot run in a transaction, and everything does"
    )


def _reason(error: Exception, sql: str, known: Facts) -> str:
    if isinstance(error, apsw.BindingsError):
        return "the statement has a parameter, and nothing gives it a value"
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    return explained(message, sql, known.names, harmless_functions())


def _plan(connection: apsw.Connection, sql: str) -> tuple[str, ...]:
    try:
        return plan(connection, sql)
    except apsw.Error:  # it compiled a moment ago; a plan is worth having, not worth failing for
        return ()


def _quoted_as_text(connection: apsw.Connection, sql: str) -> tuple[str, ...]:
    """The first double-quoted word that names no column, found by compiling again where that is an error."""
    if '"' not in sql:
        return ()
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    try:
        prepare(connection, sql)
    except apsw.SQLError as e:
        found = _QUOTED.search(str(e))
        return (found[1],) if found else ()
    except apsw.Error:
        return ()
    finally:
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 1)
    return ()


def _kind_of(events: Iterable[Event], words: list[str]) -> Kind:
    """What follows WITH: the first table written without a trigger's help decides."""
    first = next((e for e in events if e.code in ROWS and not e.cause), None)
    match first and first.code:
        case apsw.SQLITE_INSERT:
            pairs = list(pairwise(words))
            return Kind.REPLACE if ("REPLACE", "INTO") in pairs and ("OR", "REPLACE") not in pairs else Kind.INSERT
        case apsw.SQLITE_UPDATE:
            return Kind.UPDATE
        case apsw.SQLITE_DELETE:
            return Kind.DELETE
        case _:
            return Kind.SELECT


def _forbidden(sql: str, kind: Kind, events: tuple[Event, ...], refused: Event, known: Facts) -> EngineOpinion:
    return EngineOpinion(
        sql,
        kind,
        accesses=tuple(dict.fromkeys(_accesses(events, kind, [], known))),
        functions=_functions(events),
        denied=forbidding_rule(refused),
        why=str(refused),
    )


def _risk(events: tuple[Event, ...], prepared: Prepared) -> tuple[Risk, str]:
    if prepared.explain and all(e.code != apsw.SQLITE_FUNCTION or is_harmless(e) for e in events) and events:
        return Risk.READ, ""
    beyond = next((e for e in events if not is_harmless(e)), None)
    if events and beyond is None and prepared.readonly:
        return Risk.READ, ""
    why = str(beyond) if beyond else "SQLite says that it writes" if events else "SQLite does not say what it does"
    codes = {e.code for e in events}
    odd = next((e for e in events if e.code == apsw.SQLITE_FUNCTION and not is_harmless(e)), None)
    if codes & SHAPE and apsw.SQLITE_ANALYZE not in codes:
        made = next(str(e) for e in events if e.code in SHAPE)
        adds = codes & SHAPE <= ADDS and all(_is_schema(e) for e in events if e.code in ROWS) and odd is None
        return Risk.WRITE if adds else Risk.SEVERE, made
    odd = odd or next((e for e in events if e.code in UPKEEP), None)
    if codes & ROWS and odd is None and not prepared.readonly:
        return Risk.WRITE, why
    return Risk.UNKNOWN, str(odd or why)


def _functions(events: Iterable[Event]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((e.second or "").lower() for e in events if e.code == apsw.SQLITE_FUNCTION))


def _accesses(events: Sequence[Event], kind: Kind, words: list[str], known: Facts) -> Iterable[Access]:
    shape = any(e.code in SHAPE or e.code in UPKEEP for e in events)
    direct = next((e for e in events if e.code in ROWS and not e.cause and not _is_schema(e)), None)
    written = {(e.first or "").lower(): e.first or "" for e in events if e.code in ROWS}
    named = {w.strip("'\"`[]").lower() for w in words} if _may_read_others(kind, words) else set()
    named |= {(direct.first or "").lower()} if direct else set()
    for event in events:
        if shape and (_is_schema(event) or event.code in ROWS):
            continue  # how a CREATE or DROP is carried out: rows of the schema table
        if event.code == apsw.SQLITE_READ and (event.database or known.is_table(event.first or "")):
            via = _via(event, known) or _key_check(event, written, named, known)
            yield Access(Verb.READ, _table(event), event.second or "", via)
        elif event.code in ROWS:
            via = _via(event, known) or _foreign_key(event, direct, written, kind, known)
            yield Access(_VERBS[event.code], _table(event), event.second or "", via)
            if event is direct and _deletes_by_replacing(event, words, known):
                yield Access(Verb.DELETE, _table(event))
        elif event.code in SHAPE:
            yield _shape(event)
            if event.code == apsw.SQLITE_DROP_TABLE and known.keys_are_on:
                yield from _followers(event.first or "", known)


def _followers(dropped: str, known: Facts) -> Iterable[Access]:
    """A table that is dropped is emptied first, as by a DELETE: rows that refer to it go too, or let go of it."""
    waiting, seen = [dropped], {dropped.lower()}
    while waiting:
        parent = waiting.pop()
        for child, verb in known.follow.get(parent.lower(), ()):
            if child.lower() != dropped.lower():
                yield Access(verb, child, via=f"foreign key of {parent}")
            if verb is Verb.DELETE and child.lower() not in seen:
                seen.add(child.lower())
                waiting.append(child)


def _table(event: Event) -> str:
    return f"temp.{event.first}" if event.database == "temp" else event.first or ""


def _is_schema(event: Event) -> bool:
    return event.code in (*ROWS, apsw.SQLITE_READ) and (event.first or "").lower() in _SCHEMA_TABLES


def _via(event: Event, known: Facts) -> str:
    cause = (event.cause or "").lower()
    if cause in known.triggers:
        return f"trigger {event.cause}"
    return f"view {event.cause}" if cause in known.views else ""


def _foreign_key(event: Event, direct: Event | None, written: Mapping[str, str], kind: Kind, known: Facts) -> str:
    """SQLite carries out foreign-key actions as triggers without a name; it writes one table of its own accord."""
    child = (event.first or "").lower()
    own = direct is not None and child == (direct.first or "").lower()
    if own and (direct is event or kind is not Kind.DELETE or event.code == apsw.SQLITE_DELETE):
        return ""
    parent = next((p for p in sorted(known.parents.get(child, ())) if p in written), "")
    return f"foreign key of {written[parent]}" if parent else ""


def _may_read_others(kind: Kind, words: list[str]) -> bool:
    """Whether the text can read another table than it writes; `INSERT INTO c(p) VALUES (1)` only has a column p."""
    return (
        kind not in _ROW_KINDS
        or bool({"SELECT", "IN", "TABLE"} & {*words})
        or (kind is Kind.UPDATE and "FROM" in words)
    )


def _key_check(event: Event, written: Mapping[str, str], named: Set[str], known: Facts) -> str:
    """A write reads the tables at both ends of its foreign keys; a table the text does not name is read for that."""
    table = (event.first or "").lower()
    if not written or table in named:
        return ""
    ends = (w for w in written if (table, w) in known.keys or (w, table) in known.keys)
    return next((f"foreign key of {written[w]}" for w in ends), "")


def _deletes_by_replacing(event: Event, words: list[str], known: Facts) -> bool:
    """REPLACE deletes the rows in its way, and the authorizer does not say so."""
    if event.code == apsw.SQLITE_DELETE:
        return False
    if (event.first or "").lower() in known.replacing:
        return True
    triples = zip(["", *words], words, words[1:], strict=False)
    return any(
        (a, b) == ("REPLACE", "INTO") or (before in ("INSERT", "UPDATE") and (a, b) == ("OR", "REPLACE"))
        for before, a, b in triples
    )


def _shape(event: Event) -> Access:
    """An index or a trigger counts as a change of its table."""
    temporary = event.database == "temp"
    if event.code == apsw.SQLITE_ALTER_TABLE:
        return Access(Verb.ALTER, f"temp.{event.second}" if event.first == "temp" else event.second or "")
    made = (CREATES | DROPS)[event.code]
    name = (event.second if made in ("index", "trigger") else event.first) or ""
    verb = Verb.ALTER if made in ("index", "trigger") else Verb.CREATE if event.code in CREATES else Verb.DROP
    return Access(verb, f"temp.{name}" if temporary else name)
