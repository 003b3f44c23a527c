"""A batch is approved in part: what was approved runs, once, as it was shown, and nothing else does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from shops import SCRATCH, SELL, Shop, a_shop, audited, in_child, in_order, waiting
from struck_scenes import Scene, a_scene, gone_on

from sqlagent.core.approval.batch import rejection
from sqlagent.core.errors import NotPermitted, QueryError, Stale, UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Status
from sqlagent.pipeline.proposing.approved_part import carry_over

PEAR = "UPDATE stock SET left = left - 2 WHERE id = 2"
FIG = "UPDATE stock SET left = 0 WHERE id = 3"
OLIVE = "INSERT INTO stock VALUES (4, 'olive', 5)"
FIVE = ";\n".join([SELL, FIG, PEAR, OLIVE, "SELECT name FROM stock ORDER BY id"])
STOCK = "SELECT id, left FROM stock ORDER BY id"

STAGES = """
[[rule]]
id = "two"
when = { risk = ">=write" }
then = { ask = { stages = [{ name = "technical", people = 1 }, { name = "business", people = 1 }] } }
"""
NO_EMPTYING = """
[[rule]]
id = "no-emptying"
when = { effect = { stock = { delete = ">2" } } }
then = "deny"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-parts-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def shop(folder: Path) -> Shop:
    return a_shop(folder / "shop")


def proposed(report: Report) -> Proposal:
    assert report.proposal is not None
    return report.proposal


def part(report: Report, keep: Sequence[int], why: str = "not on a Friday") -> Decision:
    """An approval of these statements alone."""
    proposal = proposed(report)
    out = {s.index for s in proposal.analysis.statements} - set(keep)
    return Decision(
        Choice.PARTIAL, proposal.digest, "ana", "library", reason=rejection(dict.fromkeys(out, why)), keep=tuple(keep)
    )


def partly(shop: Shop, asked: Report, keep: Sequence[int], *, by: str = "ana", **settings: Any) -> Report:
    with shop.agent(by=by, **settings) as agent:
        decision = part(asked, keep)
        return agent.decide(
            asked.thread, Decision(**{f: getattr(decision, f) for f in decision.__slots__} | {"by": by})
        )


def rules(shop: Shop, text: str) -> dict[str, Any]:
    path = shop.folder / "policy.toml"
    path.write_text(text)
    return {"policy": str(path)}


# ---- what runs ---------------------------------------------------------------------------------------------------


def test_what_was_approved_runs_in_one_transaction_and_what_was_not_does_not(shop: Shop) -> None:
    asked = waiting(shop, FIVE)
    done = partly(shop, asked, (1, 3, 4, 5))
    assert done.status is Status.EXECUTED
    assert shop.rows(STOCK) == [(1, 9), (2, 8), (3, 10), (4, 5)]
    assert shop.rows("SELECT count(*) FROM sales") == [(2,)]
    ran = proposed(done)
    assert (ran.id, ran.part_of, ran.rejected) == (f"{asked.thread}.2", f"{asked.thread}.1", ("2: not on a Friday",))
    assert [s.sql for s in ran.analysis.statements] == [SELL, PEAR, OLIVE, "SELECT name FROM stock ORDER BY id"]
    assert (done.how, done.decided_by) == (f"part of {asked.thread}.1", "ana")
    in_order(
        shop, asked.thread, "asked", "analyzed", "approved in part", "analyzed", "approved", "claimed", "committed"
    )


def test_what_ran_of_it_is_taken_back_and_the_rest_was_never_there(shop: Shop) -> None:
    before = shop.rows(STOCK), shop.rows("SELECT * FROM sales")
    asked = waiting(shop, FIVE)
    partly(shop, asked, (1, 3, 4))
    with shop.agent() as agent:
        undo = agent.undo(asked.thread)
        assert agent.approve(undo.thread, proposed(undo).digest).status is Status.EXECUTED
    assert (shop.rows(STOCK), shop.rows("SELECT * FROM sales")) == before


