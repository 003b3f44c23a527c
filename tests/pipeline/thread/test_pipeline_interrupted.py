"""Ctrl-C at any moment: what was not committed is gone, and the thread can be gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from openai_server import OpenAIServer, Reply
from shops import (
    ENDLESS_READ,
    ENDLESS_WRITE,
    SELL,
    Shop,
    a_shop,
    approved,
    ending,
    shop,
    waiting,
)

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Report, Status
from sqlagent.pipeline import crash_points
from sqlagent.service import Agent
from sqlagent.service import parts as service_parts

__all__ = ["shop"]


class Watch:
    """Presses Ctrl-C when something has begun, from a thread of its own, as a terminal would."""

    def __init__(self, begun: Callable[[], bool], process: int | None = None) -> None:
        self.begun = begun
        self.process = process or os.getpid()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self.over.wait(0.01):
            if self.begun():
                os.kill(self.process, signal.SIGINT)
                return

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize("wal", [False, True])
def test_ctrl_c_cancels_a_long_change_and_nothing_is_left_of_it(tmp_path: Path, wal: bool) -> None:
    shop = a_shop(tmp_path, wal=wal)
    asked = waiting(shop, ENDLESS_WRITE)
    begun = threading.Event()
    with shop.agent(timeout="0") as agent, Watch(begun.is_set):
        told_when_reached(agent, "begun", begun)
        report = approved(agent, asked)
    assert (report.status, report.failure) == (Status.FAILED, "KeyboardInterrupt")
    assert report.message == "cancelled; nothing was changed"
    assert shop.rows("SELECT count(*) FROM sales") == [(0,)]
    with shop.agent() as agent, pytest.raises(Finished, match="cancelled"):
        agent.resume(asked.thread)


def told_when_reached(agent: Agent, point: str, event: threading.Event) -> None:
    agent._parts.__dict__["reached"] = lambda name: event.set() if name == point else None


def test_ctrl_c_cancels_a_long_read(shop: Shop) -> None:
    asked = waiting(shop, ENDLESS_READ)
    begun = threading.Event()
    with shop.agent(timeout="0") as agent, Watch(begun.is_set):
        told_when_reached(agent, "execute: after the claim", begun)
        report = approved(agent, asked)
    assert (report.status, report.failure) == (Status.FAILED, "KeyboardInterrupt")


def test_ctrl_c_on_the_command_line_is_exit_code_130_and_two_lines(shop: Shop, tmp_path: Path) -> None:
    asked = waiting(shop, ENDLESS_WRITE)
    assert asked.proposal is not None
    points = tmp_path / "points"
    program = [sys.executable, "-m", "sqlagent", "resume", asked.thread, "--approve", asked.proposal.digest,
               "--timeout", "0", "--state-dir", str(shop.state)]  # fmt: skip
    environment = os.environ | {"SQLAGENT_CRASH_LIST": str(points)}
    process = subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True)
    with process, Watch(lambda: points.exists() and "begun" in points.read_text(), process.pid):
        _, said = process.communicate()
    assert process.returncode == 130
    assert "cancelled; nothing was changed" in said
    assert "Traceback" not in said
    assert shop.rows("SELECT count(*) FROM sales") == [(0,)]


def test_ctrl_c_while_the_model_writes_leaves_a_thread_that_resume_goes_on_with(
    shop: Shop, openai_server: OpenAIServer
) -> None:
    begun = threading.Event()
    openai_server.script = [Reply(SELL, wait=threading.Event())]
    with shop.agent(model="test-model", env=openai_server.env()) as agent:
        agent._parts._listener = service_parts.Listener(heard=lambda _text: begun.set())
        with Watch(begun.is_set), pytest.raises(KeyboardInterrupt):
            agent.ask("sell an apple")
        (thread,) = agent.pending()
        assert thread.status is Status.NEW
        openai_server.script = [SELL]
        assert agent.resume(thread.id).status is Status.PENDING
    assert shop.sold == 0


@pytest.mark.parametrize("wal", [False, True])
def test_a_ctrl_c_at_any_point_of_a_run_never_blurs_whether_it_ran(
    tmp_path: Path, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised where the signal would be noticed; those of the saver are passed in a thread that no signal reaches."""
    passed: list[str] = []
    monkeypatch.setattr(service_parts, "crash_points", lambda *_: passed.append)
    trial(a_shop(tmp_path / "trial", wal=wal))
    monkeypatch.undo()
    points = [p for p in dict.fromkeys(passed) if not p.startswith("saver")]
    assert {"begun", "ran 1", "committed"} <= set(points)
    seen = {}
    for number, point in enumerate(points):
        shop = a_shop(tmp_path / f"shop-{number}", wal=wal)
        with monkeypatch.context() as patch:
            patch.setattr(service_parts, "crash_points", lambda *_, point=point: pressed_at(point))
            thread = trial(shop)
        seen[point] = ending(shop, thread)
        assert seen[point] in {(Status.EXECUTED, 1), (Status.FAILED, 0), (Status.PENDING, 0)}, point
    assert seen["begun"] == (Status.FAILED, 0)
    assert seen["ran 1"] == (Status.FAILED, 0)
    assert seen["committed"] == (Status.EXECUTED, 1)


def trial(shop: Shop) -> str:
    asked = waiting_quietly(shop)
    with shop.agent() as agent, suppress(KeyboardInterrupt):  # what counts is where it stands afterwards
        approved(agent, asked)
    return asked.thread


def waiting_quietly(shop: Shop) -> Report:
    """Asked before the finger is on the key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_parts, "crash_points", crash_points.crash_points)
        return waiting(shop)


def pressed_at(point: str) -> Callable[[str], None]:
    times = iter([True])

    def reached(name: str) -> None:
        if name == point and next(times, False):
            raise KeyboardInterrupt

    return reached
