"""Values: what each kind takes, and what it shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.config.kinds import BASE_URL, DURATION, LIMIT, TEXT, Wrong, nearest, one_of, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604800), ("250ms", 0.25), ("1.5s", 1.5), ("1w", 604800)],
        *[("90", 90), ("0", 0), ("none", 0), ("0s", 0), (" 30S ", 30)],
    ],
)
def test_a_duration_reads_as_people_write_it(text: str, seconds: float) -> None:
    assert DURATION.read(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "3x", "1h 30m", "-1s", "1e9", "inf", "nan", "99999w", "٣s", "1:30", "0x10"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        DURATION.read(text)


@given(st.integers(0, 10 * 365 * 86400 * 1000))
def test_a_shown_duration_reads_back_as_itself(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    shown = show_duration(seconds)
    assert DURATION.read(shown) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("-1", -1), (" 200 ", 200)])
def test_a_limit_is_a_count_or_all(text: str, limit: int) -> None:
    assert LIMIT.read(text) == limit


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "1e3", "all", "٣", "1_000", "9" * 30])
def test_what_is_not_a_limit_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        LIMIT.read(text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "https://api.example/v1", "http://[::1]:8080"])
def test_a_base_url_is_http(url: str) -> None:
    assert BASE_URL.read(url + "/") == url


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://x:99999/", "file:///x", "http://a:b@x/v1", "http://[::1"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(Wrong):
        BASE_URL.read(url)


@given(st.text())
def test_no_text_with_a_control_character_passes(text: str) -> None:
    harmless = bool(text.strip()) and not any(ord(c) < 32 or ord(c) == 127 for c in text)
    try:
        assert TEXT.read(text) == text
        assert harmless
    except Wrong:
        assert not harmless


@given(st.text(max_size=12))
def test_every_kind_answers_or_says_what_is_wrong(text: str) -> None:
    for kind in (DURATION, LIMIT, BASE_URL, one_of("ask", "allow")):
        said: list[Wrong] = []
        try:
            kind.read(text)
        except Wrong as wrong:
            said.append(wrong)
        assert all(wrong.message and wrong.hint for wrong in said)


def test_the_nearest_word_is_near_or_nothing() -> None:
    assert nearest("prd", ["prod", "dev"]) == "prod"
    assert nearest("base-url", ["base_url"]) == "base_url"
    assert nearest("zzz", ["prod", "dev"]) == ""
