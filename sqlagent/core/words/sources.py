"""What a statement reads from: its tables, and how they hang together by foreign keys.

The table at the many end is the one whose rows are told: each of them comes once, with the one row of every other
table that its keys lead to.  Tables that do not hang together so have no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.repair.keys import referred
from sqlagent.core.text.spelled_names import folded
from sqlagent.core.words.ledger import Ledger, Unsaid
from sqlagent.core.words.spelling import listed, name, one_of, rows_of


@dataclass(frozen=True, slots=True)
class Source:
    """One table, under the name that the statement calls it by."""

    alias: str
    table: Table
    optional: bool = False
    """It is joined LEFT: its columns may be NULL where it has no row."""

    @property
    def shown(self) -> str:
        """Its name."""
        return name(self.table.name)

    def many(self, count: int) -> str:
        """`1 customer`, `2 customers`."""
        return f"{count:,} {self.rows if count != 1 else one_of(self.table.name, ())}"

    @property
    def rows(self) -> str:
        """What its rows are called."""
        return rows_of(self.table.name)


@dataclass(frozen=True, slots=True)
class Edge:
    """Rows of `child`, each with the one row of `parent` that its key leads to."""

    child: Source
    parent: Source
    columns: tuple[str, ...]
    """Of the child."""
    nullable: bool


@dataclass(slots=True)
class Sources:
    """The tables of one statement."""

    catalogue: Catalogue
    ledger: Ledger
    all: list[Source] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    conditions: list[exp.Expr] = field(default_factory=list)
    """What an inner join asks beside its keys: as good as a WHERE."""
    without: str = ""
    """` without orders`, where only the rows that have none are kept."""
    kept_one: Source | None = None
    """The table on the one side of a LEFT JOIN: all of its rows are kept, those without any of the many too."""

    @property
    def dialect(self) -> str:
        """Of the schema."""
        return self.catalogue.schema.dialect

    @property
    def grain(self) -> Source:
        """The table whose rows are told."""
        parents = [edge.parent for edge in self.edges]
        roots = [s for s in self.all if s not in parents]
        if len(roots) != 1 or len(parents) != len(self.all) - 1 or any(parents.count(p) > 1 for p in parents):
            raise Unsaid("its tables do not hang together by keys from one of them")
        return roots[0]

    def add_table(self, node: exp.Expr | None, *, optional: bool = False) -> Source:
        """A table that is named; Unsaid for what is none of the schema, or is there already."""
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise Unsaid("it reads from what is no table")
        self.ledger.take(node, "this", "alias")
        table = self.catalogue.table(node.this.name, quoted=bool(node.this.args.get("quoted")))
        if table is None or not table.columns or any(s.table is table for s in self.all):
            raise Unsaid("it reads from what is not known, or from one table twice")
        self.ledger.take(node.this, "this", "quoted")
        called = node.this
        if (alias := node.args.get("alias")) is not None:
            self.ledger.take(alias, "this")
            self.ledger.take(alias.this, "this", "quoted")
            called = alias.this
        made = Source(self.folded(called), table, optional)
        if any(s.alias == made.alias for s in self.all):
            raise Unsaid("two tables of one name")
        self.all.append(made)
        return made

    def folded(self, identifier: exp.Expr) -> str:
        """What two spellings of one name have in common."""
        return folded(identifier.name, self.dialect, quoted=bool(identifier.args.get("quoted")))

    def resolve(self, node: exp.Column) -> tuple[Source, Column]:
        """The column that is meant; Unsaid where there is none, or are two."""
        found = self.find(node)
        if found is None:
            raise Unsaid(f"no column {node.name}")
        self.ledger.take(node, "this", "table")
        for identifier in (node.this, node.args.get("table")):
            if identifier is not None:
                self.ledger.take(identifier, "this", "quoted")
        return found

    def find(self, node: exp.Column) -> tuple[Source, Column] | None:
        """The same, where there may be none."""
        if not isinstance(node.this, exp.Identifier):
            return None
        key = self.folded(node.this)
        qualified = node.args.get("table")
        there = [s for s in self.all if qualified is None or s.alias == self.folded(qualified)]
        found = [(s, c) for s in there for c in s.table.columns if folded(c.name, self.dialect, quoted=True) == key]
        if len(found) > 1:
            raise Unsaid(f"two columns {node.name}")
        return found[0] if found else None

    def join(self, node: exp.Join) -> None:
        """One JOIN along a foreign key; Unsaid for any other."""
        self.ledger.take(node, "this", "on", "side", "kind")
        side, kind, on = node.side.upper(), node.kind.upper(), node.args.get("on")
        if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER") or on is None:
            raise Unsaid("a join of another kind")
        added = self.add_table(node.this, optional=side == "LEFT")
        pairs, rest = self._equal_columns(on, added)
        edge = self._edge(pairs, added)
        if side == "LEFT":
            self._check_left(edge, added, rest)
        elif edge.child.optional or edge.parent.optional:
            raise Unsaid("an inner join with what is optional")
        self.edges.append(edge)
        self.conditions += rest

    def _check_left(self, edge: Edge, added: Source, rest: Sequence[exp.Expr]) -> None:
        if rest:
            raise Unsaid("a left join on more than its key")
        if edge.child is added:
            if len(self.all) > 2:
                raise Unsaid("a left join of many with more tables")
            self.kept_one = edge.parent
        elif self.kept_one is not None:
            raise Unsaid("a left join of many with more tables")

    def _equal_columns(self, on: exp.Expr, added: Source) -> tuple[list[tuple[Column, Source, Column]], list[exp.Expr]]:
        """Columns of the added table, each with the source and the column that it equals; and other conditions."""
        pairs, rest = list[tuple[Column, Source, Column]](), list[exp.Expr]()
        for part in conjuncts(on, self.ledger):
            ends = [self.find(e) for e in (part.this, part.args.get("expression")) if isinstance(e, exp.Column)]
            known = [end for end in ends if end is not None]
            mine = [c for s, c in known if s is added]
            theirs = [(s, c) for s, c in known if s is not added]
            if isinstance(part, exp.EQ) and len(mine) == 1 and len(theirs) == 1:
                pairs.append((mine[0], *theirs[0]))
                self.ledger.take(part, "this", "expression")
                self.resolve(part.this)
                self.resolve(part.expression)
            else:
                rest.append(part)
        return pairs, rest

    def _edge(self, pairs: Sequence[tuple[Column, Source, Column]], added: Source) -> Edge:
        if not pairs or any(s is not pairs[0][1] for _, s, _ in pairs):
            raise Unsaid("a join that is not along one key")
        other = pairs[0][1]
        for child, parent, ends in (
            (added, other, [(a, b) for a, _, b in pairs]),
            (other, added, [(b, a) for a, _, b in pairs]),
        ):
            if self._is_key(parent.table, ends):
                return Edge(child, parent, tuple(c.name for c, _ in ends), any(c.nullable for c, _ in ends))
        raise Unsaid("a join that is not along a foreign key")

    def _is_key(self, parent: Table, ends: Sequence[tuple[Column, Column]]) -> bool:
        """Whether the left columns are foreign keys to the right ones, which are the whole primary key."""
        key = {c.name for c in parent.columns if c.primary_key and not parent.is_view}
        leads = all(referred(self.catalogue, c) == (parent, k) for c, k in ends)
        return leads and bool(key) and {k.name for _, k in ends} == key and len(ends) == len(key)

    # ---- in words ----

    def column(self, source: Source, column: Column) -> str:
        """`total` of the table whose rows are told, and `customers.name` where it is not plain which table is meant."""
        others = [s for s in self.all if s is not source]
        plain = not others or (
            source is self.grain and all(c.name.lower() != column.name.lower() for s in others for c in s.table.columns)
        )
        return name(column.name) if plain else f"{source.shown}.{name(column.name)}"

    def rows(self) -> str:
        """`orders with their customers and employees, if any`."""
        grain = self.grain
        surely = [self._parent(e) for e in self.edges if not e.parent.optional]
        perhaps = [self._parent(e) for e in self.edges if e.parent.optional]
        said = grain.rows + self.without
        said += f" with their {listed(surely)}" if surely else ""
        return said + (f"{' and' if surely else ' with'} their {listed(perhaps)} (if any)" if perhaps else "")

    def keep_without(self, edge: Edge) -> None:
        """Only the rows of the one that have none of the many are kept: those have no columns then."""
        self.all, self.edges, self.kept_one = [edge.parent], [], None
        self.without = f" without {edge.child.rows}{self._by_which(edge)}"

    def _parent(self, edge: Edge) -> str:
        return edge.parent.shown + self.by(edge)

    def by(self, edge: Edge) -> str:
        """` (by orders.employee_id)`, where more than one key leads from these tables to that one."""
        if edge.child is self.grain and len(self._ways(edge)) == len(edge.columns):
            return ""
        return self._named(edge)

    def _by_which(self, edge: Edge) -> str:
        leads = [c for c in edge.child.table.columns if self._leads(c, edge.parent.table)]
        return "" if len(leads) == len(edge.columns) else self._named(edge)

    def _named(self, edge: Edge) -> str:
        return f" (by {listed([f'{edge.child.shown}.{name(c)}' for c in edge.columns])})"

    def _ways(self, edge: Edge) -> list[Column]:
        to = edge.parent.table
        return [c for s in self.all if s is not edge.parent for c in s.table.columns if self._leads(c, to)]

    def _leads(self, column: Column, to: Table) -> bool:
        found = referred(self.catalogue, column)
        return found is not None and found[0] is to


def conjuncts(condition: exp.Expr, ledger: Ledger) -> list[exp.Expr]:
    """The conditions that must all hold, without the brackets around them."""
    while isinstance(condition, exp.Paren):
        ledger.take(condition, "this")
        condition = condition.this
    if not isinstance(condition, exp.And):
        return [condition]
    ledger.take(condition, "this", "expression")
    return [part for side in (condition.this, condition.expression) for part in conjuncts(side, ledger)]
