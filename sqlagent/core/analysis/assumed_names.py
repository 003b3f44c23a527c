"""Names that a query must be right about to be a read: a database may hold somebody's code under any of them.

SQLite keeps no code in a database, so there a text needs nothing more.  Elsewhere a function, an operator or a table of
a user's can stand in front of the built-in one, and only the database can say which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from sqlagent.core.text.function_calls import calls, ends_value, is_home
from sqlagent.core.text.lexer import STRING, Token, lexicon
from sqlagent.core.text.parse_tree import Tree
from sqlagent.core.text.postgres_operators import operators

_GRAMMAR = frozenset(
    """
    coalesce nullif greatest least cast try_cast grouping exists row array extract treat interval
    bigint bit char character date decimal double float int integer national nchar numeric real smallint time timestamp
    timestamptz varchar varying
    """.split()
)
"""Words before a bracket that are part of the grammar: nobody can define another."""

_BARE_DOTS = frozenset({"postgres", "redshift", "materialize", "risingwave"})
"""Dialects in which `u.wipe` may call wipe(u)."""


def holds_code(dialect: str) -> bool:
    """Whether databases of this dialect can hold functions, so that a name is not enough."""
    return dialect != "sqlite"


@dataclass(frozen=True, slots=True)
class Assumed:
    """Names that must be what they seem for a query to be a read."""

    built_ins: tuple[str, ...] = ()
    """Functions and operators."""
    columns: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    """Quotes that a setting of the server may make the end of their string (NO_BACKSLASH_ESCAPES)."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.built_ins, *self.columns, *self.tables, *self.quotes)))

    @property
    def sentence(self) -> str:
        """The condition in words: `reads, if these names are the built-ins: length, lower`."""
        said = {
            "these names are the built-ins": self.built_ins,
            "these are columns": self.columns,
            "these are tables, or views that only read": self.tables,
            "these do not end a string": self.quotes,
        }
        return "reads, if " + "; and ".join(f"{what}: {', '.join(names)}" for what, names in said.items() if names)


def assumed_names(tree: Tree, tokens: tuple[Token, ...], tables: Iterable[str], dialect: str) -> Assumed:
    """What the query takes for granted; nothing where no name of it could be somebody's."""
    if not holds_code(dialect):
        return Assumed()
    relations = tuple(tables)
    columns = _columns(tree, dialect, anything=not relations)
    return Assumed(assumed_calls(tokens, dialect), tuple(dict.fromkeys(columns)), relations, _quotes(tokens, dialect))


def assumed_calls(tokens: tuple[Token, ...], dialect: str) -> tuple[str, ...]:
    """Functions and operators that somebody could have defined anew, each once."""
    if not holds_code(dialect):
        return ()
    names = [
        call.name.lower()
        for call in calls(tokens)
        if call.name.lower() not in _GRAMMAR and not is_home(call.qualifier, dialect)
    ]
    if dialect in _BARE_DOTS:
        names += [o.text for o in operators(tokens) if o.text != "*" or (o.before is not None and ends_value(o.before))]
    return tuple(dict.fromkeys(names))


def _columns(tree: Tree, dialect: str, *, anything: bool) -> Iterator[str]:
    """Columns that could be calls: behind a dot, or where there is no table that they could be columns of."""
    if dialect in _BARE_DOTS:
        for column in tree.of(exp.Column):
            if column.args.get("table") is not None and not isinstance(column.this, exp.Star):
                yield ".".join(part.name for part in column.parts)
        for dot in tree.of(exp.Dot):
            if not isinstance(dot.expression, exp.Func):  # a call, and told as one
                yield f"(...).{dot.expression.name}"
    if anything:
        yield from (column.name for column in tree.of(exp.Column))


def _quotes(tokens: tuple[Token, ...], dialect: str) -> tuple[str, ...]:
    if not lexicon(dialect).backslash:
        return ()
    texts = (t.text.replace("\\\\", "") for t in tokens if t.kind == STRING)
    return tuple(dict.fromkeys(f"\\{text[-1]}" for text in texts if f"\\{text[-1]}" in text))
