"""Whoever asked waits for people who decide elsewhere, and goes on by what they say: real processes, two logins."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from cli_process import Warm
from cli_shop import Shop
from shared_store import WORKER
from team_typed import As

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"
READ = "SELECT name FROM customers ORDER BY id"
POLICY = """
[roles]
dba = ["ben", "cyd"]
[[rule]]
id = "changes"
when = { risk = ">=read" }
then = "ask"
stages = [{ name = "tech", role = "dba", not_requester = true }]
"""


@pytest.fixture(autouse=True)
def policy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody else than who asked has to say yes, to a read too."""
    file = shop.folder / "team.toml"
    file.write_text(POLICY)
    monkeypatch.setenv("SQLAGENT_POLICY", str(file))
    return file


def unpaid(typed: As) -> int:
    return int(typed.shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'")[0][0])


def listens(typed: As, who: str) -> None:
    """Until their process has begun to wait."""
    begun = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND query LIKE 'LISTEN%%'"
    while not typed.store.owner(begun, who)[0][0]:
        pass


def approves(typed: As, who: str, waits: dict[str, str]) -> None:
    code, said = typed(who, "resume", waits["thread"], "--approve", waits["digest"], "--no-run", away=True)
    assert code == 0, said


# ---- off a terminal: --wait ----------------------------------------------------------------------------------------


def test_a_script_that_waits_runs_what_is_approved_elsewhere_and_has_its_rows(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", READ, "--wait")
    approves(typed, "ben", typed.pending("ben"))
    code, document = script.end()
    assert (code, document["status"], document["decided_by"]) == (0, "executed", "ben")
    assert document["results"][0]["rows"] == [["Ana"], ["Ben"], ["Zoë"]]


def test_one_that_is_rejected_elsewhere_ends_with_the_reason(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", WRITE, "--wait")
    typed("ben", "resume", typed.pending("ben")["thread"], "--reject", "not on a friday", away=True)
    code, document = script.end()
    assert (code, document["status"], document["reason"]) == (5, "rejected", "not on a friday")
    assert unpaid(typed) == 10


def test_one_whose_time_is_up_is_told_so(typed: As) -> None:
    code, document = typed.waiting("ana", "run", "--sql", WRITE, "--wait", "--expires", "2s").end()
    assert (code, document["status"]) == (7, "expired")
    assert unpaid(typed) == 10


def test_an_edit_elsewhere_is_measured_here_and_waits_for_others_again(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", WRITE, "--wait")
    first = typed.pending("ben")
    (typed.shop.folder / "better.sql").write_text(f"{WRITE} AND id < 9")
    assert typed("ben", "resume", first["thread"], "--edit", "better.sql")[0] == 8
    approves(typed, "cyd", typed.pending("cyd"))
    code, document = script.end()
    assert (code, document["status"], unpaid(typed)) == (0, "executed", 8)


def test_a_worker_may_be_faster_and_it_is_run_once(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", "UPDATE orders SET total = total + 1 WHERE id = 1", "--wait")
    waits = typed.pending("ben")
    approves(typed, "ben", waits)
    typed(WORKER, "work", "--once", "--db", "shop.db")
    assert script.end()[0] == 0
    assert typed.shop.rows("SELECT total FROM orders WHERE id = 1") == [(11,)]
    entries = typed.document("cyd", "audit", waits["thread"])["entries"]
    assert [e["what"] for e in entries].count("committed") == 1


def test_a_server_that_is_restarted_meanwhile_is_waited_for(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", WRITE, "--wait")
    waits = typed.pending("ben")
    listens(typed, "ana")
    typed.store.server.stop("immediate")
    typed.store.server.start()
    approves(typed, "ben", waits)
    assert (script.end()[0], unpaid(typed)) == (0, 0)


def test_sessions_that_are_cut_off_again_and_again_change_nothing_of_it(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", WRITE, "--wait")
    waits = typed.pending("ben")
    listens(typed, "ana")
    for _ in range(3):
        typed.store.owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ana'")
    approves(typed, "ben", waits)
    assert (script.end()[0], unpaid(typed)) == (0, 0)


def test_one_that_is_killed_while_it_waits_is_gone_on_with_by_another(typed: As) -> None:
    script = typed.waiting("ana", "run", "--sql", WRITE, "--wait")
    waits = typed.pending("ben")
    os.kill(script.process.pid, signal.SIGKILL)
    script.process.wait()
    approves(typed, "ben", waits)
    assert typed.waiting("ana", "resume", waits["thread"], "--wait").end()[0] == 0
    assert unpaid(typed) == 0


def test_in_a_folder_of_one_s_own_a_script_waits_for_its_person(shop: Shop, warm: Warm, policy: Path) -> None:
    policy.write_text("")
    written = shop.folder / "ana.json"
    with written.open("wb") as out, Path(os.devnull).open("rb") as nothing:
        standard = (nothing.fileno(), out.fileno(), out.fileno())
        started = warm.start(
            ["run", "--sql", WRITE, "--wait", "--json"], standard=standard, terminal=False, folder=shop.folder
        )
    while not (waits := shop.run("pending", "--json").document["threads"]) or not waits[0]["digest"]:
        pass
    assert shop.run("resume", waits[0]["thread"], "--approve", waits[0]["digest"], "--no-run").code == 0
    assert started.wait() == 0
    assert json.loads(written.read_text())["status"] == "executed"
    assert shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(0,)]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--sql", WRITE, "--wait", "--auto-reject"),
        ("resume", "k7f3", "--wait", "--approve", "9" * 64),
        ("resume", "k7f3", "--wait", "--reject", ""),
        ("run", "--sql", WRITE, "--wait", "--each", "--json"),
    ],
)
def test_waiting_for_others_and_a_word_of_one_s_own_exclude_one_another(typed: As, command: tuple[str, ...]) -> None:
    code, said = typed("ana", *command)
    assert (code, "--wait" in said, "hint" in said) == (2, True, True)


# ---- at a terminal: the prompt itself ------------------------------------------------------------------------------


def test_the_prompt_of_whoever_asked_goes_on_when_another_approves(typed: As) -> None:
    with typed.at_terminal("ana", "run", "--sql", WRITE) as terminal:
        terminal.see("it goes on here once others have decided").prompt()
        approves(typed, "ben", typed.pending("ben"))
        assert terminal.end() == 0
        assert "  approved by ben (flag)" in terminal.lines
        assert "10 rows changed" in terminal.seen
    assert unpaid(typed) == 0


def test_the_prompt_ends_when_another_rejects_and_says_why(typed: As) -> None:
    with typed.at_terminal("ana", "run", "--sql", WRITE) as terminal:
        terminal.prompt()
        typed("ben", "resume", typed.pending("ben")["thread"], "--reject", "not today", away=True)
        assert terminal.end() == 5
        assert "rejected by ben: not today" in terminal.seen
    assert unpaid(typed) == 10


def test_the_prompt_ends_when_its_time_is_up(typed: As) -> None:
    with typed.at_terminal("ana", "run", "--sql", WRITE, "--expires", "3s") as terminal:
        terminal.prompt()
        assert terminal.end() == 7


def test_what_is_half_typed_when_another_approves_decides_nothing(typed: As) -> None:
    with typed.at_terminal("cyd", "run", "--sql", WRITE) as terminal:
        terminal.prompt()
        terminal.child.send("r")  # no Enter yet
        approves(typed, "ben", typed.pending("ben"))
        assert terminal.end() == 0
    assert unpaid(typed) == 0


def test_keys_still_count_at_a_prompt_that_listens(typed: As) -> None:
    with typed.at_terminal("ana", "run", "--sql", WRITE) as terminal:
        terminal.type("d", "r")
        terminal.answer("why?", "wrong month")
        assert terminal.end() == 5
    assert unpaid(typed) == 10


def test_a_prompt_whose_store_goes_away_and_comes_back_still_goes_on(typed: As) -> None:
    with typed.at_terminal("ana", "run", "--sql", WRITE) as terminal:
        terminal.prompt()
        waits = typed.pending("ben")
        typed.store.server.stop("immediate")
        typed.store.server.start()
        approves(typed, "ben", waits)
        assert terminal.end() == 0
    assert unpaid(typed) == 0


def test_a_prompt_in_a_folder_of_one_s_own_is_as_it_was(shop: Shop, policy: Path) -> None:
    policy.write_text("")
    with shop.terminal("run", "--sql", WRITE) as terminal:
        terminal.type("l")
        assert terminal.end() == 8
        assert "goes on here" not in terminal.seen
