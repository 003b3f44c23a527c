"""Rules for statements that run without an error and do something else than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlagent.core.nouns.analysis import Basis, Risk, Severity, Verb
from sqlagent.core.nouns.rule import Known, rule


@rule(Severity.WARNING)
def no_such_column(known: Known) -> Iterator[str]:
    """A name in double quotes is no column, and SQLite silently takes it as text.

    Why: a misspelled column becomes a constant, so the condition is true of every row or of none, without an error.

    Example: `SELECT * FROM orders WHERE "statu" = 'paid'` compares the text `statu`, and returns nothing.

    What to do: spell the column right; write text in 'single quotes'.
    """
    for word in known.engine.quoted_as_text if known.engine is not None else ():
        yield f"\"{word}\" is no column, so it stands for the text '{word}'"


@rule(Severity.WARNING)
def outer_column(known: Known) -> Iterator[str]:
    """A sub-select names a column that its own tables do not have, so it is taken from the query around it.

    Why: `id IN (SELECT id FROM t2)` where t2 has no id compares each row's id with itself, which is true of every row;
    it was usually meant to be another column of t2.

    Example: `DELETE FROM customers WHERE id IN (SELECT id FROM blocked)` where blocked has `customer_id` and no `id`.

    What to do: write every column with its table: `SELECT blocked.customer_id FROM blocked`.
    """
    if known.engine is None:
        return
    read = {(_plain(a.table), a.column.lower()) for a in known.engine.accesses if a.verb is Verb.READ}
    tables = {_plain(a.table) for a in known.engine.accesses if not a.via}
    for column, inside in known.syntax.bare_columns:
        own = {_plain(table) for table in inside}
        if not own <= tables or any((table, column) in read for table in own):
            continue
        outer = sorted({table for table, name in read if name == column and table not in own})
        if outer:
            yield f"{column} in the sub-select is no column of {', '.join(inside)}: it is {outer[0]}.{column}"


def _plain(name: str) -> str:
    return name.rsplit(".", 1)[-1].lower()


@rule(Severity.WARNING)
def several_matches(known: Known) -> Iterator[str]:
    """An UPDATE with a FROM finds several matches for a row, and only one of them counts.

    Why: which of the matches a row is set to is left to chance; the standard calls it an error, SQLite and PostgreSQL
    take one.

    Example: `UPDATE orders SET note = p.method FROM payments p WHERE p.order_id = orders.id` where an order was paid in
    two parts.

    What to do: choose one match for each row, such as `(SELECT max(...) ... GROUP BY order_id)`.
    """
    matches, rows = known.tried.matches, known.tried.matched
    if matches is not None and rows is not None and matches > rows:
        yield f"{rows:,} row{'s are' if rows != 1 else ' is'} matched {matches:,} times: which match counts is chance"


_ROWS = re.compile(r"(?i)\b(\d[\d,]*|no|zero|one|a\s+single|single)\s+rows?\b")
_COUNTS = {"no": 0, "zero": 0, "one": 1, "single": 1}
_HARMLESS = re.compile(
    r"(?i)\b(read[- ]?only|only\s+reads?|reads?\s+only|(changes|does|modifies)\s+nothing|no\s+changes?|harmless"
    r"|no-?op|dry[- ]run|select\s+only)\b"
)


@rule(Severity.WARNING)
def comment_contradicted(known: Known) -> Iterator[str]:
    """A comment claims what the measurement contradicts.

    Why: a comment runs nothing and proves nothing; SQL that says of itself that it is harmless is read less closely.

    Example: `/* read-only */ DELETE FROM sessions WHERE user_id > 0`, `-- fixes 1 row` over an UPDATE of 1,204 rows.

    What to do: believe the numbers, and ask whoever wrote the comment.
    """
    if known.statement.risk is Risk.READ:
        return
    rows = _changed(known)
    text = " ".join(known.syntax.comments)
    if rows and (harmless := _HARMLESS.search(text)):
        yield f"a comment says `{' '.join(harmless[0].split())}`, and {_many(rows)}"
    for claim in _ROWS.finditer(text):
        said = claim[1].lower().split()[-1]
        count = _COUNTS[said] if said in _COUNTS else int(said.replace(",", ""))
        if rows is not None and min(rows, rows if known.size.rows is None else known.size.rows) > count:
            yield f"a comment says `{' '.join(claim[0].split())}`, and {_many(rows)}"
            return


def _many(rows: int) -> str:
    return f"{rows:,} row{'s change' if rows != 1 else ' changes'}"


def _changed(known: Known) -> int | None:
    """Rows that change, in whatever table; those of its own where nothing was run; None where nobody counted."""
    effect = known.tried.effect
    if effect is not None and effect.basis is Basis.EXACT:
        return sum(touched.rows for touched in effect.touched)
    return known.size.rows