def test_one_that_fails_takes_the_others_of_the_part_back(shop: Shop) -> None:
    asked = waiting(shop, f"{SELL}; {FIG}; INSERT INTO stock VALUES (1, 'again', 1)")
    assert partly(shop, asked, (1, 3)).status is Status.PENDING  # that it fails is shown first
    with shop.agent() as agent:
        done = agent.approve(asked.thread, proposed(shop.report(asked.thread)).digest)
    assert done.status is Status.FAILED
    assert shop.rows(STOCK) == [(1, 10), (2, 10), (3, 10)]
    assert shop.sold == 0


def test_a_part_of_reads_gives_the_rows_of_those_that_were_approved(shop: Shop) -> None:
    asked = waiting(shop, "SELECT 1; SELECT 2; SELECT 3")
    done = partly(shop, asked, (1, 3))
    assert [rows.rows for rows in done.rowsets] == [((1,),), ((3,),)]


def test_a_part_of_a_part_keeps_every_reason(shop: Shop) -> None:
    asked = waiting(shop, f"{SELL}; UPDATE stock SET left = left + 1; DELETE FROM stock WHERE left = 11; {OLIVE}")
    again = partly(shop, asked, (1, 3, 4))  # 3 finds other rows now
    assert again.status is Status.PENDING
    done = partly(shop, again, (1, 3))
    assert done.status is Status.EXECUTED
    assert proposed(done).rejected == ("2: not on a Friday", "2: not on a Friday")
    assert shop.rows(STOCK) == [(1, 9), (2, 10), (3, 10), (4, 5)]


# ---- what is asked again -----------------------------------------------------------------------------------------

NEEDS_ANOTHER = [
    pytest.param(
        "UPDATE stock SET left = 0 WHERE id < 3", "DELETE FROM stock WHERE left = 0",
        "without 1, statement 2 (1 below) changes 0 rows, was 2", id="fewer rows",
    ),
    pytest.param(
        "UPDATE stock SET left = 7 WHERE id = 1", "UPDATE stock SET left = left * 2 WHERE id = 1",
        "without 1, statement 2 (1 below) changes other rows, or to other values", id="other values",
    ),
    pytest.param(
        FIG, "CREATE TABLE copy AS SELECT * FROM stock",
        "without 1, statement 2 (1 below) may be filled with other rows", id="a table filled from it",
    ),
    pytest.param(
        "DELETE FROM stock WHERE id = 3", "DROP TABLE stock",
        "without 1, statement 2 (1 below) makes or drops something else, or with other rows", id="more to drop",
    ),
    pytest.param(
        "DROP TRIGGER sold", "UPDATE stock SET left = left - 1 WHERE id = 1",
        "without 1, statement 2 (1 below) is SEVERE, was WRITE", id="a trigger that nobody mentioned",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "why"), NEEDS_ANOTHER)
def test_what_is_left_is_asked_again_where_it_does_something_else(
    shop: Shop, first: str, second: str, why: str
) -> None:
    before = shop.rows(STOCK)
    asked = waiting(shop, f"{first};\n{second}")
    again = partly(shop, asked, (2,))
    assert (again.status, proposed(again).stale) == (Status.PENDING, why)
    assert shop.rows(STOCK) == before
    with shop.agent() as agent:
        assert agent.approve(asked.thread, proposed(again).digest).status is Status.EXECUTED


def test_what_was_not_measured_together_is_asked_again(shop: Shop) -> None:
    asked = waiting(shop, f"{SELL}; INSERT INTO stock VALUES (1, 'again', 1)")
    assert not proposed(asked).measurement.is_exact  # type: ignore[union-attr]  # it was measured
    again = partly(shop, asked, (1,))
    assert again.status is Status.PENDING
    assert "the whole was not measured exactly" in proposed(again).stale
    assert shop.sold == 0


def test_what_somebody_else_changed_meanwhile_is_seen(shop: Shop) -> None:
    asked = waiting(shop, f"{FIG}; UPDATE stock SET left = 0 WHERE left = 10")
    shop.rows("INSERT INTO stock VALUES (9, 'nut', 10)")
    again = partly(shop, asked, (1,))
    assert again.status is Status.EXECUTED  # what it does is as it was
    other = waiting(shop, f"{SELL}; UPDATE stock SET left = 0 WHERE left = 10")
    shop.rows("INSERT INTO stock VALUES (8, 'date', 10)")
    assert partly(shop, other, (2,)).status is Status.PENDING


# ---- what cannot be ----------------------------------------------------------------------------------------------


