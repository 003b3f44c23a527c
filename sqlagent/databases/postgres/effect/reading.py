"""Reads out everything that a writer's transaction has changed so far: rows of each table, and the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import psycopg

from sqlagent.databases.changes.net_changes import paired
from sqlagent.databases.changes.rows import Row, RowChange, TableChange
from sqlagent.databases.postgres.connection.rows import Session, one
from sqlagent.databases.postgres.effect.row_versions import Watch, all_rows, new_rows, old_rows
from sqlagent.databases.postgres.effect.schema_changes import Objects, SchemaChange, compared, objects
from sqlagent.databases.postgres.effect.tables import Leaf, Table, leaves, tables
from sqlagent.databases.postgres.effect.two_sessions import Counts, Pair, aside, steady
from sqlagent.databases.postgres.effect.written_tables import Looker, Written

_MINE = "SELECT pg_catalog.pg_current_xact_id_if_assigned()::xid"
_SIZE = "SELECT pg_catalog.pg_relation_size(%s::oid)"
_SIZE_OF_ALL = """
SELECT pg_catalog.sum(pg_catalog.pg_relation_size(t.relid)) FROM
  (SELECT %s::oid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(%s::oid) p) t (relid)"""


@dataclass(frozen=True, slots=True)
class Before:
    """Which rows and objects have to be read before a script runs, since nobody can read them once it has."""

    leaves: frozenset[int] = frozenset()
    """Of tables that it truncates, drops or writes anew."""
    schema: bool = False
    """It changes the schema."""

    def __or__(self, other: Before) -> Before:
        return Before(self.leaves | other.leaves, self.schema or other.schema)


class NotForeseen(Exception):
    """The script has to be run anew, since more should have been read before it."""

    def __init__(self, needed: Before) -> None:
        super().__init__("more has to be read before it runs")
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Image:
    """The rows of one table, or of one partition, that the script removed and added."""

    root: int
    old: list[Row]
    new: list[Row]
    counts: Counts
    layout: Table


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Rows of a table whose number the server tells and whose values could not be read."""

    table: str
    counts: Counts
    why: str


@dataclass(frozen=True)
class State:
    """Everything that was changed up to one moment.  Rows are paired once, when they are first asked for."""

    images: dict[int, Image] = field(default_factory=dict)
    tables: dict[int, Table] = field(default_factory=dict)
    created: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    unread: tuple[Uncounted, ...] = ()
    lost: tuple[TableChange[Table], ...] = ()
    """Of columns that were dropped: what they held, beside what tells the rows of their table apart."""
    too_large: tuple[str, ...] = ()
    """Tables whose dropped columns held more than is kept."""
    schema: SchemaChange = field(default_factory=SchemaChange)
    objects: Objects | None = None
    """Of the whole schema, where it was changed."""
    outside: tuple[str, ...] = ()

    @cached_property
    def changes(self) -> tuple[TableChange[Table], ...]:
        """Changes of rows in tables that are there before and after the script."""
        return self._of({image.root for image in self.images.values()} - self.created - self.dropped)

    @cached_property
    def came(self) -> tuple[TableChange[Table], ...]:
        """The rows of tables that the script made."""
        return self._of(self.created)

    @cached_property
    def went(self) -> tuple[TableChange[Table], ...]:
        """The rows of tables that the script dropped."""
        return self._of(self.dropped)

    def _of(self, roots: Iterable[int]) -> tuple[TableChange[Table], ...]:
        found = []
        for root in sorted(roots, key=lambda oid: self.tables[oid].name):
            table, parts = self.tables[root], [image for image in self.images.values() if image.root == root]
            old = [row for part in parts for row in part.old]
            new = [row for part in parts for row in part.new]
            found.append(TableChange(table, paired(table.key, old, new)))
        return tuple(change for change in found if change.rows)


