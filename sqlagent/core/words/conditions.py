"""What a WHERE or a HAVING keeps, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from sqlagent.core.words.kinds import Kind, Letters, letters_of, may_hold_time
from sqlagent.core.words.ledger import Unsaid
from sqlagent.core.words.sources import conjuncts
from sqlagent.core.words.spelling import is_day, is_moment, listed, text_value
from sqlagent.core.words.values import Form, Value, Values

_MOST_LISTED = 12
_EITHER = " (capitals or small letters)"
_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ, exp.NEQ: exp.NEQ, exp.LT: exp.GT, exp.GT: exp.LT, exp.LTE: exp.GTE, exp.GTE: exp.LTE,
}  # fmt: skip
_OF_NUMBERS: dict[type[exp.Expr], str] = {
    exp.LT: "less than {}", exp.GT: "more than {}", exp.LTE: "at most {}", exp.GTE: "at least {}",
}  # fmt: skip
_OF_ORDER: dict[type[exp.Expr], str] = {
    exp.LT: "before {}", exp.GT: "after {}", exp.LTE: "{} or before", exp.GTE: "{} or later",
}  # fmt: skip
_ORDERED = frozenset({Kind.NUMBER, Kind.TEXT, Kind.DAY, Kind.TIME})
_PATTERN = re.compile(r"(%?)([^%_\\]+)(%?)")
_SPANS = {"year": re.compile(r"\d{4}"), "month": re.compile(r"\d{4}-\d\d")}
_COMPUTED_DAY = re.compile(r"today( \(UTC\))?$|^date\(")
_JANUARY = re.compile(r"(\d{4})-01-01")
_FIRST = re.compile(r"(\d{4})-(\d\d)-01")


@dataclass(slots=True)
class Conditions:
    """Tells conditions on the rows, or groups, whose values `values` tells."""

    values: Values

    def all_of(self, parts: Sequence[exp.Expr]) -> str:
        """Conditions that must all hold."""
        parts = list(parts)
        told = []
        while parts:
            part = parts.pop(0)
            other = next((p for p in parts if self._span(part, p)), None)
            if other is not None:
                told.append(self._span(part, other))
                self._tell_span(part, other)
                parts.remove(other)
            else:
                told.append(self._told(part, alone=len(told) + len(parts) == 0, surely=True))
        return " and ".join(told)

    def _told(self, node: exp.Expr, *, alone: bool, surely: bool) -> str:
        """One condition, in brackets where it holds an `or` beside others; `surely` where every row kept fits it."""
        ledger = self.values.ledger
        if isinstance(node, exp.Paren):
            ledger.take(node, "this")
            return self._told(node.this, alone=alone, surely=surely)
        if isinstance(node, exp.Or | exp.And):
            ledger.take(node, "this", "expression")
            word = "or" if isinstance(node, exp.Or) else "and"
            sides = [self._told(s, alone=False, surely=False) for s in self._flat(node)]
            return f" {word} ".join(sides) if alone else f"({f' {word} '.join(sides)})"
        if isinstance(node, exp.Not):
            ledger.take(node, "this")
            return self._negated(node.this, surely=surely)
        return self._simple(node, negated=False, surely=surely)

    def _flat(self, node: exp.Expr) -> list[exp.Expr]:
        """`a or b or c` is one choice of three."""
        kind, found = type(node), []
        for side in (node.this, node.expression):
            if type(side) is kind:
                self.values.ledger.take(side, "this", "expression")
                found += self._flat(side)
            else:
                found.append(side)
        return found

    def _negated(self, node: exp.Expr, *, surely: bool) -> str:
        while isinstance(node, exp.Paren):
            self.values.ledger.take(node, "this")
            node = node.this
        if isinstance(node, exp.In | exp.Like | exp.ILike | exp.Between | exp.Is | exp.EQ):
            return self._simple(node, negated=True, surely=surely)
        raise Unsaid("the opposite of what is not simple")

    def _simple(self, node: exp.Expr, *, negated: bool, surely: bool) -> str:
        negated ^= bool(node.args.get("negate"))
        match node:
            case exp.Is():
                return self._is(node, negated=negated)
            case exp.In():
                return self._in(node, negated=negated, surely=surely)
            case exp.Between():
                return self._between(node, negated=negated, surely=surely)
            case exp.Like() | exp.ILike():
                return self._like(node, negated=negated, surely=surely)
            case exp.Column() if not negated:
                value = self.values.tell(node)
                if value.kind is Kind.BOOLEAN and self.values.dialect == "postgres":
                    return f"{value.text} is true"
        if type(node) in _FLIPPED:
            return self._compared(exp.NEQ if negated else type(node), node, surely=surely)
        raise Unsaid(f"no words for the condition {type(node).__name__}")

    # ---- comparisons ----

    def _compared(self, sign: type[exp.Expr], node: exp.Expr, *, surely: bool) -> str:
        self.values.ledger.take(node, "this", "expression")
        one, other = self.values.tell(node.this), self.values.tell(node.expression)
        if one.form is Form.LITERAL:
            one, other, sign = other, one, _FLIPPED[sign]
        self._check_comparable(one, other, sign)
        if sign is exp.NEQ:
            self._say_left_out([v for v in (one, other) if v.may_be_null], surely)
        if sign is exp.EQ and one.column and (span := _SPANS.get(one.span)) and span.fullmatch(other.literal):
            where = self.values.sources.column(*one.column)
            return f"{where} is in {other.literal}"
        if sign in (exp.EQ, exp.NEQ):
            if sign is exp.EQ:
                self._say_day(one, other, "is not")
            is_ = ("is", "is not") if other.form is Form.LITERAL else ("equals", "differs from")
            return f"{one.text} {is_[sign is exp.NEQ]} {other.inside}{self._in_either_case(one, other)}"
        if one.kind is Kind.NUMBER:
            return f"{one.text} is {_OF_NUMBERS[sign].format(other.inside)}"
        if sign in (exp.GT, exp.LTE):
            self._say_day(one, other, "comes after")
        shown = other.literal if is_moment(other.literal) else other.inside
        return f"{one.text} is {_OF_ORDER[sign].format(shown)}"

    def _check_comparable(self, one: Value, other: Value, sign: type[exp.Expr]) -> None:
        """Engines compare a number with a text in ways that nobody reads out of a sentence."""
        if one.form is Form.LITERAL or "NULL" in (one.text, other.text):
            raise Unsaid("a comparison with NULL, or of two literals")
        equal = sign in (exp.EQ, exp.NEQ)
        kinds = {one.kind, other.kind}
        moments = {Kind.TEXT, Kind.TIME, Kind.DAY}
        alike = len(kinds) == 1 or (kinds <= moments and (other.form is Form.LITERAL or Kind.TEXT not in kinds))
        if not alike and self.values.dialect == "sqlite" and kinds <= moments and other.form is Form.COMPUTED:
            alike = other.kind is Kind.TEXT  # a declared DATETIME holds the texts that date() makes
        if Kind.OTHER in kinds or not alike:
            column_and_literal = one.form is Form.COLUMN and other.form is Form.LITERAL
            if not (equal and column_and_literal and (Kind.OTHER in kinds or self._bool(one, other))):
                raise Unsaid("a comparison of two kinds of values")
        if not equal and one.kind not in _ORDERED:
            raise Unsaid("an order of what has none")
        if not equal and one.kind in (Kind.DAY, Kind.TIME) and other.literal and not is_moment(other.literal):
            raise Unsaid("a moment in another form")

    def _in_either_case(self, *values: Value) -> str:
        """` (capitals or small letters)`, where a text is the same in both."""
        letters = [letters_of(v.column[1], self.values.dialect) for v in values if v.column and v.kind is Kind.TEXT]
        if Letters.UNKNOWN in letters:
            raise Unsaid("texts that are compared in a way of their own")
        return _EITHER if Letters.SAME in letters else ""

    @staticmethod
    def _bool(one: Value, other: Value) -> bool:
        return {one.kind, other.kind} == {Kind.BOOLEAN, Kind.NUMBER}

    def _say_day(self, one: Value, other: Value, what: str) -> None:
        """`<= '2024-12-31'` leaves out the afternoon of that day."""
        if one.form is not Form.COLUMN or one.column is None or not may_hold_time(one.column[1], self.values.dialect):
            return
        if is_day(other.literal):
            self.values.notes.say(f"a {one.text} with a time of day on {other.literal} {what} {other.literal}")
        elif _COMPUTED_DAY.search(other.text):
            self.values.notes.say(f"a {one.text} with a time of day on that day {what} it")

    def _say_left_out(self, values: Sequence[Value], surely: bool) -> None:
        for value in values:
            if surely and value.column is not None and not value.column[0].optional:
                self.values.notes.say(f"rows where {self.values.sources.column(*value.column)} is NULL are left out")

    def _span(self, one: exp.Expr, other: exp.Expr) -> str:
        """`created_at is in 2024`, of two conditions that say from when and before when; empty where they do not."""
        if not isinstance(one, exp.GTE) or not isinstance(other, exp.LT) or one.this != other.this:
            return ""
        begin, end = one.expression, other.expression
        texts = isinstance(begin, exp.Literal) and isinstance(end, exp.Literal) and begin.is_string and end.is_string
        found = self.values.sources.find(one.this) if isinstance(one.this, exp.Column) and texts else None
        if found is None:
            return ""
        where = self.values.sources.column(*found)
        from_, to = _JANUARY.fullmatch(begin.name), _JANUARY.fullmatch(end.name)
        if from_ and to and int(to[1]) == int(from_[1]) + 1:
            return f"{where} is in {from_[1]}"
        from_, to = _FIRST.fullmatch(begin.name), _FIRST.fullmatch(end.name)
        if from_ and to and int(to[1]) * 12 + int(to[2]) == int(from_[1]) * 12 + int(from_[2]) + 1:
            return f"{where} is in {from_[1]}-{from_[2]}"
        return ""

    def _tell_span(self, one: exp.Expr, other: exp.Expr) -> None:
        for part in (one, other):
            self.values.ledger.take(part, "this", "expression")
            self._check_comparable(self.values.tell(part.this), self.values.tell(part.expression), type(part))

    # ---- the others ----

    def _is(self, node: exp.Expr, *, negated: bool) -> str:
        self.values.ledger.take(node, "this", "expression", "negate")
        value = self.values.tell(node.this)
        if isinstance(node.expression, exp.Null) and value.form is not Form.LITERAL:
            self.values.ledger.take(node.expression)
            return f"{value.text} is{' not' if negated else ''} NULL"
        raise Unsaid("an IS of another kind")

    def _in(self, node: exp.Expr, *, negated: bool, surely: bool) -> str:
        if isinstance(node.args.get("query"), exp.Subquery):
            return self._in_query(node, negated=negated)
        self.values.ledger.take(node, "this", "expressions", "negate")
        value, given = self.values.tell(node.this), [self.values.tell(e) for e in node.expressions]
        if not given or len(given) > _MOST_LISTED or any(g.form is not Form.LITERAL for g in given):
            raise Unsaid("a list of more than literals")
        for each in given:
            self._check_comparable(value, each, exp.EQ)
        if negated:
            self._say_left_out([value] if value.may_be_null else [], surely)
        texts = [g.text for g in given]
        case = self._in_either_case(value)
        if not negated:
            return f"{value.text} is {listed(texts, 'or')}{case}"
        return f"{value.text} is {'neither ' if texts[1:] else 'not '}{' nor '.join(texts)}{case}"

    def _in_query(self, node: exp.Expr, *, negated: bool) -> str:
        """A NULL on either side of NOT IN leaves out rows that nobody would expect it to."""
        self.values.ledger.take(node, "this", "query", "negate")
        value, query = self.values.tell(node.this), node.args["query"]
        self.values.ledger.take(query, "this")
        inner = self.values.inner(query.this)
        self.values.check_exact(node.this)
        if value.kind is not inner.kind or (negated and (value.may_be_null or inner.may_be_null)):
            raise Unsaid("a query whose NULLs count")
        return f"{value.text} is {'not ' if negated else ''}among ({inner.text})"

    def _between(self, node: exp.Expr, *, negated: bool, surely: bool) -> str:
        self.values.ledger.take(node, "this", "low", "high", "negate")
        value, low, high = (self.values.tell(node.args[key]) for key in ("this", "low", "high"))
        for end in (low, high):
            self._check_comparable(value, end, exp.GTE)
        if value.form is Form.LITERAL:
            raise Unsaid("a literal between others")
        if negated:
            self._say_left_out([value] if value.may_be_null else [], surely)
        self._say_day(value, high, "comes after")
        ends = [e.literal if is_moment(e.literal) else e.inside for e in (low, high)]
        return f"{value.text} is {'not ' if negated else ''}from {ends[0]} to {ends[1]}"

    def _like(self, node: exp.Expr, *, negated: bool, surely: bool) -> str:
        self.values.ledger.take(node, "this", "expression", "negate")
        value, pattern = self.values.tell(node.this), node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string or "\\" in pattern.name:
            raise Unsaid("a pattern that is no literal")
        if value.kind is not Kind.TEXT or value.form is Form.LITERAL:
            raise Unsaid("a pattern of what is no text")
        self.values.tell(pattern)
        if negated:
            self._say_left_out([value] if value.may_be_null else [], surely)
        folds = isinstance(node, exp.ILike) or self.values.dialect == "sqlite" or bool(self._in_either_case(value))
        found = _PATTERN.fullmatch(pattern.name)
        words = found[2] if found else pattern.name
        case = ""
        if folds and re.search("[A-Za-z]", words):
            case = _EITHER if words.isascii() else _EITHER.replace("(", "(a to z in ")
        verbs = {
            ("", "%"): ("begins with", "begin with"), ("%", ""): ("ends in", "end in"),
            ("%", "%"): ("contains", "contain"),
        }  # fmt: skip
        if found and (found[1], found[3]) != ("", ""):
            yes, no = verbs[found[1], found[3]]
            return f"{value.text} {f'does not {no}' if negated else yes} {text_value(found[2])}{case}"
        return f"{value.text} {'does not match' if negated else 'matches'} {text_value(pattern.name)}{case}"


def of(values: Values, where: exp.Expr | None, more: Sequence[exp.Expr] = ()) -> str:
    """The words behind `where`: of a WHERE or HAVING, and of what joins ask beside their keys; empty for all rows."""
    parts = list(more)
    if where is not None:
        values.ledger.take(where, "this")
        parts += conjuncts(where.this, values.ledger)
    return Conditions(values).all_of(parts) if parts else ""
