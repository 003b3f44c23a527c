"""Two opinions of one statement become one verdict: the worse counts, and where they differ nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlagent.core.functions import Effect, effect_of
from sqlagent.core.nouns.analysis import (
    Access,
    EngineOpinion,
    Finding,
    Kind,
    Operation,
    Risk,
    Size,
    Statement,
    SyntaxOpinion,
    Verb,
)
from sqlagent.core.nouns.rule import Known, Rule, Tried

_VERBS = {
    Kind.SELECT: Verb.READ,
    Kind.EXPLAIN: Verb.READ,
    Kind.INSERT: Verb.INSERT,
    Kind.REPLACE: Verb.INSERT,
    Kind.UPDATE: Verb.UPDATE,
    Kind.MERGE: Verb.UPDATE,
    Kind.DELETE: Verb.DELETE,
    Kind.TRUNCATE: Verb.DELETE,
    Kind.CREATE: Verb.CREATE,
    Kind.ALTER: Verb.ALTER,
    Kind.DROP: Verb.DROP,
}
_ROWS = (Verb.INSERT, Verb.UPDATE, Verb.DELETE)
_ROW_KINDS = (Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE)


def judge(
    index: int, syntax: SyntaxOpinion, engine: EngineOpinion | None, size: Size, tried: Tried,
    *, rules: Sequence[Rule[Known]],
) -> Statement:  # fmt: skip
    """Everything known about one statement before it runs, with what the given rules say of it, in their order."""
    heard = engine if engine is not None and not engine.error else None
    operations = tuple(_operations(syntax, heard, size))
    draft = Statement(
        index=index,
        sql=syntax.sql,
        line=syntax.line,
        kind=_kind(syntax, heard),
        risk=_risk(syntax, engine),
        reads=_reads(syntax, heard),
        writes=tuple(dict.fromkeys(o.target for o in operations if o.verb is not Verb.READ)),
        bound=syntax.bound,
        operations=operations,
        denied=syntax.denied or (engine.denied if engine else ""),
        opinions={"syntax": syntax.word} | _engine_words(engine),
        plan=engine.plan if engine else (),
        columns=tuple(dict.fromkeys(_columns(syntax, heard))),
        reads_if=syntax.reads_if if engine is None else (),
    )
    return _ruled(draft, Known(syntax, engine, size, draft, tried), rules)


def _ruled(draft: Statement, known: Known, rules: Sequence[Rule[Known]]) -> Statement:
    """The statement with what every rule says of it; a rule can raise its risk and never lower it."""
    findings: list[Finding] = []
    seen = replace(known, statement=draft)
    for rule in rules:
        said = list(rule.findings(seen))
        if said:
            findings += said
            draft = replace(draft, risk=max(draft.risk, rule.raises))
            seen = replace(known, statement=draft)
    of_text = (f for f in known.syntax.findings if not _settled(f, known.engine))
    return replace(draft, findings=_once([*findings, *of_text]))


def _settled(finding: Finding, engine: EngineOpinion | None) -> bool:
    """Whether the database answers what the text leaves open: the double-quoted name is one of its columns."""
    if finding.rule != "double-quoted-string" or engine is None:
        return False
    if any(finding.message.lower().startswith(f'"{word.lower()}"') for word in engine.quoted_as_text):
        return True  # it says so itself, and of this very word
    return any(a.column and finding.message.lower().startswith(f'"{a.column.lower()}"') for a in engine.accesses)


def _engine_words(engine: EngineOpinion | None) -> dict[str, str]:
    if engine is None:
        return {}
    return {"engine": engine.risk.name} | ({"triggers": "not seen"} if engine.triggers_unseen else {})


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))


def _kind(syntax: SyntaxOpinion, engine: EngineOpinion | None) -> Kind:
    """The text's word, for it tells REPLACE from INSERT; the engine's where the text tells nothing."""
    if engine is None or engine.kind is Kind.OTHER or (syntax.parsed and syntax.kind is not Kind.OTHER):
        return syntax.kind
    return engine.kind


def _risk(syntax: SyntaxOpinion, engine: EngineOpinion | None) -> Risk:
    """The worse of the two.  Text that the parser could not read, or names it could not place or look up, the engine
    may clear."""
    denied = syntax.denied or syntax.too_large
    if engine is None or denied:
        return syntax.risk
    if engine.error or engine.denied:
        return Risk.UNKNOWN
    if (
        not syntax.parsed
        or syntax.reads_if
        or syntax.foreign
        or (syntax.unplaced and _all_tables(syntax.unplaced, engine))
    ):
        return engine.risk if engine.readonly or engine.risk is not Risk.READ else Risk.UNKNOWN
    return max(syntax.risk, engine.risk)


def _all_tables(names: tuple[str, ...], engine: EngineOpinion) -> bool:
    """Whether what looks like calls are tables: SQLite searches a full-text table as `FROM docs('words')`."""
    tables = {_plain(a.table) for a in engine.accesses}
    return all(name in tables for name in names)


# ---- where opinions differ -------------------------------------------------------------------------------------


def differences(syntax: SyntaxOpinion, engine: EngineOpinion | None) -> Iterator[str]:
    """What the text says one way and the engine another; each message shows both."""
    if engine is None or engine.error or engine.denied or syntax.denied or not syntax.parsed:
        return
    if _comparable(syntax.kind) != _comparable(engine.kind):
        yield f"the text says {syntax.kind.value}, the database {engine.kind.value}"
        return
    if syntax.risk is Risk.READ and not engine.readonly and engine.risk is not Risk.READ:
        yield "the text says that it only reads, the database that it writes"
    if syntax.kind not in _ROW_KINDS:
        return
    told, seen = {_plain(t) for t in syntax.writes}, {_plain(a.table) for a in _direct(engine) if a.verb in _ROWS}
    if told != seen:
        yield f"the text says that it writes {_list(told)}, the database {_list(seen)}"
    told_reads = {_plain(t) for t in (*syntax.reads, *syntax.writes, *syntax.unplaced)}
    seen_reads = {_plain(a.table) for a in _direct(engine) if a.verb is Verb.READ and not _is_table_function(a.table)}
    extra = seen_reads - told_reads
    if (
        extra and told_reads <= seen_reads | seen
    ):  # a name that the engine does not read is a view, and hides the others
        yield f"the text says that it reads {_list(told_reads)}, the database also {_list(extra)}"


def _is_table_function(name: str) -> bool:
    """SQLite reports `json_each(...)` as the reading of a table."""
    return effect_of(name, "sqlite") is Effect.PURE


def _comparable(kind: Kind) -> Kind:
    return Kind.INSERT if kind is Kind.REPLACE else kind


def _direct(engine: EngineOpinion) -> Iterator[Access]:
    return (a for a in engine.accesses if not a.via)


def _plain(name: str) -> str:
    """A table's own name, folded: the engine says which schema it found it in, the text need not."""
    return name.rsplit(".", 1)[-1].lower()


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


