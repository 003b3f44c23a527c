"""What a SELECT returns, in words: of which rows what, in which order, and how many at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlglot import exp

from sqlagent.core.nouns.draft import Column
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.words import conditions
from sqlagent.core.words.dropped import say_dropped
from sqlagent.core.words.kinds import Kind
from sqlagent.core.words.ledger import Ledger, Unsaid
from sqlagent.core.words.notes import Notes
from sqlagent.core.words.sources import Edge, Source, Sources, conjuncts
from sqlagent.core.words.spelling import listed, one_of
from sqlagent.core.words.values import Form, Inner, Value, Values

_OF_NUMBERS = ("smallest first", "largest first")


@dataclass(slots=True)
class Read:
    """One SELECT whose words are being found."""

    select: exp.Select
    sources: Sources
    values: Values
    outputs: list[tuple[str, exp.Expr]]
    """What it returns: the name that it is given, folded, and the value."""

    # ---- what is read ----

    @classmethod
    def of(cls, select: exp.Select, sources: Sources, ledger: Ledger, notes: Notes) -> Read:
        """A SELECT with the tables that it reads from; Unsaid where those do not hang together by keys."""
        ledger.take(
            select, "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"
        )
        start = select.args.get("from_")
        if start is None:
            raise Unsaid("it reads from no table")
        ledger.take(start, "this")
        sources.add_table(start.this)
        for join in select.args.get("joins") or ():
            sources.join(join)
        if sources.kept_one is not None and len(sources.all) > 2:
            raise Unsaid("a left join of many with more tables")
        values = Values(sources, ledger, notes, partial(inner_of, sources.catalogue, ledger))
        return cls(select, sources, values, [cls._output(node, sources) for node in select.expressions])

    @staticmethod
    def _output(node: exp.Expr, sources: Sources) -> tuple[str, exp.Expr]:
        if isinstance(node, exp.Alias):
            sources.ledger.take(node, "this", "alias")
            sources.ledger.take(node.args["alias"], "this", "quoted")
            return sources.folded(node.args["alias"]), node.this
        plain = isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier)
        return sources.folded(node.this) if plain else "", node

    # ---- the sentence ----

    def sentence(self) -> str:
        """What it returns, in words."""
        group = self.select.args.get("group")
        if group is not None:
            return self._grouped(group)
        if self.select.args.get("having") is not None:
            raise Unsaid("a HAVING without groups")
        if any(node.find(exp.AggFunc) for _, node in self.outputs):
            return self._in_one()
        return self._listed()

    def _listed(self) -> str:
        """`name and country of customers where ...; at most 5 rows, in order of name`."""
        distinct, rows = self._is_distinct(), self._kept_rows(())
        told = [self._column_words(node) for _, node in self.outputs]
        if distinct:
            self._check_exact([node for _, node in self.outputs])
            several = len(told) > 1 or any(n.find(exp.Star) for _, n in self.outputs)
            rows = f"{listed(told)} of {rows}"
            rows = f"each different {'combination of ' if several else ''}{rows}"
        else:
            rows = f"{listed(told)} of {rows}"
        say_dropped(self.sources, self.values.notes, subject=self._only_table() if distinct else None)
        return f"{rows}{self._tail(distinct=distinct)}"

    def _check_exact(self, nodes: Sequence[exp.Expr]) -> None:
        if any(c.collation for s in self.sources.all for c in s.table.columns) and any(n.find(exp.Star) for n in nodes):
            raise Unsaid("texts that are the same in more than one spelling")
        for node in nodes:
            self.values.check_exact(node)

    def _only_table(self) -> Source | None:
        """The one table that all of what is returned comes from."""
        found = {id(f[0]): f[0] for _, n in self.outputs for c in n.find_all(exp.Column) if (f := self.sources.find(c))}
        return next(iter(found.values())) if len(found) == 1 else None

    def _anti_join(self, where: exp.Expr | None) -> list[exp.Expr]:
        """`LEFT JOIN orders ... WHERE orders.id IS NULL` keeps customers without orders; the other conditions."""
        edge, ledger = self.sources.edges[0], self.values.ledger
        if where is None:
            raise Unsaid("a left join of many that is not put together")
        ledger.take(where, "this")
        parts = conjuncts(where.this, ledger)
        empty = [p for p in parts if self._is_empty(p, edge)]
        if len(empty) != 1:
            raise Unsaid("a left join of many that is not put together")
        ledger.take_all(empty[0])
        self.sources.keep_without(edge)
        return [p for p in parts if p is not empty[0]]

    def _is_empty(self, part: exp.Expr, edge: Edge) -> bool:
        if not isinstance(part, exp.Is) or not isinstance(part.expression, exp.Null) or part.args.get("negate"):
            return False
        found = self.sources.find(part.this) if isinstance(part.this, exp.Column) else None
        return found is not None and found[0] is edge.child and (not found[1].nullable or found[1].name in edge.columns)

    def _is_distinct(self) -> bool:
        distinct = self.select.args.get("distinct")
        if distinct is not None:
            self.values.ledger.take(distinct)
        return distinct is not None

    def _column_words(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Star):
            self.values.ledger.take(node)
            return "every column"
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            self.values.ledger.take(node, "this", "table")
            self.values.ledger.take(node.this)
            self.values.ledger.take(node.args["table"], "this", "quoted")
            source = next((s for s in self.sources.all if s.alias == self.sources.folded(node.args["table"])), None)
            if source is None:
                raise Unsaid("every column of what is not known")
            return f"every column of {source.shown}" if len(self.sources.all) > 1 else "every column"
        return self.values.tell(node).text

    def _in_one(self) -> str:
        """`the number of orders where ...`: one row, of all rows together."""
        if self._is_distinct() or self.select.args.get("order") is not None:
            raise Unsaid("one row that is ordered")
        self._check_limit_of_one()
        rows = self._kept_rows(())
        self.values.counted = "them"
        self.values.together = True
        told = [self._together(node).text for _, node in self.outputs]
        say_dropped(self.sources, self.values.notes)
        if told == ["the number of them"]:
            return f"the number of {rows}"
        if len(told) == 1 and " them" not in told[0]:
            return f"{told[0]} of {rows}"
        return f"of {rows}: {listed(told)}"

    def _together(self, node: exp.Expr) -> Value:
        value = self.values.tell(node)
        if value.form is not Form.TOGETHER:
            raise Unsaid("a value of one row beside those of many")
        return value

    def _check_limit_of_one(self) -> None:
        """LIMIT 1 says nothing of what is one row anyway."""
        limit, offset = self.select.args.get("limit"), self.select.args.get("offset")
        if offset is not None or (limit is not None and _number(limit, self.values.ledger) < 1):
            raise Unsaid("a limit of one row")

    # ---- groups ----

    def _grouped(self, group: exp.Expr) -> str:
        """`for each customer with orders where ...: name and the sum of orders.total; largest first`."""
        ledger, values = self.values.ledger, self.values
        ledger.take(group, "expressions")
        if self._is_distinct():
            raise Unsaid("different groups")
        keys = [self._key(node) for node in group.expressions]
        grain, kept = self.sources.grain, self.sources.kept_one
        one = self._one_row_each(keys)
        if kept is not None and one is not kept:
            raise Unsaid("groups of what is left joined")
        if one is grain:
            raise Unsaid("groups of one row")
        words = [values.tell(node) for node in keys]
        if one is None:
            self._check_exact(keys)
        if any(w.form not in (Form.COLUMN, Form.COMPUTED) for w in words):
            raise Unsaid("groups by what is no value of a row")
        values.grouped = kept is None
        values.counted = f"{'their' if kept else 'those'} {grain.rows}"
        head, rows = self._head(one, words), self._kept_rows(keys)
        told = self._group_values(keys, one)
        having = self._having()
        if kept is None:
            say_dropped(self.sources, values.notes, subject=one)
        return f"{head}{rows}: {listed(told)}{having}{self._tail(distinct=False)}"

    def _head(self, one: Source | None, words: Sequence[Value]) -> str:
        if one is None:
            combination = "combination of " if len(words) > 1 else ""
            return f"for each different {combination}{listed([w.text.removeprefix('the ') for w in words])} of "
        said = one_of(one.table.name, [t.name for t in self.sources.catalogue.schema.tables])
        if self.sources.kept_one is not None:
            return f"for each {said}"
        if len(self.sources.all) == 2:
            return f"for each {said}{self.sources.by(self.sources.edges[0])} with "
        return f"for each {said} among "

    def _kept_rows(self, keys: Sequence[exp.Expr]) -> str:
        """`orders where orders.status is 'paid'`."""
        grouped = self.select.args.get("group") is not None
        where, more = self.select.args.get("where"), list(self.sources.conditions)
        if self.sources.kept_one is not None and not grouped:
            where, more = None, self._anti_join(where)
        kept = self.sources.kept_one
        lefts = kept is not None or any(s.optional for s in self.sources.all)
        for part in (*more, *((where,) if where is not None else ())) if lefts else ():
            for column in part.find_all(exp.Column):
                found = self.sources.find(column)
                if found is not None and (found[0].optional or (kept is not None and found[0] is not kept)):
                    raise Unsaid("a condition on what is joined left")
        said = conditions.of(self.values, where, more)
        said = f" where {said}" if said else ""
        if kept is not None:
            return f"{said}, also without {self.sources.grain.rows}"
        pair = len(self.sources.all) == 2 and grouped and self._one_row_each(keys) is not None
        return f"{self.sources.grain.rows if pair else self.sources.rows()}{said}"

    def _key(self, node: exp.Expr) -> exp.Expr:
        """What a group is made by: the value itself, where its place or its name is written."""
        if isinstance(node, exp.Literal):
            return self._at_place(node)
        named = [
            n for alias, n in self.outputs if isinstance(node, exp.Column) and alias == self.sources.folded(node.this)
        ]
        if isinstance(node, exp.Column) and not node.table and named:
            found = self.sources.find(node)
            if found is None:
                self._take_name(node)
                return named[0]
            same = [n for n in named if isinstance(n, exp.Column) and self.sources.find(n) == found]
            if len(same) != len(named):
                raise Unsaid("a name of two things")
        return node

    def _at_place(self, node: exp.Literal) -> exp.Expr:
        if node.is_string or not node.name.isdigit() or not 1 <= int(node.name) <= len(self.outputs):
            raise Unsaid("a place that is none")
        self.values.ledger.take_all(node)
        return self.outputs[int(node.name) - 1][1]

    def _take_name(self, node: exp.Column) -> None:
        self.values.ledger.take(node, "this")
        self.values.ledger.take(node.this, "this", "quoted")

    def _one_row_each(self, keys: Sequence[exp.Expr]) -> Source | None:
        """The table of whose rows each group is one, where its whole primary key is among the keys."""
        columns = [self.sources.find(k) for k in keys if isinstance(k, exp.Column)]
        for source in self.sources.all:
            key = {c.name for c in source.table.columns if c.primary_key and not source.table.is_view}
            if key and key <= {f[1].name for f in columns if f is not None and f[0] is source}:
                joined = any(e.parent is source for e in self.sources.edges) and not source.optional
                if not joined and any(c.nullable for c in source.table.columns if c.primary_key):
                    return None
                if len(columns) != len(keys) or not all(f and self._follows(source, f) for f in columns):
                    raise Unsaid("groups by more than one table's rows")
                return source
        return None

    def _follows(self, one: Source, found: tuple[Source, Column]) -> bool:
        """Whether there is one value of the column for each row of the table."""
        if found[0] is one:
            return True
        edges = {id(e.parent): e for e in self.sources.edges}
        above: Source | None = found[0]
        while above is not None and above is not one:
            above = edges[id(above)].child if id(above) in edges else None
        return above is one

    def _group_values(self, keys: Sequence[exp.Expr], one: Source | None) -> list[str]:
        told = []
        for _, node in self.outputs:
            self.values.together = True
            if node.find(exp.AggFunc):
                told.append(self._together(node).text)
                continue
            self.values.together = False
            if not (node in keys or self._is_settled(node, keys, one)):
                raise Unsaid("a value of one row of a group, nobody knows of which")
            told.append(self.values.tell(node).text)
        return told

    def _is_settled(self, node: exp.Expr, keys: Sequence[exp.Expr], one: Source | None) -> bool:
        if not isinstance(node, exp.Column):
            return False
        found = self.sources.find(node)
        by = [self.sources.find(k) for k in keys if isinstance(k, exp.Column)]
        return found is not None and (found in by or (one is not None and self._follows(one, found)))

    def _having(self) -> str:
        having = self.select.args.get("having")
        if having is None:
            return ""
        self.values.together = True
        for column in list(having.find_all(exp.Column)):
            if column.find_ancestor(exp.AggFunc) is None:
                raise Unsaid("a HAVING on what is not put together")
        return f", where {conditions.of(self.values, having)}"

    # ---- order and number ----

    def _tail(self, *, distinct: bool) -> str:
        order, limit, offset = (self.select.args.get(key) for key in ("order", "limit", "offset"))
        said = []
        if order is not None:
            self.values.ledger.take(order, "expressions")
            said.append(", then ".join(self._ordered(o, distinct) for o in order.expressions))
        if limit is not None:
            count = _number(limit, self.values.ledger)
            first = "" if order is not None else ", whichever come first"
            after = f" after the first {_number(offset, self.values.ledger):,}" if offset is not None else ""
            said.insert(0, f"at most {count:,} row{'s' * (count != 1)}{after}{first}")
        elif offset is not None:
            raise Unsaid("an OFFSET alone")
        return f"; {', '.join(said)}" if said else ""

    def _ordered(self, node: exp.Expr, distinct: bool) -> str:
        self.values.ledger.take(node, "this", "desc", "nulls_first")
        value = self._ordered_value(node.this, distinct)
        down = bool(node.args.get("desc"))
        nulls = " (NULL first)" if value.may_be_null and node.args.get("nulls_first") else ""
        if value.kind is Kind.NUMBER:
            word = _OF_NUMBERS[down]
            alone = value.form is Form.TOGETHER and sum(1 for _, n in self.outputs if n.find(exp.AggFunc)) == 1
            by = "" if alone and self._returns(node.this) else f" by {value.text}"
            return f"{word}{by}{nulls}"
        return f"in {'reverse ' if down else ''}order of {value.text}{nulls}"

    def _returns(self, node: exp.Expr) -> bool:
        """Whether the order is by a value that is returned, so that it need not be named again."""
        inner = self._meant(node)
        return any(inner == each for _, each in self.outputs)

    def _meant(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal):
            return self._at_place(node)
        if isinstance(node, exp.Column) and not node.table:
            named = [n for alias, n in self.outputs if alias == self.sources.folded(node.this)]
            if len({n.sql() for n in named}) > 1:
                raise Unsaid("an order by a name of two things")
            if named:
                self._take_name(node)
                return named[0]
        return node

    def _ordered_value(self, node: exp.Expr, distinct: bool) -> Value:
        meant = self._meant(node)
        grouped = self.select.args.get("group") is not None
        returned = any(meant == n for _, n in self.outputs)
        together = meant.find(exp.AggFunc) is not None
        if together and not grouped:
            raise Unsaid("an order by what is put together, without groups")
        if (distinct or (grouped and not together)) and not returned:
            raise Unsaid("an order by what is not returned")
        self.values.together = together
        return self.values.tell(meant)


def inner_of(catalogue: Catalogue, ledger: Ledger, select: exp.Expr) -> Inner:
    """A query of one column in a bracket, which reads nothing of the statement around it."""
    if not isinstance(select, exp.Select) or len(select.expressions) != 1:
        raise Unsaid("a query of another kind in it")
    read = Read.of(select, Sources(catalogue, ledger), ledger, Notes())
    sentence, node = read.sentence(), read.outputs[0][1]
    read.values.together = node.find(exp.AggFunc) is not None
    value = read.values.tell(node)
    one = select.args.get("limit") is not None or (read.values.together and select.args.get("group") is None)
    return Inner(sentence, value.kind, value.may_be_null, sentence if one else f"the first {sentence}")


def _number(node: exp.Expr, ledger: Ledger) -> int:
    """The number of a LIMIT or OFFSET."""
    ledger.take(node, "expression")
    literal = node.args.get("expression")
    if not isinstance(literal, exp.Literal) or literal.is_string or not literal.name.isdigit():
        raise Unsaid("a limit that is no number")
    ledger.take_all(literal)
    return int(literal.name)
