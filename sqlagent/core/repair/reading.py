"""A draft as the repair reads it: its blocks, what each may name, and where in the text each name stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.scope import Scope, traverse_scope

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.repair.keys import Keys
from sqlagent.core.text.parse_tree import Unreadable, parse_exactly
from sqlagent.core.text.raw_checks import too_large
from sqlagent.core.text.spelled_names import folded, spelled
from sqlagent.core.text.split import Piece, split

WRITES = (exp.Update, exp.Delete, exp.Insert)
_PSEUDO = frozenset({"rowid", "oid", "_rowid_", "ctid", "xmin", "xmax", "tableoid", "rownum"})
"""Columns that a table has without naming them."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a block reads from, under the name that columns are qualified with."""

    name: str
    table: Table | None = None
    """None for a subquery and for a table that does not exist."""
    columns: frozenset[str] | None = None
    """Folded; None where they cannot be told."""
    identifier: exp.Identifier | None = None
    """Where the name of its table stands."""

    def may_have(self, key: str) -> bool:
        """Whether it could have the column: also where its columns cannot be told."""
        return self.columns is None or key in self.columns


@dataclass(slots=True)
class Block:
    """One SELECT, UPDATE, DELETE or INSERT with what it reads from, in the order in which that is written."""

    node: exp.Expr
    sources: dict[str, Source] = field(default_factory=dict)
    outer: Block | None = None

    def visible(self) -> Iterator[Source]:
        """Its own sources, then those around it."""
        yield from self.sources.values()
        if self.outer:
            yield from self.outer.visible()

    def source(self, key: str) -> Source | None:
        """The source of this qualifier, its own or one of a block around it; None where there is none."""
        if key in self.sources:
            return self.sources[key]
        return self.outer.source(key) if self.outer else None


