"""What is in the checkpoints, and what becomes of a thread when they are lost, damaged, old, hostile or ahead."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from checkout import FIXTURES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from openai_server import OpenAIServer
from shops import SELL, Shop, a_shop, approve, asked, shop, waiting

from sqlagent.core.errors import Finished, StoreError, UnknownThread
from sqlagent.core.nouns.session import Choice, Decision, Outcome, Report, Status
from sqlagent.pipeline import state
from sqlagent.pipeline.thread import driver
from sqlagent.pipeline.thread.checkpoints import open_saver
from sqlagent.pipeline.thread.graph import build
from sqlagent.store.journal import Marked, RunState

__all__ = ["asked", "shop"]

PAUSED = FIXTURES / "paused"
PRIMITIVES = (str, int, float, bool, type(None), list, dict)


def asked_again(shop: Shop, asked: Report) -> None:
    """A new proposal waits for the same SQL, the old digest is void, and the new one runs once."""
    with shop.agent() as agent:
        again = agent.resume(asked.thread)
        assert again.proposal is not None
        assert asked.proposal is not None
        assert (again.status, again.proposal.id, shop.sold) == (Status.PENDING, f"{asked.thread}.2", 0)
        assert (again.proposal.sql, again.question) == (asked.proposal.sql, asked.question)
        assert again.proposal.digest != asked.proposal.digest
    assert approve(shop, again).status is Status.EXECUTED
    assert shop.sold == 1


# ---- the format ----------------------------------------------------------------------------------------------------


def test_the_names_of_nodes_are_what_paused_threads_hold() -> None:
    """A renamed node drops what waits at it without a word.  Add; never rename."""
    assert set(build().nodes) == {
        "__start__", "generate", "clarify", "hear", "analyze", "review", "decide", "revise", "execute", "finish",
    }  # fmt: skip


def test_the_names_of_fields_are_what_paused_threads_hold() -> None:
    """A field under another name is lost in every paused thread.  Add; never rename."""
    assert list(state.State.__annotations__) == [
        "graph_version", "thread", "turn", "source", "question", "requested_by", "sql", "author", "note",
        "drafted", "corrections", "why_empty", "previous", "edited_by", "attempts", "retries", "number", "stale",
        "proposal", "digest", "risk", "statements", "tables", "stage", "stages", "requested_at", "confidence",
        "drafts", "chance", "others", "stage_name", "expires_at", "approvals", "effect", "words", "undo", "problem",
        "part_of",
        "rejected", "asks", "choices", "asked", "reply", "verdict", "decision", "end", "failure", "message", "hint",
        "ran_sql", "status", "answered",
    ]  # fmt: skip
    assert list(state.Answer.__annotations__) == ["choice", "digest", "by", "how", "sql", "reason", "retry", "keep"]
    assert list(state.Failed.__annotations__) == ["sql", "error", "author", "rejected_by"]


def test_every_checkpoint_holds_json_primitives_and_nothing_else(shop: Shop, openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT nme FROM stock", SELL, SELL]
    with shop.agent(model="test-model", env=openai_server.env()) as agent:
        first = agent.ask("sell an apple")
        assert first.proposal is not None
        again = Decision(Choice.REJECT, first.proposal.digest, "ana", "key", reason="why", retry=True)
        second = agent.decide(first.thread, again)
        assert second.proposal is not None
        third = agent.edit(first.thread, second.proposal.digest, "SELECT 1")
        assert third.proposal is not None
    saver = open_saver(shop.state / "checkpoints.db")
    found = list(saver.list({"configurable": {"thread_id": first.thread}}))
    saver.conn.close()
    assert len(found) > 8
    for checkpoint in found:
        for channel, value in checkpoint.checkpoint["channel_values"].items():
            only_primitives(value, channel)
        for _, channel, value in checkpoint.pending_writes or []:
            for part in value if channel == "__interrupt__" else [value]:
                only_primitives(getattr(part, "value", part), channel)


def only_primitives(value: Any, where: str) -> None:
    assert type(value) in PRIMITIVES, f"{where} holds a {type(value)}"
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        only_primitives(part, where)


def test_a_session_that_ended_keeps_its_newest_checkpoint_alone(shop: Shop, asked: Report) -> None:
    db = shop.checkpoints()
    (paused,) = db.execute("SELECT count(*) FROM checkpoints").fetchone()
    assert paused > 2
    approve(shop, asked)
    assert db.execute("SELECT count(*), sum(length(checkpoint)) < 20000 FROM checkpoints").fetchone() == (1, 1)
    assert shop.report(asked.thread).status is Status.EXECUTED


def test_a_session_forgets_nothing_of_another(shop: Shop, asked: Report) -> None:
    other = waiting(shop)
    count = ("SELECT count(*) FROM checkpoints WHERE thread_id = ?", (other.thread,))
    before = shop.checkpoints().execute(*count).fetchone()
    approve(shop, asked)
    assert shop.checkpoints().execute(*count).fetchone() == before


def test_only_its_owner_can_read_the_checkpoints(shop: Shop, asked: Report) -> None:
    assert (shop.state / "checkpoints.db").stat().st_mode & 0o777 == 0o600
    assert (shop.state / "locks").stat().st_mode & 0o777 == 0o700


# ---- of another release --------------------------------------------------------------------------------------------


@pytest.fixture
def paused(tmp_path: Path) -> Iterator[Shop]:
    """What an earlier sqlagent left behind, in the folder that it knew it by."""
    kept = PAUSED / "v3"
    folder = Path(json.loads((kept / "made.json").read_text())["folder"])
    with folder.with_suffix(".lock").open("w") as lock:  # the one folder that several runs of the tests may share
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        shop = a_shop(folder)
        shop.state.mkdir(mode=0o700)
        for name in ("journal.db", "checkpoints.db"):
            shutil.copy(kept / name, shop.state / name)
        yield shop
        shutil.rmtree(folder)


def test_a_thread_that_the_first_release_paused_is_approved_and_run_by_this_one(paused: Shop) -> None:
    made = json.loads((PAUSED / "v3" / "made.json").read_text())
    with paused.agent() as agent:
        assert [t.id for t in agent.pending()] == [made["thread"]]
        waits = agent.resume(made["thread"])
        assert waits.proposal is not None
        assert (waits.status, waits.proposal.sql) == (Status.PENDING, SELL)
        assert waits.proposal.digest == made["digest"], "what people were shown before the upgrade is void"
        done = agent.approve(made["thread"], made["digest"])
    assert (done.status, done.proposal.id if done.proposal else "", paused.sold) == (
        Status.EXECUTED, f"{made['thread']}.1", 1)  # fmt: skip


def test_a_thread_that_another_graph_paused_is_measured_and_asked_again(
    shop: Shop, asked: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "GRAPH_VERSION", 2)
    asked_again(shop, asked)


def test_an_approval_that_another_graph_took_does_not_run(
    shop: Shop, asked: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.proposal is not None
    with shop.agent() as agent:
        agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))
    monkeypatch.setattr(driver, "GRAPH_VERSION", 2)
    asked_again(shop, asked)


@pytest.mark.parametrize("lost", ["another graph", "no checkpoints"])
@pytest.mark.parametrize("state", [RunState.DONE, RunState.STARTED])
def test_a_run_that_began_is_seen_through_and_never_asked_again(
    shop: Shop, asked: Report, state: RunState, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed within the run, and upgraded, or lost its checkpoints, before anybody came back."""
    assert asked.proposal is not None
    with shop.agent() as agent:
        journal = agent.journal
        journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))
        journal.claim(asked.proposal, by="ana", marked=Marked.BESIDE)
        if state is RunState.DONE:
            shop.rows(SELL)
            journal.done(asked.proposal.id, Outcome())
    if lost == "another graph":
        monkeypatch.setattr(driver, "GRAPH_VERSION", 2)
    else:
        no_checkpoints(shop)
    with shop.agent() as agent:
        report = agent.resume(asked.thread)
        assert report.proposal is not None
        assert (report.status, report.proposal.id, shop.sold) == (Status.EXECUTED, asked.proposal.id, 1)