# ---- what it does ----------------------------------------------------------------------------------------------


def _columns(syntax: SyntaxOpinion, engine: EngineOpinion | None) -> Iterator[str]:
    """Columns that it reads, sets or loses; what a foreign key only checks is none of them."""
    if engine is None:
        verb = _VERBS.get(syntax.kind, Verb.OTHER)
        for table in syntax.writes:
            yield from (f"{table}.{column}" for column in _set(syntax, verb))
        return
    target = syntax.writes[0] if len(syntax.writes) == 1 else ""
    for access in engine.accesses:
        if access.verb in (Verb.READ, Verb.UPDATE):
            checked = access.verb is Verb.READ and access.via.startswith("foreign key")
            if access.column and not checked:
                yield f"{access.table}.{access.column}"
            continue
        own = not access.via and _plain(access.table) == _plain(target)
        yield from (f"{access.table}.{c}" for c in _set(syntax if own else None, access.verb))


def _set(syntax: SyntaxOpinion | None, verb: Verb) -> tuple[str, ...]:
    """Columns that one verb sets: those that the text lists, `*` for whole rows, `?` where nobody says."""
    if verb is Verb.CREATE:
        return ()
    if verb in (Verb.DELETE, Verb.DROP):
        return ("*",)
    listed = syntax.columns_written if syntax is not None and verb in (Verb.INSERT, Verb.UPDATE) else ()
    return listed or ("?",)


_SHAPE_KINDS = (Kind.ALTER, Kind.DROP)


def _reads(syntax: SyntaxOpinion, engine: EngineOpinion | None) -> tuple[str, ...]:
    """What the statement and its views read; not what a trigger or a key check reads, nor the engine's own tables."""
    if engine is None or (syntax.parsed and syntax.kind in _SHAPE_KINDS):
        return syntax.reads
    told = {_plain(name) for name in syntax.reads}
    own = (a for a in engine.accesses if a.verb is Verb.READ and (_plain(a.table) in told or _is_own(a)))
    return tuple(dict.fromkeys(a.table for a in own))


def _is_own(access: Access) -> bool:
    """Whether the statement reads it, itself or through a view."""
    if access.via:
        return access.via.startswith("view ")
    return not access.table.lower().startswith("sqlite_")


def _operations(syntax: SyntaxOpinion, engine: EngineOpinion | None, size: Size) -> Iterator[Operation]:
    """One a table and verb; the statement's own target first, with the rows counted."""
    verb = _VERBS.get(syntax.kind, Verb.OTHER)
    done: dict[tuple[Verb, str, str], Operation] = {}
    if engine is None or not engine.accesses:
        for name in syntax.writes:
            done[verb, name, ""] = Operation(verb, name, size=size if not done else Size())
    else:
        for access in sorted(engine.accesses, key=lambda a: bool(a.via)):
            own = not access.via and access.verb is verb and not any(o.verb is verb for o in done.values())
            key = (access.verb, access.table, access.via)
            if access.verb is not Verb.READ:
                done.setdefault(key, Operation(*key, size=size if own else Size()))
    if not done:
        for name in _reads(syntax, engine):
            done[Verb.READ, name, ""] = Operation(Verb.READ, name)
    yield from done.values()
