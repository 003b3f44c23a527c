"""The record as people and scripts see it: shown, checked, exported, and what becomes of whoever changes it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pytest
from checkout import ROOT
from cli_process import Ran
from cli_shop import Asked, Shop
from openai_server import Reply

from sqlagent.store.audit import GENESIS, seal

SQL = "UPDATE customers SET country = 'AT' WHERE id = 1"
KEY = "sk-canary-9b1d44e07c"
PASSWORD = "hunter2-canary"


def changed(shop: Shop, sql: str = SQL) -> tuple[str, str]:
    """A change that was run: its thread, and the head of the log that its receipt prints."""
    asked = shop.run("run", "--sql", sql, "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"])
    found = re.search(r"audit #(\d+) ([0-9a-f]{8})", done.err)
    assert found, done.err
    return asked["thread"], f"{found[1]}:{found[2]}"


def words(shop: Shop, *more: str) -> list[str]:
    return [entry["what"] for entry in shop.run("audit", *more, "--json").document["entries"]]


def tamper(shop: Shop, *statements: str) -> None:
    """What somebody does who has the file, and sqlite3."""
    connection = sqlite3.connect(shop.state / "journal.db")
    for statement in (
        "DROP TRIGGER audit_keeps_what_was_written",
        "DROP TRIGGER audit_keeps_every_entry",
        *statements,
    ):
        connection.execute(statement)
    connection.commit()
    connection.close()


def recompute(shop: Shop) -> None:
    """The whole chain sealed anew around a changed entry, by somebody who knows the format."""
    tamper(shop, "UPDATE audit SET who = 'mallory' WHERE number = 2")
    connection = sqlite3.connect(shop.state / "journal.db")
    last = GENESIS
    for number, *facts in connection.execute("SELECT number, at, who, what, thread, detail FROM audit").fetchall():
        at, who, what, thread, detail = facts
        last = seal(last, number=number, at=at, who=who, what=what, thread=thread, detail=detail)
        connection.execute("UPDATE audit SET hash = ? WHERE number = ?", (last, number))
    connection.commit()
    connection.close()


def swap(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE audit SET number = -2 WHERE number = 2",
        "UPDATE audit SET number = 2 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = -2",
    )


FOUND_ANYHOW: dict[str, Callable[[Shop], None]] = {
    "edit": lambda shop: tamper(shop, "UPDATE audit SET detail = '{}' WHERE number = 3"),
    "edit to nonsense": lambda shop: tamper(shop, "UPDATE audit SET detail = 'oops' WHERE number = 3"),
    "delete": lambda shop: tamper(shop, "DELETE FROM audit WHERE number = 3"),
    "delete the first": lambda shop: tamper(shop, "DELETE FROM audit WHERE number = 1"),
    "swap": swap,
}
FOUND_WITH_A_HEAD: dict[str, Callable[[Shop], None]] = {
    "recompute": recompute,
    "truncate": lambda shop: tamper(shop, "DELETE FROM audit WHERE number > 3"),
    "wipe": lambda shop: tamper(shop, "DELETE FROM audit"),
}


# ---- shown -------------------------------------------------------------------------------------------------------


def test_the_log_of_a_change_tells_it_from_asking_to_committing(shop: Shop) -> None:
    thread, _ = changed(shop)
    assert words(shop) == ["asked", "analyzed", "approved", "claimed", "committed"]
    other, _ = changed(shop, "DELETE FROM odd")
    assert words(shop, other) == words(shop, "show", thread)
    assert len(words(shop)) == 10


def test_the_log_fits_the_screen(shop: Shop) -> None:
    thread, _ = changed(shop, f"UPDATE customers SET name = '{'long ' * 40}' WHERE id = 1")
    with shop.terminal("audit", thread) as terminal:
        assert terminal.end() == 0
    lines = [line for line in terminal.lines if line]
    assert [line for line in lines if len(line) > 80] == []
    assert re.match(r" # \| time +\| who +\| what +\| id +\| detail$", lines[0])
    assert any("stage 1/1" in line for line in lines if " approved " in line)
    assert any("changed 1" in line for line in lines if " committed " in line)
    assert lines[-1] == "(5 entries, as they were written; the whole record: sqlagent audit verify)"


def test_since_leaves_out_what_was_before(shop: Shop) -> None:
    changed(shop)
    for since, count in {"today": 5, "1h": 5, "2001-01-01": 5, "2999-01-01": 0}.items():
        assert len(words(shop, "--since", since)) == count
    refused = shop.run("audit", "--since", "yesteryear")
    assert (refused.code, refused.error) == (
        2,
        ("--since does not understand yesteryear", "today, 2h, 7d, or 2026-03-30"),
    )


def test_a_mistyped_command_is_not_taken_for_a_check_that_passed(shop: Shop) -> None:
    changed(shop)
    assert shop.run("audit", "verfy").code != 0
    assert shop.run("audit", "zzzz").error[0] == "no thread named zzzz"


def test_an_empty_log_says_so(shop: Shop) -> None:
    assert shop.run("audit").err.splitlines()[-1] == "(0 entries, no entry yet)"
    assert shop.run("audit", "verify").code == 0


def test_help_of_the_group_lists_its_commands(shop: Shop) -> None:
    listed = shop.run("audit", "--help")
    assert listed.code == 0
    assert all(name in listed.text for name in ("show", "verify", "export"))


# ---- refused attempts --------------------------------------------------------------------------------------------


def test_attempts_that_were_refused_are_in_the_log(shop: Shop) -> None:
    asked = shop.run("run", "--sql", SQL, "--json").document
    assert shop.run("resume", asked["thread"], "--approve", "f" * 64).code == 7
    assert shop.run("resume", asked["thread"], "--approve", asked["digest"]).code == 0
    assert shop.run("resume", asked["thread"], "--approve", asked["digest"]).code != 0
    refused = [e for e in shop.run("audit", "--json").document["entries"] if e["what"] == "refused"]
    because = [json.loads(e["detail"])["because"] for e in refused]
    assert because[0].startswith(f"{'f' * 12} is not what waits in {asked['thread']}")
    assert re.fullmatch(rf"{asked['thread']} is finished, executed: approved by \S+ \(\S+\) at \d\d:\d\d", because[1])
    assert json.loads(refused[0]["detail"])["digest"] == "f" * 64


# ---- checked -----------------------------------------------------------------------------------------------------


def test_the_head_on_every_receipt_is_verifiable_later(shop: Shop) -> None:
    heads = [changed(shop, sql)[1] for sql in (SQL, "DELETE FROM odd", "SELECT 1")]
    for head in heads:
        checked = shop.run("audit", "verify", "--head", head)
        assert (checked.code, checked.err.splitlines()[0][:21]) == (0, "15 entries intact; he")
    spelled = f"#{heads[0].replace(':', ' ')}"
    assert shop.run("audit", "verify", "--head", spelled).code == 0


def test_without_a_head_it_says_what_it_cannot_know(shop: Shop) -> None:
    _, head = changed(shop)
    unsure = "whether its end was cut off cannot be known from the log alone"
    assert unsure in shop.run("audit", "verify").err
    assert unsure not in shop.run("audit", "verify", "--head", head).err


@pytest.mark.parametrize("attack", FOUND_ANYHOW)
def test_a_change_inside_is_found_without_a_head_too(shop: Shop, attack: str) -> None:
    _, head = changed(shop)
    FOUND_ANYHOW[attack](shop)
    for more in ((), ("--head", head)):
        found = shop.run("audit", "verify", *more)
        assert found.code == 1
        assert found.error[0].startswith("entry ")
    document = shop.run("audit", "verify", "--json")
    assert (document.code, bool(document.document["problem"])) == (1, True)
    shown = shop.run("audit")
    assert "chain intact" not in shown.err
    assert shop.run("audit", "--json").document["intact"] is False


IN_ONE_SESSION = {
    "an entry": "UPDATE audit SET detail = '{}' WHERE number = 3",
    "an entry less": "DELETE FROM audit WHERE number = 3",
    "who approved": "UPDATE decisions SET decided_by = 'mallory' WHERE rowid = 1",
    "what was run": "UPDATE proposals SET sql = 'SELECT 1' WHERE number = 1 AND rowid = 1",
    "that it ran": "DELETE FROM runs WHERE rowid = 1",
}


@pytest.mark.parametrize("attack", IN_ONE_SESSION)
def test_one_session_is_checked_by_its_own_record_and_all_by_verify(shop: Shop, attack: str) -> None:
    thread, _ = changed(shop)
    other, _ = changed(shop, "DELETE FROM odd")
    tamper(shop, "PRAGMA foreign_keys = 0", IN_ONE_SESSION[attack])
    assert shop.run("audit", thread, "--json").document["intact"] is False
    assert "as they were written" not in shop.run("audit", thread).err
    assert shop.run("audit", other, "--json").document["intact"] is True
    assert shop.run("audit", "--json").document["intact"] is False
    assert shop.run("audit", "verify").code == 1


@pytest.mark.parametrize("attack", FOUND_WITH_A_HEAD)
def test_what_leaves_a_whole_chain_is_found_by_whoever_kept_a_head(shop: Shop, attack: str) -> None:
    _, head = changed(shop)
    FOUND_WITH_A_HEAD[attack](shop)
    unaided = shop.run("audit", "verify")
    assert (unaided.code, "the end of the log was cut off" in unaided.err) == (1, True), "the run carries one"
    found = shop.run("audit", "verify", "--head", head)
    assert found.code == 1
    assert found.error[0].startswith("entry 5 is ")


@pytest.mark.parametrize("head", ["41", "41:", "41:9f3c", "x:9f3c41d0", "41:9f3c41dg", "9" * 40 + ":9f3c41d0"])
def test_what_is_not_a_head_is_a_usage_error(shop: Shop, head: str) -> None:
    refused = shop.run("audit", "verify", "--head", head)
    assert (refused.code, refused.error[0]) == (2, f"{head} is not a head")


# ---- exported ----------------------------------------------------------------------------------------------------


def checked_by_script(export: Ran, *arguments: str) -> tuple[int, str]:
    """In a Python that has nothing of ours, nor of anybody else's."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "fixtures/audit/verify.py"), *arguments],
        input=export.out, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().strip()


