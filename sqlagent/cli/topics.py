"""`sqlagent help TOPIC`: the words of the tables that the program itself runs by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from sqlagent import config, schemas
from sqlagent.cli.policy_help import PAGE
from sqlagent.cli.store_help import STORE
from sqlagent.core.errors import UsageError
from sqlagent.ui.diagnostics import ExitCode

_JSON = """\
Every command takes --json and then prints one JSON document on stdout and asks nobody.

  {"format_version": 1, "thread": "k7f3", "status": "pending", "digest": "9f2c...", ...}

status     new pending executed rejected denied stale expired unknown failed
digest     what `sqlagent resume THREAD --approve DIGEST` approves
errors     {"error": {"code": "PENDING", "message": "...", "hint": "..."}} on stderr
values     NULL is null, a BLOB is {"$blob": "53514c"}, integers keep every digit

A session that waits can be answered by any program that speaks to LangGraph:
Command(resume=ANSWER) on the graph of `sqlagent.graph`.  Text, true and "yes"
never approve; what is no answer is on record, and it is asked again.

  {"type": "approve", "digest": "9f2c..."}
  {"decisions": [{"type": "approve"}, {"type": "reject", "message": "why"}]}
  [{"type": "accept", "args": {"action": "execute_sql", "args": {"sql": "..."}}}]

JSON Schemas, each printed by its name, such as sqlagent help json-report:

"""


def _json() -> str:
    width = max(map(len, schemas.NAMES)) + len("json-") + 2
    return _JSON + "".join(f"{f'json-{name}':<{width}}{what}\n" for name, what in schemas.NAMES.items())


def _exit_codes() -> str:
    return "".join(f"{code.value:>4}  {code.name:<12}  {code.text}\n" for code in ExitCode)


def _environment() -> str:
    return "".join(
        f"{row.environment or '-'}\n    flag {row.flag or 'none'}, config key {row.key or 'none'}, "
        f"default {row.default}\n    {row.note}\n"
        for row in config.environment_rows()
    )


_FILES = """
Files of rows: pip install "sqlagent[duckdb]", then --db data.csv, or a folder.
They are read into memory by DuckDB, which then reaches nothing else: no file,
no network, no extension, no setting.  They are never written.

endings   {endings}
tables    a file is a table of its name: `my orders.csv` is my_orders; a.csv and
          a.json are a_csv and a_json; a workbook of several sheets is a table
          a sheet, sales_Q1; sqlagent schema shows which file each one is
folder    the files in it; left out, and said, are other endings, folders inside
          it, links to outside of it, and what cannot be read
most      {files} files, {size} GB together
change    a file that changes is read anew before the next statement; where its
          columns changed too, what was approved is not run
"""
_EXACTLY_ONCE = {
    True: "marked in the same transaction; in WAL by marker_table",
    False: "the changed rows tell",
}
_POSTGRES = """
PostgreSQL 14 or later: pip install "sqlagent[postgres]", then
--db postgresql://role@host/database, or a [databases.NAME] table with `url`.
A throw-away server with a sample shop: sqlagent demo postgres.

A role of its own, as who owns the tables (shop is the database):

  CREATE ROLE sqlagent LOGIN PASSWORD '...';
  GRANT CONNECT ON DATABASE shop TO sqlagent;
  GRANT USAGE ON SCHEMA public TO sqlagent;
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO sqlagent;
  -- and what it may be approved to change, nothing else:
  GRANT INSERT, UPDATE, DELETE ON orders, customers TO sqlagent;
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO sqlagent;

password  ~/.pgpass, PGPASSWORD, a service file, or in your own config
          password_command = ["pass", "show", "shop"]; never in the URL, where
          the list of processes shows it
TLS       sslmode, sslrootcert and the like in the URL, as libpq has them
pooler    PgBouncer in transaction or session mode is fine, with two of its
          sessions at once; not in statement mode
large     a preview is not tried where the planner guesses more rows than
          measure.rows (100,000), and rows of tables past measure.scan_bytes
          (2 GB) are counted and not read: none to show, and no undo.  For more
          below [databases.shop]:  measure.rows = 1000000  and
          measure.scan_bytes = "20 GB", or measure_url = a clone, where nobody
          waits; [m] on the screen tries ten times as much
