"""Plans that travel, and approvals that are signatures: as people, programs and pull requests use them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES, ROOT
from signing import POLICY, needs_ssh_keygen
from signing_desk import Desk, at
from strangers import NOBODY, open_to_strangers

from sqlagent.cli import run
from sqlagent.core.approval.plan import written
from sqlagent.core.approval.signed import fields

pytestmark = needs_ssh_keygen


# ---- the way it is meant ---------------------------------------------------------------------------------------------


def test_two_people_sign_one_after_the_other_on_machines_without_a_store_and_it_runs(desk: Desk) -> None:
    shop = desk.shop
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    digest = desk.plan.asked.digest
    first = shop.run("approve", "p.json", "--as", "ana", "--key", "ana", "--digest", digest, "-o", "a.approval")
    assert (first.code, "stage 1 of 2, signed as ana with SHA256:" in first.err) == (0, True)
    second = shop.run("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--json")
    assert second.code == 8
    digest = json.loads((shop.folder / "p.json").read_text())["proposal"]["digest"]
    refused = shop.run("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--key", "zoe", "--digest", digest)
    assert (refused.code, "is not what this plan asks for" in refused.error[0]) == (7, True), "stage 1's digest"
    digest = refused.error[0].split(": ")[1].split()[0]
    done = shop.run(
        *("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--key", "zoe"),
        *("--digest", digest, "-o", "z.approval"),
    )
    assert done.code == 0, done.err
    ran = shop.run("resume", desk.thread, "--approval", "a.approval", "--approval", "z.approval")
    assert (ran.code, desk.unpaid) == (0, 0), ran.err
    assert [e["who"] for e in desk.entries("approved")] == ["ana", "zoe"]
    assert shop.run("audit", "verify").code == 0


def test_a_thread_that_wants_signatures_takes_nothing_else(desk: Desk) -> None:
    digest = desk.plan.asked.digest
    for by in (("--approve", digest), ("--approve", digest, "--only", "1")):
        refused = desk.shop.run("resume", desk.thread, *by)
        assert (refused.code, desk.stage, desk.unpaid) == (8, 1, 10), by
        assert "not one of those who may" in refused.error[0]
    assert len(desk.entries("refused")) == 2


def test_at_a_terminal_the_plan_is_the_same_screen_and_only_a_key_signs(desk: Desk) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    with desk.shop.terminal("approve", "p.json", "--as", "ana", "--key", "ana") as person:
        person.see("stage 1 of 2, technical, takes the signature of dba: ana, ben").see("[a] approve and sign")
        person.type("e", "x 1", "a")
        assert person.end() == 0
    assert "e is none of these" in person.seen
    assert desk.give((desk.shop.folder / f"{desk.thread}.approval").read_bytes()).code == 8
    assert desk.stage == 2


@pytest.mark.parametrize(("typed", "code"), [("l", 8), ("r", 5), ("", 8)])
def test_nothing_but_yes_signs(desk: Desk, typed: str, code: int) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    with desk.shop.terminal("approve", "p.json", "--as", "ana", "--key", "ana") as person:
        person.type(typed)
        if typed == "r":
            person.answer("why?", "no")
        assert person.end() == code
    assert not list(desk.shop.folder.glob("*.approval"))


def test_approve_needs_no_store_no_database_and_no_settings_of_the_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with broken settings, a database that is none, and a state folder that may not be read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sqlagent.toml").write_text("this is not toml")
    (elsewhere / "ssh-keygen").write_text("#!/bin/sh\ntouch ran\n")
    (elsewhere / "ssh-keygen").chmod(0o755)
    desk.shop.run("plan", desk.thread, "-o", str(elsewhere / "p.json"))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("PATH", f".:{elsewhere}:{os.environ['PATH']}")
    monkeypatch.setenv("SQLAGENT_DB", "postgresql://nowhere.invalid/none")
    monkeypatch.setenv("SQLAGENT_STATE_DIR", "/dev/null")
    key = str(desk.shop.folder / "ana")
    done = desk.shop.run("approve", "p.json", "--as", "ana", "--key", key, "--digest", desk.plan.asked.digest)
    assert done.code == 0, done.err
    assert {p.name for p in elsewhere.iterdir()} == {
        "sqlagent.toml", "ssh-keygen", "p.json", f"{desk.thread}.approval",
    }  # fmt: skip


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--key", "none"), "none did not sign"),
        (("--key", "shop.db"), "shop.db did not sign"),
        (("--as", "a b"), "can be no name"),
        (("--as", "zoe"), "is not one of those who may"),
        (("--digest", "123"), "is not what this plan asks for"),
        (("--after", "p.json"), "that is no approval"),
    ],
)
def test_what_cannot_be_signed_is_said_in_two_lines(desk: Desk, more: tuple[str, ...], words: str) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    usual = {"--as": "ana", "--key": "ana", "--digest": desk.plan.asked.digest, **{more[0]: more[1]}}
    refused = desk.shop.run("approve", "p.json", *(part for pair in usual.items() for part in pair))
    assert refused.code in (2, 4, 7, 8)
    assert words in refused.error[0]
    assert not list(desk.shop.folder.glob("*.approval"))


def test_without_a_key_it_says_how_to_make_one(desk: Desk) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    refused = desk.shop.run("approve", "p.json", "--as", "ana", "--digest", desk.plan.asked.digest)
    assert (refused.code, "ssh-keygen -t" in refused.error[1]) == (2, True)


def test_signers_that_are_no_file_are_not_waited_for(desk: Desk) -> None:
    good = desk.good()
    (desk.shop.folder / "allowed_signers").unlink()
    os.mkfifo(desk.shop.folder / "allowed_signers")
    given = desk.give(good)
    assert (given.code, "is a FIFO" in given.error[0]) == (2, True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (('allowed_signers = "allowed_signers"', ""), "revoked_keys without allowed_signers"),
        (('allowed_signers = "allowed_signers"\nrevoked_keys = "revoked"', ""), "no policy says who may sign"),
        (('"allowed_signers"', '"nowhere"'), "cannot be read: no such file"),
        (('"allowed_signers"', "7"), "must name a file, not 7"),
        (("signed = true", 'signed = "yes"'), "signed must be true or false"),
        (("signed = true", 'signed = true, via = ["terminal"]'), "takes a signature alone"),
    ],
)
def test_a_policy_that_could_not_be_kept_is_refused(desk: Desk, changed: tuple[str, str], words: str) -> None:
    (desk.shop.folder / "policy.toml").write_text(POLICY.replace(*changed))
    refused = desk.shop.run("policy", "check")
    assert refused.code == 2
    assert words in refused.err + refused.text


# ---- the other doors -------------------------------------------------------------------------------------------------


def resumed(desk: Desk, answer: Any) -> dict[str, Any]:
    """What a LangGraph client is asked next, after this answer."""
    from langgraph.types import Command

    from sqlagent.graph import open_graph

    with open_graph() as opened:
        state = opened.invoke(Command(resume=answer), {"configurable": {"thread_id": desk.thread}})
    return dict(state)


def test_a_langgraph_client_brings_a_signature_and_nothing_less_counts(desk: Desk) -> None:
    digest = desk.plan.asked.digest
    forged = json.loads(desk.people.approval(desk.asks, key="eve").text)
    for answer in (
        {"type": "approve", "digest": digest},
        {"type": "approve", "digest": digest, "signature": "yes"},
        {"type": "approve", "digest": digest, "signature": forged},
        {"type": "approve", "digest": "0" * 64, "signature": json.loads(desk.good())},
    ):
        before = len(desk.entries("refused"))
        resumed(desk, answer)
        assert (desk.stage, desk.entries("approved"), len(desk.entries("refused"))) == (1, [], before + 1)
    resumed(desk, {"type": "approve", "signature": json.loads(desk.good())})
    (entry,) = desk.entries("approved")
    assert (desk.stage, entry["who"], "signature" in entry["detail"]) == (2, "ana", True)


def test_what_is_printed_of_plans_is_as_published(desk: Desk) -> None:
    from jsonschema import Draft202012Validator

    from sqlagent import schemas

    digest = desk.plan.asked.digest
    documents = {
        "planned": desk.shop.run("plan", desk.thread, "-o", "p.json", "--json"),
        "signed": desk.shop.run("approve", "p.json", "--as", "ana", "--key", "ana", "--digest", digest, "--json"),
        "fits": desk.shop.run("check", "--plan", "p.json", "--db", "shop.db", "--json"),
    }
    for name, ran in documents.items():
        assert ran.code == 0, ran.err
        schema = {"additionalProperties": False, **schemas.load(name)}
        assert not [e.message for e in Draft202012Validator(schema).iter_errors(ran.document)]
    answer = {"type": "approve", "signature": json.loads(desk.good())}
    assert Draft202012Validator(schemas.load("answer")).is_valid(answer)


def test_doctor_says_whom_signatures_bind(desk: Desk) -> None:
    """Here the signers are the user's own to write; root's are not tried, since root may write all."""
    said = desk.shop.run("doctor").text
    assert "signed: signers in" in said
    assert "binds only the honest: you can write" in said


# ---- examples that people copy ---------------------------------------------------------------------------------------


def steps(job: str) -> list[str]:
    import yaml

    workflow = yaml.safe_load((ROOT / "fixtures" / "ci" / "approve-by-pull-request.yml").read_text())
    return [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]


def as_the_runner(desk: Desk, script: str) -> subprocess.CompletedProcess[str]:
    """As GitHub starts a step, with the program of this environment."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=desk.shop.folder, env=env, capture_output=True, text=True, check=False
    )


