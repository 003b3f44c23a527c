"""Files as people have them, and output that must not go over what is in use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from cli_shop import Shop

from sqlagent.ui.diagnostics import ExitCode

READ = ("run", "--sql", "SELECT id FROM customers", "--csv")


@pytest.fixture(autouse=True)
def _reads_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")


# ---- output over input -------------------------------------------------------------------------------------------


def in_use(shop: Shop) -> dict[str, Path]:
    """Files that no rows may go over, by what each is."""
    folder = shop.folder
    assert shop.run("run", "--sql", "SELECT 1").code == 0
    (folder / "policy.toml").write_text('[[rule]]\nid = "r"\nwhen = { verb = ["drop"] }\nthen = "deny"\n')
    (folder / "sqlagent.toml").write_text('policy = "policy.toml"\n')
    (folder / "link.db").symlink_to(shop.path)
    (folder / "hard.db").hardlink_to(shop.path)
    (folder / "another.db").write_bytes(shop.path.read_bytes())
    (folder / "hard-log").write_bytes(bytes.fromhex("377f0682") + bytes(28))
    (folder / "state-link").symlink_to(shop.state)
    names = ["shop.db", "./../" + folder.name + "/shop.db", "link.db", "hard.db", "another.db", "hard-log"]
    names += ["shop.db-wal", "shop.db-shm", "shop.db-journal", "policy.toml", "sqlagent.toml"]
    names += ["state-link/journal.db", "state-link/new.csv"]
    return {name: folder / name for name in names}


@pytest.mark.parametrize("json", [False, True])
def test_rows_go_over_nothing_that_is_in_use(shop: Shop, monkeypatch: pytest.MonkeyPatch, json: bool) -> None:
    files = in_use(shop)
    monkeypatch.setenv("SQLAGENT_DB", str(shop.path))
    for name, path in files.items():
        before = path.read_bytes() if path.exists() else None
        ran = shop.run(*READ, "-o", str(path), *(["--json"] if json else []))
        assert (name, ran.code) == (name, ExitCode.USAGE)
        assert "rows do not go over it" in ran.err
        assert (path.read_bytes() if path.exists() else None) == before


def test_rows_do_not_go_over_the_sql_that_asked_for_them(shop: Shop) -> None:
    path = shop.folder / "question.sql"
    path.write_text("SELECT id FROM customers")
    (shop.folder / "answer.csv").symlink_to(path)
    ran = shop.run("run", "question.sql", "--csv", "-o", "answer.csv")
    assert (ran.code, path.read_text()) == (ExitCode.USAGE, "SELECT id FROM customers")


def test_nothing_is_opened_before_the_output_is_refused(shop: Shop) -> None:
    ran = shop.run(*READ, "-o", "shop.db")
    assert ran.code == ExitCode.USAGE
    assert not shop.state.exists()


def test_rows_go_where_nothing_is_in_use(shop: Shop) -> None:
    (shop.folder / "old.csv").write_text("what was there")
    for name in ("new.csv", "old.csv"):
        assert shop.run(*READ, "-o", name, "--force").code == 0
        assert (shop.folder / name).read_text() == "id\n1\n2\n3\n"
    assert shop.run(*READ, "-o", "/dev/null").code == 0


# ---- the two ends of a file --------------------------------------------------------------------------------------

ENDS = [
    ("\ufeff", ""),
    ("", "\x1a"),
    ("", "\r\n\x1a"),
    ("\ufeff", "\x1a\r\n"),
    ("", "\x1a\x1a\x1a"),
    ("", "\n\x1a\n\n"),
]


@pytest.mark.parametrize(("begin", "end"), ENDS)
def test_what_other_systems_put_at_the_ends_of_a_file_is_no_part_of_it(shop: Shop, begin: str, end: str) -> None:
    text = f"{begin}SELECT id FROM customers;{end}".encode()
    (shop.folder / "a.sql").write_bytes(text)
    assert shop.run("run", "a.sql", "--csv").text == "id\n1\n2\n3\n"
    assert shop.run("check", "a.sql").code == 0
    assert shop.run("policy", "test", "a.sql").code == 0
    (shop.folder / "sqlagent.toml").write_bytes(f"{begin}limit = 2\r\n{end}".encode())
    assert shop.run("run", "a.sql", "--csv").text == "id\n1\n2\n"
    assert shop.run("config", "check").code == 0


def piped(shop: Shop, text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sqlagent", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, input=text, cwd=shop.folder, capture_output=True, check=False, env=env, timeout=60)


def test_standard_input_has_such_ends_too(shop: Shop) -> None:
    ran = piped(shop, b"\xef\xbb\xbfSELECT 1;\r\n\x1a", "check", "-")
    assert (ran.returncode, ran.stdout) == (0, b"standard input:1: READ    select\n")
    line = b'{"id": 1, "sql": "SELECT 1"}\r\n'
    ran = piped(shop, b"\xef\xbb\xbf" + line + line + b"\x1a", "check", "--input", "jsonl")
    assert (ran.returncode, ran.stdout.count(b'"risk": "READ"')) == (0, 2)


@pytest.mark.parametrize("text", ["SELECT \x1a 1", "SELECT 1; \ufeff SELECT 2", "\x1aSELECT 1", "SELECT 1 \ufeff"])
def test_the_same_characters_elsewhere_are_denied(shop: Shop, text: str) -> None:
    (shop.folder / "a.sql").write_text(text)
    assert shop.run("check", "a.sql").code == ExitCode.DENIED


# ---- parameters, the rebuild of a table ---------------------------------------------------------------------------


def test_a_numbered_parameter_is_read_like_any_other(shop: Shop) -> None:
    for mark in ("?", "?1", "?12", ":a", "@a", "$a"):
        ran = shop.run("check", "--json", "--sql", f"UPDATE customers SET name = {mark} WHERE id IN ({mark}, 3)")
        assert (ran.document["risk"], ran.document["writes"]) == ("WRITE", ["customers"])
        read = shop.run("check", "--json", "--sql", f"SELECT name FROM customers WHERE id = {mark} LIMIT {mark}")
        assert read.document["risk"] == "READ"


REBUILD = """
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE new_customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 7, country TEXT);
INSERT INTO new_customers SELECT id, name, country FROM customers;
DROP TABLE customers;
ALTER TABLE new_customers RENAME TO customers;
PRAGMA foreign_key_check;
COMMIT;
PRAGMA foreign_keys=ON;
"""


def test_the_documented_rebuild_of_a_table_is_told_how_and_works_so(shop: Shop) -> None:
    (shop.folder / "rebuild.sql").write_text(REBUILD)
    told = shop.run("check", "rebuild.sql").text
    assert "transaction-control" not in told, "what begins and ends it says what is done anyway"
    assert told.count("sqlagent help rebuild-a-table") == 2
    page = shop.run("help", "rebuild-a-table").text
    for line in REBUILD.strip().splitlines():
        if line.startswith(("PRAGMA foreign_keys", "BEGIN", "COMMIT")):
            assert any(line in row and "leave out" in row for row in page.splitlines())
    kept = [row for row in REBUILD.splitlines() if not row.startswith(("PRAGMA foreign_keys", "BEGIN", "COMMIT"))]
    (shop.folder / "rebuild.sql").write_text("\n".join(kept))
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "sqlagent" / "config.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f'[databases.shop]\nurl = "{shop.path}"\nforeign_keys = false\n')
    orders = shop.rows("SELECT * FROM orders")
    asked = shop.run("run", "rebuild.sql", "--db", "shop", "--json").document
    ran = shop.run("resume", asked["thread"], "--approve", asked["digest"], "--json").document
    assert ran["status"] == "executed"
    assert shop.rows("SELECT * FROM orders") == orders
    assert "DEFAULT 7" in str(shop.rows("SELECT sql FROM sqlite_schema WHERE name = 'customers'"))


# ---- names and bytes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["ask", "wie hei\udcdft er"], ["run", "a\udcff.sql"], ["run", "--sql", "SELECT '\udce9'"], ["--db=\udcff.db"]],
)
def test_bytes_that_are_no_text_are_refused_in_words(shop: Shop, arguments: list[str]) -> None:
    ran = shop.run(*arguments)
    assert (ran.code, "is not UTF-8" in ran.err) == (ExitCode.USAGE, True)
    assert len(ran.err.splitlines()) == 2


def test_a_variable_of_bytes_that_are_no_text_is_refused_in_words(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_DB", "sh\udcffop.db")
    ran = shop.run("schema")
    assert (ran.code, "SQLAGENT_DB is not UTF-8: sh\\xffop.db" in ran.err) == (ExitCode.USAGE, True)


def test_a_link_to_a_name_that_is_no_text_is_refused_in_words(shop: Shop) -> None:
    (shop.folder / os.fsdecode(b"caf\xe9.db")).write_bytes(shop.path.read_bytes())
    (shop.folder / "cafe.db").symlink_to(os.fsdecode(b"caf\xe9.db"))
    ran = shop.run("schema", "--db", "cafe.db")
    assert (ran.code, "is not UTF-8" in ran.err, "caf\\xe9.db" in ran.err) == (ExitCode.CONNECTION, True, True)


def test_a_folder_whose_name_is_no_text_is_refused_in_words(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = shop.folder / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    (odd / "shop.db").write_bytes(shop.path.read_bytes())
    monkeypatch.chdir(odd)
    for command in (READ, ("schema",), ("doctor",), ("config", "show"), ("pending",), ("check", "--sql", "SELECT 1")):
        ran = shop.run(*command, *(["--db", "./shop.db"] if command[0] in ("run", "schema") else []))
        assert (ran.code, "the name of this folder is not UTF-8" in ran.err) == (ExitCode.USAGE, True)


# ---- what is no file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero"])
def test_nothing_that_is_read_may_be_endless_or_silent(shop: Shop, kind: str) -> None:
    odd = shop.folder / "odd"
    if kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to(kind)
    key = f'api_key_file = "{odd}"\n'
    (shop.folder / "key.toml").write_text(key)
    tries = [
        ["run", "odd"], ["check", "odd"], ["schema", "--db", "./odd"], [*READ, "--policy", "odd"],
        ["pending", "--config", "odd"], ["config", "show", "--config", "odd"], ["policy", "test", "odd"],
        ["policy", "check", "--policy", "odd"], ["ask", "x", "--config", "key.toml", "--model", "gpt-5-mini"],
    ]  # fmt: skip
    for arguments in tries:
        ran = shop.run(*arguments)
        assert (arguments, ran.code != 0, "not a file" in ran.err + ran.text) == (arguments, True, True)
    (shop.folder / "sqlagent.toml").symlink_to(odd)
    assert "not a file" in shop.run("pending").err


def test_a_file_of_a_gigabyte_is_refused_before_it_is_read(shop: Shop) -> None:
    with (shop.folder / "big").open("wb") as file:
        file.truncate(2**30)
    for arguments in (["check", "big"], [*READ, "--policy", "big"], ["pending", "--config", "big"]):
        assert "is larger than" in shop.run(*arguments).err
    assert "is not a SQLite database" in shop.run("schema", "--db", "./big").err


def test_sql_out_of_a_pipe_of_the_shells_is_read(shop: Shop) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"SELECT 1")
    os.close(writer)
    assert shop.run("check", f"/dev/fd/{reader}").text.endswith(": READ    select\n")
    os.close(reader)


# ---- what a program that was cut off left ----------------------------------------------------------------------------

CUT_OFF = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA cache_size = 5")
c.execute("CREATE TABLE IF NOT EXISTS big (a)")
c.execute("BEGIN")
c.executemany("INSERT INTO big VALUES (?)", [("x" * 500,) for _ in range(300)])
os._exit(0)
"""


