"""Progress is one line: in place on a terminal, written once elsewhere, and still once it has ended."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from ui_builders import HOSTILE, FakeTerminal, a_screen, untamed

from sqlagent.cli.narrator import Narrator
from sqlagent.ui import progress
from sqlagent.ui.progress import Download, Live, Progress


def clock(*times: float) -> Callable[[], float]:
    ticks: Iterator[float] = iter(times)
    last = [0.0]

    def now() -> float:
        last[0] = next(ticks, last[0])
        return last[0]

    return now


def last_line(out: io.StringIO) -> str:
    """What stands in the last line of a terminal that was sent this."""
    line = ""
    for piece in out.getvalue().rstrip("\n").rsplit("\n", 1)[-1].split("\r"):
        line = piece + line[len(piece) :]
    return line.rstrip()


def test_off_a_terminal_it_is_one_plain_line() -> None:
    out = io.StringIO()
    with Progress(a_screen(out), "asking gpt-5-mini about 3 of 12 tables", clock=clock(0.0, 1.84)) as line:
        line.tokens(120)
    assert out.getvalue() == "  asking gpt-5-mini about 3 of 12 tables ... 1.8 s, 120 tokens\n"


def test_an_interrupt_while_it_begins_lets_it_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    out = io.StringIO()
    line = Progress(a_screen(out), "asking gpt-5-mini", clock=clock(0.0, 0.1))
    with pytest.raises(KeyboardInterrupt):
        line.__enter__()
    line.__exit__()
    assert out.getvalue() == "  asking gpt-5-mini ... 0.1 s\n"


def test_on_a_terminal_the_line_is_brought_up_to_date_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BEAT", 0.001)
    out = FakeTerminal()
    seen = threading.Event()

    class Watched(FakeTerminal):
        def write(self, text: str) -> int:
            out.write(text)
            if "42 tokens" in text:
                seen.set()
            return len(text)

    with Progress(a_screen(Watched()), "asking m", clock=clock(0.0, 5.0)) as line:
        line.tokens(42)
        assert seen.wait(10)
    assert "\r  asking m ... 5 s, 42 tokens" in out.getvalue()
    assert last_line(out) == "  asking m ... 5.0 s, 42 tokens"
    assert out.getvalue().count("\n") == 1


def test_nothing_moves_after_the_line_has_ended() -> None:
    before = threading.active_count()
    out = FakeTerminal()
    with pytest.raises(KeyboardInterrupt), Progress(a_screen(out), "asking m", clock=clock(0.0)):
        raise KeyboardInterrupt
    assert out.getvalue().endswith("\n")
    assert threading.active_count() == before


def test_a_note_in_between_has_a_line_of_its_own() -> None:
    out = io.StringIO()
    with Progress(a_screen(out), "asking m", clock=clock(0.0, 3.0)) as line:
        line.note("no answer; trying again in 2 s")
    assert out.getvalue() == "  asking m ...\n  no answer; trying again in 2 s\n  asking m ... 3.0 s\n"


def test_the_words_may_become_known_later() -> None:
    out = FakeTerminal()
    with Progress(a_screen(out), "asking a model with a long name", clock=clock(0.0, 1.0)) as line:
        line.words("asking m about 3 of 12 tables")
    assert last_line(out) == "  asking m about 3 of 12 tables ... 1.0 s"


def test_a_line_is_never_longer_than_the_terminal() -> None:
    out = FakeTerminal()
    with Progress(a_screen(out, COLUMNS="40"), "asking " + "m" * 26, clock=clock(0.0, 9.0)) as line:
        line.tokens(1_000_000)
    with Download(a_screen(out, COLUMNS="40"), "n" * 60, clock=clock(0.0)) as bar:
        bar.at(5, 10)
    assert all(len(piece) < 40 for line_ in out.getvalue().split("\n") for piece in line_.split("\r"))


def test_a_download_says_how_far_and_how_long() -> None:
    out = FakeTerminal()
    with Download(a_screen(out), "downloading qwen", clock=clock(0.0, 0.0, 0.0, 10.0)) as bar:
        bar.at(100_000_000, 1_100_000_000)
        bar.at(300_000_000, 1_100_000_000)
    assert last_line(out) == "  downloading qwen ... 300 of 1,100 MB, 27 %, 20.0 MB/s, 40 s left"
    assert out.getvalue().endswith("\n")


def test_a_download_in_a_log_is_a_line_each_tenth() -> None:
    out = io.StringIO()
    with Download(a_screen(out), "downloading qwen", clock=clock(0.0)) as bar:
        for done in range(0, 1_001):
            bar.at(done * 1_000_000, 1_000_000_000)
    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-1] == "  downloading qwen ... 1,000 of 1,000 MB, 100 %"


def test_a_model_s_name_cannot_act_on_the_terminal() -> None:
    for text in HOSTILE:
        out = io.StringIO()
        with Progress(a_screen(out), text) as line:
            line.note(text.replace("\t", ""))
        assert not untamed(out.getvalue())


def test_no_environment_of_the_person_s_is_needed() -> None:
    assert a_screen(io.StringIO()).columns == 80
    assert os.environ is not a_screen().env


def test_how_far_a_statement_is_stands_in_one_line_of_a_terminal() -> None:
    out = FakeTerminal()
    live = Live(a_screen(out))
    for words in ("running statement 1 of 2, 412,000 rows, 1.0 s", "running statement 2 of 2, 1.3 s"):
        live.say(words)
    live.end()
    live.end()
    assert out.getvalue().count("\n") == 1
    assert last_line(out) == "  running statement 2 of 2, 1.3 s"


def test_how_far_a_statement_is_gets_a_line_each_doubling_off_a_terminal() -> None:
    out = io.StringIO()
    live = Live(a_screen(out), clock=clock(0.0, *(n / 4 for n in range(80))))
    for n in range(80):
        live.say(f"running {n}")
    live.end()
    assert out.getvalue().splitlines() == [f"  running {n}" for n in (0, 8, 16, 32, 64)]


def test_how_far_a_statement_is_cannot_harm_the_screen() -> None:
    out = FakeTerminal()
    live = Live(a_screen(out))
    for words in HOSTILE:
        live.say(words)
    live.end()
    assert untamed(out.getvalue().replace("\r", "").replace("\n", "")) == []


def test_a_log_hears_at_ten_seconds_at_thirty_and_then_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BEAT", 0.001)
    now, told = [0.0], threading.Semaphore(0)

    class Log(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            if text.endswith("...") and self.getvalue().count("...") > 1:
                told.release()
            return written

    out = Log()
    with Progress(a_screen(out), "asking m", clock=lambda: now[0]):
        for seconds in (10.0, 30.0, 60.0, 120.0):
            now[0] = seconds
            assert told.acquire(timeout=10)
        now[0] = 150.0
    said = ["10 s", "30 s", "60 s", "120 s", "150.0 s"]
    assert out.getvalue() == "".join(f"  asking m ... {words}\n" for words in said)


def test_the_parts_of_a_download_have_lines_of_their_own() -> None:
    out = FakeTerminal()
    narrator = Narrator(a_screen(out))
    narrator.downloading(0, 1_000_000_000, "waiting for another download")
    narrator.downloading(1_000_000_000, 1_000_000_000, "downloading qwen")
    narrator.downloading(1_000_000_000, 1_000_000_000, "checking qwen")
    ended = [line.split("\r")[-1] for line in out.getvalue().split("\n")[:-1]]
    assert [line.split(" ...")[0] for line in ended] == [
        "  waiting for another download",
        "  downloading qwen",
        "  checking qwen",
    ]