def test_an_export_is_checked_by_a_script_that_needs_nothing(shop: Shop) -> None:
    _, head = changed(shop)
    export = shop.run("audit", "export")
    assert export.code == 0
    code, said = checked_by_script(export)
    assert (code, said.startswith(f"5 entries intact, head {head}")) == (0, True)
    assert checked_by_script(export, head)[0] == 0
    assert checked_by_script(export, f"5:{'0' * 8}") == (1, "entry 5 is not the one you kept, or is missing")
    assert checked_by_script(export, "6:01234567")[0] == 1
    cut = Ran(0, export.out[: len(export.out) - 20], "")
    assert checked_by_script(cut) == (1, "what follows entry 4 is not an entry")


@pytest.mark.parametrize("attack", [*FOUND_ANYHOW, *FOUND_WITH_A_HEAD])
def test_the_script_finds_what_verify_finds(shop: Shop, attack: str) -> None:
    _, head = changed(shop)
    (FOUND_ANYHOW | FOUND_WITH_A_HEAD)[attack](shop)
    export = shop.run("audit", "export")
    assert checked_by_script(export)[0] == (1 if attack in FOUND_ANYHOW else 0)
    assert checked_by_script(export, head)[0] == 1


# ---- secrets -----------------------------------------------------------------------------------------------------


def test_no_key_and_no_password_comes_into_the_record(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = model.server.base_url.replace("http://", f"http://ana:{PASSWORD}@")
    model.answers(
        SQL,
        Reply.error(401, f"Incorrect API key provided: {KEY}"),
        Reply(f"I cannot answer this from these tables: your key is {KEY}."),
    )
    ran = [shop.run("ask", "move ana", *more, "--json") for more in ((), ("--base-url", url), ())]
    assert model.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    shop.run("ask", "how many?", "--db", f"postgresql://ana:{PASSWORD}@127.0.0.1:1/shop")
    asked = ran[0].document
    shop.run("resume", asked["thread"], "--approve", asked["digest"])
    ran += [shop.run("audit"), shop.run("audit", "--json"), shop.run("audit", "export"), shop.run("undo", "--list")]
    assert "drafted" in ran[3].text
    for secret in (KEY, PASSWORD):
        assert [r for r in ran if secret in r.text or secret in r.err] == []
        files = [path for path in shop.state.rglob("*") if path.is_file()]
        assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