locks     a preview waits 0.2 s for a lock, and lets nobody wait longer for it
log       each statement's tree, with its literals, is written to the server's
          log once when it is looked at (debug_print_rewritten)

sqlagent doctor says what of a server or a role takes a promise away.
"""
_UNDO = """\
sqlagent undo THREAD undoes what the last run of a session changed.  An undo is
a proposal too: it is measured, a person approves it, and it runs once.

before    the approval screen says how well a change can be undone: `exact` means
          that undoing it was tried and brought everything back; `expected, not
          tried`, `partial` and `NO` say why not
how       each changed row gets its old values back, and what a DROP or ALTER
          removes is copied before it runs; no trigger fires during an undo
since     rows that somebody edited after the run are listed and kept as they
          are; with --all-or-nothing nothing is undone then
again     an undo can itself be undone, also the undo of a DROP or ALTER
which     sqlagent undo --list shows what can be undone; an earlier run of a
          session has an id of its own, such as k7f3.2
how long  for 7 days, unless the setting keep_undo says otherwise
"""
_RISK = """\
The rule of thumb: a change that you can see whole and undo is approved by one key.
A change that does more than its text says, or that cannot be shown or undone, is
SEVERE: it is approved by typing the table's name.

READ      proven to change nothing: Enter runs it
WRITE     rows of the table that the SQL names, measured, fewer than half of them;
          a trigger that appends to a record of changes (audit_log, PriceHistory),
          at most ten rows for each row changed, makes it no worse
SEVERE    no WHERE, or one that is always true; half of a table of more than ten
          rows; another table that a trigger, a key or a view writes; what is
          dropped; a change of the shape; and whatever its verb, a change that
          was not measured and whose undo was not tried
UNKNOWN   nobody could tell what it does: handled as the worst

How often: of 30 ordinary writes on sample.db (fixtures/ordinary_writes.sql) 3 ask
for a name. Each of them deletes or changes rows of a table that the SQL does not
mention. A script that would fail asks for nothing: it cannot be approved.
"""
_ONCE = """\
What you approve runs once, also if the machine crashes in the middle.  Each run
writes a mark: `begun` first, then `done` in the same COMMIT as its changes.
After a crash the mark decides whether it took effect; rows prove nothing, since
somebody else may have changed them.

in a file    the mark is a file in the state folder: for every SQLite database
             that is not in WAL mode
in a table   the mark is a row of sqlagent_runs in your database, in every mode,
             if you allow it:  [databases.shop]  url = "shop.db"
             marker_table = true
nowhere      in WAL mode without that table: a run that was interrupted at its
             COMMIT is `unknown`.  It is not run again.  Look at the database,
             then: sqlagent settle THREAD --applied   or   --not-applied
backups      a state folder restored from a backup does not know what ran after
             it, and would run it again if it is approved again.  marker_table
             prevents that; without it, look at the database first
time         --timeout stops a statement, and a preview stops after 5 s of work,
             even in the middle of a slow function: each runs in a process of
             its own
"""
_AUDIT = """\
The audit log has an entry for everything that happens to a proposal: asked,
drafted, analyzed, shown, approved, edited, rejected, claimed, committed,
rolled back, stale, released, settled, expired, refused.  Each entry contains the
hash of the one before it, so that no entry can be changed unnoticed.

sqlagent audit [THREAD] [--since today]   what happened, oldest first
sqlagent audit verify                     whether an entry was changed, removed
                                          or put in
sqlagent audit verify --head N:HASH       and whether entries at the end are
                                          missing; N:HASH is on each receipt
sqlagent audit export                     as JSON lines, to be checked by other
                                          programs

