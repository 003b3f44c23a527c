"""What a proposal says in words, held against the database that it is about."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from checkout import ROOT
from words_cases import FOLDER, Case, cases, database, in_words

from sqlagent import config
from sqlagent.core.approval.shown import shown
from sqlagent.core.nouns.session import Proposal
from sqlagent.databases.base import Database
from sqlagent.service import Agent
from sqlagent.ui.human import allowed, review, statement_view, unasked

ALL = tuple(cases())
LIMITED = [c for c in ALL if "; at most" in c.says]
LARGEST = [c for c in ALL if re.search(r"(largest|smallest) first( by|$)", c.says)]
CANCEL = "UPDATE orders SET status = 'cancelled' WHERE status = 'pending' AND created_at < '2025-01-01'"
SPENT = "SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Database]]:
    folder = tmp_path_factory.mktemp("words")
    opened: dict[str, Database] = {}

    def get(schema: str) -> Database:
        if schema not in opened:
            opened[schema] = database(schema, folder)
        return opened[schema]

    yield get
    for each in opened.values():
        each.close()


def rows(there: Database, sql: str) -> list[tuple[Any, ...]]:
    db = apsw.Connection(there.identity().removeprefix("sqlite:"), flags=apsw.SQLITE_OPEN_READONLY)
    found = db.execute(sql).fetchall()
    db.close()
    return found


@pytest.mark.parametrize("case", ALL, ids=lambda c: f"{c.schema}-{c.sql[:60]}")
def test_it_says_what_it_does_and_its_figures_are_those_of_the_database(
    case: Case, there: Callable[[str], Database]
) -> None:
    db = there(case.schema)
    found = in_words(case.sql, db)
    assert (found.words, found.assumes) == (case.says, case.assumes)
    for query, number in case.counts:
        assert rows(db, query) == [(number,)], query
        said = " ".join((case.says, *case.assumes))
        assert re.search(rf"\b{number:,}\b" if number else r"\bno\b", said), (number, said)


@pytest.mark.parametrize("case", LIMITED, ids=lambda c: c.sql[:60])
def test_no_more_rows_come_than_it_says(case: Case, there: Callable[[str], Database]) -> None:
    most = int(re.findall(r"; at most (\d+) rows?\b", case.says)[-1])
    assert len(rows(there(case.schema), case.sql)) <= most


@pytest.mark.parametrize("case", LARGEST, ids=lambda c: c.sql[:60])
def test_the_largest_is_first_where_it_says_so(case: Case, there: Callable[[str], Database]) -> None:
    """Of what it is ordered by alone: the column that is named, or the one that is put together."""
    found = rows(there(case.schema), case.sql)
    by = re.search(r" first by ([\w.]+)", case.says)
    named = case.says.partition(" of ")[0].replace(" and ", ", ").split(", ")
    place = named.index(by[1]) if by and by[1] in named else -1
    column = [row[place] for row in found]
    assert len(column) > 1
    assert column == sorted(column, reverse="largest first" in case.says)


def test_figures_of_a_change_are_those_of_a_run(there: Callable[[str], Database]) -> None:
    for case in (c for c in ALL if re.match(r"(sets|deletes|adds)", c.says)):
        db = apsw.Connection(there(case.schema).identity().removeprefix("sqlite:"))
        db.execute("BEGIN")
        db.execute(case.sql)
        said = re.search(r"(?:on|deletes|adds) (?:the |all )?([\d,]+|no) ", case.says)
        assert said is not None, case.says
        assert db.changes() == int(said[1].replace(",", "").replace("no", "0")), case.says
        db.execute("ROLLBACK")
        db.close()


def test_there_are_forty_statements_of_three_schemas() -> None:
    assert len(ALL) >= 40
    assert {c.schema for c in ALL} == {p.stem for p in FOLDER.glob("*.toml")} >= {"sample", "bank", "hotel"}
    assert sum(bool(re.match(r"(sets|deletes|adds)", c.says)) for c in ALL) >= 16


# ---- on the screens, and for programs ------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Agent]:
    shutil.copy(ROOT / "sample.db", tmp_path / "shop.db")
    flags = {"database": str(tmp_path / "shop.db"), "state_dir": str(tmp_path / "state")}
    with Agent(config.load(flags, {}, tmp_path)) as agent:
        yield agent


def proposed(shop: Agent, sql: str) -> Proposal:
    proposal = shop.run(sql, title="t").proposal
    assert proposal is not None
    return proposal


def test_the_sentence_stands_under_the_sql_and_what_it_takes_for_granted_below(shop: Agent) -> None:
    proposal = proposed(shop, SPENT)
    for screen in (review(proposal), allowed(proposal), unasked(proposal)):
        lines = str(screen).split("\n")
        sql = max(n for n, line in enumerate(lines) if "GROUP BY" in line)
        assert lines[sql + 1].startswith("  in words: for each customer with orders: customers.name and the sum of")
        assert "    - 45 of 420 customers have no orders and are left out" in lines
        assert max(map(len, lines)) <= 80


def test_programs_are_told_the_same_words(shop: Agent) -> None:
    report = shop.run(CANCEL, title="t")
    (statement,) = report.to_json()["statements"]
    assert statement["words"].startswith("sets status to 'cancelled' on the 79 orders where status is 'pending'")
    assert statement["assumes"] == ["by orders.created_at (there is also cancelled_at)"]


def test_of_several_statements_each_is_told_where_it_is_looked_at_and_nothing_is_counted_too_soon(shop: Agent) -> None:
    script = f"DELETE FROM reviews WHERE rating = 1;\n{SPENT};\nDROP TABLE payments;\nSELECT count(*) FROM orders"
    proposal = proposed(shop, script)
    first, second, third, last = proposal.analysis.statements
    assert first.words == "deletes the reviews where rating is 1; 115 rows are deleted"
    assert second.assumes == ("customers without orders are left out",)
    assert (third.words, last.words) == ("", "")
    assert "in words: deletes the reviews" in str(statement_view(proposal, 1, columns=80))
    assert "in words" not in str(review(proposal))


def test_what_cannot_be_counted_in_time_is_said_without_a_figure(shop: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.pipeline.proposing.looking.Looking.count", lambda *_: None)
    (statement,) = proposed(shop, SPENT).analysis.statements
    assert statement.assumes == ("customers without orders are left out",)
    (change,) = proposed(shop, CANCEL).analysis.statements
    assert "; 79 rows are changed" in change.words


def test_an_approval_is_of_the_words_that_were_shown(shop: Agent) -> None:
    """They are on the screen, so that a plan with other words is another plan."""
    proposal = proposed(shop, CANCEL)
    (statement,) = proposal.analysis.statements
    other = replace(proposal, analysis=replace(proposal.analysis, statements=(replace(statement, words="reads"),)))
    assert shown(other) != shown(proposal)
