"""A model's draft is repaired before it is measured; what the model wrote stays on record, and tries are worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from shops import SELL, Shop, a_shop

from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.pipeline.proposing.draft_agreement import agree
from sqlagent.service import Agent
from sqlagent.ui.human import details, review
from sqlagent.ui.listing import receipt
from sqlagent.ui.machine import report_json

MISPLACED = "SELECT s.name FROM sales s"
JOINED = "SELECT stock.name FROM sales s JOIN stock ON s.stock_id = stock.id"
MISSPELT = "SELECT nme FROM stock"
NAMES = "SELECT name FROM stock"
NO_COLUMN = "SELECT colour FROM stock"
WITH_KEYS = """
CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT NOT NULL, left INTEGER NOT NULL, state TEXT);
CREATE TABLE sales (id INTEGER PRIMARY KEY, stock_id INTEGER NOT NULL REFERENCES stock (id), was INTEGER NOT NULL);
CREATE TRIGGER sold AFTER UPDATE ON stock BEGIN INSERT INTO sales (stock_id, was) VALUES (OLD.id, OLD.left); END;
INSERT INTO stock VALUES (1, 'apple', 10, 'In Stock'), (2, 'pear', 10, 'in_stock'), (3, 'fig', 10, 'ordered');
INSERT INTO sales (stock_id, was) VALUES (1, 11);
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return a_shop(tmp_path, WITH_KEYS)


@pytest.fixture
def asking(shop: Shop, openai_server: OpenAIServer) -> Iterator[Agent]:
    with shop.agent(model="test-model", env=openai_server.env()) as agent:
        yield agent


Asks = Callable[..., Report]


@pytest.fixture
def asks(asking: Agent, openai_server: OpenAIServer) -> Asks:
    def ask(*script: str) -> Report:
        openai_server.script = list(script)
        return asking.ask("what is there?")

    return ask


def approved(agent: Agent, report: Report) -> Report:
    assert report.proposal is not None
    return agent.approve(report.thread, report.proposal.digest)


def text_of(block: Any) -> str:
    return "\n".join("".join(span.text for span in line) for line in block.lines)


# ---- what is repaired, and what is said of it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draft", "sql", "said"),
    [
        (MISSPELT, NAMES, "nme to name"),
        (MISPLACED, JOINED, "s.name to stock.name, with stock joined in"),
        ("UPDATE stocks SET left = 9 WHERE id = 1", "UPDATE stock SET left = 9 WHERE id = 1", "stocks to stock"),
    ],
)
def test_the_repair_is_what_is_proposed_and_the_draft_stays_on_record(
    asks: Asks, asking: Agent, openai_server: OpenAIServer, draft: str, sql: str, said: str
) -> None:
    waits = asks(draft)
    proposal = asking.show(waits.thread).proposal
    assert proposal is not None
    assert (proposal.sql, proposal.drafted, proposal.corrections) == (sql, draft, (said,))
    assert proposal.attempts == ()
    assert len(openai_server.requests) == 1
    screen = text_of(review(proposal))
    assert f"  corrected {said}" in screen.splitlines()
    assert draft not in screen
    assert draft in text_of(details(proposal))
    assert report_json(waits)["drafted"] == draft


def test_the_repair_is_what_runs(asks: Asks, asking: Agent) -> None:
    done = approved(asking, asks(MISPLACED))
    assert done.rowsets[0].rows == (("apple",),)


def test_what_needs_no_repair_is_the_models_to_the_byte(asks: Asks) -> None:
    proposal = asks(text := "SELECT  name\nFROM stock -- all").proposal
    assert proposal is not None
    assert (proposal.sql, proposal.drafted, proposal.corrections) == (text, "", ())


def test_the_repair_can_be_turned_off(shop: Shop, openai_server: OpenAIServer) -> None:
    openai_server.script = [MISSPELT, "SELECT id FROM stock"]
    with shop.agent(model="test-model", env=openai_server.env(), repair=False) as agent:
        proposal = agent.ask("what is there?").proposal
    assert proposal is not None
    assert proposal.sql == "SELECT id FROM stock"
    assert [a.sql for a in proposal.attempts] == [MISSPELT]


