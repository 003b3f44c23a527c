"""Where a paused thread waits, in a folder and in a shared store: both savers are held to the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from journal_builders import a_thread
from langgraph.checkpoint.base import empty_checkpoint

from sqlagent.core.errors import StoreError
from sqlagent.pipeline.thread.checkpoints import open_checkpoints


@pytest.fixture(params=["sqlite", "postgres"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = ""
    if request.param == "postgres":
        store = request.getfixturevalue("store")
        for name in ("k7f3", "m2p9"):
            store.of("ana").admit(a_thread(id=name))
        url = store.url_of("ana")
    opened = open_checkpoints(tmp_path / "state", url)
    yield opened
    opened.close()


def kept(saver: Any, thread: str, value: Any, *, after: Any = None) -> Any:
    """A checkpoint of a thread; answers where it is."""
    config = after or {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    version = saver.get_next_version(None, None)
    made = empty_checkpoint() | {"channel_values": {"sql": value}, "channel_versions": {"sql": version}}
    return saver.put(config, made, {"source": "loop", "step": 1, "parents": {}}, {"sql": version})


def values(saver: Any, thread: str) -> Any:
    found = saver.get_tuple({"configurable": {"thread_id": thread}})
    return None if found is None else found.checkpoint["channel_values"]


def count(saver: Any, thread: str) -> int:
    return len(list(saver.list({"configurable": {"thread_id": thread}})))


def test_the_newest_is_what_a_thread_stands_at(saver: Any) -> None:
    assert values(saver, "k7f3") is None
    first = kept(saver, "k7f3", "SELECT 1")
    kept(saver, "k7f3", {"rows": [1, None, "\u2028 \U0001f642"], "exact": True}, after=first)
    assert values(saver, "k7f3") == {"sql": {"rows": [1, None, "\u2028 \U0001f642"], "exact": True}}
    assert values(saver, "m2p9") is None


def test_a_step_s_result_is_there_until_the_next_checkpoint_and_may_be_said_twice(saver: Any) -> None:
    head = kept(saver, "k7f3", "SELECT 1")
    for _ in range(2):
        saver.put_writes(head, [("verdict", "ask")], "task")
    assert saver.get_tuple(head).pending_writes == [("task", "verdict", "ask")]


def test_what_came_before_the_newest_is_forgotten_of_that_thread_alone(saver: Any) -> None:
    for thread in ("k7f3", "m2p9"):
        first = kept(saver, thread, "SELECT 1")
        kept(saver, thread, "SELECT 2", after=first)
    saver.forget_past(saver.get_tuple({"configurable": {"thread_id": "k7f3"}}).config)
    assert (count(saver, "k7f3"), count(saver, "m2p9")) == (1, 2)
    assert values(saver, "k7f3") == {"sql": "SELECT 2"}


def test_a_version_that_somebody_changed_is_a_store_error(saver: Any) -> None:
    with pytest.raises(StoreError):
        saver.get_next_version("x.y", None)


@dataclass
class Odd:
    """What no program of ours puts there."""

    word: str = "hello"


def test_what_is_no_plain_value_comes_back_as_no_object(saver: Any) -> None:
    kept(saver, "k7f3", Odd())
    assert not isinstance(values(saver, "k7f3")["sql"], Odd)