def test_a_part_that_cannot_stand_is_refused_and_the_whole_still_waits(shop: Shop) -> None:
    asked = waiting(shop, "CREATE TABLE tmp (id); INSERT INTO tmp SELECT id FROM stock; DROP TABLE tmp")
    with pytest.raises(QueryError, match=r"what is left does not stand without 1: .*no such table: tmp"):
        partly(shop, asked, (2, 3))
    assert shop.report(asked.thread).status is Status.PENDING
    assert proposed(shop.report(asked.thread)) == proposed(asked)


@pytest.mark.parametrize("keep", [(), (1, 2, 3, 4, 5), (6,), (0, 1), (1, 6)])
def test_what_is_no_part_is_none(shop: Shop, keep: tuple[int, ...]) -> None:
    asked = waiting(shop, FIVE)
    with pytest.raises(UsageError, match="is no part of 5 statements"):
        partly(shop, asked, keep)
    assert shop.report(asked.thread).status is Status.PENDING


def test_a_part_of_another_digest_is_refused(shop: Shop) -> None:
    asked = waiting(shop, FIVE)
    with shop.agent() as agent, pytest.raises(Stale):
        agent.decide(asked.thread, Decision(Choice.PARTIAL, "0" * 64, "ana", "library", keep=(1,)))
    assert shop.rows(STOCK) == [(1, 10), (2, 10), (3, 10)]


def test_an_undo_has_no_parts(shop: Shop) -> None:
    asked = waiting(shop)
    with shop.agent() as agent:
        agent.approve(asked.thread, proposed(asked).digest)
        undo = agent.undo(asked.thread)
        with pytest.raises(UsageError):
            agent.decide(undo.thread, part(undo, (1,)))


def test_the_rest_is_denied_where_the_policy_denies_what_it_does(shop: Shop) -> None:
    """Among the others it deleted one row; without them three."""
    settings = rules(shop, NO_EMPTYING)
    with shop.agent(**settings) as agent:
        asked = agent.run("UPDATE stock SET left = 5 WHERE id > 1; DELETE FROM stock WHERE left = 10")
    assert asked.status is Status.PENDING
    done = partly(shop, asked, (2,), **settings)
    assert done.status is Status.DENIED
    assert "no-emptying" in proposed(done).policy
    assert len(shop.rows(STOCK)) == 3


# ---- stages ------------------------------------------------------------------------------------------------------


def test_a_part_at_the_first_stage_is_the_first_stage_of_the_rest(shop: Shop) -> None:
    settings = rules(shop, STAGES)
    with shop.agent(**settings) as agent:
        asked = agent.run(FIVE)
    after = partly(shop, asked, (1, 3), by="ben", **settings)
    now = proposed(after)
    assert (after.status, now.stage, now.stages, now.stale) == (Status.PENDING, 2, 2, "")
    assert [(a.by, a.how) for a in now.approvals] == [("ben", f"part of {asked.thread}.1")]
    with shop.agent(by="ben", **settings) as agent, pytest.raises(NotPermitted):
        agent.approve(asked.thread, now.digest)
    assert shop.sold == 0
    with shop.agent(by="eva", **settings) as agent:
        assert agent.approve(asked.thread, now.digest).status is Status.EXECUTED
    assert shop.rows(STOCK) == [(1, 9), (2, 8), (3, 10)]


def test_a_part_at_the_second_stage_voids_the_first(shop: Shop) -> None:
    settings = rules(shop, STAGES)
    with shop.agent(**settings) as agent:
        asked = agent.run(FIVE)
    with shop.agent(by="ben", **settings) as agent:
        second = agent.approve(asked.thread, proposed(asked).digest)
    again = partly(shop, second, (1, 3), by="eva", **settings)
    now = proposed(again)
    assert (again.status, now.stage, now.approvals) == (Status.PENDING, 1, ())
    assert now.stale == "ben approved the whole of it, and not this part"
    for person in ("ben", "eva"):
        assert shop.sold == 0
        with shop.agent(by=person, **settings) as agent:
            agent.approve(asked.thread, proposed(agent.show(asked.thread)).digest)
    assert shop.rows(STOCK) == [(1, 9), (2, 8), (3, 10)]