def test_an_edit_is_not_repaired_and_has_no_corrections(asks: Asks, asking: Agent) -> None:
    first = asks(MISSPELT)
    assert first.proposal is not None
    edited = asking.edit(first.thread, first.proposal.digest, "SELECT left FROM stock").proposal
    assert edited is not None
    assert (edited.drafted, edited.corrections, edited.why_empty) == ("", (), ())


def test_what_a_person_runs_is_never_repaired(asking: Agent) -> None:
    report = asking.run(MISSPELT)
    assert report.status is Status.FAILED
    assert "nme" in report.message


def test_a_rejected_draft_is_told_to_the_model_in_what_was_shown(
    asks: Asks, asking: Agent, openai_server: OpenAIServer
) -> None:
    first = asks(MISSPELT, SELL)
    assert first.proposal is not None
    no = Decision(Choice.REJECT, first.proposal.digest, asking.by, "key", reason="sell one", retry=True)
    second = asking.decide(first.thread, no).proposal
    assert second is not None
    assert (second.sql, second.drafted, second.corrections) == (SELL, "", ())
    assert NAMES in openai_server.requests[-1].messages[-2]["content"]


# ---- tries ---------------------------------------------------------------------------------------------------------


def test_the_same_draft_twice_ends_the_turn(asks: Asks, openai_server: OpenAIServer) -> None:
    report = asks(NO_COLUMN, NO_COLUMN, NAMES)
    assert report.status is Status.FAILED
    assert len(openai_server.requests) == 2


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (NO_COLUMN, "no table has a column colour"),
        ("SELECT w.id FROM weather w", "there is no table weather"),
        ("SELECT colour, price FROM stock", "no table has a column colour; no table has a column price"),
        ("DELETE FROM stock WHERE colour = 'red'", "no table has a column colour"),
        ("SELECT stock_number FROM sales", "no table has a column stock_number; nearest: sales.stock_id"),
    ],
)
def test_a_name_that_exists_nowhere_ends_as_cannot_with_the_name_and_the_nearest(
    asks: Asks, openai_server: OpenAIServer, draft: str, said: str
) -> None:
    report = asks(draft, draft)
    assert (report.status, report.failure) == (Status.FAILED, "ModelError")
    assert report.message == f"cannot answer this from these tables: {said}"
    assert report.hint.startswith("sqlagent schema")
    assert len(openai_server.requests) == 2


def test_the_complaint_names_what_exists(asks: Asks, openai_server: OpenAIServer) -> None:
    asks(NO_COLUMN, NAMES)
    complaint = openai_server.requests[-1].messages[-1]["content"]
    assert "stock has only id, name, left, state." in complaint
    assert "No table has a column colour." in complaint


@pytest.mark.parametrize(
    "reply", ["CANNOT: no colours", "CANNOT", "CANNOT answer this\nSELECT 1", "-- CANNOT: no\nSELECT name FROM stock"]
)
def test_cannot_is_taken_at_its_first_word(asks: Asks, openai_server: OpenAIServer, reply: str) -> None:
    report = asks(reply, NAMES)
    assert (report.status, report.failure) == (Status.FAILED, "ModelError")
    assert len(openai_server.requests) == 1


# ---- reads that come back empty ------------------------------------------------------------------------------------


def test_a_word_in_another_spelling_is_put_as_it_is_stored(asks: Asks) -> None:
    proposal = asks("SELECT id FROM stock WHERE state = 'Ordered'").proposal
    assert proposal is not None
    assert proposal.sql == "SELECT id FROM stock WHERE state = 'ordered'"
    assert proposal.corrections == ("'Ordered' to 'ordered'",)
    assert proposal.author == "test-model, corrected"


def test_a_word_in_several_spellings_is_any_of_them(asks: Asks) -> None:
    proposal = asks("SELECT count(*) FROM stock WHERE state = 'IN STOCK'").proposal
    assert proposal is not None
    assert proposal.sql == "SELECT count(*) FROM stock WHERE state IN ('In Stock', 'in_stock')"


def test_a_word_of_another_column_is_looked_for_through_its_key(asks: Asks) -> None:
    proposal = asks("SELECT was FROM sales WHERE stock_id = 'Apple'").proposal
    assert proposal is not None
    assert proposal.sql == "SELECT was FROM sales WHERE stock_id IN (SELECT id FROM stock WHERE name = 'apple')"