def test_the_doctor_rolls_back_what_was_cut_off_and_nobody_else_does(shop: Shop) -> None:
    subprocess.run([sys.executable, "-c", CUT_OFF, str(shop.path)], check=True)
    before = shop.path.read_bytes()
    for arguments in (["schema"], [*READ], ["check", "--sql", "SELECT 1"], ["doctor"]):
        ran = shop.run(*arguments, "--db", "./shop.db")
        assert "another program was cut off while it wrote" in ran.err + ran.text
        assert "sqlagent doctor --recover --db" in ran.err + ran.text
        assert shop.path.read_bytes() == before
    done = shop.run("doctor", "--recover", "--db", "./shop.db")
    assert "what was half written is undone" in done.text
    assert shop.run(*READ, "--db", "./shop.db").text == "id\n1\n2\n3\n"
    assert "nothing is half written" in shop.run("doctor", "--recover", "--db", "./shop.db").text


def test_the_doctor_rolls_back_the_checkpoints_too(shop: Shop) -> None:
    assert shop.run(*READ).code == 0
    checkpoints = shop.state / "checkpoints.db"
    checkpoints.unlink()
    subprocess.run([sys.executable, "-c", CUT_OFF, str(checkpoints)], check=True)
    assert "have a hot journal" in shop.run(*READ).err
    assert shop.run("doctor", "--recover").code in (ExitCode.OK, ExitCode.FAILED)
    assert shop.run(*READ).code == 0


def test_the_doctor_says_both_versions_of_sqlite(shop: Shop) -> None:
    import sqlite3

    import apsw

    said = shop.run("doctor").text
    assert f"SQLite {apsw.sqlite_lib_version()} for databases (apsw), {sqlite3.sqlite_version} for checkpoints" in said