@dataclass(slots=True)
class Reader:
    """Reads a writer's changes out, as often as needed."""

    pair: Pair
    watch: Watch
    before: Before
    scan_bytes: int
    """A table larger than what is left of this is counted and not read."""
    tells_schema: bool = True
    """Whether a change of the schema is told of, or is our own: a trigger turned off and on again."""
    _looker: Looker = field(init=False)
    _kept: dict[int, tuple[Table, list[Row]]] = field(default_factory=dict)
    _schema: Objects | None = None

    def __post_init__(self) -> None:
        self._looker = Looker(self.pair)

    def begin(self) -> None:
        """Read what `before` says, before the script runs."""
        witness = self.pair.witness
        if self.before == Before():
            return
        found = leaves(witness, self.before.leaves)
        known = tables(witness, {leaf.root for leaf in found.values()})
        with aside(witness), steady(witness):
            if self.before.schema:
                self._schema = objects(witness)
            for oid, leaf in found.items():
                if _why_not(leaf) == "":
                    table = known[leaf.root]
                    self._kept[oid] = table, all_rows(witness, table, table, leaf, self.watch)

    def read(self, earlier: State) -> State:
        """What was changed so far; what did not change since `earlier` is not read again.  Raises NotForeseen."""
        mine = one(self.pair.writer, _MINE)
        if mine is None:  # nothing was written at all
            return State()
        written = self._looker.look()
        if not self.tells_schema:
            written = replace(written, is_schema=False)
        self._check_foreseen(written)
        large = sorted(one(self.pair.writer, "SELECT %s::oid::regclass", oid) or "" for oid in written.too_large)
        roots = {leaf.root for leaf in (*written.leaves.values(), *written.was.values())}  # a partition may come or go
        now, was = tables(self.pair.writer, roots), tables(self.pair.witness, roots)
        images, unread = {}, []
        with steady(self.pair.writer), aside(self.pair.witness), steady(self.pair.witness):
            sizes = self._sizes(written)
            for oid in sorted({*written.leaves, *written.was}):
                leaf = written.leaves.get(oid) or written.was[oid]
                counts = written.counts.get(oid, (0, 0, 0))
                known = now if oid in written.leaves else was
                if leaf.kind == "f" or leaf.temporary:
                    continue
                why = _why_not(leaf) or ("" if oid not in sizes else _too_large(sizes[oid], self.scan_bytes))
                if why:
                    unread.append(Uncounted(known[leaf.root].name, counts, why))
                elif (same := earlier.images.get(oid)) and self._is_as_before(same, counts, known[leaf.root], written):
                    images[oid] = same
                else:
                    old, new = self._rows(leaf, known[leaf.root], was.get(leaf.root), written, mine)
                    images[oid] = Image(leaf.root, old, new, counts, known[leaf.root])
            present = objects(self.pair.writer) if written.is_schema else None
        return State(
            images, was | now, frozenset(now.keys() - was.keys()), frozenset(was.keys() - now.keys()),
            tuple(unread), tuple(self._lost(written, now)), tuple(large),
            self._changed(present), present, written.outside,
        )  # fmt: skip

    def _lost(self, written: Written, now: Mapping[int, Table]) -> Iterator[TableChange[Table]]:
        """By table, the key of each row (all that is left of it, where there is none) and what it lost."""
        roots: dict[int, list[int]] = {}
        for oid in sorted(written.lost & self._kept.keys()):
            roots.setdefault(written.leaves[oid].root, []).append(oid)
        for root, parts in roots.items():
            was, table = self._kept[parts[0]][0], now[root]
            again = {
                name for name, number in zip(table.columns, table.numbers, strict=True) if number not in was.numbers
            }
            left = [place for place, number in enumerate(was.numbers) if number in table.numbers]
            keyed = was.key and set(was.key) <= set(left)
            gone = [
                p for p in range(len(was.columns)) if p not in {*left, *was.generated} and was.columns[p] not in again
            ]
            if gone:
                places = [*(was.key if keyed else left), *gone]
                narrow = replace(was.with_columns(places), key=tuple(range(len(places) - len(gone))))
                rows = (tuple(row[p] for p in places) for oid in parts for row in self._kept[oid][1])
                yield TableChange(narrow, tuple(RowChange(row, None) for row in rows))

    def _check_foreseen(self, written: Written) -> None:
        closed = {oid for oid in written.closed if _why_not(written.was[oid]) == ""}
        needed = Before(frozenset(closed - self.before.leaves), written.is_schema and not self.before.schema)
        if needed != Before():
            raise NotForeseen(needed)

    def _is_as_before(self, image: Image, counts: Counts, table: Table, written: Written) -> bool:
        is_closed = not written.closed.isdisjoint(leaf.oid for leaf in written.was.values() if leaf.root == image.root)
        return image.counts == counts and image.layout == table and not is_closed

    def _rows(
        self, leaf: Leaf, table: Table, was: Table | None, written: Written, mine: str
    ) -> tuple[list[Row], list[Row]]:
        writer = self.pair.writer
        if leaf.oid in written.dropped:
            return self._kept_rows(leaf.oid, table), []
        if leaf.oid in written.closed:
            return self._kept_rows(leaf.oid, table), all_rows(writer, table, table, leaf, self.watch)
        new = new_rows(writer, table, leaf, self.watch)
        if leaf.oid in written.created or was is None:
            return [], new
        old = old_rows(
            writer, self.pair.witness, table, was, leaf, mine=mine, multixact=self.pair.multixact, watch=self.watch
        )
        return old, new

    def _kept_rows(self, oid: int, table: Table) -> list[Row]:
        was, rows = self._kept[oid]
        return rows if was.numbers == table.numbers else [table.row_from(was, row) or () for row in rows]

    def kept(self) -> Mapping[int, tuple[Table, list[Row]]]:
        """The rows that `begin` read, by the oid of their table or partition."""
        return self._kept

    @property
    def schema_before(self) -> Objects | None:
        """Every object as it was before the script; None until it had to be read."""
        return self._schema

    def _changed(self, present: Objects | None) -> SchemaChange:
        return SchemaChange() if present is None or self._schema is None else compared(self._schema, present)

    def _sizes(self, written: Written) -> dict[int, int]:
        """Bytes of those that would be scanned past the bound, the smallest first within it."""
        listed = [oid for oid, leaf in written.leaves.items() if _why_not(leaf) == "" and leaf.kind != "f"]
        sizes = sorted((int(one(self.pair.writer, _SIZE, oid) or 0), oid) for oid in listed)
        left, beyond = self.scan_bytes, {}
        for size, oid in sizes:
            left -= size
            if left < 0:
                beyond[oid] = size
        return beyond


def _why_not(leaf: Leaf) -> str:
    """Why its rows cannot be read; empty where they can."""
    if not leaf.heap and leaf.kind != "f":
        return "it is not kept by the heap access method"
    if not leaf.readable and not leaf.through_root and leaf.kind != "f":
        return f"this role may not read every row of {leaf.sql}"
    return ""


def _too_large(size: int, bound: int) -> str:
    return f"it has {size / 1e9:,.1f} GB (measure.scan_bytes {bound / 1e9:g} GB)"


def rows_before(witness: Session, table: Table, *, bytes_at_most: int) -> int | None:
    """How many rows a table had; None where counting would take long."""
    try:
        with aside(witness):
            size = one(witness, _SIZE_OF_ALL, table.oid, table.oid)
            if size is None or float(size) > bytes_at_most:
                return None
            return int(one(witness, f"SELECT count(*) FROM {table.only}") or 0)  # noqa: S608 - a quoted name
    except psycopg.Error:  # it has another name now, or a lock is in the way: it is a number less on the screen
        return None
