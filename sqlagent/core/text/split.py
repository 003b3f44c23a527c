"""A script cut into statements: the exact text of each, at the semicolons where the engine would end it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlagent.core.text.lexer import BROKEN, COMMENT, SYMBOL, WORD, Token, lexicon, scan

_BLOCKS = frozenset({"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "RULE"})
_MOST_TOKENS = 32 * 1024
"""Of a statement; one that is short enough to be analyzed has no more."""
_PLAIN = re.compile(r"[\t\n\r\x20-\x7e]*").fullmatch
_LOOPS = frozenset({"IF", "LOOP", "WHILE", "REPEAT"})


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement of a script, with what surrounds it."""

    sql: str
    """Its exact text: no semicolon, no comments before or after."""
    line: int
    tokens: tuple[Token, ...]
    """Without comments; positions count from the start of the script.

    Of one that is too long to be analyzed, the first of them, and those that may hide something.
    """
    comments: tuple[Token, ...]
    """Those before, inside and after it, up to its semicolon."""
    start: int
    """Where `sql` starts in the script."""
    gaps: str
    """The text around it that belongs to no other statement: white space and comments."""

    words: tuple[str, ...]
    """The tokens as upper-case words, "" for one that is not a bare word."""

    def word(self, index: int) -> str:
        """The upper-case word at a place, or "" where there is none."""
        return self.words[index] if 0 <= index < len(self.words) else ""

    def inside(self, first: int, *, closing: bool) -> Piece | None:
        """The statement that starts at a token of this one, up to its end or to the bracket that closes it."""
        last, depth = len(self.tokens), 1
        for index in range(first, len(self.tokens) if closing else first):
            depth += (self.tokens[index].text == "(") - (self.tokens[index].text == ")")
            if depth == 0:
                last = index
                break
        tokens = self.tokens[first:last]
        if not tokens:
            return None
        begin, end = tokens[0].start, tokens[-1].end
        sql = self.sql[begin - self.start : end - self.start]
        return Piece(sql, self.line, tokens, self.comments, begin, "", self.words[first:last])


def split(script: str, dialect: str) -> Iterator[Piece]:
    """Every statement of the script, in order; nothing for empty ones and for comments that nothing runs."""
    draft = _Draft(script, dialect)
    for token in scan(script, dialect):
        kind, _, _, text = token
        if text == ";" and kind == SYMBOL and not draft.inside_body:
            yield from draft.finish(token.start)
        elif kind == COMMENT or (kind == BROKEN and dialect == "sqlite" and text.startswith("/*")):
            draft.add_comment(token)
        else:
            word = text.upper() if kind == WORD else ""
            if draft.block:
                draft.deepen(text, word)
            elif word in _BLOCKS and "CREATE" in draft.words[:4] and len(draft.words) < 12:
                draft.block = word
            draft.add(token, word)
    yield from draft.finish(len(script))


@dataclass(slots=True)
class _Draft:
    """The statement that is being read."""

    script: str
    dialect: str
    tokens: list[Token] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    begin: int = 0
    line: int = 1
    counted: int = 0
    block: str = ""
    depth: int = 0
    brackets: int = 0
    last: str = ""
    """The text of the last token, kept or not."""
    end: int = 0

    def add(self, token: Token, word: str) -> None:
        """Millions of tokens of one statement would take a gigabyte, for nobody to look at."""
        self.last, self.end = token.text, token.end
        if len(self.tokens) < _MOST_TOKENS or token.kind == BROKEN or not _PLAIN(token.text):
            self.tokens.append(token)
            self.words.append(word)

    def add_comment(self, token: Token) -> None:
        if len(self.comments) < _MOST_TOKENS or "\r" in token.text or "!" in token.text or not _PLAIN(token.text):
            self.comments.append(token)

    def deepen(self, text: str, word: str) -> None:
        """Follow BEGIN ... END (and brackets of a RULE) so that a semicolon inside does not end the statement."""
        if text in ("(", ")"):
            self.brackets += 1 if text == "(" else -1
        if not word:
            return
        last = self.last.upper()
        if self.dialect == "sqlite":
            if word == "BEGIN":
                self.depth = 1
            elif word == "END" and last == ";":
                self.depth = 0
        elif word == "BEGIN" or (word == "CASE" and (last != "END" or not self.depth)):
            self.depth += 1
        elif word == "END":
            self.depth -= 1
        elif word in _LOOPS and last == "END":
            self.depth += 1

    @property
    def inside_body(self) -> bool:
        """Whether a semicolon here belongs to the body of a trigger, routine or rule."""
        return bool(self.block) and (self.depth > 0 or (self.block == "RULE" and self.brackets > 0))

    def finish(self, end: int) -> Iterator[Piece]:
        """The statement that ends before `end`, if there is one; then start over behind it."""
        tokens = self.tokens or [c for c in self.comments if _runs(c, self.dialect)][:1]
        if tokens:
            first, last = tokens[0].start, self.end if self.tokens else tokens[-1].end
            self.line += self.script.count("\n", self.counted, first)
            self.counted = first
            yield Piece(
                sql=self.script[first:last],
                line=self.line,
                tokens=tuple(tokens),
                comments=tuple(self.comments),
                start=first,
                gaps=self.script[self.begin : first] + self.script[last:end],
                words=tuple(self.words) or ("",),
            )
        self.tokens, self.words, self.comments, self.block, self.depth, self.brackets = [], [], [], "", 0, 0
        self.begin = end + 1


def _runs(comment: Token, dialect: str) -> bool:
    return lexicon(dialect).executable_comments and comment.text.startswith(("/*!", "/*M!"))


def joined(statements: Sequence[str]) -> str:
    """Statements as one script; a comment at the end of one cannot swallow the semicolon after it."""
    ends = ["\n;\n" if "--" in (last := sql.rsplit("\n", 1)[-1]) or "#" in last else ";\n" for sql in statements]
    return "".join(sql + end for sql, end in zip(statements, [*ends[:-1], ""], strict=True))
