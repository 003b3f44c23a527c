"""Two people at the command line, as two users of the system where the test may be both.

Who somebody is, is the real user of the process; where only a superuser could be two of them, one alone is refused.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_shop import Shop

POLICY = (
    '[[rule]]\nid = "four-eyes"\nwhen = { risk = ">=write" }\nthen = { ask = { people = 1, not_requester = true } }\n'
)
SQL = "UPDATE stock SET n = n - 1"
ROOT = os.geteuid() == 0
NOBODY, DAEMON = 65534, 1


@dataclass(frozen=True, slots=True)
class Folder:
    """A database, and a state folder with a policy of its own."""

    path: Path

    def run(
        self, *words: str, uid: int | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The program, as the user `uid` where the test may be them."""
        clean = {"PATH": os.defpath, "HOME": str(self.path), "SQLAGENT_STATE_DIR": str(self.path / "state"),
                 "SQLAGENT_DB": str(self.path / "shop.db"), "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
        become = (lambda: os.setresuid(uid, 0, 0)) if ROOT and uid is not None else None
        return subprocess.run(
            [sys.executable, "-m", "sqlagent", *words], env=clean | (env or {}), cwd=self.path, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, check=False, preexec_fn=become,
        )  # fmt: skip

    def asked(self) -> dict[str, str]:
        ran = self.run("run", "--sql", SQL, "--json", uid=NOBODY)
        assert ran.returncode == 8, ran.stderr
        return dict(json.loads(ran.stdout))

    @property
    def sold(self) -> int:
        with sqlite3.connect(self.path / "shop.db") as db:
            return 10 - int(db.execute("SELECT n FROM stock").fetchone()[0])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "policy.toml").write_text(POLICY)
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.executescript("CREATE TABLE stock (id INTEGER PRIMARY KEY, n); INSERT INTO stock VALUES (1, 10)")
    return Folder(tmp_path)


def test_who_asked_may_not_approve_and_another_user_of_the_system_may(folder: Folder) -> None:
    asked = folder.asked()
    thread, digest = asked["thread"], asked["digest"]
    own = folder.run("resume", thread, "--approve", digest, uid=NOBODY)
    assert (own.returncode, folder.sold) == (8, 0)
    assert "asked for it" in own.stderr
    forged = folder.run("resume", thread, "--approve", digest, uid=NOBODY, env={"USER": "eva", "LOGNAME": "eva"})
    assert (forged.returncode, folder.sold) == (8, 0)
    other = folder.run("resume", thread, "--approve", digest, uid=DAEMON)
    audit = folder.run("audit", "show", thread, "--json", uid=NOBODY)
    refused = [entry for entry in json.loads(audit.stdout)["entries"] if entry["what"] == "refused"]
    if ROOT:  # only the superuser can be two people
        assert (other.returncode, folder.sold) == (0, 1), other.stderr
        assert len(refused) == 2
    else:
        assert (other.returncode, folder.sold) == (8, 0)
        assert len(refused) == 3
    assert folder.run("audit", "verify", uid=NOBODY).returncode == 0


def test_pending_says_which_are_for_the_one_who_looks(folder: Folder) -> None:
    thread = folder.asked()["thread"]
    assert "none of them by you" in folder.run("pending", uid=NOBODY).stderr
    shown = folder.run("show", thread, uid=NOBODY)
    assert "takes anybody but" in shown.stdout


def test_who_approved_the_first_stage_is_not_asked_about_the_second(
    shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text('[[rule]]\nid = "two"\nthen = { ask = { people = 2 } }\n')
    with shop.terminal("run", "--sql", "DELETE FROM odd WHERE id = 1", "--policy", str(policy)) as terminal:
        terminal.see("  [a] approve  [e] edit").type("a")
        assert terminal.end() == 8
    assert terminal.lines[-3].endswith(", stage 1 of 2; waiting for one more person")
    assert terminal.lines[-2] == f"next: another person runs  sqlagent resume {terminal.thread}"
    with shop.terminal("resume", terminal.thread, "--policy", str(policy)) as again:
        again.see("not for you to approve: ").type("a")
        again.see("has approved stage 1 already").type("l")
        assert again.end() == 8
    assert shop.rows("SELECT count(*) FROM odd WHERE id = 1") == [(1,)]
