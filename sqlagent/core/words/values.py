"""What one value of a row is, in words: a column, a literal, what is computed of them, or the sum of many."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlglot import exp

from sqlagent.core.nouns.draft import Column
from sqlagent.core.words.kinds import Kind, Letters, kind_of, letters_of
from sqlagent.core.words.ledger import Ledger, Unsaid
from sqlagent.core.words.notes import Notes
from sqlagent.core.words.sources import Source, Sources
from sqlagent.core.words.spelling import listed, text_value


class Form(Enum):
    """What stands where a value is told."""

    COLUMN = auto()
    LITERAL = auto()
    COMPUTED = auto()
    TOGETHER = auto()
    """Of many rows together: a sum, a number of rows."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value in words."""

    text: str
    kind: Kind
    form: Form = Form.COMPUTED
    may_be_null: bool = False
    column: tuple[Source, Column] | None = None
    literal: str = ""
    whole: bool = True
    """Its words hold together; else brackets go around them beside others."""
    span: str = ""
    """`year` or `month`: it is that part of `column`'s moment."""

    @property
    def inside(self) -> str:
        """Its words as a part of others."""
        return self.text if self.whole else f"({self.text})"


@dataclass(frozen=True, slots=True)
class Inner:
    """A query of one column inside of another statement."""

    text: str
    kind: Kind
    may_be_null: bool
    first: str
    """Its words where only its first row is taken."""


_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_AGO = re.compile(r"-(\d{1,4}) (day|year)s?")
_SPANS = {"%Y": ("year", "the year of"), "%Y-%m": ("month", "the year and month of"), "%m": ("", "the month of")}
_CASTS = {
    exp.DType.INT: Kind.NUMBER, exp.DType.BIGINT: Kind.NUMBER, exp.DType.DOUBLE: Kind.NUMBER,
    exp.DType.FLOAT: Kind.NUMBER, exp.DType.TEXT: Kind.TEXT,
}  # fmt: skip