# ---- lost, damaged, hostile ----------------------------------------------------------------------------------------


def no_checkpoints(shop: Shop) -> None:
    for file in shop.state.glob("checkpoints.db*"):
        file.unlink()


def test_a_conversation_goes_on_though_the_checkpoints_are_gone(shop: Shop, asked: Report) -> None:
    approve(shop, asked)
    no_checkpoints(shop)
    with shop.agent() as agent:
        with pytest.raises(Finished):
            agent.resume(asked.thread)
        report = agent.run("SELECT 1", thread=asked.thread)
    assert report.proposal is not None
    assert (report.status, report.proposal.id, shop.sold) == (Status.PENDING, f"{asked.thread}.2", 1)


def test_a_thread_that_the_journal_does_not_know_is_unknown(shop: Shop, asked: Report) -> None:
    (shop.state / "journal.db").unlink()
    with shop.agent() as agent, pytest.raises(UnknownThread):
        agent.resume(asked.thread)
    assert shop.sold == 0


def test_a_journal_put_back_from_yesterday_runs_nothing_a_second_time(shop: Shop, asked: Report) -> None:
    shutil.copy(shop.state / "journal.db", shop.folder / "yesterday.db")
    approve(shop, asked)
    shutil.copy(shop.folder / "yesterday.db", shop.state / "journal.db")
    with shop.agent() as agent, pytest.raises(StoreError, match="disagree"):
        agent.resume(asked.thread)
    with pytest.raises(StoreError, match="disagree"):
        approve(shop, asked)
    assert shop.sold == 1