def test_words_of_the_database_do_not_go_to_a_remote_model_by_way_of_a_correction(
    asks: Asks, asking: Agent, openai_server: OpenAIServer
) -> None:
    first = approved(asking, asks("SELECT id FROM stock WHERE state = 'INSTOCK'", NAMES))
    asking.ask("and their names?", thread=first.thread)
    told = "\n".join(m["content"] for m in openai_server.requests[-1].messages)
    assert "in_stock" not in told
    assert "In Stock" not in told


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT id FROM stock WHERE state = 'sold'", "no stock has state 'sold'"),
        ("SELECT id FROM stock WHERE left > 99 AND id < 3", "no row satisfies left > 99; without it there are 2"),
        ("SELECT sum(left) FROM stock WHERE left > 99", "no row satisfies left > 99; without it there are 3"),
        (
            "SELECT name FROM stock GROUP BY 1 HAVING sum(id) > 9",
            "no row satisfies SUM(id) > 9; without it there are 3",
        ),
    ],
)
def test_what_excludes_everything_is_said_before_and_under_the_result(
    asks: Asks, asking: Agent, sql: str, why: str
) -> None:
    waits = asks(sql)
    assert waits.proposal is not None
    assert waits.proposal.why_empty == (why,)
    assert f"! it comes back empty: {why}" in " ".join(text_of(review(waits.proposal)).split())
    done = approved(asking, waits)
    assert why in text_of(receipt(done)).splitlines()


def test_sql_of_a_person_that_finds_nothing_hears_how_the_word_is_spelled(asking: Agent) -> None:
    done = approved(asking, asking.run("SELECT id FROM stock WHERE state = 'Ordered'"))
    assert done.outcome is not None
    assert done.outcome.why_empty == ("no stock has state 'Ordered'; 1 has 'ordered'",)


def test_a_read_with_rows_is_not_looked_into(asking: Agent) -> None:
    done = approved(asking, asking.run("SELECT id FROM stock WHERE state = 'ordered' OR state = 'Ordered'"))
    assert done.outcome is not None
    assert done.outcome.why_empty == ()


def test_a_change_is_not_given_other_words(asks: Asks) -> None:
    proposal = asks("UPDATE stock SET left = 0 WHERE state = 'Ordered'").proposal
    assert proposal is not None
    assert (proposal.sql, proposal.corrections) == ("UPDATE stock SET left = 0 WHERE state = 'Ordered'", ())


def test_what_the_policy_denies_is_not_looked_at(shop: Shop, openai_server: OpenAIServer) -> None:
    (shop.folder / "p.toml").write_text(
        '[[rule]]\nid = "no-stock"\nwhen = { table = ["stock"] }\nthen = "deny"\nwhy = "it is secret"\n'
    )
    openai_server.script = ["SELECT id FROM stock WHERE state = 'Ordered'"]
    policy = [str(shop.folder / "p.toml")]
    with shop.agent(model="test-model", env=openai_server.env(), policy=policy) as agent:
        report = agent.ask("what is there?")
    assert report.status is Status.DENIED
    assert report.proposal is not None
    assert (report.proposal.corrections, report.proposal.why_empty) == ((), ())


# ---- several drafts ------------------------------------------------------------------------------------------------


def test_drafts_are_repaired_before_they_are_compared(shop: Shop, openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT id FROM stock", MISSPELT, NAMES]
    with shop.agent(model="test-model", env=openai_server.env(), samples=3) as agent:
        proposal = agent.ask("what is there?").proposal
    assert proposal is not None
    assert (proposal.sql, proposal.drafted, proposal.others) == (NAMES, MISSPELT, ("SELECT id FROM stock",))
    assert proposal.confidence == pytest.approx(2 / 3)


def test_a_draft_that_finds_nothing_stands_behind_one_that_does(asking: Agent) -> None:
    empty, null = "SELECT id FROM stock WHERE id = 7", "SELECT max(id) FROM stock WHERE id = 7"
    found = agree([empty, empty, null, NAMES], asking.database, seconds=5.0, rows=100)
    assert found.sql == NAMES
