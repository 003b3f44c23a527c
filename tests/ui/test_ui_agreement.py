"""What the screen says of drafts that agree, and of those that do not."""

from __future__ import annotations

import pytest
from ui_builders import a_proposal

from sqlagent.core.confidence import FAIR, SURE
from sqlagent.core.nouns.session import Proposal
from sqlagent.ui import human, machine


def drafted(share: float | None, *others: str) -> Proposal:
    return a_proposal(confidence=share, others=others)


@pytest.mark.parametrize(
    ("proposal", "line"),
    [
        (
            drafted(0.6, "SELECT 1", "SELECT 2"),
            "  confidence: fair, 3 of 5 drafts agree; the others: SELECT 1 | SELECT 2",
        ),
        (drafted(2 / 3, "SELECT 1\n  FROM t"), "  confidence: fair, 2 of 3 drafts agree; the other: SELECT 1 FROM t"),
        (drafted(1 / 3, "SELECT 1", "SELECT 1"), "  confidence: a guess, 1 of 3 drafts agree; the others: SELECT 1"),
        (drafted(0.2, "", "", "", ""), "  confidence: a guess, 1 of 5 drafts agree; the others: no SQL"),
        (drafted(8 / 9, "SELECT 1"), "  confidence: fair, 8 of 9 drafts agree; the other: SELECT 1"),
        (drafted(1.0), "  confidence: sure, all drafts of the model agree"),
    ],
)
def test_the_review_says_how_many_agree_on_one_line(proposal: Proposal, line: str) -> None:
    assert line in str(human.review(proposal)).split("\n")


@pytest.mark.parametrize(("chance", "word"), [(0.99, "sure"), (SURE, "sure"), (FAIR, "fair"), (0.1, "a guess")])
def test_one_draft_alone_is_spoken_of_in_a_word(chance: float, word: str) -> None:
    proposal = a_proposal(confidence=chance, drafts=1)
    assert f"  confidence: {word}" in str(human.review(proposal)).split("\n")
    assert "agree" not in str(human.review(proposal))


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert "confidence" not in str(human.review(drafted(None)))


def test_the_line_stays_one_line_whatever_the_others_are() -> None:
    proposal = drafted(0.5, "SELECT '\x1b[2J\u202e'\r\n; " + "x" * 5_000)
    (line,) = [line for line in str(human.review(proposal, columns=60)).split("\n") if "agree" in line]
    assert len(line) <= 60
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_the_others_are_whole_among_the_details() -> None:
    proposal = drafted(0.4, "SELECT 1\n  FROM t", "SELECT 1\n  FROM t", "")
    shown = str(human.details(proposal))
    assert "other    SELECT 1\n               FROM t  (drafted 2 times)" in shown
    assert "other    no SQL" in shown


def test_programs_get_the_share_and_the_others() -> None:
    document = machine.proposal_json(drafted(0.5, "SELECT 1"))
    assert (document["confidence"], document["others"]) == (0.5, ["SELECT 1"])