@dataclass(frozen=True, slots=True)
class Edit:
    """Other text for a stretch of the draft."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One repair: its edits, and what is said of it: `T2.name to T1.name`."""

    edits: tuple[Edit, ...]
    said: str

    def applied(self, text: str) -> str:
        """The draft with the edits made; their positions are those of the draft as it was."""
        for edit in sorted(self.edits, key=lambda e: (e.start, e.end), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text


@dataclass(frozen=True, slots=True)
class Reading:
    """One statement, and the schema that it is about."""

    text: str
    """The whole draft; positions count from its start."""
    piece: Piece
    root: exp.Expr
    catalogue: Catalogue
    keys: Keys
    blocks: dict[int, Block]
    """By the identity of their node."""

    @property
    def dialect(self) -> str:
        """sqlglot's name for its SQL."""
        return self.catalogue.schema.dialect

    @property
    def is_read(self) -> bool:
        """Whether the statement is a query that writes nothing anywhere in it."""
        return isinstance(self.root, exp.Query) and not any(self.root.find_all(*WRITES, exp.Into))

    def key(self, identifier: exp.Expr) -> str:
        """A name folded as the database compares it, to look it up by."""
        quoted = isinstance(identifier, exp.Identifier) and bool(identifier.args.get("quoted"))
        return folded(identifier.name, self.dialect, quoted=quoted)

    def block_of(self, node: exp.Expr) -> Block | None:
        """The block that a node stands in."""
        above = node.parent
        while above is not None and id(above) not in self.blocks:
            above = above.parent
        return self.blocks[id(above)] if above is not None else None

    def span(self, node: exp.Expr | None) -> tuple[int, int] | None:
        """Where a name or literal stands in the draft; None where that cannot be said for certain."""
        if node is None or "start" not in node.meta:
            return None
        start = self.piece.start + int(node.meta["start"])
        end = self.piece.start + int(node.meta["end"]) + 1
        text = self.text[start:end]
        written = text[1:-1] if text[:1] in "'\"`[" else text
        return (start, end) if written.replace("''", "'").replace('""', '"') == node.name else None

    def columns(self) -> Iterator[tuple[exp.Column, Block]]:
        """Every column that is named, with its block; what stands in no block is left out."""
        for column in self.root.find_all(exp.Column):
            plain = isinstance(column.this, exp.Identifier) and not column.args.get("db")
            block = self.block_of(column)
            if plain and block is not None:
                yield column, block

    def homes_of(self, column: exp.Column, block: Block) -> list[Source]:
        """The sources that a column may belong to, as it is written: the innermost block's that have any."""
        key = self.key(column.this)
        if column.table:
            source = block.source(self.key(column.args["table"]))
            return [source] if source and source.may_have(key) else []
        at: Block | None = block
        while at is not None:
            if found := [s for s in at.sources.values() if s.may_have(key)]:
                return found
            at = at.outer
        return []

    def stands(self, column: exp.Column, block: Block) -> bool:
        """Whether the name means something where it stands."""
        if self.homes_of(column, block):
            return True
        key = self.key(column.this)
        if key in _PSEUDO and (not column.table or block.source(self.key(column.args["table"]))):
            return True
        return not column.table and key in self.aliases(block)

    def aliases(self, block: Block) -> set[str]:
        """Names that a SELECT gives to what it returns."""
        named = block.node.expressions if isinstance(block.node, exp.Select) else []
        return {folded(e.alias, self.dialect, quoted=False) for e in named if e.alias}

    def exists(self, column: exp.Column) -> bool:
        """Whether any table has a column of this name."""
        quoted = bool(column.this.args.get("quoted"))
        return bool(self.catalogue.homes(column.name, quoted=quoted))

    def spelled(self, name: str) -> str:
        """A name as it has to be written here, quoted where it must be."""
        return spelled(name, self.dialect)

    def shown(self, column: exp.Column) -> str:
        """The column as it is written."""
        return f"{column.table}.{column.name}" if column.table else column.name

    def has(self, source: Source, name: str) -> Column | None:
        """The column of this name in the source's table; None where it has none, or there is no table."""
        return self.catalogue.column(source.table, name) if source.table else None


def read(text: str, catalogue: Catalogue, keys: Keys) -> Reading | None:
    """The draft, where it is one statement that two lexers and the parser understand; else None."""
    pieces = list(split(text, catalogue.schema.dialect))
    if len(pieces) != 1 or too_large(pieces[0]):
        return None
    try:
        root = parse_exactly(pieces[0], catalogue.schema.dialect).root
        if not isinstance(root, exp.Query | exp.Update | exp.Delete | exp.Insert):
            return None
        reading = Reading(text, pieces[0], root, catalogue, keys, {})
        _find_blocks(reading)
    except (Unreadable, OptimizeError, RecursionError):
        return None
    return reading


def _find_blocks(reading: Reading) -> None:
    scopes = [scope for scope in traverse_scope(reading.root) if isinstance(scope.expression, exp.Select)]
    if isinstance(reading.root, WRITES):
        reading.blocks[id(reading.root)] = Block(reading.root, _written(reading, reading.root))
    for scope in scopes:
        sources = {}
        for name, (node, source) in scope.selected_sources.items():
            made = _source(reading, name, node, source)
            sources[folded(name, reading.dialect, quoted=_is_quoted(node))] = made
        reading.blocks[id(scope.expression)] = Block(scope.expression, sources)
    for scope in scopes:
        block = reading.blocks[id(scope.expression)]
        block.outer = None if scope.is_derived_table or scope.is_cte else reading.block_of(scope.expression)


def _is_quoted(node: exp.Expr) -> bool:
    alias = node.args.get("alias")
    identifier = alias.this if isinstance(alias, exp.TableAlias) and alias.this else node.this
    return isinstance(identifier, exp.Identifier) and bool(identifier.args.get("quoted"))


def _source(reading: Reading, name: str, node: exp.Expr, source: exp.Table | Scope) -> Source:
    if isinstance(source, Scope):
        query = source.expression
        names = query.named_selects if isinstance(query, exp.Query) else []
        told = names and "*" not in names and not getattr(query, "is_star", False)
        renamed = isinstance(node.args.get("alias"), exp.TableAlias) and node.args["alias"].args.get("columns")
        columns = frozenset(folded(n, reading.dialect, quoted=False) for n in names) if told and not renamed else None
        return Source(name, None, columns)
    return _of_table(reading, name, source)


def _of_table(reading: Reading, name: str, node: exp.Table) -> Source:
    identifier = node.this
    if not isinstance(identifier, exp.Identifier) or node.args.get("db"):
        return Source(name)
    table = reading.catalogue.table(identifier.name, quoted=bool(identifier.args.get("quoted")))
    if table is None or not table.columns:
        return Source(name, None, None, identifier)
    columns = frozenset(folded(c.name, reading.dialect, quoted=True) for c in table.columns)
    return Source(name, table, columns, identifier)


def _written(reading: Reading, root: exp.Expr) -> dict[str, Source]:
    """What an UPDATE, DELETE or INSERT names outside of its subqueries."""
    target = root.this.this if isinstance(root.this, exp.Schema) else root.this
    nodes: Sequence[exp.Expr] = [target] if isinstance(target, exp.Table) else []
    if isinstance(source := root.args.get("from_"), exp.From):
        beside = (root, source, source.this)
        nodes = [*nodes, source.this, *(join.this for join in root.find_all(exp.Join) if join.parent in beside)]
    found = {}
    for node in nodes:
        name = node.alias_or_name
        made = _of_table(reading, name, node) if isinstance(node, exp.Table) else Source(name)
        found[folded(name, reading.dialect, quoted=_is_quoted(node))] = made
    if root.args.get("using") or root.args.get("conflict"):
        found["excluded"] = Source("excluded")
    return found
