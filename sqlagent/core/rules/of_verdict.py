"""Rules that need the whole picture: both opinions and the rows counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sqlagent.core.analysis.audit_tables import appends_to_trail
from sqlagent.core.analysis.measured import operations_known
from sqlagent.core.analysis.verdict import differences
from sqlagent.core.nouns.analysis import Basis, Bound, Kind, Operation, Risk, Severity, Verb
from sqlagent.core.nouns.effect import Effect
from sqlagent.core.nouns.rule import Known, rule

_ROW_VERBS = (Verb.INSERT, Verb.UPDATE, Verb.DELETE)
_CHANGES_ROWS = (Kind.UPDATE, Kind.DELETE)


@rule(Severity.DANGER, raises=Risk.SEVERE)
def no_where(known: Known) -> Iterator[str]:
    """An UPDATE or DELETE without a WHERE changes every row.

    Why: it is the commonest way to lose a table. Most often the WHERE was forgotten, or cut off.

    Example: `DELETE FROM sessions` empties the table.

    What to do: add the WHERE. Where every row is meant, approve it by typing the table's name.
    """
    if known.syntax.bound is Bound.ABSENT:
        yield f"no WHERE: it {_verb(known)} every row of {known.statement.object or 'the table'}"


@rule(Severity.DANGER, raises=Risk.SEVERE)
def where_is_always_true(known: Known) -> Iterator[str]:
    """A WHERE that every row meets bounds nothing.

    Why: `1=1`, `id = id` or `name LIKE '%'` look like a condition and are none. In SQLite a name in double quotes
    that is no column is a string, so `"typo" = "typo"` is true everywhere; in MySQL `name = 0` is true of most text.

    Example: `DELETE FROM users WHERE id = id` deletes all users that have an id.

    What to do: say which rows are meant.
    """
    if known.syntax.bound is Bound.ALWAYS_TRUE:
        yield f"the WHERE is true of every row: it {_verb(known)} all of {known.statement.object or 'the table'}"


@rule(Severity.WARNING, raises=Risk.SEVERE)
def hidden_write(known: Known) -> Iterator[str]:
    """A trigger, a foreign key or a view makes the statement write a table that its text does not name.

    Why: nobody who reads the SQL would expect it, and rows deleted by a cascade are often many more than those named.

    Example: `UPDATE orders SET status = 'cancelled'` where a trigger then deletes the order's shipments.

    What to do: look at the operations marked `by trigger` or `by foreign key` and decide whether they are meant.
    """
    for what, via in _hidden(known, lambda operation: not appends_to_trail(operation, known)):
        yield f"{what}, which the SQL does not mention (by {via})"


@rule(Severity.NOTE)
def audit_append(known: Known) -> Iterator[str]:
    """A trigger appends to a table that keeps a record of changes.

    Why: such a table is there to grow with every change, so this alone makes no small change a severe one. It counts as
    a hidden write where a trigger updates or deletes in it, or appends more than ten rows for each row changed.

    Example: `UPDATE products SET price = 9.5 WHERE id = 3` where a trigger writes the old price to `audit_log`.

    What to do: nothing, unless you did not expect the record.
    """
    for what, via in _hidden(known, lambda operation: appends_to_trail(operation, known)):
        yield f"{what}, which the SQL does not mention (by {via})"


def _hidden(known: Known, wanted: Callable[[Operation], bool]) -> Iterator[tuple[str, str]]:
    """What is written to tables that the text does not name, and what makes it so."""
    named = {w.lower() for w in known.syntax.writes} | {known.statement.object.lower()}
    hidden: dict[str, str] = {}
    for operation in operations_known(known.statement, known.tried.effect):
        changes = operation.via and operation.verb is not Verb.READ and operation.target.lower() not in named
        if changes and wanted(operation) and not _did_nothing(operation, known.tried.effect):
            hidden.setdefault(f"{_THIRD_PERSON[operation.verb]} {operation.target}", operation.via)
    yield from hidden.items()


def _did_nothing(operation: Operation, effect: Effect | None) -> bool:
    """Whether it was measured and no row came of it: a trigger that could have fired and did not."""
    if effect is None or effect.basis is not Basis.EXACT or operation.verb not in _ROW_VERBS:
        return False
    table = operation.target.lower()
    return not any(t.rows for t in effect.touched if t.table.lower() == table and t.verb is operation.verb)


@rule(Severity.WARNING, raises=Risk.SEVERE)
def not_measured(known: Known) -> Iterator[str]:
    """A change was not measured, and that it can be undone was not tried.

    Why: then the screen shows what the text says and not what the database would do: triggers, cascades and the number
    of rows are not known, and nothing proves that it can be taken back. Its verb makes no difference.

    Example: an INSERT of 300,000 rows that is past what a measurement may take.

    What to do: `[m]` measures it again and takes more time for it; or make it smaller, in several statements.
    """
    if known.tried.unmeasured and known.statement.risk is not Risk.READ:
        yield "its whole effect is not known, and that it can be undone was not tried"


@rule(Severity.WARNING, raises=Risk.SEVERE)
def whole_table(known: Known) -> Iterator[str]:
    """The statement matches most rows of the table.

    Why: a WHERE that keeps half of a table or more is more often a mistake (a wrong sign, a missing AND) than meant.

    Example: `UPDATE users SET active = 0 WHERE last_login < '2030-01-01'` matches 9,812 of 9,812.

    What to do: compare the numbers with what you expect; run the WHERE as a SELECT first.
    """
    rows, of = known.size.rows, known.size.of
    changes = known.statement.kind in _CHANGES_ROWS and known.syntax.bound is Bound.BOUNDED
    if changes and rows is not None and of is not None and of > 10 and rows * 2 >= of:
        most = "all" if rows >= of else f"{rows:,} of {of:,}"
        yield (
            f"it {_verb(known)} {most} rows of {known.statement.object}"
            if most != "all"
            else (f"it {_verb(known)} all {of:,} rows of {known.statement.object}")
        )


@rule(Severity.NOTE)
def no_row_matches(known: Known) -> Iterator[str]:
    """No row matches: the statement changes nothing.

    Why: a WHERE that finds nothing is usually a misspelled value or the wrong table, and running it hides that.

    Example: `DELETE FROM users WHERE email = 'ann@exmaple.com'` matches 0 of 9,812.

    What to do: look for the value with a SELECT first.
    """
    if known.statement.kind in _CHANGES_ROWS and known.size.rows == 0:
        yield "no row matches: it changes nothing"


@rule(Severity.WARNING, raises=Risk.SEVERE)
def no_undo(known: Known) -> Iterator[str]:
    """What the statement does cannot be taken back by another statement.

    Why: a dropped table or column is gone with its rows. Only a backup brings it back.

    Example: `DROP TABLE invoices`, `ALTER TABLE users DROP COLUMN email`, `TRUNCATE log`.

    What to do: make a copy first, such as `CREATE TABLE invoices_copy AS SELECT * FROM invoices`.
    """
    kind = known.statement.kind
    words = known.syntax.sql.upper().split()
    if kind in (Kind.DROP, Kind.TRUNCATE):
        yield f"cannot be undone: {' '.join(words[:2]) if kind is Kind.DROP else 'TRUNCATE'}"
    elif kind is Kind.ALTER and "DROP" in words:
        yield "cannot be undone: it drops a part of the table with its data"


@rule(Severity.NOTE)
def schema_change(known: Known) -> Iterator[str]:
    """The statement changes the shape of the database, not only its rows.

    Why: programs, views and triggers rely on the shape; what worked before may fail after it.

    Example: `ALTER TABLE orders RENAME COLUMN total TO amount` breaks every query that reads `total`.

    What to do: look for what uses it, and prefer a migration that is kept with the program.
    """
    if known.statement.kind in (Kind.CREATE, Kind.ALTER, Kind.DROP):
        named = f" ({known.statement.object})" if known.statement.object else ""
        yield f"changes the shape of the database: {known.statement.kind.value}{named}"


@rule(Severity.NOTE)
def replace_deletes(known: Known) -> Iterator[str]:
    """REPLACE and INSERT OR REPLACE delete the rows that stand in the way.

    Why: the old row goes with all its columns, also those that the statement does not set, and a foreign key may
    take other tables' rows with it. Delete triggers fire only when recursive triggers are on.

    Example: `REPLACE INTO users(id, name) VALUES (1, 'Ann')` loses the e-mail of user 1.

    What to do: `INSERT ... ON CONFLICT (id) DO UPDATE SET name = excluded.name` keeps the other columns.
    """
    if known.statement.kind is Kind.REPLACE or re.match(r"(?i)\s*(insert|update)\s+or\s+replace\b", known.syntax.sql):
        yield f"deletes rows of {known.statement.object or 'the table'} that have the same key, and inserts anew"


_SECRET = re.compile(
    r"(?i)(?<![a-z])(pass(word|wd|phrase)s?|pwd|secrets?|(api|access|private|secret)_?keys?|(auth|access|refresh|session)_?tokens?"
    r"|tokens?|salt|ssn|social_security\w*|credit_?cards?|card_?n(umber|o)|cvv2?|iban|pin_?code|otp|totp|mfa)(?![a-z])"
)
_TEXT_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@rule(Severity.WARNING)
def secrets(known: Known) -> Iterator[str]:
    """The statement reads columns that look like secrets.

    Why: what is read is printed, exported or pasted somewhere, and a key that was seen once has to be changed.

    Example: `SELECT * FROM users` where there is a column `password_hash`.

    What to do: name the columns that you need and leave this one out.
    """
    if known.statement.kind is not Kind.SELECT:
        return
    if known.engine is not None and known.engine.accesses:
        names = [f"{a.table}.{a.column}" for a in known.engine.accesses if a.verb is Verb.READ and a.column]
        found = [n for n in names if _SECRET.search(n.rsplit(".", 1)[-1])]
    else:
        words = re.findall(r"[\w$]+", _TEXT_OR_COMMENT.sub(" ", known.syntax.sql))
        tables = {t.rsplit(".", 1)[-1].lower() for t in known.syntax.reads}
        found = [w for w in words if w.lower() not in tables and _SECRET.search(w)]
    if found:
        yield f"reads what looks like a secret: {', '.join(dict.fromkeys(found))}"


@rule(Severity.NOTE)
def full_scan(known: Known) -> Iterator[str]:
    """The engine reads a big table from end to end.

    Why: without an index for the condition every row is looked at, which takes long and, for a write, holds a lock.

    Example: `SELECT * FROM events WHERE lower(kind) = 'click'` on five million rows.

    What to do: put a condition on an indexed column, or create an index for this one.
    """
    big = known.size.of is not None and known.size.of >= 50_000
    if known.engine is None or not big or known.syntax.bound in (Bound.ABSENT, Bound.ALWAYS_TRUE):
        return
    for step in known.engine.plan:
        found = re.match(r"\W*SCAN (?:TABLE )?(\S+)(?!.*USING)", step)
        if found:
            yield f"scans all of {found[1]}"
            return


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def opinions_differ(known: Known) -> Iterator[str]:
    """The parser and the database read the statement differently.

    Why: then one of them is wrong about what it does, and text that means two things is how a guard is fooled.

    Example: a comment that one of them ends earlier than the other, or a name that a view or a CTE hides.

    What to do: write the statement plainly; if it stays, look at both opinions before you approve.
    """
    yield from differences(known.syntax, known.engine)


@rule(Severity.WARNING, raises=Risk.UNKNOWN)
def reads_if(known: Known) -> Iterator[str]:
    """READ*: the text only reads if its names are the built-ins, and no database was asked.

    Why: in every engine but SQLite a database can hold code. A `public.length(varchar)` wins over the built-in
    `length`, `u.wipe` may call `wipe(u)`, and a view may call a function that writes. The text shows none of it.

    Example: `SELECT length(name) FROM users` reads, if these names are the built-ins: length; and `users` is a table,
    or a view that only reads. Only literals, and functions written as `pg_catalog.length(...)`, need no such word.

    What to do: ask the database, with `--db`. Without one READ* counts as UNKNOWN: for `reads = "allow"`, for exit
    codes and in JSON, where `reads_if` lists the names.
    """
    if known.statement.reads_if:
        yield known.syntax.why


@rule(Severity.WARNING, raises=Risk.UNKNOWN)
def not_understood(known: Known) -> Iterator[str]:
    """The statement could not be proven harmless, nor its effect named.

    Why: only what every part of is known to read is called READ: each word of its structure, each function, each type.
    A function of your own, or syntax newer than the parser, is neither.

    Example: `SELECT refresh_totals()` may write anything.

    What to do: read it yourself. With a database at hand (`--db`) more can be told than from the text alone.
    """
    if known.statement.risk is not Risk.UNKNOWN or known.statement.denied or known.statement.reads_if:
        return
    if known.engine is not None and known.engine.error:
        yield f"the database would not prepare it: {known.engine.error}"
    else:
        yield known.syntax.why or (known.engine.why if known.engine else "") or "could not tell what it does"


_THIRD_PERSON = {
    Verb.READ: "reads",
    Verb.INSERT: "inserts into",
    Verb.UPDATE: "updates",
    Verb.DELETE: "deletes from",
    Verb.CREATE: "creates",
    Verb.ALTER: "alters",
    Verb.DROP: "drops",
    Verb.OTHER: "changes",
}


def _verb(known: Known) -> str:
    return "deletes" if known.statement.kind is Kind.DELETE else "updates"
