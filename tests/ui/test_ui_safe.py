"""No text of anybody's can act on the terminal, and none is changed that need not be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_builders import HOSTILE, untamed

from sqlagent.ui.visible import cell, escaped, one_line, visible, width


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(HOSTILE) >= 300


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_tamed_on_every_path(text: str) -> None:
    assert not untamed(visible(text).replace("\t", ""))
    assert not untamed(one_line(text))
    assert "\n" not in one_line(text)
    assert not untamed(cell(text))
    assert not untamed(cell(text, limit=20))


@given(st.text(st.characters(), max_size=60))
def test_any_text_at_all_is_tamed(text: str) -> None:
    assert not untamed(visible(text).replace("\t", ""))
    assert json.loads(escaped(json.dumps(text, ensure_ascii=False))) == text


@given(st.binary(max_size=60))
def test_bytes_read_as_text_are_tamed(raw: bytes) -> None:
    assert not untamed(one_line(raw.decode("latin-1")))
    assert not untamed(one_line(raw.decode("utf-8", "surrogateescape")))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "Größe",
        "Ελλάδα",
        "Привет",
        "東京",
        "서울",
        "ภาษาไทยก็ดี",
        "हिन्दी",
        "Tiếng Việt",
        "עברית",
        "مرحبا",
        "🎉 ❤️",
        "e\u0301",
    ],
)
def test_text_that_people_write_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Kb", "a⟨U+001B⟩[2Kb"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("\u0301x", "⟨U+0301⟩x"),
        ("x\U000e0041", "x⟨U+E0041⟩"),
        ("x\ufe0f", "x⟨U+FE0F⟩"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_what_was_hidden_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_flood_of_marks_stops_at_four() -> None:
    shown = visible("a" + "\u0336" * 6)
    assert shown == "a" + "\u0336" * 4 + "⟨U+0336⟩" * 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        ("NULL", "'NULL'"),
        ("'NULL'", "'''NULL'''"),
        ("x'00'", "'x''00'''"),
        (b"SQL", "x'53514c'"),
        ("", ""),
        (True, "true"),
        (0.1 + 0.2, "0.30000000000000004"),
        (2**63 - 1, "9223372036854775807"),
        (float("inf"), "inf"),
        ("a\nb\tc", "a↵b⇥c"),
        ([1, "é"], '[1, "é"]'),
    ],
)
def test_a_cell_shows_one_value_and_no_two_alike(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_an_enormous_cell_is_cut_and_says_how_long_it_was() -> None:
    assert cell("x" * 100_000, limit=5) == "xxxxx... (100,000 characters)"
    assert cell(b"\x00" * 100_000, limit=4) == "x'0000... (100,000 bytes)"
    assert cell("x" * 100_000) == "x" * 100_000


def test_width_counts_columns_and_not_characters() -> None:
    assert (width("abc"), width("東京"), width("e\u0301")) == (3, 4, 1)