A line of the export is one JSON object.  Its hash is SHA-256, hex, over the
JSON array [hash of the entry before, number, at, who, what, thread, detail] in
ASCII without blanks; before the first come 64 zeros.
"""


def _databases() -> str:
    from sqlagent.databases.open import capabilities  # the adapters, which no other topic needs

    said = {True: "yes", False: "no"}
    rows = [
        (engine, said[can.second_opinion], said[can.preview], said[can.undo], said[can.timeout],
         _EXACTLY_ONCE[can.atomic_mark] if can.writes else "nothing is changed")
        for engine, can in capabilities().items()
    ]  # fmt: skip
    headings = ("engine", "second opinion", "preview", "undo", "timeout", "exactly once")
    return "\n\n".join(_facts(headings, row) for row in rows) + "\n" + _POSTGRES + _files()


def _files() -> str:
    from sqlagent.plain_files import DATA_ENDINGS, MOST_BYTES, MOST_FILES

    endings = ", ".join(DATA_ENDINGS)
    return _FILES.format(endings=endings, files=MOST_FILES, size=f"{MOST_BYTES / 1e9:g}")


def _facts(headings: Sequence[str], row: Sequence[str]) -> str:
    return "\n".join(f"{heading:<16}{cell}" for heading, cell in zip(headings, row, strict=True))


def _rules() -> str:
    from sqlagent.core.rules import catalogue  # only this topic needs the rules

    return "".join(f"{rule.id:<24}{rule.title}\n" for rule in catalogue()) + "\nsqlagent help RULE explains one\n"


_REBUILD = """\
SQLite's documented way to rebuild a table turns foreign keys off, begins a
transaction, and commits.  sqlagent brings the transaction along, and keys are
turned off where everybody sees it.  Of the script

  PRAGMA foreign_keys=OFF;                    leave out
  BEGIN TRANSACTION;                          leave out
  CREATE TABLE new_t (...);
  INSERT INTO new_t SELECT ... FROM t;
  DROP TABLE t;
  ALTER TABLE new_t RENAME TO t;
  PRAGMA foreign_key_check;                   may stay: its rows are shown
  COMMIT;                                     leave out
  PRAGMA foreign_keys=ON;                     leave out

and in your own config file, for as long as the rebuild takes

  [databases.shop]
  url = "shop.db"
  foreign_keys = false

sqlagent run rebuild.sql --db shop

With keys on, DROP TABLE deletes the rows first, and what refers to them with ON
DELETE CASCADE goes too: the screen shows those rows before you approve.
"""
_EXAMPLES = """\
The model learns from what you approve.  The question, the SQL that ran, the
model's first draft and your remarks are kept as an example.  With a new question
on the same database the model is shown up to three examples that share words
with it.

kept      SQL that a model drafted, a person approved, and that ran; where a
          person changed it, as it was changed
not kept  what was rejected, failed, expired or is in doubt; what the policy let
          run unasked; a batch approved in part; SQL of a person's own
dropped   when its run is undone, or the same SQL is rejected for the same
          question
sent      to the model that is asked, also a remote one: the text that was
          approved with the values in it, never rows
off       learn = false, or SQLAGENT_LEARN=no: neither kept nor shown

sqlagent examples list [--db DB]          what is kept
sqlagent examples forget ID... | --all    show it to no model any more
sqlagent examples export                  a line is {"messages": [user,
                                          assistant]}, which fine-tuning takes;
                                          --with-schema --db DB puts what a
                                          model is told before them
"""
_CONFIDENCE = """\
How sure the model's draft is, in a word under the proposal.  Whatever the word,
the draft is measured and asked about in the same way.

                how often such drafts are right, and how many drafts are such:
                the embedded model's, repaired, of our own 165 questions
word            one draft                       three drafts (--samples)
sure            94 %, of 25 %                   98 %, of 40 %
fair            75 %, of 45 %                   62 %, of 44 %
a guess         33 %, of 30 %                   17 %, of 16 %

one draft       from the probabilities that the model's server tells of its words,
                and from words of the question that the SQL has nothing of; it
                costs nothing, and where the server tells none nothing is said
--samples       three drafts, --samples 5 for more: each repaired, then compared
                by the rows that they return; sure is all, unless the first alone
                would be a guess, fair more than half
in policy       when = { confidence = "<0.8" }: the share that agrees, or of one
                draft its chance; --json has it as `confidence`, with `drafts`
"""
_ON_PENDING = """\
on_pending = ["command", "argument"] in your own config file names a program that
is started when something waits for a person: a proposal, its next stage, or a
question that the model asks back.

