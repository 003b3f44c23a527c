"""Whether looking stays fast: `pending` and `show` beside 100,000 sessions, against the same beside ten."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest
from checkout import ROOT
from measure import Figures, measure, say

from sqlagent import Agent
from sqlagent.store.audit import GENESIS, seal
from sqlagent.store.seals import SEALED, row_seal

MANY = 100_000
FEW = 10
ENDED, WAITING = "executed", "pending"

pytestmark = pytest.mark.benchmark


@dataclass(frozen=True, slots=True)
class State:
    """A state folder with as many sessions, and one of those that wait and of those that ran."""

    folder: Path
    waiting: str
    ran: str

    def measured(self, *arguments: str) -> Figures:
        env = {**os.environ, "SQLAGENT_STATE_DIR": str(self.folder)}
        return measure([sys.executable, "-m", "sqlagent", *arguments], env, runs=7)


def _state(folder: Path, *, ended: int, waiting: int) -> State:
    """One session that ran and one that waits, by way of the product, and their rows again and again."""
    shop = folder / "sample.db"
    folder.mkdir()
    shutil.copy(ROOT / "sample.db", shop)
    state = folder / "state"
    with Agent.open(str(shop), state_dir=str(state)) as agent:
        done = agent.run("UPDATE products SET stock = 0 WHERE id = 1")
        assert done.proposal is not None
        assert agent.approve(done.thread, done.proposal.digest).status == ENDED
        left = agent.run("UPDATE products SET stock = 1 WHERE id = 1")
        assert left.status == WAITING
    db = apsw.Connection(str(state / "journal.db"))
    db.execute("BEGIN; PRAGMA defer_foreign_keys = 1")
    _again(db, done.thread, "e", ended - 1)
    _again(db, left.thread, "w", waiting - 1)
    _rewrite_the_log(db)
    db.execute("COMMIT")
    db.close()
    return State(state, left.thread, done.thread)


def _again(db: apsw.Connection, thread: str, letter: str, times: int) -> None:
    """The rows of a session in every table, under other names, a second older each."""
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?2)"
    own = {"threads": "id = ?1", "turns": "thread = ?1", "proposals": "thread = ?1"}
    own |= {"decisions": "proposal = ?1 || '.1'", "runs": "id = ?1 || '.1'", "changes": "run = ?1 || '.1'"}
    for table, where in own.items() if times else ():
        columns = [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(_renamed(column, letter) for column in columns)
        db.execute(
            f"{numbers} INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM n, {table} WHERE {where}",
            (thread, times),
        )


def _renamed(column: str, letter: str) -> str:
    if column in ("id", "thread", "proposal", "run", "document"):
        return f"replace({column}, ?1, '{letter}' || x)"
    if column in ("updated_at", "kept_at"):
        return f"strftime('%Y-%m-%dT%H:%M:%f+00:00', {column}, '-' || x || ' seconds')"
    return column


def _rewrite_the_log(db: apsw.Connection) -> None:
    """An entry for every session's question, sealed as the product does, with the seals of the session's rows."""
    last = GENESIS
    db.execute("DROP TRIGGER audit_keeps_every_entry; DELETE FROM audit; UPDATE runs SET audit_head = ''")
    threads: Any = db.execute("SELECT id, created_at FROM threads ORDER BY created_at, id").fetchall()
    sealed: dict[str, dict[str, str]] = {thread: {} for thread, _ in threads}
    for table, columns in SEALED.items():
        for row in db.execute(f"SELECT {', '.join(columns)} FROM {table}"):
            key = " ".join(map(str, row[: 2 if table in ("turns", "decisions") else 1]))
            sealed[str(row[0]).partition(".")[0]][f"{table} {key}"] = row_seal(row)
    rows = []
    for number, (thread, at) in enumerate(threads, 1):
        detail = json.dumps({"seals": sealed[thread]}, sort_keys=True)
        last = seal(last, number=number, at=at, who="ana", what="asked", thread=thread, detail=detail)
        rows.append((number, at, "ana", "asked", thread, detail, last))
    db.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> State:
    return _state(tmp_path_factory.mktemp("listing") / "few", ended=1, waiting=FEW - 1)


@pytest.fixture(scope="module")
def mostly_ended(tmp_path_factory: pytest.TempPathFactory) -> State:
    return _state(tmp_path_factory.mktemp("listing") / "ended", ended=MANY - FEW + 1, waiting=FEW - 1)


@pytest.fixture(scope="module")
def mostly_waiting(tmp_path_factory: pytest.TempPathFactory) -> State:
    return _state(tmp_path_factory.mktemp("listing") / "waiting", ended=1, waiting=MANY - 1)


def compare(what: str, few: State, many: State, *arguments: str) -> None:
    """`WAITING` and `RAN` in the arguments stand for a session of each folder."""
    taken = [
        state.measured(*({"WAITING": state.waiting, "RAN": state.ran}.get(word, word) for word in arguments))
        for state in (few, many)
    ]
    ten, all_ = taken
    words = " ".join(arguments)
    say(f"{words}, beside {FEW}", ten)
    say(f"{words}, {what}", f"{all_}  ratio {all_.cpu / ten.cpu:.2f} cpu, {all_.wall / ten.wall:.2f} wall")
    assert all_.memory > 0


COMMANDS = [
    ("pending", "-n", "9"), ("pending", "-n", "9", "--json"), ("show", "WAITING"), ("show", "RAN"),
    ("show", "RAN", "--json"), ("sessions", "-n", "9"), ("audit", "show", "RAN"), ("audit", "verify"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_beside_sessions_that_ended(few: State, mostly_ended: State, command: tuple[str, ...]) -> None:
    compare(f"beside {MANY:,}, {FEW - 1} wait", few, mostly_ended, *command)


@pytest.mark.parametrize("command", COMMANDS[:4], ids=" ".join)
def test_beside_sessions_that_all_wait(few: State, mostly_waiting: State, command: tuple[str, ...]) -> None:
    compare(f"beside {MANY:,} that wait", few, mostly_waiting, *command)


def test_fifty_lines_of_sessions_that_all_wait(few: State, mostly_waiting: State) -> None:
    compare(f"beside {MANY:,} that wait", few, mostly_waiting, "pending", "-n", "50")
