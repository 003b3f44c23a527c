"""Checkpoints that are lost, damaged or of something else: what waits is rebuilt from the journal, or nothing runs."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from shops import SCRATCH, SELL, Shop, a_shop, audited, in_child, in_order, once_each, waiting

from sqlagent.core.errors import Stale, StoreError
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Status
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to

assert Driver is not None
TWO_STAGES = """
[[rule]]
id = "two"
then = "ask"
stages = [{name = "technical", people = 1}, {name = "business", people = 1}]
"""
NO_UPDATES = """
[[rule]]
id = "none"
when = { verb = ["update"] }
then = "deny"
why = "not today"
"""
READ = "SELECT name FROM stock ORDER BY id"


@pytest.fixture
def shop() -> Iterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="sqlagent-rebuilt-", dir=SCRATCH))
    yield a_shop(folder / "shop")
    shutil.rmtree(folder)


def of(report: Report) -> Proposal:
    assert report.proposal is not None
    return report.proposal


def lost(shop: Shop) -> None:
    for file in shop.state.glob("checkpoints.db*"):
        file.unlink()


def resumed(shop: Shop, thread: str, **settings: Any) -> Report:
    with shop.agent(**settings) as agent:
        return agent.resume(thread)


def approve(shop: Shop, asked: Report, by: str = "ana", **settings: Any) -> Report:
    with shop.agent(by=by, **settings) as agent:
        return agent.approve(asked.thread, of(asked).digest)


def decided(shop: Shop, asked: Report, choice: Choice = Choice.APPROVE, **more: Any) -> None:
    """On record, by a process that died right after."""
    with shop.agent() as agent:
        agent.journal.decide(of(asked), Decision(choice, of(asked).digest, "ana", "key", **more))


def policy(shop: Shop, rules: str) -> list[str]:
    path = shop.folder / "rules.toml"
    path.write_text(rules)
    return [str(path)]


def card(shop: Shop, thread: str) -> dict[str, Any]:
    """What a client of LangGraph is shown."""
    with shop.graph(thread) as (graph, config):
        (asked,) = graph.get_state(config).interrupts
    return {key: value for key, value in asked.value.items() if key != "id"}


# ---- to the same proposal --------------------------------------------------------------------------------------------


def test_a_thread_whose_checkpoints_are_gone_waits_under_the_digest_that_people_were_shown(shop: Shop) -> None:
    asked = waiting(shop)
    before = card(shop, asked.thread)
    lost(shop)
    again = resumed(shop, asked.thread)
    assert (again.status, again.proposal, shop.sold) == (Status.PENDING, asked.proposal, 0)
    assert card(shop, asked.thread) == before
    assert approve(shop, asked).status is Status.EXECUTED
    assert shop.sold == 1
    in_order(shop, asked.thread, "asked", "analyzed", "approved", "claimed", "committed")


def test_it_is_approved_without_anybody_having_looked_again(shop: Shop) -> None:
    asked = waiting(shop)
    lost(shop)
    assert approve(shop, asked).status is Status.EXECUTED
    assert shop.sold == 1
    once_each(shop)


def test_an_approval_that_was_not_used_stands_though_the_checkpoints_are_gone(shop: Shop) -> None:
    asked = waiting(shop)
    decided(shop, asked)
    lost(shop)
    report = resumed(shop, asked.thread)
    assert (report.status, report.decided_by, report.proposal, shop.sold) == (
        Status.EXECUTED, "ana", asked.proposal, 1)  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "more", "status"),
    [
        (Choice.REJECT, {"reason": "no"}, Status.REJECTED),
        (Choice.EDIT, {"sql": "UPDATE stock SET left = 5 WHERE id = 2"}, Status.PENDING),
        (Choice.PARTIAL, {"keep": (2,), "reason": "that one"}, Status.EXECUTED),
    ],
)
def test_every_other_word_of_a_person_stands_too(
    shop: Shop, choice: Choice, more: dict[str, Any], status: Status
) -> None:
    asked = waiting(shop, f"{SELL}; DELETE FROM stock WHERE id = 3")
    decided(shop, asked, choice, **more)
    lost(shop)
    report = resumed(shop, asked.thread)
    assert (report.status, shop.sold) == (status, 0)
    assert (of(report).id == of(asked).id) is (choice is Choice.REJECT)
    once_each(shop)


def test_the_seats_that_were_filled_stay_filled(shop: Shop) -> None:
    rules = policy(shop, TWO_STAGES)
    with shop.agent(policy=rules) as agent:
        asked = agent.run(SELL)
    first = approve(shop, asked, policy=rules)
    before = card(shop, asked.thread)
    lost(shop)
    again = resumed(shop, asked.thread, policy=rules)
    assert (of(again).stage, of(again).digest) == (2, of(first).digest)
    assert card(shop, asked.thread) == before
    assert approve(shop, first, by="ben", policy=rules).status is Status.EXECUTED
    assert shop.sold == 1


def test_a_models_draft_waits_with_all_that_was_said_of_it(shop: Shop, openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT weight FROM stock", "-- the counter\nSELECT s.nme FROM stock s", SELL]
    env = openai_server.env()
    with shop.agent(model="test-model", env=env) as agent:
        first = agent.ask("sell an apple")
        no = Decision(Choice.REJECT, of(first).digest, "ana", "key", reason="sell it", retry=True)
        asked = agent.decide(first.thread, no)
    before, requests = card(shop, asked.thread), len(openai_server.requests)
    lost(shop)
    assert resumed(shop, asked.thread, model="test-model", env=env).proposal == asked.proposal
    assert card(shop, asked.thread) == before
    with shop.graph(asked.thread) as (graph, config):
        state = graph.get_state(config).values
    assert [a["sql"] for a in state["attempts"]] == [a.sql for a in of(asked).attempts]
    assert state["retries"] == len(state["attempts"])
    assert len(openai_server.requests) == requests, "no model is asked again"


def test_a_question_back_waits_in_the_same_words(shop: Shop, openai_server: OpenAIServer) -> None:
    openai_server.script = ["ASK: Which fruit? | apple | pear", SELL]
    env = openai_server.env()
    with shop.agent(model="test-model", env=env) as agent:
        asked = agent.ask("sell one")
    before = card(shop, asked.thread)
    lost(shop)
    with shop.agent(model="test-model", env=env) as agent:
        assert agent.resume(asked.thread).asks == asked.asks
        assert card(shop, asked.thread) == before
        assert len(openai_server.requests) == 1
        assert of(agent.answer(asked.thread, "apple")).sql == SELL


def test_an_undo_waits_as_it_did(shop: Shop) -> None:
    done = approve(shop, waiting(shop))
    with shop.agent() as agent:
        asked = agent.undo(done.thread)
    lost(shop)
    assert resumed(shop, asked.thread).proposal == asked.proposal
    assert approve(shop, asked).status is Status.EXECUTED
    assert shop.sold == 0


def test_what_the_policy_allowed_runs_though_its_process_died_before_it_said_so(shop: Shop) -> None:
    def reads() -> None:
        os.environ["SQLAGENT_CRASH_AT"] = "analyze: after the journal"
        with shop.agent(reads="allow") as agent:
            agent.run(READ)

    assert in_child(reads) == -signal.SIGKILL
    with shop.agent() as agent:
        (thread,) = agent.pending()
    lost(shop)
    report = resumed(shop, thread.id, reads="allow")
    assert (report.status, report.decided_by, of(report).id) == (Status.EXECUTED, "policy", f"{thread.id}.1")


# ---- drift -----------------------------------------------------------------------------------------------------------


def of_another_schema(shop: Shop) -> dict[str, Any]:
    shop.rows("CREATE INDEX by_name ON stock (name)")
    return {}


def of_other_rows(shop: Shop) -> dict[str, Any]:
    shop.rows("UPDATE stock SET left = 7 WHERE id = 1")
    return {}


def of_fewer_rows(shop: Shop) -> dict[str, Any]:
    shop.rows("DELETE FROM stock WHERE id = 1")
    return {}


def of_another_file(shop: Shop) -> dict[str, Any]:
    other = a_shop(shop.folder / "other")
    other.rows("ALTER TABLE stock ADD COLUMN price")
    other.db.rename(shop.db)
    return {}


def of_a_stricter_policy(shop: Shop) -> dict[str, Any]:
    return {"policy": policy(shop, TWO_STAGES)}


DRIFTS: dict[Callable[[Shop], dict[str, Any]], str] = {
    of_another_schema: "the schema of shop.db changed since it was proposed",
    of_other_rows: "as many rows as then, but other rows or to other values",
    of_fewer_rows: "SEVERE then, WRITE now; update stock 1 row then, 0 now",
    of_another_file: "the schema of shop.db changed since it was proposed",
    of_a_stricter_policy: "the policy asks other people now: ask, 2 people",
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_what_would_do_another_thing_today_is_asked_anew_and_says_why(
    shop: Shop, drift: Callable[[Shop], dict[str, Any]]
) -> None:
    asked = waiting(shop)
    lost(shop)
    settings = drift(shop)
    again = resumed(shop, asked.thread, **settings)
    assert (again.status, of(again).id) == (Status.PENDING, f"{asked.thread}.2")
    assert of(again).stale.startswith(DRIFTS[drift])
    assert of(again).digest != of(asked).digest
    assert card(shop, asked.thread)["sqlagent"]["stale"] == of(again).stale
    with pytest.raises(Stale):
        approve(shop, asked, **settings)
    lost(shop)
    assert of(resumed(shop, asked.thread, **settings)).id == of(again).id, "and that one waits from then on"


@pytest.mark.parametrize("drift", [of_another_schema, of_other_rows, of_fewer_rows, of_another_file])
def test_an_approval_of_what_would_do_another_thing_today_is_void(
    shop: Shop, drift: Callable[[Shop], dict[str, Any]]
) -> None:
    asked = waiting(shop)
    decided(shop, asked)
    lost(shop)
    drift(shop)
    sales = shop.rows("SELECT count(*) FROM sales")
    again = resumed(shop, asked.thread)
    assert (again.status, of(again).id) == (Status.PENDING, f"{asked.thread}.2")
    assert shop.rows("SELECT count(*) FROM sales") == sales


def test_what_the_policy_denies_by_now_is_denied(shop: Shop) -> None:
    asked = waiting(shop)
    lost(shop)
    report = resumed(shop, asked.thread, policy=policy(shop, NO_UPDATES))
    assert (report.status, shop.sold) == (Status.DENIED, 0)


def test_what_was_asked_stays_asked_where_whoever_comes_would_be_let_through(shop: Shop) -> None:
    asked = waiting(shop, READ)
    lost(shop)
    again = resumed(shop, asked.thread, reads="allow")
    assert (again.status, again.proposal, again.rowsets) == (Status.PENDING, asked.proposal, ())


# ---- cut off while it is rebuilt -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", [5, pytest.param(1, marks=pytest.mark.long)])
def test_wherever_the_rebuilding_process_dies_the_same_proposal_waits_and_runs_once(shop: Shop, sample: int) -> None:
    asked = waiting(shop)
    lost(shop)
    kept, points = shop.folder.with_name("kept"), shop.folder.with_name("points")
    shop.keep(kept)

    def resumes(name: str, value: str) -> None:
        os.environ[name] = value
        resumed(shop, asked.thread)

    assert in_child(lambda: resumes("SQLAGENT_CRASH_LIST", str(points))) == 0
    reached = points.read_text().splitlines()
    assert len(reached) > 5
    for point in reached[::sample]:
        shop.restore(kept)
        assert in_child(lambda point=point: resumes("SQLAGENT_CRASH_AT", point)) == -signal.SIGKILL  # type: ignore[misc]
        again = resumed(shop, asked.thread)
        assert (again.status, again.proposal) == (Status.PENDING, asked.proposal), point
        assert approve(shop, asked).status is Status.EXECUTED, point
        assert shop.sold == 1, point
        once_each(shop, point)


# ---- damaged, of another, forged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["the file", "a checkpoint"])
def test_damaged_checkpoints_are_named_with_what_to_do_and_run_nothing(shop: Shop, damage: str) -> None:
    asked = waiting(shop)
    if damage == "the file":
        lost(shop)
        (shop.state / "checkpoints.db").write_bytes(b"not a database, and longer than its header would be" * 100)
    else:
        shop.checkpoints().execute("UPDATE checkpoints SET checkpoint = x'c1c1c1c1'")
    with pytest.raises(StoreError, match=r"checkpoints\.db (are damaged|cannot be used)") as raised:
        approve(shop, asked)
    assert "mv " in raised.value.hint
    assert shop.sold == 0
    shutil.move(shop.state / "checkpoints.db", shop.state / "checkpoints.db.damaged")
    lost(shop)
    assert resumed(shop, asked.thread).status is Status.EXECUTED, "the approval is on record, and of this very digest"
    assert shop.sold == 1


def test_the_checkpoints_of_another_thread_are_worth_nothing(shop: Shop) -> None:
    asked, other = waiting(shop), waiting(shop, "DELETE FROM stock WHERE id = 3")
    db = shop.checkpoints()
    for table in ("checkpoints", "writes"):
        db.execute(f"DELETE FROM {table} WHERE thread_id = ?", (asked.thread,))
        db.execute(f"UPDATE {table} SET thread_id = ? WHERE thread_id = ?", (asked.thread, other.thread))
    db.close()
    assert resumed(shop, asked.thread).proposal == asked.proposal
    assert card(shop, asked.thread)["sqlagent"]["digest"] == f"sha256:{of(asked).digest}"
    with pytest.raises(Stale):
        approve(shop, replace(asked, proposal=other.proposal))
    assert approve(shop, asked).status is Status.EXECUTED
    assert (shop.sold, shop.rows("SELECT count(*) FROM stock")) == (1, [(3,)])


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("generate", {"verdict": "waits", "proposal": "k7f3.9", "decision": {"choice": "approve"}}),
    ("clarify", {"asks": "Which?", "asked": 7, "reply": "approve"}),
    ("analyze", {"sql": "DELETE FROM stock", "statements": ["DELETE FROM stock"]}),
    ("analyze", {"proposal": "k7f3.1", "digest": "9f2c"}),
    ("review", {"sql": "DELETE FROM stock", "decision": {"type": "approve"}}),
    ("revise", {"verdict": "waits", "sql": "DELETE FROM stock"}),
]


@pytest.mark.parametrize(("node", "forged"), FORGED)
def test_a_state_that_somebody_wrote_runs_nothing_and_the_digest_still_counts(
    shop: Shop, node: str, forged: dict[str, Any]
) -> None:
    asked = waiting(shop)
    with shop.graph(asked.thread) as (graph, config):
        graph.update_state(config, forged, as_node=node)
    again = resumed(shop, asked.thread)
    assert (again.status, again.proposal, shop.sold) == (Status.PENDING, asked.proposal, 0)
    assert approve(shop, asked).status is Status.EXECUTED
    assert (shop.sold, shop.rows("SELECT count(*) FROM stock")) == (1, [(3,)])
    assert audited(shop)
