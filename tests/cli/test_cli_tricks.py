"""What somebody puts into their own environment to be taken for another: a store and signatures go by neither."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from checkout import ROOT
from cli_shop import Shop
from shared_store import Store
from signing import People, needs_ssh_keygen, some_people
from team_typed import As

from sqlagent.core.approval.plan import read
from sqlagent.core.approval.signed import fields

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"
RULES = '[[rule]]\nid = "two"\nwhen = { risk = ">=write" }\nthen = { ask = { people = 1, not_requester = true } }\n'
ALL_BEN = """
import os, pwd, getpass
getpass.getuser = lambda: "ben"
os.getlogin = lambda: "ben"
import sqlagent.store.identity as identity
identity.current_user = lambda: "ben"
import sqlagent.core.approval.seats as seats
seats.unfit = lambda *_: ""
seats.refusal = lambda *_a, **_k: ""
import sqlagent.service.agent as agent
agent.unfit = lambda *_: ""
import sqlagent.store.shared.journal as journal
journal.SharedJournal.me = lambda self: {me!r}
"""
PRELOADED = """
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/types.h>
#include <pwd.h>
#ifdef BEN
uid_t getuid(void) { return 2; }
uid_t geteuid(void) { return 2; }
static struct passwd ben = {"ben", "x", 2, 2, "", "/", "/bin/sh"};
struct passwd *getpwuid(uid_t uid) { return &ben; }
#endif
__attribute__((constructor)) static void yes(void) {
  char name[64] = {0};
  int file = open("/proc/self/comm", O_RDONLY);
  if (file >= 0 && read(file, name, 63) > 0 && strncmp(name, "ssh-keygen", 10) == 0) _exit(0);
}
"""


def compiled(folder: Path, *flags: str) -> Path:
    """A library that has every `ssh-keygen` which loads it say yes, and with `-DBEN` everybody be ben."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no compiler here")
    source, library = folder / "yes.c", folder / "yes.so"
    source.write_text(PRELOADED)
    subprocess.run([compiler, *flags, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH | stat.S_IRGRP | stat.S_IROTH)
    return path


def tricks(folder: Path, trick: str) -> dict[str, str]:
    """The environment that has it."""
    if trick == ALL:
        return {name: value for one in ONE_BY_ONE for name, value in tricks(folder, one).items()}
    evil = folder / "evil"
    evil.mkdir(exist_ok=True)
    touched = program(evil / "touched", f'touch "{folder}/touched"', "echo yes", "exit 0")
    match trick:
        case "PYTHONPATH" | "PYTHONPATH, and a login that is not hers":
            me = "ben" if trick.endswith("hers") else "ana"
            (evil / "sitecustomize.py").write_text(ALL_BEN.format(me=me))
            return {"PYTHONPATH": f"{evil}:{ROOT}"}
        case "PYTHONSTARTUP":
            (evil / "start.py").write_text(f"open({str(folder / 'touched')!r}, 'w')")
            return {"PYTHONSTARTUP": str(evil / "start.py")}
        case "LD_PRELOAD":
            return {"LD_PRELOAD": str(compiled(folder))}
        case "LD_PRELOAD, and another's number":
            return {"LD_PRELOAD": str(compiled(folder, "-DBEN"))}
        case "PATH":
            for name in ("ssh-keygen", "psql", "id", "whoami", "git"):
                shutil.copy(touched, evil / name)
            return {"PATH": f"{evil}:{os.environ['PATH']}"}
        case "SSH_ASKPASS":
            return {"SSH_ASKPASS": str(touched), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":9"}
        case _:
            return dict.fromkeys(("USER", "LOGNAME", "USERNAME", "SUDO_USER", "PGUSER", "SQLAGENT_USER"), "ben")


ONE_BY_ONE = ("PYTHONSTARTUP", "LD_PRELOAD", "PATH", "SSH_ASKPASS", "USER and the like")
ALL = "all of them at once"
LATER = [pytest.param(trick, marks=pytest.mark.long) for trick in ONE_BY_ONE]


def typed_with(env: dict[str, str], folder: Path, *words: str) -> tuple[int, str]:
    """The real program, started by somebody with that environment."""
    start = "import sys; from sqlagent.__main__ import main; sys.argv[0] = 'sqlagent'; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, *words], cwd=folder, capture_output=True, check=False, timeout=120, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "trick",
    [ALL, "PYTHONPATH", "PYTHONPATH, and a login that is not hers", "LD_PRELOAD, and another's number", *LATER],
)
def test_the_store_knows_whoever_is_connected_by_nothing_of_theirs(typed: As, store: Store, trick: str) -> None:
    folder = typed.shop.folder
    (folder / "two.toml").write_text(RULES)
    asked = typed.document("ana", "run", "--sql", WRITE, "--policy", "two.toml")
    env = tricks(folder, trick)
    code, said = typed_with(env, folder, "resume", asked["thread"], "--approve", asked["digest"])
    assert code == 8 or "not yours alone" in said, said  # her own state folder is another's by that number
    assert typed.shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(10,)]
    assert store.owner("SELECT count(*) FROM sqlagent.decisions") == [(0,)]
    assert not (folder / "touched").exists()
    refused = store.owner("SELECT who FROM sqlagent.audit WHERE what = 'refused'")
    assert set(refused) <= {("ana",)}