def a_command(kind: str, command: str) -> Any:
    """Bytes that call `os.system` in whoever reads them trustingly."""
    match kind:
        case "msgpack":
            return ormsgpack.Ext(0, ormsgpack.packb(["os", "system", command]))
        case "json":
            return {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": [command]}
        case _:
            return Owning(command)


@dataclass(frozen=True, slots=True)
class Owning:
    command: str

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def written(kind: str, value: Any) -> bytes:
    match kind:
        case "msgpack":
            return ormsgpack.packb(value)
        case "json":
            return json.dumps(value).encode()
        case _:
            return pickle.dumps(value)


@pytest.mark.parametrize("kind", ["msgpack", "json", "pickle"])
@pytest.mark.parametrize("whole", [True, False], ids=["the whole checkpoint", "a field of it"])
def test_a_hostile_checkpoint_runs_no_code(shop: Shop, asked: Report, kind: str, whole: bool, tmp_path: Path) -> None:
    """By default LangGraph calls what the bytes name: whoever can write the file owns whoever reads it."""
    command = a_command(kind, f"touch {tmp_path / 'owned'}")
    saver = open_saver(shop.state / "checkpoints.db")
    found = saver.get_tuple({"configurable": {"thread_id": asked.thread}})
    assert found is not None
    hostile = found.checkpoint | {"channel_values": found.checkpoint["channel_values"] | {"question": command}}
    saver.conn.execute("UPDATE checkpoints SET type = ?, checkpoint = ? WHERE checkpoint_id = ?",
                       (kind, written(kind, command if whole else hostile), found.checkpoint["id"]))  # fmt: skip
    saver.conn.commit()
    saver.conn.close()
    with shop.agent() as agent, suppress(StoreError):
        assert agent.resume(asked.thread).status is Status.PENDING
    assert not (tmp_path / "owned").exists()
    assert shop.sold == 0


@pytest.mark.parametrize("kind", ["msgpack"])
def test_the_same_bytes_run_where_the_serializer_is_not_strict(kind: str, tmp_path: Path) -> None:
    """So that the test above is known to be able to fail."""
    command = a_command(kind, f"touch {tmp_path / 'owned'}")
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed((kind, written(kind, {"question": command})))
    assert (tmp_path / "owned").exists()


def test_the_tables_of_the_checkpoints_are_langgraphs_own(shop: Shop, asked: Report) -> None:
    """Nothing of ours is in that file: LangGraph's own tools read it."""
    with sqlite3.connect(shop.state / "checkpoints.db") as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {"checkpoints", "writes"}
