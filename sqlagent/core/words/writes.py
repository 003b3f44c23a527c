"""What an INSERT, UPDATE or DELETE does, in words, with the rows that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlglot import exp

from sqlagent.core.nouns.analysis import Operation
from sqlagent.core.nouns.draft import Column
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.repair.keys import referred
from sqlagent.core.words import conditions
from sqlagent.core.words.ledger import Ledger, Unsaid
from sqlagent.core.words.notes import Notes
from sqlagent.core.words.reads import Read, inner_of
from sqlagent.core.words.sources import Source, Sources
from sqlagent.core.words.spelling import listed, name, rows_of
from sqlagent.core.words.values import Form, Values

_MOST_TUPLES = 3
_DONE = {Verb.INSERT: "added", Verb.UPDATE: "changed", Verb.DELETE: "deleted"}


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows a change was measured to touch, and what came of it elsewhere."""

    operations: tuple[Operation, ...] = ()
    matching: int | None = None
    """Rows that its WHERE keeps, as the database counted them; None where nobody counted."""

    def direct(self, verb: Verb, table: str) -> int | None:
        """Rows of its own table that it changes; None where they were not measured."""
        for o in self.operations:
            if o.verb is verb and not o.via and o.target.lower() == table.lower() and o.size.basis is Basis.EXACT:
                return o.size.rows
        return None

    @property
    def elsewhere(self) -> list[Operation]:
        """What a trigger or a foreign key makes of it."""
        return [o for o in self.operations if o.via and o.verb in _DONE]


