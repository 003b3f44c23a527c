"""Several statements on the screen: many alike in one line, nothing of them lost."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ui_builders import (
    HOSTILE,
    a_batch,
    a_long_batch,
    a_proposal,
    a_statement,
    a_table_made_and_read,
    check_screen,
    untamed,
)

from sqlagent.core.nouns.analysis import Basis, Finding, Operation, Risk, Size, Verb
from sqlagent.core.nouns.session import Proposal
from sqlagent.ui.batch import groups_of, part_lines, several_lines
from sqlagent.ui.human import Body, review
from sqlagent.ui.visible import width


def shown(proposal: Proposal, columns: int = 80) -> str:
    return str(review(proposal, columns=columns, body=Body.PAGED))


def table(text: str) -> list[str]:
    """The lines between `If you approve` and what to know of it."""
    return re.split(r"\n", text.split("If you approve\n")[1].split("\n  kind:")[0])


def test_two_hundred_alike_are_one_line_with_a_sample_and_sums() -> None:
    text = shown(a_long_batch())
    check_screen("review-alike", text)
    assert len(table(text)) == 6
    assert "  3-202  ~ update orders    1 each, 200 of 88,310 in all  WRITE" in text


def test_one_that_is_worse_stands_alone() -> None:
    proposal = a_long_batch()
    statements = list(proposal.analysis.statements)
    statements[99] = replace(statements[99], risk=Risk.SEVERE)
    lines = table(shown(a_proposal(*statements)))
    assert [line.split()[0] for line in lines if re.match(r" +\d", line)] == ["1", "2", "3-99", "100", "101-202"]
    assert sum("SEVERE" in line for line in lines) == 1


def test_a_finding_that_one_of_many_has_is_shown_with_its_number() -> None:
    assert "  ! 7,9: Scans all of orders  [full-scan]" in shown(a_long_batch())


def test_a_finding_that_differs_in_each_is_told_once_with_all_numbers() -> None:
    statements = [
        replace(s, findings=(Finding("odd-row", f"Touches row {s.index}"),)) for s in a_long_batch().analysis.statements
    ]
    text = " ".join(shown(a_proposal(*statements)).split())
    assert "! 3: Touches row 3 [odd-row], and much the same of 4-202" in text


def test_what_the_policy_denies_is_said_of_all_of_them() -> None:
    statements = [replace(s, denied="outside-database") for s in a_long_batch().analysis.statements]
    assert "! 3-202: the policy denies this; nobody can approve it  [outside-database]" in shown(
        a_proposal(*statements)
    )


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([Size(1, 40, Basis.EXACT)] * 8, "1 each, 8 of 40 in all"),
        ([Size(0, 40, Basis.EXACT)] * 8, "0 each, 0 of 40 in all"),
        ([Size(n, 40, Basis.EXACT) for n in range(8)], "0 to 7 each, 28 of 40 in all"),
        ([Size(1, None, Basis.EXACT)] * 7 + [Size(5, None, Basis.ESTIMATED)], "1 to 5 each, 12 in all estimated"),
        ([Size(1, 40, Basis.EXACT)] * 7 + [Size()], "?"),
    ],
)
def test_a_sum_says_what_it_knows(sizes: list[Size], words: str) -> None:
    statements = [
        a_statement(
            f"UPDATE orders SET status = 'x' WHERE id = {n}", index=n, risk=Risk.WRITE, findings=(),
            operations=(Operation(Verb.UPDATE, "orders", size=size),),
        )
        for n, size in enumerate(sizes, 1)
    ]  # fmt: skip
    assert re.search(rf"  1-8  ~ update orders +{re.escape(words)}  WRITE\n", shown(a_proposal(*statements)))


def test_a_long_sample_keeps_its_end_where_the_condition_is() -> None:
    (line,) = [line for line in shown(a_long_batch()).split("\n") if "e.g." in line]
    assert line.strip().startswith("e.g. UPDATE orders SET ... ")
    assert " ... " in line
    assert line.endswith("AND id = 3")
    assert width(line) <= 80


def test_few_alike_are_told_one_by_one() -> None:
    assert [group.numbers for group in groups_of(a_long_batch(alike=5))] == [str(n) for n in range(1, 8)]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_screen(columns: int) -> None:
    for proposal in (a_long_batch(), a_batch()):
        block = part_lines(proposal, {2: "a reason that goes on and on " * 9, 4: ""}, columns=columns)
        assert all(width(line) <= columns for line in str(block).split("\n"))
        assert all(width(line) <= max(columns, 66) for line in shown(proposal, columns).split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_anybody_acts_on_the_terminal(text: str) -> None:
    statements = [
        a_statement(
            f"UPDATE t SET x = {n} -- {text}", index=n, writes=(text,), reads=(text,),
            operations=(Operation(Verb.UPDATE, text, text, Size(1, 2)), Operation(Verb.CREATE, text)),
            findings=(Finding("rule", text),),
        )
        for n in range(1, 9)
    ]  # fmt: skip
    proposal = a_proposal(*statements)
    several = several_lines(proposal, range(1, 9), columns=80)
    for block in (review(proposal), part_lines(proposal, {1: text, 2: ""}, columns=80), several):
        assert untamed(str(block)) == []


def test_what_is_left_out_and_what_is_left_is_drawn() -> None:
    check_screen("part", str(part_lines(a_table_made_and_read(), {1: "", 2: "not on a Friday"}, columns=80)))


def test_everything_left_out_leaves_nothing() -> None:
    assert "left" not in str(part_lines(a_batch(), {1: "", 2: "", 3: "", 4: ""}, columns=80))


def test_each_of_several_is_whole() -> None:
    text = str(several_lines(a_batch(), (1, 4), columns=80))
    assert "WHERE status = 'pending' AND created_at < DATE('now', '-1 year')" in text
    assert "- delete shipments  1,187 of 61,002 counted  by trigger trg_cancel" in text
    assert "DROP TABLE tmp_import" in text
    assert "sessions" not in text


def test_ten_thousand_statements_are_a_screen() -> None:
    proposal = a_long_batch(alike=10_000)
    assert len(review(proposal, body=Body.PAGED).lines) < 30
    assert "8-10002 work on orders, which 7 changes" in str(part_lines(proposal, {7: "no"}, columns=80))
