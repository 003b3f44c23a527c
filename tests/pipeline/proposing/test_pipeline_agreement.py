"""Drafts that say the same in other words, or do the same on a real file, are of one opinion; all others are not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from openai_server import Batches, OpenAIServer, Reply
from shops import SELL, Shop, shop

from sqlagent.core.nouns.analysis import Analysis, Risk
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database
from sqlagent.pipeline.proposing.draft_agreement import MOST_MEASURED, Agreement, agree
from sqlagent.service import Listener

__all__ = ["shop"]

COUNT = "SELECT count(*) FROM stock"
SAME_COUNT = "SELECT count(id) AS fruits FROM stock WHERE left = 10"
"""Another text, and the same row as long as nothing was sold."""
OTHER_COUNT = "SELECT count(*) FROM sales"


@pytest.fixture
def database(shop: Shop) -> Iterator[Database]:
    opened = open_database(str(shop.db), name="shop", foreign_keys=True)
    yield opened
    opened.close()


def agreed(candidates: Sequence[str], database: Database, **more: Any) -> Agreement:
    return agree(candidates, database, **{"seconds": 5.0, "rows": 1000, **more})


def everything(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT id, left FROM stock") + shop.rows("SELECT * FROM sales")


# ---- who agrees ----------------------------------------------------------------------------------------------------


def test_the_same_in_other_words_is_one_opinion_without_being_run(database: Database) -> None:
    found = agreed([COUNT, "select COUNT(*) from Stock;", "SELECT count(*) FROM stock -- all"], database, seconds=0)
    assert found == Agreement(COUNT, 1.0, (), (3,))


def test_reads_that_return_the_same_rows_are_one_opinion(database: Database) -> None:
    found = agreed([COUNT, SAME_COUNT, OTHER_COUNT], database)
    assert (found.sql, found.votes, found.others) == (COUNT, (2, 1), (OTHER_COUNT,))
    assert found.share == pytest.approx(2 / 3)


def test_the_largest_opinion_wins_and_keeps_its_own_bytes(database: Database) -> None:
    found = agreed([OTHER_COUNT, COUNT, SAME_COUNT], database)
    assert (found.sql, found.votes) == (COUNT, (2, 1))


def test_between_equals_the_first_draft_wins(database: Database) -> None:
    found = agreed([OTHER_COUNT, COUNT], database)
    assert (found.sql, found.share, found.others) == (OTHER_COUNT, 0.5, (COUNT,))


def test_every_draft_that_disagrees_is_named_the_commonest_first(database: Database) -> None:
    one, two = "SELECT 1", "SELECT 2"
    found = agreed([COUNT, one, two, SAME_COUNT, COUNT, two], database)
    assert (found.votes, found.others) == ((3, 2, 1), (two, two, one))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("SELECT name FROM stock", "SELECT name FROM stock WHERE left > 0", True),
        ("SELECT name FROM stock", "SELECT name FROM stock ORDER BY name DESC", True),
        ("SELECT name FROM stock ORDER BY id", "SELECT name FROM stock ORDER BY name, id", False),
        ("SELECT name FROM stock ORDER BY id", "SELECT name FROM stock ORDER BY id, name", True),
        ("SELECT name FROM stock", "SELECT name FROM stock UNION ALL SELECT name FROM stock", False),
        ("SELECT 1", "SELECT 1.0", True),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", True),
        ("SELECT 9007199254740993", "SELECT 9007199254740992", False),
        ("SELECT 1", "SELECT '1'", False),
        ("SELECT NULL", "SELECT 'None'", False),
        ("SELECT x'31'", "SELECT '1'", False),
        ("SELECT 'a', 'bc'", "SELECT 'ab', 'c'", False),
        ("SELECT name, left FROM stock", "SELECT left, name FROM stock", False),
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 3", False),
        ("SELECT 1; SELECT 2", "SELECT 1 AS a; SELECT 2 AS b", True),
        ("SELECT * FROM stock WHERE name = 'aple'", "SELECT * FROM stock WHERE name = 'plum'", False),
        ("SELECT abs(random())", "SELECT abs(random()) + 1", False),
    ],
)
def test_what_counts_as_the_same_rows(database: Database, one: str, other: str, alike: bool) -> None:
    """In no order unless both name another one; nothing found by two queries is no agreement."""
    assert agreed([one, other], database).share == (1.0 if alike else 0.5)


def test_two_orders_are_two_opinions_and_no_order_is_a_third(database: Database) -> None:
    plain, up, down = (f"SELECT name FROM stock{end}" for end in ("", " ORDER BY name", " ORDER BY name DESC"))
    assert agreed([plain, up, down, up + ", id"], database).votes == (2, 1, 1)


def test_more_rows_than_are_compared_agree_by_their_text_alone(database: Database) -> None:
    every, same = "SELECT name FROM stock", "SELECT name FROM stock WHERE id > 0"
    assert agreed([every, same], database, rows=3).share == 1.0
    assert agreed([every, same], database, rows=2).share == 0.5
    assert agreed([every, every.lower()], database, rows=2).share == 1.0


def test_a_read_that_takes_too_long_is_given_up_and_agrees_with_none(database: Database) -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    found = agreed([forever, COUNT, SAME_COUNT], database, seconds=0.2)
    assert found.votes[-1] == 1
    assert sum(found.votes) == 3


# ---- who counts ----------------------------------------------------------------------------------------------------


def test_a_draft_without_sql_disagrees_and_never_wins(database: Database) -> None:
    found = agreed([COUNT, "", "", ""], database)
    assert (found.sql, found.share, found.others) == (COUNT, 0.25, ("", "", ""))


def test_a_draft_that_never_came_disagrees(database: Database) -> None:
    assert agreed([COUNT], database, wanted=5) == Agreement(COUNT, 0.2, ("", "", "", ""), (1,))


def test_a_draft_that_the_database_refuses_wins_only_alone(database: Database) -> None:
    wrong = "SELECT nme FROM stock"
    assert agreed([wrong, wrong, COUNT], database).sql == COUNT
    assert agreed([wrong, wrong], database) == Agreement(wrong, 1.0, (), (2,))


def test_nothing_is_run_that_may_not_run(database: Database) -> None:
    judged: list[Analysis] = []

    def never(analysis: Analysis) -> bool:
        judged.append(analysis)
        return False

    assert agreed([COUNT, SAME_COUNT], database, may_run=never).share == 0.5
    assert [analysis.risk for analysis in judged] == [Risk.READ, Risk.READ]


# ---- changes -------------------------------------------------------------------------------------------------------


def test_changes_that_come_to_the_same_are_one_opinion_and_leave_no_trace(shop: Shop, database: Database) -> None:
    before = everything(shop)
    other = "UPDATE stock SET left = 9 WHERE name = 'apple'"
    more = "UPDATE stock SET left = left - 1"
    found = agreed([more, SELL, other], database)
    assert (found.sql, found.votes) == (SELL, (2, 1))
    assert everything(shop) == before


def test_changes_that_change_nothing_may_do_so_for_different_reasons(database: Database) -> None:
    assert agreed(["DELETE FROM stock WHERE id = 98", "DELETE FROM stock WHERE id = 99"], database).share == 0.5


def test_many_different_changes_are_compared_by_their_text_alone(database: Database) -> None:
    ways = [f"UPDATE stock SET left = {10 - n} - 0 WHERE id = 1" for n in range(MOST_MEASURED)]
    same = "UPDATE stock SET left = 10 - 1 WHERE id = 1"
    assert agreed([SELL, same], database).share == 1.0
    assert agreed([SELL, same, *ways], database).votes == (1,) * (2 + MOST_MEASURED)


def test_a_change_of_shape_is_compared_by_its_text_alone(shop: Shop, database: Database) -> None:
    found = agreed(["DROP TABLE sales", "DROP TABLE IF EXISTS sales", "drop table SALES"], database)
    assert found.votes == (2, 1)
    assert shop.rows("SELECT count(*) FROM sales") == [(0,)]


@pytest.mark.parametrize("outside", ["ATTACH '{folder}/new.db' AS x", "VACUUM INTO '{folder}/new.db'"])
def test_what_reaches_outside_is_never_run_to_be_compared(shop: Shop, database: Database, outside: str) -> None:
    sql = outside.format(folder=shop.folder)
    agreed([sql, COUNT, sql + ";", SAME_COUNT], database)
    assert not (shop.folder / "new.db").exists()


# ---- through the pipeline ------------------------------------------------------------------------------------------


def asked(shop: Shop, script: Sequence[str | Reply], *, batches: Batches = Batches.KNOWN, **settings: Any) -> Report:
    with OpenAIServer(list(script), batches=batches) as server:
        flags: dict[str, Any] = {"model": "test-model", "samples": "3", **settings}
        with shop.agent(env=server.env(), **flags) as agent:
            return agent.ask("how many fruits are there?")


def test_a_proposal_carries_its_confidence_and_the_drafts_that_disagree(shop: Shop) -> None:
    waits = asked(shop, [COUNT, SAME_COUNT, OTHER_COUNT])
    assert waits.proposal is not None
    assert waits.proposal.sql == COUNT
    assert waits.proposal.confidence == pytest.approx(2 / 3)
    assert waits.proposal.others == (OTHER_COUNT,)


def test_the_majority_is_what_is_proposed_without_the_words_about_another_draft(shop: Shop) -> None:
    first = f"```sql\n{OTHER_COUNT}\n```\nThis counts what was sold."
    waits = asked(shop, [first, COUNT, SAME_COUNT])
    assert waits.proposal is not None
    assert (waits.proposal.sql, waits.proposal.note) == (COUNT, "")


def test_with_one_sample_of_a_server_that_tells_no_probabilities_there_is_no_confidence(shop: Shop) -> None:
    waits = asked(shop, [COUNT], samples="1")
    assert waits.proposal is not None
    assert (waits.proposal.confidence, waits.proposal.others) == (None, ())


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([COUNT, COUNT, SAME_COUNT], Status.EXECUTED),
        ([COUNT, COUNT, OTHER_COUNT], Status.PENDING),
        ([COUNT, "CANNOT: no fruit", COUNT], Status.PENDING),
        ([COUNT, Reply.error(400, "no"), COUNT], Status.EXECUTED),
        ([COUNT, COUNT, Reply.error(401, "no")], Status.PENDING),
    ],
)
def test_an_allowed_read_runs_unasked_only_where_every_draft_came_and_agrees(
    shop: Shop, script: list[str | Reply], status: Status
) -> None:
    report = asked(shop, script, reads="allow", batches=Batches.IGNORED)
    assert report.status is status
    assert report.proposal is not None
    assert ("confidence" in report.proposal.policy) is (status is Status.PENDING)


def test_an_allowed_read_is_asked_where_no_other_draft_came_at_all(shop: Shop) -> None:
    report = asked(shop, [COUNT, Reply.error(401)], reads="allow")
    assert report.status is Status.PENDING
    assert report.proposal is not None
    assert report.proposal.confidence == pytest.approx(1 / 3)


def test_an_edit_has_no_confidence_of_the_models(shop: Shop) -> None:
    flags: dict[str, Any] = {"model": "test-model", "samples": "3"}
    with OpenAIServer([COUNT, OTHER_COUNT]) as server, shop.agent(env=server.env(), **flags) as agent:
        waits = agent.ask("how many?")
        assert waits.proposal is not None
        assert waits.proposal.others
        edit = Decision(Choice.EDIT, waits.proposal.digest, agent.by, "key", sql=SAME_COUNT)
        edited = agent.decide(waits.thread, edit)
    assert edited.proposal is not None
    assert (edited.proposal.confidence, edited.proposal.others) == (None, ())


def test_the_drafts_are_on_record_by_the_sql_that_was_chosen(shop: Shop) -> None:
    waits = asked(shop, [OTHER_COUNT, COUNT, SAME_COUNT])
    with shop.agent() as agent:
        (drafted,) = [e for e in agent.journal.audit() if e.what == "drafted" and e.thread == waits.thread]
    assert json.loads(drafted.detail)["sql_sha256"] == sha256(COUNT.encode()).hexdigest()


def test_what_came_short_is_said(shop: Shop) -> None:
    said: list[str] = []
    more: dict[str, Any] = {"model": "test-model", "samples": "3", "listener": Listener(note=said.append)}
    with OpenAIServer([COUNT, Reply.error(401, "no more")]) as server, shop.agent(env=server.env(), **more) as agent:
        agent.ask("how many?")
    assert any(line.startswith("1 of 3 drafts came: ") for line in said)


@pytest.mark.model
def test_the_embedded_model_drafts_three_times_on_one_reading_of_the_prompt(shop: Shop, weights_path: Path) -> None:
    cache = str(weights_path.parent.parent)
    with shop.agent(model="local", samples="3", cache_dir=cache, keep_alive="0") as agent:
        waits = agent.ask("How many rows are in the table stock?")
    assert waits.proposal is not None
    assert waits.proposal.confidence in (1 / 3, 2 / 3, 1)
    assert waits.proposal.read_only
