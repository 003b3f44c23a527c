"""The schema as a model and a person are told it: one query a kind, however many tables there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.databases.example_values import LONGEST, LOOKED_AT, fit_to_show, looks_secret
from sqlagent.databases.postgres.connection.names import table_names
from sqlagent.databases.postgres.connection.open import reading
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.view_keys import Place, with_view_keys

_SECONDS = 20.0
_SAMPLED_FOR = 2.0  # seconds in all, for tables of which the server keeps no statistics
_SECONDS_A_TABLE = 0.5
_LOOK = "SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off"

_SHOWN = """
c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema' AND c.relname <> 'sqlagent_runs'
  AND has_schema_privilege(n.oid, 'USAGE') AND (has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
    OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
    AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')"""
"""What the role may use; neither the parts of a partitioned table, nor what an extension brought."""
_TABLES = (
    """
SELECT c.oid, c.relkind IN ('v', 'm'), c.reltuples::bigint, obj_description(c.oid, 'pg_class'),
  format('%I.%I', n.nspname, c.relname), c.relkind IN ('r', 'p', 'm') AND NOT c.relrowsecurity
    AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE
"""
    + _SHOWN
    + " ORDER BY c.relkind IN ('v', 'm'), c.oid"
)
_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  a.attgenerated <> '' OR a.attidentity = 'a', col_description(a.attrelid, a.attnum), a.atttypid,
  a.atttypid < 16384 OR y.typtype = 'e', quote_ident(a.attname)
FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
WHERE a.attrelid = ANY(%(tables)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"""
_KEYS = """
SELECT k.conrelid, k.contype, k.conkey::text, k.confrelid, k.confkey::text, CASE k.contype WHEN 'c'
  THEN pg_get_expr(k.conbin, k.conrelid) END
FROM pg_constraint k WHERE k.conrelid = ANY(%(tables)s::oid[]) AND k.contype IN ('p', 'f', 'c') ORDER BY k.oid"""
_TRIGGERS = """
SELECT t.tgrelid, t.tgname FROM pg_trigger t
WHERE t.tgrelid = ANY(%(tables)s::oid[]) AND NOT t.tgisinternal ORDER BY t.tgname"""
_ORIGINS = r"""
SELECT r.ev_class, a.attname, min(m[3]), min(m[4])
FROM pg_rewrite r CROSS JOIN regexp_matches(r.ev_action::text,
  ':resno (\d+) :resname (\S+) :ressortgroupref \d+ :resorigtbl (\d+) :resorigcol (\d+)', 'g') m
JOIN pg_attribute a ON a.attrelid = r.ev_class AND a.attnum = m[1]::int AND a.attname = m[2]
WHERE r.rulename = '_RETURN' AND r.ev_class = ANY(%(tables)s::oid[])
GROUP BY 1, 2 HAVING count(DISTINCT m[3] || ' ' || m[4]) = 1 AND min(m[3]) <> '0'"""
"""Where columns of views come from unchanged; not where a query inside returns another of that name and place."""
_ENUMS = "SELECT e.enumtypid, e.enumlabel FROM pg_enum e ORDER BY e.enumtypid, e.enumsortorder"
_STATISTICS = """
SELECT c.oid, a.attnum, coalesce(s.most_common_vals, s.histogram_bounds)::text::text[]
FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE c.oid = ANY(%(tables)s::oid[])"""
_ANY_OF = re.compile(r"\(*(\"?[\w ]+\"?)\)?(?:::[\w ]+)? = ANY \(+ARRAY\[(.+?)\]\)*(?:::[\w ]+\[\])?\)*", re.DOTALL)
_CAST = re.compile(r"::(?:character varying|[\w\"]+)(?:\[\])?")


@dataclass(slots=True)
class _Draft:
    """One table while it is put together."""

    name: str
    sql: str
    is_view: bool
    rows: int | None
    comment: str
    may_sample: bool
    columns: dict[int, Column] = field(default_factory=dict)
    spelled: dict[int, str] = field(default_factory=dict)
    """Columns whose values are PostgreSQL's own types, as SQL spells them."""
    checks: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)

    def take_over(self, known: Table) -> None:
        """What was told of its columns before: which of them are keys to tables that are not looked at now."""
        columns = {column.name: column for column in known.columns}
        self.columns = {number: columns.get(each.name, each) for number, each in self.columns.items()}

    def table(self) -> Table:
        return Table(
            self.name, tuple(self.columns.values()), self.is_view, self.rows, tuple(self.checks), tuple(self.triggers),
            self.comment,
        )  # fmt: skip


def outline(session: Session, *, path: Sequence[str], version: str) -> Schema:
    """Every table and view that the role may use; no row and no statistics are looked at."""
    with reading(session, seconds=_SECONDS):
        session.execute(_LOOK)
        drafts = _drafts(session, path)
        origins = _origins(session, drafts)
    return Schema("postgres", version, with_view_keys([draft.table() for draft in drafts.values()], origins))


def _origins(session: Session, drafts: dict[int, _Draft]) -> dict[Place, Place]:
    views = [oid for oid, draft in drafts.items() if draft.is_view]
    found = {}
    for view, column, table, there in raw(session, _ORIGINS, tables=views) if views else ():
        draft = drafts.get(_number(table))
        origin = draft.columns.get(_number(there)) if draft else None
        if draft and origin:
            found[drafts[_number(view)].name, str(column)] = (draft.name, origin.name)
    return found


def with_examples(
    session: Session, tables: Sequence[Table], *, path: Sequence[str], examples: int
) -> tuple[Table, ...]:
    """The same tables with up to `examples` values a column; of others nothing is read."""
    known = {table.name: table for table in tables}
    with reading(session, seconds=_SECONDS):
        session.execute(_LOOK)
        drafts = _drafts(session, path, only=known)
        for draft in drafts.values():
            draft.take_over(known[draft.name])
        _from_statistics(session, drafts, examples)
    _from_rows(session, drafts, examples)
    found = {draft.name: draft for draft in drafts.values()}
    return tuple(_shown(table, found.get(table.name)) for table in tables)


def _shown(table: Table, draft: _Draft | None) -> Table:
    if draft is None:  # dropped just now
        return table
    return replace(table, columns=tuple(draft.columns.values()), rows=draft.rows)


def _drafts(session: Session, path: Sequence[str], only: Collection[str] | None = None) -> dict[int, _Draft]:
    found = raw(session, _TABLES)
    names = table_names(session, path, [_number(row[0]) for row in found])
    if only is not None:
        found = [row for row in found if names[_number(row[0])] in only]
    drafts = {
        _number(oid): _Draft(
            names[_number(oid)], str(sql), view == "t", _rows(tuples) if view != "t" else None, comment or "",
            sample == "t",
        )
        for oid, view, tuples, comment, sql, sample in found
    }  # fmt: skip
    tables = list(drafts)
    values: dict[int, list[str]] = defaultdict(list)
    for type_, label in raw(session, _ENUMS):
        values[_number(type_)].append(str(label))
    for row in raw(session, _COLUMNS, tables=tables):
        _add_column(drafts[_number(row[0])], row, values, path)
    for row in raw(session, _KEYS, tables=tables):
        _add_key(drafts, row)
    for table, name in raw(session, _TRIGGERS, tables=tables):
        drafts[_number(table)].triggers.append(str(name))
    return drafts


def _add_column(draft: _Draft, row: Raw, values: dict[int, list[str]], path: Sequence[str]) -> None:
    _, number, name, full_type, not_null, generated, comment, oid, own, spelled = row
    schema_name, _, bare = str(full_type).rpartition(".")
    type_ = bare if schema_name in path else str(full_type)
    column = Column(str(name), type_, nullable=not_null != "t", generated=generated == "t", comment=comment or "")
    draft.columns[_number(number)] = column
    if own == "t":
        draft.spelled[_number(number)] = str(spelled)
    if labels := values.get(_number(oid)):
        draft.checks.append(f"{name} IN ({', '.join(_literal(label) for label in labels)})")


def _add_key(drafts: dict[int, _Draft], row: Raw) -> None:
    table, kind, columns, there, columns_there, check = row
    draft = drafts[_number(table)]
    numbers = [int(each) for each in re.findall(r"\d+", columns or "")]
    if kind == "c":
        draft.checks.append(as_list(check or ""))
        return
    target = drafts.get(_number(there)) if kind == "f" else None
    numbers_there = [int(each) for each in re.findall(r"\d+", columns_there or "")] if target else numbers
    for number, number_there in zip(numbers, numbers_there, strict=True):
        column = draft.columns.get(number)
        if column is None:
            continue
        if kind == "p":
            draft.columns[number] = replace(column, primary_key=True, nullable=False)
        elif target and number_there in target.columns:
            draft.columns[number] = replace(column, references=f"{target.name}.{target.columns[number_there].name}")


def as_list(check: str) -> str:
    """`status IN ('a', 'b')` for how PostgreSQL keeps it: `(status = ANY (ARRAY['a'::text, 'b'::text]))`."""
    found = _ANY_OF.fullmatch(check)
    return f"{found[1]} IN ({_CAST.sub('', found[2])})" if found else check.removeprefix("(").removesuffix(")")


# ---- examples ------------------------------------------------------------------------------------------------------


def _from_statistics(session: Session, drafts: dict[int, _Draft], examples: int) -> None:
    """The commonest values that ANALYZE saw: no table is read for them."""
    asked = [oid for oid, draft in drafts.items() if draft.may_sample and (draft.rows or 0) > 0]
    for table, number, values in raw(session, _STATISTICS, tables=asked):
        draft = drafts[_number(table)]
        _show(draft, _number(number), _elements(values or "{}"), examples)
        draft.spelled.pop(_number(number), None)


def _from_rows(session: Session, drafts: dict[int, _Draft], examples: int) -> None:
    """The commonest among the first rows of tables that were never analyzed, until the time for all is up."""
    deadline = monotonic() + _SAMPLED_FOR
    for draft in drafts.values():
        wanted = {n: sql for n, sql in draft.spelled.items() if _is_telling(draft.columns[n])}
        if not draft.may_sample or not wanted or monotonic() > deadline:
            continue
        with suppress(SqlagentError), reading(session, seconds=_SECONDS_A_TABLE, lock_seconds=0.1):
            session.execute(_LOOK)
            (found,) = raw(session, _sampling(draft.sql, list(wanted.values()), examples))
            for number, values in zip(wanted, found[1:], strict=True):
                _show(draft, number, _elements(values or "{}"), examples)
            if (rows := _number(found[0])) < LOOKED_AT and draft.rows is None:
                draft.rows = rows


def _sampling(table: str, columns: Sequence[str], examples: int) -> str:
    """One query for a table; the names in it are quoted by the server."""
    per_column = ", ".join(
        f"(SELECT array_agg(v) FROM (SELECT {c}::text AS v FROM seen WHERE {c} IS NOT NULL"  # noqa: S608 - quoted
        f" AND length({c}::text) BETWEEN 1 AND {LONGEST} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {examples}) f)"
        for c in columns
    )
    sql = f"WITH seen AS MATERIALIZED (SELECT * FROM {table} LIMIT {LOOKED_AT}) SELECT (SELECT count(*) FROM seen)"  # noqa: S608 - quoted
    return f"{sql}, {per_column}"


def _show(draft: _Draft, number: int, values: Sequence[str], examples: int) -> None:
    column = draft.columns.get(number)
    if column is not None and _is_telling(column):
        short = [value for value in values if 0 < len(value) <= LONGEST][:examples]
        draft.columns[number] = replace(column, examples=fit_to_show(short))


def _is_telling(column: Column) -> bool:
    """A number that names a row teaches nobody anything, and neither do bytes."""
    is_number = "int" in column.type and (column.primary_key or bool(column.references))
    return not is_number and column.type != "bytea" and not looks_secret(column.name)


def _elements(array: str) -> list[str]:
    """The texts of a one-dimensional array as PostgreSQL writes it: `{a,"b c",NULL}`."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)', array)
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in found if plain != "NULL"]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rows(tuples: str | None) -> int | None:
    """What ANALYZE counted; None where it never did."""
    return None if _number(tuples) < 0 else _number(tuples)


def _number(value: str | None) -> int:
    return int(value or 0)
