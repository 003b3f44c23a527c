"""A clock that is set back does not bring an old checkpoint back."""

from __future__ import annotations

import time

import pytest
from langgraph.checkpoint.base import id as checkpoint_id
from shops import Shop, approve, asked, shop

from sqlagent.core.errors import StoreError
from sqlagent.core.nouns.session import Report, Status
from sqlagent.pipeline.thread import checkpoints

__all__ = ["asked", "shop"]


def heads(shop: Shop) -> list[str]:
    """Ids of the checkpoints, in the order in which they were written."""
    rows = shop.checkpoints().execute("SELECT checkpoint_id FROM checkpoints ORDER BY rowid").fetchall()
    return [str(name) for (name,) in rows]


def set_back(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process on the same machine, after its clock was corrected, would see the time."""
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() - int(seconds * 1e9))
    monkeypatch.setattr(checkpoint_id, "_last_v6_timestamp", None)


@pytest.mark.parametrize("seconds", [5, 3600])
def test_a_clock_set_back_does_not_bring_an_old_checkpoint_back(
    shop: Shop, asked: Report, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_back(seconds, monkeypatch)
    assert approve(shop, asked).status is Status.EXECUTED
    assert heads(shop) == sorted(heads(shop))
    with shop.graph(asked.thread) as (graph, config):
        assert graph.get_state(config).values["status"] == "executed"
    assert shop.sold == 1


def test_without_the_guard_a_clock_set_back_does_bring_it_back(
    shop: Shop, asked: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above would see; and even then the journal keeps it from running twice."""
    monkeypatch.setattr(checkpoints, "never_before", lambda _snapshot: None)
    set_back(3600, monkeypatch)
    with pytest.raises(StoreError):
        approve(shop, asked)
    assert heads(shop) != sorted(heads(shop))
    assert shop.sold <= 1


def test_the_private_name_that_the_guard_sets_is_the_one_that_makes_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    far = (1 << 60) - 5
    monkeypatch.setattr(checkpoint_id, "_last_v6_timestamp", far)
    assert int(str(checkpoint_id.uuid6()).replace("-", "")[:12], 16) == (far + 1) >> 12
