"""Eight answers to one question through four doors at once: one counts, it runs once, and the others are told whose."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from threading import Barrier
from typing import Any

import pytest
from cli_process import Terminal, Warm
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from shops import SCRATCH, Shop, a_shop, once_each, waiting

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.graph import graph
from sqlagent.pipeline.thread.langgraph_server import Served


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-doors-", dir=SCRATCH))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("SQLAGENT_DB", str(made / "shop" / "shop.db"))
    monkeypatch.setenv("SQLAGENT_STATE_DIR", str(made / "shop" / "state"))
    yield made
    rmtree(made)


@dataclass(frozen=True, slots=True)
class Question:
    """What waits in one thread, and everybody who has it before them."""

    shop: Shop
    asked: Report
    served: Served
    warm: Warm

    @property
    def digest(self) -> str:
        assert self.asked.proposal is not None
        return self.asked.proposal.digest

    # Each gets ready, and answers the call that says it and tells what was said back.

    def at_a_terminal(self, typed: str, *, rejects: bool = False) -> Callable[[], str]:
        terminal = Terminal(self.warm, "resume", self.asked.thread, folder=self.shop.folder)
        if rejects:
            terminal.type("r").see("why? (one line, or Enter for none) ")
        else:
            terminal.prompt()

        def say() -> str:
            terminal.child.sendline(typed)
            terminal.end()
            return terminal.seen

        return say

    def by_flag(self, *flags: str) -> Callable[[], str]:
        out = self.shop.folder / f"out-{'-'.join(flags)[:20]}.json"

        def say() -> str:
            with out.open("wb") as stdout, Path(os.devnull).open("rb") as stdin:
                standard = (stdin.fileno(), stdout.fileno(), stdout.fileno())
                given = ["resume", self.asked.thread, *flags, "--json"]
                self.warm.start(given, standard=standard, terminal=False, folder=self.shop.folder).wait()
            return out.read_text()

        return say

    def by_a_program(self, by: str, choice: Choice) -> Callable[[], str]:
        decision = Decision(choice, self.digest, by, "library")

        def say() -> str:
            with self.shop.agent(by=by) as agent:
                try:
                    told = agent.decide(self.asked.thread, decision)
                except Finished as e:
                    return e.message
                return told.message or told.status.value

        return say

    def by_a_client(self, thread_id: str, answer: dict[str, Any]) -> Callable[[], str]:
        at: Any = {"configurable": {"thread_id": thread_id}}
        state = self.served.invoke({"resume": self.asked.thread}, at)
        assert state["digest"] == self.digest

        def say() -> str:
            told = self.served.invoke(Command(resume=answer), at)
            return str(told["problem"] or told["status"])

        return say


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_of_eight_answers_through_four_doors_one_counts_and_the_others_are_told_whose(
    folder: Path, warm: Warm, rounds: int
) -> None:
    counted: Counter[str] = Counter()
    for _ in range(rounds):
        counted[one_round(folder, warm)] += 1
    print(f"\n{rounds} rounds, decided by: {dict(counted)}")


def one_round(folder: Path, warm: Warm) -> str:
    shop = a_shop(folder / "shop")
    question = Question(shop, waiting(shop), graph.copy({"checkpointer": InMemorySaver()}), warm)
    yes = {"type": "approve", "digest": question.digest}
    says = {
        "a terminal": question.at_a_terminal("stock"),
        "another terminal": question.at_a_terminal("not now", rejects=True),
        "a flag": question.by_flag("--approve", question.digest),
        "another flag": question.by_flag("--reject", "not now"),
        "a program": question.by_a_program("ana", Choice.APPROVE),
        "another program": question.by_a_program("ben", Choice.REJECT),
        "a client": question.by_a_client("one", yes),
        "another client": question.by_a_client("two", yes),
    }
    told = at_once(says)
    report = shop.report(question.asked.thread)
    assert (report.status, shop.sold) in {(Status.EXECUTED, 1), (Status.REJECTED, 0)}, told
    once_each(shop)
    knew = [door for door, words in told.items() if names_the_winner(words, report)]
    assert len(knew) >= 7, told
    rmtree(shop.folder)
    return f"{report.how} ({report.status.value})"


def names_the_winner(words: str, report: Report) -> bool:
    """Whether it tells who was first, and not who a lock belongs to."""
    words = " ".join(words.split())  # a terminal breaks lines
    assert "locked" not in words
    assert "Traceback" not in words
    approved = report.status is Status.EXECUTED
    first = f"{report.decided_by} decided first: {'approve' if approved else 'reject'}"
    over = f"is finished, {report.status.value}: "
    ended = f"{'approved' if approved else 'rejected'} by {report.decided_by}"
    document = f'"decided_by": "{report.decided_by}", "how": "{report.how}"'
    return (
        first in words or (over in words and f" by {report.decided_by}" in words) or ended in words or document in words
    )


def at_once(says: dict[str, Callable[[], str]]) -> dict[str, str]:
    """What each was told, when all said it together."""
    together = Barrier(len(says))

    def said(say: Callable[[], str]) -> str:
        together.wait()
        return say()

    with ThreadPoolExecutor(len(says)) as pool:
        return dict(zip(says, pool.map(said, says.values()), strict=True))
