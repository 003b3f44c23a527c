"""Every key on a real pseudo-terminal.  Silence never approves."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from ui_builders import FakeTerminal, a_proposal, a_read, a_screen, a_statement, check_screen, untamed
from ui_terminal import PROMPT, Terminal

from sqlagent.core.approval.one_key import word_for
from sqlagent.core.errors import NeedsApproval
from sqlagent.core.nouns.analysis import Analysis, Risk
from sqlagent.core.nouns.session import Proposal
from sqlagent.core.text.split import joined
from sqlagent.ui.prompt import ask
from sqlagent.ui.screen import Input, can_prompt


@pytest.mark.parametrize(
    ("proposal", "typed", "answer"),
    [
        ("read", [""], "approve enter"),
        ("read", ["a"], "approve key"),
        ("read", ["A"], "approve key"),
        ("read", ["  a  "], "approve key"),
        ("write", [""], "later enter"),
        ("write", ["a"], "approve key"),
        ("write", ["orders", "a"], "approve key"),
        ("severe", [""], "later enter"),
        ("severe", ["a", "l"], "later key"),
        ("severe", ["Orders", "order", "orders;", "yes", "y", "orders"], "approve typed"),
        ("severe", ["k7f3", "l"], "later key"),
        ("unknown", ["a", "orders", "k7f3"], "approve typed"),
        ("odd-name", ["orders", "оrders", "k7f3"], "approve typed"),
        ("name-is-a-key", ["l"], "later key"),
        ("name-is-a-key", ["k7f3"], "approve typed"),
        ("batch", ["tmp_import"], "approve typed"),
        ("batch", ["5", "0", "x", "x 9", "1", "4", "l"], "later key"),
        ("write", ["1", "x 1", "s", "zzz", "\x1b[A", "l"], "later key"),
    ],
)
def test_a_key_means_what_the_screen_says(proposal: str, typed: list[str], answer: str) -> None:
    terminal = Terminal(proposal).type(*typed)
    assert terminal.answer().startswith(answer)
    terminal.child.close()


def test_a_is_refused_for_a_severe_write_and_says_what_to_type() -> None:
    terminal = Terminal("severe").type("a")
    terminal.see("`a` is not enough for SEVERE: type orders").type("orders")
    assert terminal.answer().startswith("approve typed")


def test_a_wrong_key_is_said_and_asked_again() -> None:
    terminal = Terminal("severe").type("maybe")
    terminal.see("maybe is none of these; to approve, type orders").type("l")
    terminal.see("k7f3 stays pending; nothing ran").see("next: sqlagent resume k7f3")
    assert terminal.answer().startswith("later key")


def test_what_was_typed_before_the_prompt_was_there_approves_nothing(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    terminal = Terminal("read", WAIT_FOR=str(gate))
    terminal.child.expect_exact("READY")
    terminal.child.send("a\n\na\n")
    terminal.child.expect_exact("a\r\n\r\na\r\n")  # the terminal has it, and has echoed it
    gate.open("w").close()
    terminal.type("l")
    assert terminal.answer().startswith("later key")


def test_a_second_line_of_a_paste_answers_nothing() -> None:
    terminal = Terminal("severe")
    terminal.child.expect_exact(PROMPT)
    terminal.child.send("nonsense\norders\n")
    terminal.see("nonsense is none of these").type("l")
    assert terminal.answer().startswith("later key")


def test_end_of_input_leaves_it_pending() -> None:
    terminal = Terminal("read")
    terminal.child.expect_exact(PROMPT)
    terminal.child.sendeof()
    terminal.see("next: sqlagent resume k7f3")
    assert terminal.answer().startswith("later eof")


def test_an_unfinished_line_at_the_end_of_input_approves_nothing() -> None:
    terminal = Terminal("read")
    terminal.child.expect_exact(PROMPT)
    terminal.child.send("a\x04\x04")
    assert terminal.answer().startswith("later eof")


@pytest.mark.parametrize("typed", [[], ["r"]])
def test_ctrl_c_leaves_it_pending(typed: list[str]) -> None:
    terminal = Terminal("write").type(*typed)
    terminal.child.expect_exact("why? (one line, or Enter for none) " if typed else PROMPT)
    terminal.child.sendintr()
    terminal.see("stays pending")
    assert terminal.answer().startswith("later interrupt")


def test_a_terminal_that_closes_leaves_it_pending(tmp_path: Path) -> None:
    told = tmp_path / "answer"
    terminal = Terminal("read", ANSWER_TO=str(told))
    terminal.child.expect_exact(PROMPT)
    os.close(terminal.child.child_fd)
    _, status = os.waitpid(terminal.child.pid, 0)
    assert told.read_text().startswith("ANSWER later hangup") or told.read_text().startswith("ANSWER later eof")
    assert not os.WIFSIGNALED(status)


def test_a_hangup_signal_leaves_it_pending(tmp_path: Path) -> None:
    told = tmp_path / "answer"
    terminal = Terminal("read", ANSWER_TO=str(told))
    terminal.child.expect_exact(PROMPT)
    terminal.child.kill(signal.SIGHUP)
    assert terminal.answer().startswith("later hangup")


def test_a_hangup_signal_is_not_heard_where_the_program_was_started_to_ignore_it(tmp_path: Path) -> None:
    terminal = Terminal("read", nohup=True, ANSWER_TO=str(tmp_path / "answer"))
    terminal.child.expect_exact(PROMPT)
    terminal.child.kill(signal.SIGHUP)
    terminal.child.sendline("a")
    assert terminal.answer().startswith("approve key")


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["", None], "reject key '' '' False ()"),
        (["too many rows", "y"], "reject key '' 'too many rows' True ()"),
        (["too many rows", ""], "reject key '' 'too many rows' False ()"),
        (["zu viele Zeilen: größer", "n"], "reject key '' 'zu viele Zeilen: größer' False ()"),
    ],
)
def test_a_rejection_asks_why_and_whether_to_try_again(lines: list[str | None], answer: str) -> None:
    reason, again = lines
    terminal = Terminal("severe").type("r").type(str(reason), after="why? (one line, or Enter for none) ")
    if again is not None:
        terminal.type(again, after="try again with this? [y/N] ")
    assert terminal.answer() == answer


def test_nobody_is_asked_to_try_again_where_no_model_wrote_it() -> None:
    terminal = Terminal("severe", "not-offered").type("r").type("why not", after="Enter for none) ")
    assert terminal.answer() == "reject key '' 'why not' False ()"


def test_the_details_are_shown_and_the_question_stays() -> None:
    terminal = Terminal("severe").type("d")
    terminal.see("details of k7f3").see("SCAN orders").see("9f2c 41d0").type("l")
    assert terminal.answer().startswith("later key")


def test_one_statement_of_several_is_looked_at() -> None:
    terminal = Terminal("batch").type("4")
    terminal.see("statement 4 of 4, line 6, UNKNOWN").see("1 DROP TABLE tmp_import").type("l")
    assert terminal.answer().startswith("later key")


# ---- approving a part ------------------------------------------------------------------------------------------------


def test_a_statement_that_is_left_out_is_said_and_nothing_is_decided_by_it() -> None:
    terminal = Terminal("batch").type("x 2 not on a Friday")
    terminal.see("out   2  - delete sessions: not on a Friday").see("left  1,3-4").see("[x 2] take back")
    terminal.see("type tmp_import to approve 1,3-4 and run").type("l")
    assert terminal.answer() == "later key '' '' False ()"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["x 2 not on a Friday", "tmp_import"], "partial typed '' '2: not on a Friday' False (1, 3, 4)"),
        (["x 4", "a", "tmp_import", "orders"], "partial typed '' '4' False (1, 2, 3)"),
        (["X 1, 4 no", "x 2", "tmp_import", ""], "partial enter '' '1,4: no; 2' False (3,)"),
        (["x 1,3-4 no", "a"], "partial key '' '1,3-4: no' False (2,)"),
        (["x 4", "x 4", "orders", "tmp_import"], "approve typed '' '' False ()"),
        (["x 2-4", "x 3", "x 4 why", "orders"], "partial typed '' '2; 4: why' False (1, 3)"),
        (["x 2 first", "x 2 better", "tmp_import"], "partial typed '' '2: better' False (1, 3, 4)"),
        (["x 1,2,4", "x 3 all bad", "a", "tmp_import", "m2c9", "r"], "reject key '' '1-2,4; 3: all bad' False ()"),
        (["x 1,4", "x 2", ""], "partial enter '' '1-2,4' False (3,)"),
        (["x 4", ""], "later enter '' '' False ()"),
        (["x 5", "x 0", "x 3-2", "x 1-9", "x", "x y", "x 1 2", "x 1;2", "x -1", "l"], "later key '' '' False ()"),
    ],
)
def test_what_is_left_is_approved_by_the_worst_of_it(typed: list[str], answer: str) -> None:
    assert Terminal("batch").type(*typed).answer() == answer


def test_everything_left_out_is_rejected_with_the_reasons_that_were_given() -> None:
    terminal = Terminal("batch").type("x 1-4 not today").see("nothing is left to approve")
    terminal.type("a").see("nothing is left to approve: [r] rejects all, [x 1] takes it back").type("r")
    assert terminal.answer() == "reject key '' '1-4: not today' False ()"


def test_everything_left_out_without_a_word_is_asked_why() -> None:
    terminal = Terminal("batch").type("x 1-4", "r").type("because", after="Enter for none) ")
    terminal.type("n", after="[y/N] ")
    assert terminal.answer() == "reject key '' 'because' False ()"


def test_what_another_statement_needs_is_said_at_once() -> None:
    terminal = Terminal("needs").type("x 2")
    terminal.see("! 4 needs 2: it reads tmp_import, which 2 creates").type("x 2").see("nothing is left out")
    terminal.type("x 1").see("3 works on orders, shipments, audit_log, which 1 changes").type("l")
    assert terminal.answer().startswith("later key")


def test_a_part_at_a_later_stage_says_what_it_voids() -> None:
    terminal = Terminal("staged").type("x 2").see("! the approvals so far were of the whole").type("l")
    assert terminal.answer().startswith("later key")


def test_who_may_not_approve_may_not_approve_a_part() -> None:
    terminal = Terminal("batch", UNFIT="ben asked for it").type("x 2").see("x 2 is none of these").type("tmp_import")
    terminal.see("tmp_import is none of these").type("l")
    assert terminal.answer().startswith("later key")


def test_several_statements_are_looked_at_one_by_one() -> None:
    terminal = Terminal("batch").type("2-4")
    terminal.see("2  DELETE FROM sessions").see("- delete sessions  310 of 9,020  WRITE").see(
        "4  DROP TABLE tmp_import"
    )
    terminal.see("! Cannot be undone: DROP TABLE  [no-undo]").type("4-2").see("there is no statement 4-2").type("l")
    assert terminal.answer().startswith("later key")


def test_many_statements_are_looked_at_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGER BEGINS; cat; echo PAGER ENDS\n")
    pager.chmod(0o755)
    terminal = Terminal("alike", SQLAGENT_PAGER=str(pager)).type("3-202")
    terminal.see("PAGER BEGINS").see("  202  UPDATE orders").see("PAGER ENDS").type("l")
    assert terminal.answer().startswith("later key")


def test_sql_longer_than_the_screen_opens_the_pager_first(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGER BEGINS; cat; echo PAGER ENDS\n")
    pager.chmod(0o755)
    terminal = Terminal("long", SQLAGENT_PAGER=str(pager), PAGER="false")
    terminal.see("PAGER BEGINS").see("102 DROP TABLE t").see("PAGER ENDS").see("(102 lines of SQL, shown before this")
    terminal.type("s").see("PAGER BEGINS").type("l")
    assert terminal.answer().startswith("later key")


@pytest.mark.parametrize("pager", ["no-such-program-anywhere", "false", "", "cat", "'unbalanced"])
def test_without_a_pager_the_sql_is_still_whole(pager: str) -> None:
    terminal = Terminal("long", SQLAGENT_PAGER=pager)
    terminal.see("102 DROP TABLE t").see("If you approve").type("l")
    assert terminal.answer().startswith("later key")


@pytest.mark.parametrize("typed", ["a\n", "orders\n", "\n", "y\n" * 9, ""])
@pytest.mark.parametrize("proposal", [a_proposal(), a_proposal(a_read())])
def test_a_pipe_can_never_approve(proposal: Proposal, typed: str) -> None:
    with pytest.raises(NeedsApproval) as failure:
        ask(proposal, screen=a_screen(FakeTerminal()), stdin=io.StringIO(typed))
    assert failure.value.hint == "in a terminal: sqlagent resume k7f3"


def test_somebody_is_asked_only_where_both_ends_are_a_terminal() -> None:
    pipe, terminal = io.StringIO(), FakeTerminal()
    closed = FakeTerminal()
    closed.close()
    ends = [(terminal, terminal), (terminal, pipe), (pipe, terminal), (pipe, pipe)]
    assert [can_prompt(*both, Input.ALLOWED) for both in ends] == [True, False, False, False]
    assert not can_prompt(terminal, terminal, Input.NEVER)
    assert not can_prompt(io.StringIO(), closed, Input.ALLOWED)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("orders", "orders"),
        ("order items", "order items"),
        ("main.orders", "main.orders"),
        ("", "k7f3"),
        ("a", "k7f3"),
        ("E", "k7f3"),
        ("12", "k7f3"),
        ("x 3", "k7f3"),
        ("x 3 why", "k7f3"),
        ("3-5", "k7f3"),
        (" orders", "k7f3"),
        ("order  items", "k7f3"),
        ("оrders", "k7f3"),
        ("orders\u200b", "k7f3"),
        ("orders\n", "k7f3"),
        ("o" * 61, "k7f3"),
    ],
)
def test_the_word_to_type_is_one_that_can_be_typed(name: str, word: str) -> None:
    assert word_for(a_proposal(a_statement(writes=(name,) if name else ()))) == word


def test_statements_joined_again_stay_apart() -> None:
    assert joined(["SELECT 1 -- one", "SELECT 2", "SELECT 3"]) == "SELECT 1 -- one\n;\nSELECT 2;\nSELECT 3"
    assert joined(["SELECT 1"]) == "SELECT 1"


@pytest.mark.parametrize("name", ["read", "write", "severe", "batch"])
def test_the_keys_are_the_last_thing_on_the_screen(name: str) -> None:
    terminal = Terminal(name, PAGER="cat")
    terminal.child.expect_exact(PROMPT)
    shown = terminal.child.before.replace("\r\n", "\n")
    check_screen(f"prompt-{name}", shown.rsplit("─" * 80 + "\n", 1)[1])
    assert not untamed(shown)
    terminal.child.close()


def test_risk_unknown_without_statements_is_handled_as_the_worst() -> None:
    proposal = a_proposal(analysis=Analysis(()))
    assert word_for(proposal) == "k7f3"
    assert proposal.analysis.risk is Risk.UNKNOWN
