"""Whoever writes into the journal behind its log is found out before anything of it is shown, run or taken back."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from checkout import ROOT
from cli_shop import Shop

from sqlagent.store.journal import Journal
from sqlagent.store.seals import SEALED

SQL = "UPDATE orders SET total = 0 WHERE id = 1"
OTHER = "DELETE FROM orders"


def behind(shop: Shop, *script: str) -> None:
    """What somebody does who can write the file, triggers or no triggers."""
    db = sqlite3.connect(shop.state / "journal.db")
    for statement in script:
        db.execute(statement)
    db.commit()
    db.close()


def waiting(shop: Shop, sql: str = SQL) -> str:
    return str(shop.run("run", "--sql", sql, "--json").document["thread"])


def ran(shop: Shop, sql: str = SQL) -> str:
    asked = shop.run("run", "--sql", sql, "--json").document
    assert shop.run("resume", asked["thread"], "--approve", asked["digest"]).code == 0
    return str(asked["thread"])


def refused(shop: Shop, *arguments: str) -> None:
    said = shop.run(*arguments)
    assert said.code == 1, said
    assert said.error[0].startswith(f"the record of {arguments[1]} was changed behind its log: "), said.err
    assert said.error[1] == "nothing was run; sqlagent audit verify"


def named(shop: Shop, words: str) -> None:
    """By `audit verify` and by the script that has nothing of ours."""
    found = shop.run("audit", "verify")
    assert found.code == 1
    assert re.search(words, found.error[0]), found.err
    assert by_script(shop)[0] == 1


def by_script(shop: Shop) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "fixtures/audit/verify.py"), str(shop.state / "journal.db")],
        input=shop.run("audit", "export").out, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


FORGED_DECISION = (
    "INSERT INTO decisions SELECT id, 1, 'approve', digest, 'eva', 'key', '', '', 0, '[]', '', created_at"
    " FROM proposals"
)
WAITING: dict[str, tuple[str, ...]] = {
    "a decision put in": (FORGED_DECISION,),
    "other SQL in the proposal": (
        f"UPDATE proposals SET sql = '{OTHER}', document = replace(document, '{SQL}', '{OTHER}')",
    ),
    "other SQL, and approved": (
        f"UPDATE proposals SET sql = '{OTHER}', document = replace(document, '{SQL}', '{OTHER}')", FORGED_DECISION,
    ),
    "another requester": ("UPDATE threads SET requested_by = 'eva'",),
    "another database": ("UPDATE threads SET url = 'sqlite:/srv/prod.db'",),
    "other SQL in the turn": (f"UPDATE turns SET sql = '{OTHER}'",),
    "a run that never was": ("INSERT INTO runs SELECT id, 'done', 1, 'eva', '', '', '', '', '' FROM proposals",),
    "fewer stages": ("UPDATE proposals SET stages = 0",),
}  # fmt: skip


@pytest.mark.parametrize("attack", WAITING)
def test_what_was_altered_is_neither_shown_nor_run(shop: Shop, attack: str) -> None:
    thread = waiting(shop)
    digest = shop.run("show", thread, "--json").document["digest"]
    assert shop.run("audit", "verify").code == 0
    behind(shop, *WAITING[attack])
    for command in (("show", thread), ("resume", thread), ("resume", thread, "--approve", digest)):
        refused(shop, *command)
    named(shop, r"is not in the log|was changed behind the log")
    assert shop.rows("SELECT count(*), min(total) FROM orders") == [(40, 10)]


RAN: dict[str, tuple[str, ...]] = {
    "a run said to have failed": ("UPDATE runs SET state = 'failed'",),
    "a run to be begun again": ("UPDATE runs SET state = 'started'",),
    "a run by another": ("UPDATE runs SET run_by = 'eva'",),
    "a run taken out": ("DELETE FROM runs",),
    "who approved it": ("UPDATE decisions SET decided_by = 'eva'",),
    "a decision taken out": ("DELETE FROM decisions",),
    "other kept rows": ("UPDATE changes SET changeset = x'00'",),
}


@pytest.mark.parametrize("attack", RAN)
def test_what_ran_is_neither_shown_nor_taken_back_otherwise(shop: Shop, attack: str) -> None:
    thread = ran(shop)
    behind(shop, "PRAGMA foreign_keys = OFF", *RAN[attack])
    refused(shop, "show", thread)
    refused(shop, "undo", thread)
    named(shop, "behind the log|is gone")


def test_another_runs_kept_change_put_in_place_is_not_undone(shop: Shop) -> None:
    first, second = ran(shop), ran(shop, "UPDATE orders SET total = 1 WHERE id = 2")
    behind(
        shop,
        f"UPDATE changes SET changeset = (SELECT changeset FROM changes WHERE run = '{second}.1')"
        f" WHERE run = '{first}.1'",
    )
    refused(shop, "undo", first)
    assert shop.rows("SELECT total FROM orders WHERE id = 2") == [(1,)]
    assert shop.run("undo", second, "--no-input").code == 8, "what was not touched is as it was"


@pytest.mark.parametrize("status", ["rejected", "failed", "expired"])
def test_a_status_that_its_run_contradicts_is_named(shop: Shop, status: str) -> None:
    ran(shop)
    behind(shop, f"UPDATE threads SET status = '{status}'")
    assert "and its run says done" in shop.run("audit", "verify").error[0]


UNSEALED = "DROP TRIGGER audit_keeps_every_entry"


@pytest.mark.parametrize(
    "cut", ["DELETE FROM audit", "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)"]
)
def test_a_log_that_was_cut_or_emptied_is_found_without_a_head(shop: Shop, cut: str) -> None:
    ran(shop)
    behind(shop, UNSEALED, cut)
    named(shop, "the end of the log was cut off: run")


def test_an_emptied_log_of_what_only_waits_is_found_too(shop: Shop) -> None:
    waiting(shop)
    behind(shop, UNSEALED, "DELETE FROM audit")
    named(shop, "is not in the log")


def test_a_whole_life_is_intact_and_the_script_says_so(shop: Shop) -> None:
    """Approved, undone, rejected, edited, in several stages, pruned: none of it is an alteration."""
    first = ran(shop)
    undo = shop.run("undo", first, "--json").document
    assert shop.run("resume", undo["thread"], "--approve", undo["digest"]).code == 0
    assert shop.run("resume", waiting(shop), "--reject", "no").code == 5
    (shop.folder / "edit.sql").write_text("UPDATE orders SET total = 2 WHERE id = 3")
    shop.run("resume", waiting(shop), "--edit", "edit.sql")
    Path("config.toml").write_text("keep_undo = '1ms'\n")
    shop.run("run", "--sql", "SELECT 1", "--config", "config.toml")
    assert shop.run("audit", "verify").code == 0
    assert by_script(shop)[0] == 0


def test_the_script_knows_the_same_columns() -> None:
    text = (ROOT / "fixtures/audit/verify.py").read_text()
    for table, columns in SEALED.items():
        found = re.search(rf'"{table}": \("(.*?)", "(.*?)"\)', text)
        assert found
        assert f"{found[1]}, {found[2]}".split(", ") == list(columns)


# ---- time --------------------------------------------------------------------------------------------------------


def test_no_entry_of_a_slow_clock_revives_what_expired(shop: Shop) -> None:
    asked = shop.run("run", "--sql", SQL, "--expires", "1h", "--json").document
    thread, now = asked["thread"], datetime.now(UTC)
    for at in (now + timedelta(hours=2), now):  # somebody looked when it was late; then a slow clock wrote again
        Journal(shop.state / "journal.db", now=lambda at=at: at).note("shown", who="ana", thread=thread)  # type: ignore[misc]
    assert shop.run("resume", thread, "--approve", asked["digest"]).code == 7
    assert shop.status(thread) == "expired"


def test_a_clock_that_was_ahead_before_it_was_asked_expires_nothing(shop: Shop) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    Journal(shop.state / "journal.db", now=lambda: ahead).note("policy", who="ana", thread="")
    asked = shop.run("run", "--sql", SQL, "--expires", "1h", "--json").document
    assert shop.run("resume", asked["thread"], "--approve", asked["digest"]).code == 0


def test_what_a_clock_set_ahead_decided_is_on_record_as_such(shop: Shop) -> None:
    asked = shop.run("run", "--sql", SQL, "--expires", "1h", "--json").document
    ahead = datetime.now(UTC) + timedelta(days=1)
    assert Journal(shop.state / "journal.db", now=lambda: ahead).expire(f"{asked['thread']}.1")
    text = shop.run("audit", "show", asked["thread"]).text
    assert re.search(r"rejected .*due \S+, latest_on_record \S+|rejected .*clock ", text)
    assert f"clock {ahead:%Y-%m-%d}" in text
