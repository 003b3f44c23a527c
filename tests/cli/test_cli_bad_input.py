"""Whatever is wrong is said in two lines, what happened and what to type, with its exit code; nothing runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import apsw
import pytest
from cli_process import Ran
from cli_shop import Asked, Shop
from openai_server import Reply

WRITE = "UPDATE customers SET country = 'AT' WHERE id = 1"


def fails(ran: Ran, code: int, message: str, hint: str) -> None:
    """Exit code, and words that the two lines must have."""
    said, typed = ran.error
    assert (ran.code, ran.out) == (code, b""), ran.err
    assert message in said
    assert hint in typed


# ---- databases ---------------------------------------------------------------------------------------------------


def test_no_such_file(shop: Shop) -> None:
    fails(shop.run("run", "--sql", "SELECT 1", "-d", "shpo.db"), 3, "no such file: ", "did you mean ")


def test_not_a_database(shop: Shop) -> None:
    Path("text.db").write_text("this is a text, and long enough to be looked at\n" * 30)
    fails(
        shop.run("run", "--sql", "SELECT 1", "-d", "text.db"),
        3,
        "is not a SQLite database, or it is encrypted",
        "file ",
    )


def test_a_directory(shop: Shop) -> None:
    said = "is a folder, and no file in it can be opened as a table"
    fails(shop.run("run", "--sql", "SELECT 1", "-d", "."), 3, said, "shop.db")


def test_a_file_that_may_not_be_read(shop: Shop) -> None:
    """The superuser may read everything, so a loop of links stands for it."""
    Path("loop.db").symlink_to("loop.db")
    fails(shop.run("run", "--sql", "SELECT 1", "-d", "loop.db"), 3, "loop.db cannot be read: too many levels", "ls -l ")


def test_no_database_at_all(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLAGENT_DB")
    fails(shop.run("run", "--sql", "SELECT 1"), 2, "no database was chosen", "--db PATH, or SQLAGENT_DB")


def test_a_locked_database(shop: Shop) -> None:
    document = shop.run("run", "--sql", WRITE, "--json").document
    other = apsw.Connection(str(shop.path))  # of the library that sqlagent uses: two of them undo each other's locks
    other.execute("BEGIN EXCLUSIVE")
    ran = shop.run("resume", document["thread"], "--approve", document["digest"], "--timeout", "100ms")
    other.close()
    fails(ran, 3, "is locked by another process", "try again when it is done")
    assert shop.rows("SELECT country FROM customers WHERE id = 1") == [("DE",)]


# ---- questions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["", "   ", "\n\t"])
def test_an_empty_question(shop: Shop, question: str) -> None:
    fails(shop.run("ask", question), 2, "the question is empty", "sqlagent ask ")


def test_a_question_of_a_megabyte(shop: Shop, model: Asked) -> None:
    fails(shop.run("ask", "x" * 1_000_000), 2, "1,000,000 characters, and 20,000 is the most", "sqlagent run FILE")
    assert model.server.requests == []


def test_a_question_is_not_left_out(shop: Shop) -> None:
    fails(shop.run("ask"), 2, "argument", "--help")


# ---- the model ---------------------------------------------------------------------------------------------------


def test_a_model_that_says_nothing(shop: Shop, model: Asked) -> None:
    model.answers("")
    fails(shop.run("ask", "anything"), 1, "gpt-5-mini answered with nothing (2 tries)", "--model")
    assert len(model.server.requests) == 2


def test_a_model_that_talks(shop: Shop, model: Asked) -> None:
    model.answers("Happy to help! Databases are great fun, and there is much to say about them.")
    fails(shop.run("ask", "anything"), 1, 'with words and no SQL: "Happy to help!', "say which tables or rows you mean")


def test_a_model_that_declines(shop: Shop, model: Asked) -> None:
    model.answers("I cannot answer this from these tables: nothing here is about the weather.")
    ran = shop.run("ask", "how warm is it?")
    assert ran.code == 1
    assert "cannot answer this from these tables" in ran.error[0]
    assert "sqlagent schema" in ran.error[1]
    assert len(model.server.requests) == 1


def test_a_model_with_two_answers(shop: Shop, model: Asked) -> None:
    model.answers("```sql\nSELECT 1 AS one\n```\nor\n```sql\nSELECT 2 AS two\n```")
    ran = shop.run("ask", "a number", "--json")
    assert (ran.code, ran.document["sql"].partition("\n")[0]) == (8, "SELECT 1 AS one")


def test_a_column_that_exists_nowhere_ends_the_question_with_what_does(shop: Shop, model: Asked) -> None:
    model.answers("SELECT zzqqxx FROM orders")
    ran = shop.run("ask", "the totals")
    assert ran.code == 1
    message, hint = ran.error
    assert message == "cannot answer this from these tables: no table has a column zzqqxx"
    assert hint.startswith("sqlagent schema shows what there is")
    assert [line for line in ran.err.splitlines() if "did not stand" in line] == [
        "  try 1 of 2 did not stand: the database refused it: no such column: zzqqxx"
    ]
    assert "zzqqxx" in model.last_prompt


def test_what_the_model_could_not_write_a_person_can(shop: Shop, model: Asked) -> None:
    model.answers("SELECT totl FROM orders")
    thread = shop.run("ask", "the totals").thread
    Path("mine.sql").write_text("SELECT sum(total) AS all_of_it FROM orders")
    document = shop.run("resume", thread, "--edit", "mine.sql", "--json").document
    assert (document["thread"], document["status"]) == (thread, "pending")


def test_a_server_that_fails(shop: Shop, model: Asked) -> None:
    model.answers(Reply.error(500, "no", retry_after="0"))
    fails(shop.run("ask", "anything"), 1, "the model answered 500 (3 tries): no", "; then: sqlagent resume ")


def test_a_server_that_refuses_the_key(shop: Shop, model: Asked) -> None:
    model.server.api_key = "another"
    fails(shop.run("ask", "anything"), 4, "refused the key (401)", "check OPENAI_API_KEY or SQLAGENT_API_KEY_FILE")


def test_a_server_that_hangs(shop: Shop, model: Asked) -> None:
    model.answers(Reply.hang())
    ran = shop.run("ask", "anything", "--model-timeout", "300ms")
    fails(ran, 3, "did not answer within 0.3 s", "--model-timeout")
    assert shop.run("pending", "--json").document["threads"][0]["status"] == "new"


def test_no_server_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    ran = shop.run("ask", "anything", "--base-url", "http://127.0.0.1:9/v1")
    assert ran.code == 3
    assert "127.0.0.1:9" in ran.error[0]


def test_a_question_that_nobody_answered_is_asked_again_when_resumed(shop: Shop, model: Asked) -> None:
    model.answers(Reply.error(401, "no"))
    ran = shop.run("ask", "how many?")
    assert ran.code == 4
    thread = shop.run("pending", "--json").document["threads"][0]["thread"]
    model.answers("SELECT 1")
    assert shop.run("resume", thread, "--json").document["status"] == "pending"


NO_EMBEDDED_MODEL = """
import sys, importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "xllamacpp":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "xllamacpp" else found(name, package)
"""


def test_no_key_and_no_embedded_model(shop: Shop) -> None:
    ran = shop.cold("ask", "anything", prelude=NO_EMBEDDED_MODEL)
    assert ran.code in (3, 4)
    message, hint = ran.error
    assert "embedded model" in message
    assert "sqlagent[local]" in hint
    assert "OPENAI_API_KEY" in hint


# ---- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('model = "m"\nlimt = 3\n', "own.toml:2: no setting named limt", "did you mean limit?"),
        ('limit = "many"\n', "own.toml:1", ""),
        ("limit = \n", "own.toml:1", ""),
        ('format = "cvs"\n', "own.toml:1", "csv"),
    ],
)
def test_a_broken_config_file(shop: Shop, text: str, message: str, hint: str) -> None:
    Path("own.toml").write_text(text)
    fails(shop.run("run", "--sql", "SELECT 1", "--config", "own.toml"), 2, message, hint)


def test_every_problem_of_a_config_file_is_listed(shop: Shop) -> None:
    Path("own.toml").write_text('limt = 3\nformat = "cvs"\ntimeout = "soon"\n')
    ran = shop.run("config", "check", "--config", "own.toml")
    assert ran.code == 2
    assert [line.partition(":")[2][:2] for line in ran.text.splitlines() if "own.toml" in line] == ["1:", "2:", "3:"]
    assert ran.text.count("  hint: ") == 3
    assert len(shop.run("config", "check", "--config", "own.toml", "--json").document["problems"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--format", "cvs"), "--format cannot be cvs", "did you mean csv?"),
        (("--limit", "few"), "--limit is not a number of rows: few", "-1 for all"),
        (("--limit", "0"), "--limit is out of range: 0", "-1 for all"),
        (("--timeout", "soon"), "--timeout is not a duration: soon", "30s"),
        (("--expires", "-1s"), "--expires", "30m"),
        (("--color", "blue"), "--color cannot be blue", "always"),
        (("--config", "none.toml"), "none.toml", ""),
        (("--formt", "csv"), "no such option: --formt", "--format?"),
        (("--db",), "requires an argument", "--help"),
    ],
)
def test_a_bad_option(shop: Shop, arguments: tuple[str, ...], message: str, hint: str) -> None:
    fails(shop.run("run", "--sql", "SELECT 1", *arguments), 2, message, hint)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("aks", "x"), "no such command 'aks'", "did you mean ask?"),
        (("config", "chekc"), "no such command 'chekc'", "did you mean check?"),
        (("help", "exit-code"), "no help on exit-code", "sqlagent help exit-codes"),
        (("schema", "custmers"), "no table or view named custmers", "sqlagent schema customers"),
        (("pending", "-n", "few"), "few is not a number", "--help"),
        (("run",), "name one source of SQL", "--sql TEXT"),
        (("run", "a.sql", "--sql", "SELECT 1"), "name one source of SQL", "--sql TEXT"),
        (("run", "none.sql"), "none.sql cannot be read: no such file or directory", ""),
        (("run", "."), ". cannot be read: is a directory", ""),
        (("run", "--sql", "SELECT 1", "-o", "none/out.csv"), "cannot write none/out.csv", "-o FILE"),
        (("resume",), "missing argument", "sqlagent resume --help"),
        (("model", "pull", "nope"), "nope", ""),
        (("model", "pull", "--from", "none.gguf"), "none.gguf", ""),
    ],
)
def test_a_bad_argument(shop: Shop, arguments: tuple[str, ...], message: str, hint: str) -> None:
    fails(shop.run(*arguments), 2, message, hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no SQL in it"),
        (b";;\n-- x\n", "there is no SQL statement in it"),
        (b"\xff\xfeS", "x.sql is not UTF-8: byte 0 cannot be read"),
    ],
)
def test_a_file_that_is_no_sql(shop: Shop, content: bytes, message: str) -> None:
    Path("x.sql").write_bytes(content)
    ran = shop.run("run", "x.sql")
    assert ran.code in (1, 2)
    assert message in ran.error[0]


# ---- the state folder --------------------------------------------------------------------------------------------


def test_a_state_folder_that_cannot_be_made(shop: Shop) -> None:
    Path("file").write_text("")
    ran = shop.run("run", "--sql", "SELECT 1", "--state-dir", "file/state")
    fails(ran, 1, "file/state cannot be written: not a directory", "--state-dir DIR")


FULL = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"


@pytest.mark.parametrize("most", [0, 20_000])
def test_a_full_disk(shop: Shop, most: int) -> None:
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))"
    ran = shop.cold("run", "--sql", WRITE, prelude=FULL + limit)
    assert ran.code == 1, ran.err
    assert ran.error
    assert shop.rows("SELECT country FROM customers WHERE id = 1") == [("DE",)]


def test_rows_for_which_there_is_no_room(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    ran = shop.run("run", "--sql", "SELECT 1", "-o", "/dev/full")
    assert ran.code == 1
    assert "no space left" in ran.error[0]


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db"])
def test_a_damaged_file_of_the_state(shop: Shop, name: str) -> None:
    thread = shop.run("run", "--sql", WRITE, "--json").document["thread"]
    path = shop.state / name
    path.write_bytes(b"no longer what it was" * 500)
    for extra in ("-wal", "-shm", "-journal"):
        path.with_name(name + extra).unlink(missing_ok=True)
    ran = shop.run("resume", thread)
    assert ran.code == 1
    assert name in ran.error[0]
    assert shop.rows("SELECT country FROM customers WHERE id = 1") == [("DE",)]


def test_a_damaged_journal_is_said_by_those_that_only_look(shop: Shop) -> None:
    shop.state.mkdir(parents=True, mode=0o700)
    (shop.state / "journal.db").write_bytes(b"no longer what it was" * 500)
    for command in ("pending", "sessions"):
        ran = shop.run(command)
        assert ran.code == 1
        assert "journal.db" in ran.error[0]


# ---- Ctrl-C ------------------------------------------------------------------------------------------------------


def test_ctrl_c_while_the_model_thinks(shop: Shop, model: Asked) -> None:
    model.answers(Reply.hang())
    terminal = shop.terminal("ask", "anything").see("asking ")
    while not model.server.requests:
        time.sleep(0.01)
    terminal.press("c")
    assert terminal.end() == 130
    assert terminal.lines[-3:-1] == ["error: interrupted", "  hint: sqlagent pending lists what waits for you"]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_ctrl_c_cancels_the_statement_and_says_so(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", ENDLESS).type("")
    while shop.running(terminal.thread) is None:
        time.sleep(0.02)
    terminal.press("c")
    assert terminal.end() == 130
    said = ["error: cancelled; nothing was changed", f"  hint: sqlagent show {terminal.thread}"]
    assert terminal.lines[-3:-1] == said
    assert shop.status(terminal.thread) == "failed"


def test_a_statement_that_takes_too_long_is_cancelled(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    fails(shop.run("run", "--sql", ENDLESS, "--timeout", "100ms"), 124, "was cancelled after", "--timeout")


def test_a_terminated_run_is_no_traceback(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).prompt()
    thread = terminal.thread
    os.kill(terminal.running.pid, signal.SIGTERM)
    terminal.end()
    assert "Traceback" not in terminal.seen
    assert shop.status(thread) == "pending"
