"""The SELECT COUNT(*) that says how many rows a statement will match, cut from the statement's own text."""

# ruff: noqa: S608  the text is the statement's own, and a query made of it is given out only where it is a proven READ

from __future__ import annotations

from dataclasses import dataclass

from sqlagent.core.nouns.analysis import Risk, SyntaxOpinion
from sqlagent.core.text.lexer import WORD
from sqlagent.core.text.split import Piece, split


@dataclass(frozen=True, slots=True)
class Counting:
    """The query that counts the rows that a statement matches, and the one that counts those of the whole table."""

    matching: str = ""
    """A query of one number: the rows that match.  Empty where `rows` says it."""
    base: str = ""
    """A query of one number: the rows there are.  Empty where nothing is there to compare with."""
    pairs: str = ""
    """Of an UPDATE with a FROM, a query of one number: how often its rows are matched, every match counted."""
    rows: int | None = None
    """The number itself, where the text shows it: `INSERT ... VALUES`."""


def counting(opinion: SyntaxOpinion, dialect: str) -> Counting | None:
    """How to count what the statement matches; None where no rewrite of its text is proven a READ."""
    if not opinion.parsed or opinion.denied:
        return None
    pieces = list(split(opinion.sql, dialect))
    if len(pieces) != 1:
        return None
    draft = _Clauses(pieces[0]).counting()
    if draft is None or not all(_is_read(sql, dialect) for sql in (draft.matching, draft.base, draft.pairs) if sql):
        return None
    return draft


def _is_read(sql: str, dialect: str) -> bool:
    from sqlagent.core.analysis.syntax_opinion import (
        opinion as opinion_of,  # sqlglot takes 180 ms, and Counting itself needs none of it
    )

    pieces = list(split(sql, dialect))
    if len(pieces) != 1:
        return False
    found = opinion_of(pieces[0], dialect)
    return found.risk is Risk.READ or bool(found.reads_if)  # the database that counts looks its names up


class _Clauses:
    """The outermost clauses of a statement, by the words that start them."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.places: dict[str, int] = {}
        depth = 0
        for index, token in enumerate(piece.tokens):
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth == 0 and token.kind == WORD:
                self.places.setdefault(token.text.upper(), index)

    def text(self, start: int, end: int) -> str:
        """The statement's own text from one token up to another."""
        if end <= start:
            return ""
        first, last = self.piece.tokens[start], self.piece.tokens[end - 1]
        return self.piece.sql[first.start - self.piece.start : last.end - self.piece.start]

    def end_of(self, *words: str) -> int:
        return min((self.places[w] for w in words if w in self.places), default=len(self.piece.tokens))

    def counting(self) -> Counting | None:
        verbs = {self.places[v]: v for v in ("UPDATE", "DELETE", "INSERT", "REPLACE") if v in self.places}
        if not verbs:
            return None
        at = min(verbs)
        if at and "WITH" not in self.places:
            return None
        return {"UPDATE": self._update, "DELETE": self._delete}.get(verbs[at], self._insert)(at)

    def _update(self, at: int) -> Counting | None:
        first = at + 3 if self.piece.word(at + 1) == "OR" else at + 1
        if "SET" not in self.places:
            return None
        return self._matching(at, self.text(first, self.places["SET"]), self.places["SET"])

    def _delete(self, at: int) -> Counting | None:
        if self.piece.word(at + 1) != "FROM":
            return None
        return self._matching(
            at, self.text(at + 2, self.end_of("USING", "WHERE", "ORDER", "LIMIT", "RETURNING")), at + 2
        )

    def _matching(self, at: int, target: str, after: int) -> Counting | None:
        """COUNT(*) of the target under the statement's WHERE, with what it joins tucked into an EXISTS."""
        if not target or "," in target or self._joins_the_target(after):
            return None
        tail = self.end_of("ORDER", "LIMIT", "RETURNING")
        where = self.text(self.places["WHERE"] + 1, tail) if "WHERE" in self.places else ""
        joined = self._joined(after, tail)
        with_ = self.text(0, at) + " " if at else ""
        condition = where
        if joined:
            condition = f"EXISTS (SELECT 1 FROM {joined}{f' WHERE {where}' if where else ''})"
        narrowed = f" WHERE {condition}" if condition else ""
        limit = self.text(self.end_of("ORDER", "LIMIT"), self.end_of("RETURNING"))
        base = f"SELECT COUNT(*) FROM {target}"
        if limit:
            return Counting(f"{with_}SELECT COUNT(*) FROM (SELECT 1 FROM {target}{narrowed} {limit}) AS matching", base)
        pairs = f"{with_}SELECT COUNT(*) FROM {target}, {joined}{f' WHERE {where}' if where else ''}" if joined else ""
        return Counting(f"{with_}{base}{narrowed}", base, pairs)

    def _joins_the_target(self, after: int) -> bool:
        """Whether a JOIN stands before the tables that are only read: MySQL changes what is joined."""
        join = self.places.get("JOIN", -1)
        read_from = [place for word in ("FROM", "USING") if (place := self.places.get(word, -1)) > after]
        return join >= 0 and not (read_from and join > read_from[0])

    def _joined(self, after: int, tail: int) -> str:
        for word in ("FROM", "USING"):
            place = self.places.get(word, -1)
            if place > after:
                return self.text(place + 1, min(self.end_of("WHERE"), tail))
        return ""

    def _insert(self, at: int) -> Counting | None:
        end = self.end_of("ON", "RETURNING")
        if "DEFAULT" in self.places and self.piece.word(self.places["DEFAULT"] + 1) == "VALUES":
            return Counting(rows=1)
        if "VALUES" in self.places and "SELECT" not in self.places:
            return Counting(rows=self._tuples(self.places["VALUES"] + 1, end))
        if "SELECT" not in self.places:
            return None
        with_ = self.text(0, at) + " " if at else ""
        start = min(self.places["SELECT"], self.places.get("WITH", self.places["SELECT"]) or self.places["SELECT"])
        return Counting(f"{with_}SELECT COUNT(*) FROM ({self.text(start, self._insert_end())}) AS matching")

    def _insert_end(self) -> int:
        """Where the query of an INSERT ends: at ON CONFLICT or ON DUPLICATE KEY, not at the ON of a join."""
        tokens, depth = self.piece.tokens, 0
        for index, token in enumerate(tokens):
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0 and (
                self.piece.word(index) == "RETURNING"
                or (self.piece.word(index) == "ON" and self.piece.word(index + 1) in ("CONFLICT", "DUPLICATE"))
            ):
                return index
        return len(tokens)

    def _tuples(self, start: int, end: int) -> int:
        depth = rows = 0
        for token in self.piece.tokens[start:end]:
            if token.text == "(":
                rows += depth == 0
                depth += 1
            elif token.text == ")":
                depth -= 1
        return rows