def test_who_may_not_approve_the_whole_may_not_approve_a_part(shop: Shop) -> None:
    seat = 'then = { ask = { stages = [{ name = "other", people = 1, not_requester = true }] } }'
    settings = rules(shop, f'[[rule]]\nid = "others"\nwhen = {{ risk = ">=write" }}\n{seat}\n')
    with shop.agent(**settings) as agent:
        asked = agent.run(FIVE)
    with pytest.raises(NotPermitted):
        partly(shop, asked, (1, 3), **settings)
    assert "refused" in [e.what for e in audited(shop)]
    assert partly(shop, asked, (1, 3), by="ben", **settings).status is Status.EXECUTED


# ---- once --------------------------------------------------------------------------------------------------------


def test_an_approval_in_part_stands_for_the_next_proposal_and_for_no_other(shop: Shop) -> None:
    """Whoever can write the checkpoints names a part that was approved before, or in another thread."""
    again = "INSERT INTO sales (stock_id, was) VALUES (2, 10)"  # does just the same a second time
    first = waiting(shop, f"{SELL}; {again}; {FIG}")
    assert partly(shop, first, (2,)).status is Status.EXECUTED
    other = waiting(shop, again)
    with shop.graph(other.thread) as (graph, config):
        graph.update_state(config, {"part_of": f"{first.thread}.1", "proposal": "", "sql": again}, as_node="revise")
    with shop.agent() as agent:
        report = agent.resume(other.thread)
    assert (report.status, proposed(report).stale) == (
        Status.PENDING, f"what was approved of {first.thread}.1 was not this")  # fmt: skip
    assert shop.rows("SELECT count(*) FROM sales") == [(1,)]


def test_carrying_over_is_nothing_to_do_where_it_says_why_not(shop: Shop) -> None:
    asked = waiting(shop, f"{NEEDS_ANOTHER[0].values[0]}; {NEEDS_ANOTHER[0].values[1]}")
    again = partly(shop, asked, (2,))
    with shop.agent() as agent:
        carry_over(
            proposed(again), agent._parts.context(agent.journal.thread(asked.thread), by="ana", sink=agent._sink)
        )
        assert agent.journal.decision(proposed(again).id) is None


def killed_everywhere(
    shop: Shop, asked: Report, keep: Sequence[int], see: Callable[[Scene, str], None], *, but: str = "-"
) -> None:
    """At every point `but` those that begin so."""

    def decide(shop: Shop) -> object:
        with shop.agent() as agent:
            return agent.decide(asked.thread, part(asked, keep))

    scene = a_scene(shop, decide)
    points = [point for point in scene.points() if not point.startswith(but)]
    assert "analyze: after the journal#1" in points
    for point in points:
        scene.killed_at(point)
        with shop.agent() as agent:
            recorded = agent.journal.decision(proposed(asked).id)
        gone_on(shop, asked.thread)
        if recorded is None:
            assert shop.report(asked.thread).status is Status.PENDING, point
            assert in_child(lambda: decide(shop)) == 0, point
        see(scene, point)


def test_a_part_runs_exactly_once_wherever_the_process_dies(shop: Shop) -> None:
    asked = waiting(shop, FIVE)

    def see(_scene: Scene, point: str) -> None:
        report = shop.report(asked.thread)
        assert (report.status, shop.sold, shop.rows(STOCK)) == (
            Status.EXECUTED, 1, [(1, 9), (2, 8), (3, 10), (4, 5)]), point  # fmt: skip
        entries = [e.what for e in audited(shop) if e.thread == asked.thread]
        assert entries.count("committed") == entries.count("approved in part") == 1, point

    killed_everywhere(shop, asked, (1, 3, 4), see)


def test_a_rest_that_does_something_else_waits_wherever_the_process_dies(shop: Shop) -> None:
    first, second, why = NEEDS_ANOTHER[0].values
    before = shop.rows(STOCK)
    asked = waiting(shop, f"{first};\n{second}")

    def see(_scene: Scene, point: str) -> None:
        report = shop.report(asked.thread)
        assert (report.status, proposed(report).stale) == (Status.PENDING, why), point
        assert proposed(report).id == f"{asked.thread}.2", point
        assert shop.rows(STOCK) == before, point

    killed_everywhere(shop, asked, (2,), see, but="saver")  # those are the same as above