@dataclass(slots=True)
class Values:
    """Tells values of one statement; `together` where those of many rows may be told."""

    sources: Sources
    ledger: Ledger
    notes: Notes
    inner: Callable[[exp.Expr], Inner]
    """Tells the query in a bracket."""
    together: bool = False
    counted: str = "rows"
    """What `count(*)` is the number of."""
    grouped: bool = False
    """No group is without rows, so that no sum is one of nothing."""
    used: dict[tuple[str, str], tuple[Source, Column]] = field(default_factory=dict)
    """Columns that were told."""

    @property
    def dialect(self) -> str:
        """Of the schema."""
        return self.sources.dialect

    def tell(self, node: exp.Expr) -> Value:
        """The value in words; Unsaid for any that is not listed here."""
        tellers: dict[type[exp.Expr], Callable[[exp.Expr], Value]] = {
            exp.Column: self._column, exp.Literal: self._literal, exp.Null: self._null, exp.Boolean: self._boolean,
            exp.Neg: self._negative, exp.Paren: self._brackets, exp.Lower: self._function, exp.Upper: self._function,
            exp.Length: self._function, exp.Abs: self._function, exp.Trim: self._function, exp.Round: self._rounded,
            exp.Coalesce: self._coalesce, exp.Cast: self._cast, exp.Substring: self._part, exp.DPipe: self._joined,
            exp.TimeToStr: self._span, exp.Date: self._day, exp.Anonymous: self._moment, exp.Extract: self._extract,
            exp.CurrentTimestamp: self._now, exp.CurrentDate: self._now, exp.Count: self._count, exp.Sum: self._sum,
            exp.Avg: self._sum, exp.Min: self._sum, exp.Max: self._sum,
            exp.Subquery: self._query,
            **dict.fromkeys(_SIGNS, self._arithmetic),
        }  # fmt: skip
        how = tellers.get(type(node))
        if how is None:
            raise Unsaid(f"no words for {type(node).__name__}")
        return how(node)

    def check_exact(self, node: exp.Expr) -> None:
        """Unsaid where texts are put together that differ in the case of their letters."""
        for column in node.find_all(exp.Column):
            found = self.sources.find(column)
            if found is not None and letters_of(found[1], self.dialect) is not Letters.DIFFER:
                raise Unsaid("texts that are the same in more than one spelling")

    def _column(self, node: exp.Expr) -> Value:
        assert isinstance(node, exp.Column)
        source, column = self.sources.resolve(node)
        self.used[source.table.name, column.name] = source, column
        return Value(
            self.sources.column(source, column), kind_of(column, self.dialect), Form.COLUMN,
            column.nullable or source.optional, (source, column),
        )  # fmt: skip

    def _literal(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "is_string")
        if node.args.get("is_string"):
            return Value(text_value(node.name), Kind.TEXT, Form.LITERAL, literal=node.name)
        if not re.fullmatch(r"\d{1,18}(\.\d{1,12})?", node.name):
            raise Unsaid("a number that is written in another way")
        return Value(node.name, Kind.NUMBER, Form.LITERAL, literal=node.name)

    def _null(self, node: exp.Expr) -> Value:
        self.ledger.take(node)
        return Value("NULL", Kind.OTHER, Form.LITERAL, may_be_null=True)

    def _boolean(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this")
        return Value("true" if node.this else "false", Kind.BOOLEAN, Form.LITERAL)

    def _query(self, node: exp.Expr) -> Value:
        """A query in the place of a value: its first row, or NULL."""
        self.ledger.take(node, "this")
        if self.together:
            raise Unsaid("a query beside what is put together")
        inner = self.inner(node.this)
        return Value(f"({inner.first})", inner.kind, may_be_null=True)

    def _negative(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this")
        value = self._number(node.this)
        form = Form.LITERAL if value.form is Form.LITERAL else Form.COMPUTED
        return Value(f"-{value.inside}", Kind.NUMBER, form, value.may_be_null)

    def _brackets(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this")
        return self.tell(node.this)

    def _function(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "big_int")
        value = self._of_rows(node.this)
        kind = Kind.NUMBER if isinstance(node, exp.Length | exp.Abs) else Kind.TEXT
        if isinstance(node, exp.Abs) and value.kind is not Kind.NUMBER:
            raise Unsaid("abs of no number")
        return Value(f"{type(node).__name__.lower()}({value.text})", kind, may_be_null=value.may_be_null)

    def _rounded(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "decimals")
        value = self._number(node.this)
        places = node.args.get("decimals")
        digits = self._literal(places).literal if isinstance(places, exp.Literal) else "0"
        if (places is not None and not isinstance(places, exp.Literal)) or not digits.isdigit():
            raise Unsaid("rounded to what is not known")
        to = f"{digits} place{'s' * (digits != '1')}"
        return Value(f"{value.text} (rounded to {to})", Kind.NUMBER, value.form, value.may_be_null, whole=value.whole)

    def _coalesce(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "expressions")
        value, (other, *more) = self.tell(node.this), [self.tell(e) for e in node.expressions]
        if more or other.form is not Form.LITERAL or other.text == "NULL":
            raise Unsaid("a choice of more than two")
        kind = value.kind if value.kind is other.kind else Kind.OTHER
        form = Form.TOGETHER if value.form is Form.TOGETHER else Form.COMPUTED
        return Value(f"{value.inside} ({other.text} where it is NULL)", kind, form)

    def _cast(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "to", "_type")
        to = node.args["to"]
        if not isinstance(to, exp.DataType) or to.expressions or to.this not in _CASTS:
            raise Unsaid("a cast to another type")
        self.ledger.take_all(to)
        self.ledger.take_all(node.args.get("_type"))
        value = self.tell(node.this)
        return Value(
            f"{value.inside} as {to.this.value.lower()}", _CASTS[to.this],
            Form.TOGETHER if value.form is Form.TOGETHER else Form.COMPUTED, value.may_be_null, whole=False,
        )  # fmt: skip

    def _part(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "start", "length")
        value = self._of_rows(node.this)
        places = [self.tell(n) for n in (node.args.get("start"), node.args.get("length")) if n is not None]
        if any(p.form is not Form.LITERAL or p.kind is not Kind.NUMBER for p in places):
            raise Unsaid("a part of a text from where is not known")
        inner = ", ".join([value.text, *(p.text for p in places)])
        return Value(f"substr({inner})", Kind.TEXT, may_be_null=value.may_be_null)

    def _joined(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "expression", "safe")
        if any(isinstance(side, (*_SIGNS, exp.Neg)) for side in (node.this, node.expression)):
            raise Unsaid("which of two signs binds more closely differs between engines")
        one, other = self._of_rows(node.this), self._of_rows(node.expression)
        null = one.may_be_null or other.may_be_null
        return Value(f"{one.inside} || {other.inside}", Kind.TEXT, may_be_null=null, whole=False)

    def _arithmetic(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "expression", "typed", "safe")
        one, other = self._number(node.this), self._number(node.expression)
        form = Form.TOGETHER if Form.TOGETHER in (one.form, other.form) else Form.COMPUTED
        null = one.may_be_null or other.may_be_null or isinstance(node, exp.Div)
        text = f"{one.inside} {_SIGNS[type(node)]} {other.inside}"
        return Value(text, Kind.NUMBER, form, null, whole=False)

    def _number(self, node: exp.Expr) -> Value:
        value = self.tell(node)
        if value.kind is not Kind.NUMBER:
            raise Unsaid("arithmetic with what is no number")
        return value if value.form is not Form.TOGETHER or not value.whole else _bracketed(value)

    def _of_rows(self, node: exp.Expr) -> Value:
        value = self.tell(node)
        if value.form is Form.TOGETHER or value.text == "NULL":
            raise Unsaid("a text of many rows together")
        return value

    # ---- moments ----

    def _span(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "format")
        inner, form = node.this, node.args["format"]
        if self.dialect != "sqlite" or not isinstance(inner, exp.TsOrDsToTimestamp) or form.name not in _SPANS:
            raise Unsaid("a moment in another form")
        self.ledger.take(inner, "this")
        self.ledger.take_all(form)
        value = self._of_rows(inner.this)
        span, words = _SPANS[form.name]
        return Value(
            f"{words} {value.inside}", Kind.TEXT, may_be_null=value.may_be_null, column=value.column, span=span
        )

    def _extract(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "expression")
        part, value = node.this, self._of_rows(node.expression)
        words = {"YEAR": "the year of", "MONTH": "the month of", "DAY": "the day of the month of"}.get(
            part.name.upper()
        )
        if words is None or value.kind not in (Kind.DAY, Kind.TIME):
            raise Unsaid("a part of a moment")
        self.ledger.take_all(part)
        return Value(f"{words} {value.text}", Kind.NUMBER, may_be_null=value.may_be_null)

    def _day(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this")
        if self.dialect != "sqlite":
            raise Unsaid("the day of another dialect")
        if isinstance(node.this, exp.Literal) and node.this.name == "now":
            self.ledger.take_all(node.this)
            return Value("today (UTC)", Kind.TEXT)
        value = self._of_rows(node.this)
        return Value(f"date({value.text})", Kind.TEXT, may_be_null=value.may_be_null)

    def _moment(self, node: exp.Expr) -> Value:
        """`date('now', '-1 year')`, and nothing else of what the parser has no name for."""
        self.ledger.take(node, "this", "expressions")
        function, given = str(node.this).lower(), node.expressions
        known = self.dialect == "sqlite" and function in ("date", "datetime")
        if not known or not given or any(not isinstance(g, exp.Literal) or not g.is_string for g in given):
            raise Unsaid("a function that is not known")
        for literal in given:
            self.ledger.take_all(literal)
        now = "today (UTC)" if function == "date" else "now (UTC)"
        names = [g.name for g in given]
        if names == ["now"]:
            return Value(now, Kind.TEXT)
        if len(names) == 2 and names[0] == "now" and (ago := _AGO.fullmatch(names[1])):
            count, unit = ago.groups()
            return Value(f"{count} {unit}{'s' * (count != '1')} before {now}", Kind.TEXT)
        return Value(f"{function}({', '.join(map(text_value, names))})", Kind.TEXT, may_be_null=True)

    def _now(self, node: exp.Expr) -> Value:
        self.ledger.take(node)
        text = "the current time" if isinstance(node, exp.CurrentTimestamp) else "today"
        kind = Kind.TIME if isinstance(node, exp.CurrentTimestamp) else Kind.DAY
        return Value(f"{text} (UTC)", Kind.TEXT) if self.dialect == "sqlite" else Value(text, kind)

    # ---- of many rows together ----

    def _count(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this", "big_int")
        if not self.together:
            raise Unsaid("a count where there is none")
        inner = node.this
        if isinstance(inner, exp.Star) or (isinstance(inner, exp.Literal) and not inner.is_string):
            self.ledger.take_all(inner)
            self._check_rows_are_told()
            return Value(f"the number of {self.counted}", Kind.NUMBER, Form.TOGETHER)
        if isinstance(inner, exp.Distinct):
            self.ledger.take(inner, "expressions")
            if len(inner.expressions) != 1:
                raise Unsaid("a count of several columns")
            inner = inner.expressions[0]
            self.check_exact(inner)
            value = self._alone(inner)
            self._left_out(value, inner, "count")
            return Value(f"the number of different {value.inside}", Kind.NUMBER, Form.TOGETHER)
        value = self._alone(inner)
        if self.sources.kept_one is not None:
            return self._count_of_kept(value, inner)
        if not value.may_be_null and value.column is not None:
            return Value(f"the number of {self.counted}", Kind.NUMBER, Form.TOGETHER)
        self._left_out(value, inner, "count")
        return Value(f"the number of {self.counted} whose {value.inside} is not NULL", Kind.NUMBER, Form.TOGETHER)

    def _count_of_kept(self, value: Value, inner: exp.Expr) -> Value:
        """`count(orders.id)` beside the customers who have none: those count 0."""
        if value.column is None or value.form is not Form.COLUMN or value.column[0] is not self.sources.grain:
            raise Unsaid("a count of what is there without the many too")
        edge, (_, column) = self.sources.edges[0], value.column
        if column.nullable and column.name not in edge.columns:
            self._left_out(value, inner, "count")
            return Value(f"the number of {self.counted} whose {value.text} is not NULL", Kind.NUMBER, Form.TOGETHER)
        return Value(f"the number of {self.counted}", Kind.NUMBER, Form.TOGETHER)

    def _sum(self, node: exp.Expr) -> Value:
        self.ledger.take(node, "this")
        if not self.together:
            raise Unsaid("a sum where there is none")
        inner, different = node.this, ""
        if isinstance(inner, exp.Distinct):
            self.ledger.take(inner, "expressions")
            if len(inner.expressions) != 1:
                raise Unsaid("a sum of several columns")
            inner, different = inner.expressions[0], "different "
        value = self._alone(inner)
        kind = value.kind
        if isinstance(node, exp.Sum | exp.Avg):
            if kind is not Kind.NUMBER:
                raise Unsaid("a sum of what is no number")
            words = "the sum of" if isinstance(node, exp.Sum) else "the average of"
            if not different:
                self._check_once(inner)
        else:
            first, last = {Kind.NUMBER: ("smallest", "largest")}.get(kind, ("lowest", "highest"))
            words = f"the {first if isinstance(node, exp.Min) else last}"
            different = ""
        if isinstance(node, exp.Avg):
            self._left_out(value, inner, "average")
        return Value(f"{words} {different}{value.inside}", kind, Form.TOGETHER, value.may_be_null or not self.grouped)

    def _alone(self, node: exp.Expr) -> Value:
        """A value of one row, where many are put together."""
        self.together = False
        try:
            value = self.tell(node)
        finally:
            self.together = True
        if value.form is Form.LITERAL:
            raise Unsaid("a literal for every row")
        return value

    def _check_rows_are_told(self) -> None:
        if self.sources.kept_one is not None:
            raise Unsaid("a count that is 1 where there is none")

    def _check_once(self, inner: exp.Expr) -> None:
        """A sum over rows in which one row of another table stands many times counts it as often."""
        grain = self.sources.grain
        for source in {id(s.table): s for s, _ in self._columns_of(inner)}.values():
            if source is not grain:
                self.notes.say(f"a row of {source.shown} counts once for each of its {grain.rows}")

    def _columns_of(self, inner: exp.Expr) -> list[tuple[Source, Column]]:
        """Those whose NULL makes it NULL."""
        found = [c for c in inner.find_all(exp.Column) if c.find_ancestor(exp.Coalesce) is None]
        return [known for c in found if (known := self.sources.find(c)) is not None]

    def _left_out(self, value: Value, inner: exp.Expr, of: str) -> None:
        nulls = [self.sources.column(s, c) for s, c in self._columns_of(inner) if c.nullable and not s.optional]
        if value.may_be_null and nulls:
            self.notes.say(f"rows where {listed(list(dict.fromkeys(nulls)), 'or')} is NULL are left out of the {of}")


def _bracketed(value: Value) -> Value:
    return Value(value.text, value.kind, value.form, value.may_be_null, whole=False)