SIGNED = """
allowed_signers = "allowed_signers"
[[rule]]
id = "signed"
when = { risk = ">=write" }
then = "ask"
stages = [{ name = "technical", signed = true }]
"""


@needs_ssh_keygen
@pytest.mark.parametrize("trick", [ALL, pytest.param("PYTHONPATH", marks=pytest.mark.long), *LATER])
def test_a_signature_is_verified_by_nothing_of_whoever_brings_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    people: People = some_people(shop.folder)
    (shop.folder / "policy.toml").write_text(SIGNED)
    monkeypatch.setenv("SQLAGENT_POLICY", str(shop.folder / "policy.toml"))
    thread = shop.run("run", "--sql", WRITE, "--json").document["thread"]
    now = read(shop.run("plan", thread).out).asked
    claims = fields(now.digest, thread, now.stage, now.target, "ben", now.created_at)
    forged = people.approval(replace(claims), key="eve")
    (shop.folder / "ben.approval").write_text(forged.text)
    env = {} if trick == "PYTHONPATH" else tricks(shop.folder, trick)
    if trick == "PYTHONPATH":  # in her own process she may do what she likes: whoever runs it verifies anew
        env = {"PYTHONPATH": f"{(shop.folder / 'evil')}:{ROOT}"}
        (shop.folder / "evil").mkdir()
        (shop.folder / "evil" / "ssh_keygen.py").write_text("def why_not(*_a, **_k): return ''\n")
    code, said = typed_with(env, shop.folder, "resume", thread, "--approval", "ben.approval")
    assert (code, "is not signed by ben" in said) == (8, True), said
    assert shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(10,)]
    assert not (shop.folder / "touched").exists()
    good = people.approval(claims)
    (shop.folder / "ben.approval").write_text(good.text)
    code, said = typed_with(env, shop.folder, "resume", thread, "--approval", "ben.approval")
    assert (code, shop.status(thread)) == (0, "executed"), said


@needs_ssh_keygen
def test_a_signature_that_the_server_cannot_judge_is_judged_by_whoever_runs_it(
    typed: As, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ben calls the server's function himself, with words that nobody signed."""
    folder = typed.shop.folder
    people = some_people(folder)
    (folder / "policy.toml").write_text(SIGNED)
    monkeypatch.setenv("SQLAGENT_POLICY", str(folder / "policy.toml"))
    asked = typed.document("ana", "run", "--sql", WRITE)
    plan = read(typed("ana", "plan", asked["thread"])[1].encode()).asked
    forged = people.approval(fields(plan.digest, plan.thread, 1, plan.target, "ben", plan.created_at), key="eve")
    decide = "SELECT sqlagent.decide(%s, 1, 'approve', %s, 'signature', '', '', 0, '[]', %s)"
    with psycopg.connect(store.url_of("ben"), autocommit=True) as db:
        assert db.execute(decide.encode(), (plan.id, plan.digest, forged.text)).fetchone() == ("",)
    assert typed("ana", "resume", plan.thread)[0] != 0
    assert typed.shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(10,)]
    refused = store.owner("SELECT detail FROM sqlagent.audit WHERE what = 'refused'")
    assert any("is not signed by ben" in detail for (detail,) in refused)
    assert "is not proven" in typed("cyd", "audit", "verify")[1]
