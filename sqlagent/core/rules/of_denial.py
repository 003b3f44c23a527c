"""Rules that forbid: a statement that one of them names is denied; two can be relaxed by the user's settings."""

from __future__ import annotations

from collections.abc import Iterator

from sqlagent.core.nouns.analysis import Risk, Severity
from sqlagent.core.nouns.rule import Known, rule


def _why(known: Known, rule_id: str) -> Iterator[str]:
    if known.syntax.denied == rule_id:
        yield known.syntax.why
    elif known.engine is not None and known.engine.denied == rule_id and known.statement.denied == rule_id:
        yield known.engine.why or "the database would not let it"


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def outside_database(known: Known) -> Iterator[str]:
    """The statement reaches files, programs, the network or another database.

    Why: that is out of sight of every measure and every undo, and it is how data leaves.

    Example: `ATTACH 'other.db'`, `VACUUM INTO`, `COPY ... TO PROGRAM`, `INTO OUTFILE`, `LOAD DATA`, `INSTALL httpfs`,
    `load_extension(...)`, `pg_read_file(...)`, DuckDB's `FROM 'file.csv'`.

    What to do: do it by hand with a tool made for it; sqlagent does not carry it out.
    """
    yield from _why(known, "outside-database")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def transaction_control(known: Known) -> Iterator[str]:
    """The statement begins or ends a transaction.

    Why: what you approve runs in one transaction that is compared and then committed; a COMMIT inside would
    take effect before the comparison, and a ROLLBACK would undo what others in the script did.

    Example: `COMMIT`, `BEGIN`, `SAVEPOINT s`, `SET TRANSACTION READ WRITE`.

    What to do: leave it out. All statements of a script run together or not at all.
    """
    yield from _why(known, "transaction-control")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def unsafe_pragma(known: Known) -> Iterator[str]:
    """The PRAGMA changes how the database behaves.

    Why: most PRAGMAs act as soon as SQLite prepares them, before anyone approves: they turn off foreign keys,
    journaling or write protection, or open the schema to edits.

    Example: `PRAGMA writable_schema = ON`, `PRAGMA foreign_keys = OFF`, `PRAGMA journal_mode = OFF`.

    What to do: leave it out. PRAGMAs that only tell, such as `PRAGMA table_info(users)`, are reads.
    """
    yield from _why(known, "unsafe-pragma")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def marker_table(known: Known) -> Iterator[str]:
    """The statement changes `sqlagent_runs`, the table in which runs leave their marks.

    Why: after a crash a mark there tells whether a change was committed. One that is forged would pass over a change
    that was approved, and one that is removed would let it run twice.

    Example: `DELETE FROM sqlagent_runs`, `DROP TABLE sqlagent_runs`, a trigger that writes to it.

    What to do: leave it out. Marks of runs that have ended may be deleted with a tool of the database's own.
    """
    if any(name.rpartition(".")[2].lower() == "sqlagent_runs" for name in known.statement.writes):
        yield "it changes sqlagent_runs, where runs leave their marks"
    else:
        yield from _why(known, "marker-table")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def session_change(known: Known) -> Iterator[str]:
    """The statement changes the session: who it is, or how what follows is understood.

    Why: an approval is given for SQL under known settings; another role, search path or time limit changes its meaning.

    Example: `SET ROLE admin`, `RESET ROLE`, `SET statement_timeout = 0`, `USE other`, `DISCARD ALL`.

    What to do: put settings into the connection, not into the script.
    """
    yield from _why(known, "session-change")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def executable_comment(known: Known) -> Iterator[str]:
    """MySQL and MariaDB run what stands in a comment that starts with `/*!` or `/*M!`.

    Why: to a person, and to most tools, it is a comment; to the server it is SQL.

    Example: `DELETE FROM users WHERE id = 1 /*! OR 1=1 */` deletes everybody.

    What to do: write the SQL plainly, or remove the comment.
    """
    yield from _why(known, "executable-comment")


@rule(Severity.DANGER, raises=Risk.UNKNOWN)
def hidden_characters(known: Known) -> Iterator[str]:
    """The text holds characters that do not show, or that show as something else.

    Why: zero-width and bidirectional characters, letters of other alphabets that look Latin, and a carriage return in
    a comment make SQL that reads differently from what it does. Inside a string they are data, and are only remarked.

    Example: `SELECT * FROM us\u0435rs` with a Cyrillic letter names another table than `users`.

    What to do: type the statement anew instead of pasting it.
    """
    yield from _why(known, "hidden-characters")


@rule(Severity.WARNING, raises=Risk.UNKNOWN)
def too_large(known: Known) -> Iterator[str]:
    """The statement is longer or nested deeper than we analyze.

    Why: past 32,768 characters or 200 levels nobody reads it, and parsers run out of memory or crash.

    Example: an IN list of 10,000 numbers.

    What to do: put the values into a table and join it, or cut the statement into several.
    """
    if known.syntax.too_large:
        yield known.syntax.why