def test_a_pull_request_carries_a_plan_and_its_approvals(desk: Desk) -> None:
    folder = desk.shop.folder / "approvals"
    folder.mkdir()
    (folder / f"{desk.thread}.plan.json").write_bytes(written(desk.plan))
    (fits,), (runs,) = steps("fits"), steps("run")
    checked = as_the_runner(desk, fits)
    assert checked.returncode == 0, checked.stderr
    first = desk.people.approval(desk.asks)
    now = desk.plan.after([first]).asked
    second = desk.people.approval(fields(now.digest, now.thread, now.stage, now.target, "zoe", at(0)))
    (folder / f"{desk.thread}.1.approval").write_text(first.text)
    assert as_the_runner(desk, runs).returncode == 8, "zoe has not signed"
    assert desk.unpaid == 10
    (folder / f"{desk.thread}.1.approval").unlink()
    (folder / f"{desk.thread}.2.approval").write_text(second.text)
    ran = as_the_runner(desk, runs)
    assert (ran.returncode, desk.unpaid) == (0, 0), ran.stderr
    desk.shop.write("UPDATE orders SET status = 'pending' WHERE id = 3")
    assert as_the_runner(desk, fits).returncode == 7


def as_another_user(folder: Path, words: list[str], *, unreadable: list[Path]) -> int:
    """A process of another user, who can do what that user can; answers its exit code."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.chdir(folder)
            os.environ["HOME"] = str(folder)
            code = 98 if any(os.access(path, os.R_OK) for path in unreadable) else run(words)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="another user of the machine can only be had by root")
def test_signatures_alone_are_enough_for_two_users_of_one_machine(desk: Desk, tmp_path_factory: Any) -> None:
    """As `fixtures/readme/signatures.txt` has it; ben can read neither the database nor the store."""
    policy = POLICY.partition("stages")[0].replace('then = "ask"', 'then = { ask = { role = "dba", signed = true } }')
    (desk.shop.folder / "policy.toml").write_text(policy)
    desk = desk.ask("UPDATE orders SET status = 'paid' WHERE id = 4")
    theirs = tmp_path_factory.mktemp("ben")
    open_to_strangers(theirs / "x")
    shutil.copy(desk.shop.folder / "ben", theirs / "ben.key")
    for path in (theirs, theirs / "ben.key"):
        os.chown(path, NOBODY, NOBODY)
    screen = (FIXTURES / "readme" / "signatures.txt").read_text()
    plan = theirs / f"{desk.thread}.plan.json"
    for line in screen.splitlines()[1:]:
        who, _, command = line.partition("$ sqlagent ")
        words = command.replace("k7f3", desk.thread).replace("DIGEST", desk.plan.asked.digest).split()
        if who == "ana":
            words = [str(theirs / w) if w.startswith(f"{desk.thread}.") else w for w in words]
            assert desk.shop.run(*words).code == 0
            continue
        assert plan.exists()
        warm = [*words[:-1], "0" * 64]
        desk.shop.run(warm[0], str(plan), *warm[2:])  # imports what the other user may not be able to read
        assert as_another_user(theirs, words, unreadable=[desk.shop.path, desk.shop.state / "journal.db"]) == 0
    assert desk.shop.rows("SELECT status FROM orders WHERE id = 4") == [("paid",)]
    assert desk.entries("approved")[0]["who"] == "ben"
