"""How tables are laid out, asked of the catalogs alone: no lock of the writer is in the way of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlagent.databases.changes.rows import Row
from sqlagent.databases.postgres.connection.rows import Session, raw


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its columns and key; all partitions of a table count as that one table."""

    oid: int
    name: str
    """As a person says it: with its schema only where the role's search_path does not find it without."""
    sql: str
    """With its schema, and quoted: it can stand in SQL."""
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """As they can stand in SQL."""
    numbers: tuple[int, ...]
    """Of the columns, which stay the same when one is renamed."""
    generated: tuple[int, ...]
    """Places of columns that cannot be written."""
    always: tuple[int, ...]
    """Places of GENERATED ALWAYS AS IDENTITY, which an UPDATE cannot set."""
    key: tuple[int, ...]
    """Places of the primary key; empty where there is none."""
    missing: tuple[str | None, ...]
    """By column, what older rows have in it that was added later, by a default that was not written to them."""
    partitioned: bool = False

    def row_from(self, was: Table, row: Row | None) -> Row | None:
        """A row in these columns, of when the table was another; one that it had not has what older rows have.

        A column that was dropped and made again under its name is the same to whoever reads the table.
        """
        if row is None or was.numbers == self.numbers:
            return row
        gone = {name: place for place, name in enumerate(was.columns) if was.numbers[place] not in self.numbers}
        places = (
            was.numbers.index(number) if number in was.numbers else gone.get(name)
            for name, number in zip(self.columns, self.numbers, strict=True)
        )
        return tuple(
            missing if place is None else row[place] for place, missing in zip(places, self.missing, strict=True)
        )

    def with_columns(self, places: Sequence[int]) -> Table:
        """Only the columns at these places."""
        kept = {place: number for number, place in enumerate(places)}

        def moved(those: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(kept[place] for place in those if place in kept)

        return replace(
            self, columns=tuple(self.columns[p] for p in places), types=tuple(self.types[p] for p in places),
            numbers=tuple(self.numbers[p] for p in places), missing=tuple(self.missing[p] for p in places),
            generated=moved(self.generated), always=moved(self.always), key=moved(self.key),
        )  # fmt: skip

    @property
    def only(self) -> str:
        """The table as SQL names it without the tables that inherit from it."""
        return self.sql if self.partitioned else f"ONLY {self.sql}"

    @property
    def column_list(self) -> str:
        """Its columns' names, quoted, for a SELECT or INSERT."""
        return ", ".join(map(quoted, self.columns))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A relation that holds rows: a table, or one partition of it."""

    oid: int
    sql: str
    root: int
    """Oid of the table that it is a partition of; its own where it is none."""
    kind: str
    """`r` table, `m` materialized view, `f` foreign table."""
    temporary: bool
    heap: bool
    """Kept by the built-in access method, whose system columns tell versions apart."""
    readable: bool
    """This role may read every column, and no row-level security hides rows from it."""
    through_root: bool
    """It may read it as a part of the whole table, where it may not read it alone."""
    file: int
    """Number of the file: another one after TRUNCATE and where an ALTER wrote every row anew."""


_LEAVES = """
SELECT c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname), root.oid, c.relkind, c.relpersistence = 't',
  coalesce((SELECT am.amname = 'heap' FROM pg_catalog.pg_am am WHERE am.oid = c.relam), false),
  pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid),
  c.relispartition AND pg_catalog.has_table_privilege(root.oid, 'SELECT')
    AND NOT pg_catalog.row_security_active(root.oid), c.relfilenode
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT coalesce(CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::oid END, c.oid))
  root (oid)
WHERE c.oid = ANY(%s::oid[]) AND c.relkind IN ('r', 'm', 'f') ORDER BY c.oid"""

_TABLES = """
SELECT c.oid, CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname::text
    ELSE n.nspname || '.' || c.relname END,
  pg_catalog.format('%%I.%%I', n.nspname, c.relname), c.relkind = 'p',
  (SELECT pg_catalog.string_agg(k.attnum::text, ' ' ORDER BY k.place)
   FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid AND k.place <= i.indnkeyatts)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY(%s::oid[]) ORDER BY c.oid"""

_COLUMNS = """
SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
  a.attidentity = 'a', a.attnum, t.typnamespace = 'pg_catalog'::regnamespace,
  pg_catalog.format('%%I.%%I', n.nspname, t.typname),
  CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"""


def leaves(session: Session, oids: Iterable[int]) -> dict[int, Leaf]:
    """The relations of these oids that hold rows; those that this session does not see are left out."""
    found = {}
    for oid, sql, root, kind, temporary, heap, readable, through, file in raw(session, _LEAVES, list(oids)):
        found[int(oid or 0)] = Leaf(
            int(oid or 0), str(sql), int(root or 0), str(kind), temporary == "t", heap == "t", readable == "t",
            through == "t", int(file or 0),
        )  # fmt: skip
    return found


def tables(session: Session, oids: Iterable[int]) -> dict[int, Table]:
    """The tables of these oids, named as the session's search_path finds them; to be asked outside of `steady`."""
    wanted = list(oids)
    columns: dict[int, list[tuple[str, str, bool, bool, int, str | None]]] = {}
    for oid, name, type_, generated, always, number, builtin, qualified, missing in raw(session, _COLUMNS, wanted):
        written = str(type_) if builtin == "t" else str(qualified)
        columns.setdefault(int(oid or 0), []).append(
            (str(name), written, generated == "t", always == "t", int(number or 0), missing)
        )
    found = {}
    for oid, name, sql, partitioned, key in raw(session, _TABLES, wanted):
        of = columns.get(int(oid or 0), [])
        numbers = tuple(column[4] for column in of)
        found[int(oid or 0)] = Table(
            int(oid or 0), str(name), str(sql), tuple(c[0] for c in of), tuple(c[1] for c in of), numbers,
            tuple(place for place, c in enumerate(of) if c[2]), tuple(place for place, c in enumerate(of) if c[3]),
            tuple(numbers.index(int(number)) for number in (key or "").split()),
            tuple(c[5] for c in of), partitioned == "t",
        )  # fmt: skip
    return found


def quoted(name: str) -> str:
    """A name in double quotes, as PostgreSQL takes it whatever it is."""
    return '"' + name.replace('"', '""') + '"'