how often once for each of them, however often the session is resumed
input     the payload that a LangGraph client sees, as one line of JSON
time      it is stopped after 10 s, with everything that it started
run       without a shell, in your current folder, without the keys of your
          models; what it prints is discarded
failure   one warning, and `not notified` in the audit log; the session waits

on_decided = ["command", "argument"] is told of what was decided, in the same way:
who decided at which stage, through which door, and what; not what the policy let
run alone.  It is on record by then, and stands whatever becomes of the program.
sqlagent help json-decision has what it reads.
"""
_MCP = """\
sqlagent mcp --db DB serves the Model Context Protocol on standard input and
output, for assistants that look at a database; pip install "sqlagent[mcp]".

  {"mcpServers": {"shop": {"command": "sqlagent", "args": ["mcp", "--db", "shop.db"],
                           "env": {"SQLAGENT_READS": "allow"}}}}

schema    tables, columns, keys and comments; no rows
query     rows of what is proven to read; anything else is refused
propose   measures a change on a copy and leaves it for a person: the answer has
          risk, rows by cause, undo and policy, and never the digest
status    how a proposal stands     withdraw   takes its own proposal back

approve   there is no tool for it, and the client is never asked: a yes that a
          program gives proves nothing.  A person decides: sqlagent resume THREAD
policy    environment = "mcp", or "mcp:NAME" by the name a client gives itself;
          a rule that allows a change unasked does not count here
limit     a program that runs as you and has a shell can type what you can type.
          via = ["terminal"] on a stage slows it down; another user's store, or
          a signature that needs a touch, keeps it out
"""


_WORDS = """\
Under the SQL of a proposal, `in words:` says what it does, in one sentence made
of its syntax tree, the schema and the measured rows; no model has a part in it.

said      only where every part of the statement is understood: joins along
          foreign keys, conditions, groups, order and limit, VALUES, one SELECT
          in another.  UNION, WITH, CASE, windows, ON CONFLICT and whatever else
          is not on the list have no sentence, rather than half a one
figures   `the 79 orders where ...` is what was measured, where the database
          counts as many that match; `of which 27 are changed` where the others
          are so already; without a measurement there is no figure
assumes   below it stands what changes the answer and is easily overlooked:
          rows left out because they are NULL, an inner join that drops rows
          (counted on a connection that cannot write, for 0.5 s in all), a sum
          that counts a row several times, another date or price beside the one
          that is used
names     are in their own spelling, in "quotes" where they could be taken for
          words of the sentence; values are in 'quotes'

The digest is of all that is shown, so of the sentence too; what would run is
the SQL above it.
"""


def _servers() -> str:
    from sqlagent.llm.providers import page  # only this topic names any

    return page()


TOPICS: dict[str, Callable[[], str]] = {
    "exit-codes": _exit_codes,
    "environment": _environment,
    "policy": lambda: PAGE,
    "databases": _databases,
    "undo": lambda: _UNDO,
    "risk": lambda: _RISK,
    "once": lambda: _ONCE,
    "audit": lambda: _AUDIT,
    "rebuild-a-table": lambda: _REBUILD,
    "examples": lambda: _EXAMPLES,
    "confidence": lambda: _CONFIDENCE,
    "words": lambda: _WORDS,
    "servers": _servers,
    "on-pending": lambda: _ON_PENDING,
    "store": lambda: STORE,
    "json": _json,
    "mcp": lambda: _MCP,
    "rules": _rules,
}


def topic(name: str) -> str:
    """The text of a topic, a JSON Schema, or a rule's manual page."""
    if name in TOPICS:
        return TOPICS[name]()
    if name.startswith("json-") and name.removeprefix("json-") in schemas.NAMES:
        return schemas.text(name.removeprefix("json-"))
    from sqlagent.core.rules import catalogue

    pages = {rule.id: rule.text for rule in catalogue()}
    if name in pages:
        return f"{name}: {pages[name].strip()}\n"
    near = get_close_matches(name, [*TOPICS, *pages, *(f"json-{known}" for known in schemas.NAMES)], n=1)
    raise UsageError(f"no help on {name}", hint=f"sqlagent help {near[0]}" if near else "sqlagent help")