@dataclass(slots=True)
class Write:
    """One change whose words are being found."""

    sources: Sources
    ledger: Ledger
    notes: Notes
    rows: Rows
    used: dict[tuple[str, str], tuple[Source, Column]] = field(default_factory=dict)
    """Columns that were told."""

    def sentence(self, root: exp.Expr) -> str:
        """What it changes, in words; Unsaid for what is no INSERT, UPDATE or DELETE."""
        match root:
            case exp.Update():
                return self._update(root)
            case exp.Delete():
                return self._delete(root)
            case exp.Insert():
                return self._insert(root)
        raise Unsaid("a change of another kind")

    def _update(self, root: exp.Update) -> str:
        self.ledger.take(root, "this", "expressions", "where")
        target, values = self._target(root.this, Verb.UPDATE)
        told = []
        for each in root.expressions:
            self.ledger.take(each, "this", "expression")
            if not isinstance(each, exp.EQ) or not isinstance(each.this, exp.Column):
                raise Unsaid("a SET of several columns")
            column, value = values.tell(each.this), values.tell(each.expression)
            told.append(f"{column.text} to {value.text}")
        where = conditions.of(values, root.args.get("where"))
        return f"sets {listed(told)} on {self._on(target, Verb.UPDATE, where)}{self._elsewhere(target)}"

    def _delete(self, root: exp.Delete) -> str:
        self.ledger.take(root, "this", "where")
        target, values = self._target(root.this, Verb.DELETE)
        where = conditions.of(values, root.args.get("where"))
        return f"deletes {self._on(target, Verb.DELETE, where)}{self._elsewhere(target)}"

    def _target(self, node: exp.Expr, verb: Verb) -> tuple[Source, Values]:
        target = self.sources.add_table(node)
        if target.table.is_view:
            raise Unsaid("a change of a view")
        if target.table.triggers and self.sources.dialect != "sqlite":
            raise Unsaid("a trigger there may change the row itself")
        if any(o.via and o.target.lower() == target.table.name.lower() for o in self.rows.elsewhere):
            raise Unsaid("a trigger or a key changes the same table again")
        own = [o.verb for o in self.rows.operations if not o.via and o.target.lower() == target.table.name.lower()]
        if self.rows.operations and verb not in own:
            raise Unsaid("the database does something else in its place")
        if any(not o.via and o.verb in _DONE and o.verb is not verb and o.size.rows for o in self.rows.operations):
            raise Unsaid("it does something else than its words")
        return target, Values(
            self.sources,
            self.ledger,
            self.notes,
            partial(inner_of, self.sources.catalogue, self.ledger),
            used=self.used,
        )

    def _on(self, target: Source, verb: Verb, where: str) -> str:
        """`the 79 orders where status is 'pending'`."""
        changed, matching = self.rows.direct(verb, target.table.name), self.rows.matching
        said = f" where {where}" if where else ""
        if changed is None:
            return f"{'the ' if where else 'all '}{target.rows}{said}"
        if changed == matching:
            every = "the" if where or changed == 1 else "all"
            return f"{every} {target.many(changed)}{said}" if changed else f"no {target.rows}; there are none{said}"
        if matching is not None:
            if verb is not Verb.UPDATE:
                raise Unsaid("other rows than it says")
            what = "is changed" if changed == 1 else "are changed"
            return f"the {target.many(matching)}{said}, of which {changed:,} {what}"
        return f"{'the ' if where else 'all '}{target.rows}{said}; {changed:,} {_rows(changed)} {_DONE[verb]}"

    def _insert(self, root: exp.Insert) -> str:
        self.ledger.take(root, "this", "expression")
        node, columns = root.this, list[str]()
        if isinstance(node, exp.Schema):
            self.ledger.take(node, "this", "expressions")
            columns = [self._identifier(e) for e in node.expressions]
            node = node.this
        target, values = self._target(node, Verb.INSERT)
        found = self._columns(target, columns)
        if isinstance(root.expression, exp.Values):
            return self._insert_values(root.expression, target, found, values)
        if isinstance(root.expression, exp.Select):
            return self._insert_select(root.expression, target, found)
        raise Unsaid("an INSERT of another kind")

    def _identifier(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Identifier):
            raise Unsaid("a column that is no name")
        self.ledger.take(node, "this", "quoted")
        return node.name

    def _columns(self, target: Source, given: Sequence[str]) -> list[Column]:
        writable = [c for c in target.table.columns if not c.generated]
        if not given and len(writable) < len(target.table.columns) and self.sources.dialect != "sqlite":
            raise Unsaid("columns that are not named")
        if not given:
            return writable
        catalogue = self.sources.catalogue
        found = [catalogue.column(target.table, each, quoted=False) for each in given]
        known = [c for c in found if c is not None]
        if len(known) != len(given):
            raise Unsaid("a column that is not known")
        return known

    def _insert_values(self, node: exp.Values, target: Source, columns: Sequence[Column], values: Values) -> str:
        self.ledger.take(node, "expressions")
        tuples = node.expressions
        told = []
        for each in tuples:
            self.ledger.take(each, "expressions")
            if not isinstance(each, exp.Tuple) or len(each.expressions) != len(columns):
                raise Unsaid("values that are no row of the table")
            row = [values.tell(v) for v in each.expressions]
            if any(v.form is Form.COLUMN for v in row):
                raise Unsaid("a value that is a column")
            told.append([f"{name(c.name)} {v.text}" for c, v in zip(columns, row, strict=True)])
        measured = self.rows.direct(Verb.INSERT, target.table.name)
        if measured is not None and measured != len(tuples):
            raise Unsaid("other rows than it says")
        count = f"{len(tuples):,} {'row' if len(tuples) == 1 else 'rows'}"
        if len(told) > _MOST_TUPLES:
            what = f" with {listed([name(c.name) for c in columns])}"
        else:
            what = ": " + "; ".join(", ".join(row) for row in told)
        return f"adds {count} to {target.shown}{what}{self._elsewhere(target)}"

    def _insert_select(self, select: exp.Select, target: Source, columns: Sequence[Column]) -> str:
        own = Sources(self.sources.catalogue, self.ledger)
        read = Read.of(select, own, self.ledger, self.notes)
        read.values.used = self.used
        if len(read.outputs) != len(columns) or any(isinstance(n, exp.Star) for _, n in read.outputs):
            raise Unsaid("columns that are not named")
        measured = self.rows.direct(Verb.INSERT, target.table.name)
        count = "rows" if measured is None else f"{measured:,} row{'s' * (measured != 1)}"
        into = listed([name(c.name) for c in columns])
        return f"adds {count} to {target.shown} ({into}), made of {read.sentence()}{self._elsewhere(target)}"

    def _elsewhere(self, target: Source) -> str:
        """`; by trigger orders_cancel: 71 shipments deleted`."""
        found = self.rows.elsewhere
        if self._may_cascade(target) or any(o.size.rows is None or o.size.basis is not Basis.EXACT for o in found):
            return "; triggers or keys may do more"
        by: dict[str, list[str]] = {}
        for o in found:
            if o.size.rows:
                by.setdefault(o.via, []).append(f"{o.size.rows:,} {rows_of(o.target)} {_DONE[o.verb]}")
        return "".join(f"; by {_cause(via)}: {listed(done)}" for via, done in by.items())

    def _may_cascade(self, target: Source) -> bool:
        """Where the engine names no foreign keys before a change is measured, any that leads here may do something."""
        if self.sources.dialect == "sqlite" or any(o.size.basis is Basis.EXACT for o in self.rows.operations):
            return False
        catalogue = self.sources.catalogue
        columns = (c for table in catalogue.schema.tables for c in table.columns)
        return any((found := referred(catalogue, c)) is not None and found[0] is target.table for c in columns)


def _cause(via: str) -> str:
    kind, _, named = via.rpartition(" ")
    return f"{kind} {name(named)}" if kind in ("trigger", "foreign key of", "view") else _unsaid(via)


def _unsaid(via: str) -> str:
    raise Unsaid(f"a cause that is not known: {via}")


def _rows(count: int) -> str:
    return "row is" if count == 1 else "rows are"
