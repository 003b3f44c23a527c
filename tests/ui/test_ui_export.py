"""Rows reach stdout, or a file that is there only when it is whole; who stops reading is no error."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT

from sqlagent.core.errors import QueryError, SqlagentError, UsageError
from sqlagent.ui.export import Existing, Rows, open_rows
from sqlagent.ui.formats import Format


class Stdout(io.BytesIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def some_rows(count: int = 3) -> Iterator[tuple[Any, ...]]:
    return ((number, f"name\x1b[2J {number}") for number in range(count))


def export(path: Path, *, rows: Iterator[tuple[Any, ...]] | None = None) -> None:
    with open_rows(str(path), format_=Format.CSV, stdout=io.BytesIO(), existing=Existing.REPLACE) as sink:
        sink.write(["a", "b"], some_rows() if rows is None else rows)


def broken_rows() -> Iterator[tuple[Any, ...]]:
    yield 1, "x"
    raise QueryError("the database went away")


@pytest.mark.parametrize("path", [None, "-"])
def test_on_a_terminal_csv_is_fit_for_it_and_in_a_pipe_it_is_exact(path: str | None) -> None:
    shown, piped = Stdout(terminal=True), Stdout(terminal=False)
    for stdout in (shown, piped):
        with open_rows(path, format_=Format.CSV, stdout=stdout) as sink:
            assert sink.write(["a", "b"], some_rows(1)) == 1
    assert shown.getvalue().decode() == "a,b\n0,name⟨U+001B⟩[2J 0\n"
    assert piped.getvalue() == b"a,b\n0,name\x1b[2J 0\n"


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (Format.CSV, "a\n1\n\na\n2\n"),
        (Format.TABLE, " a\n---\n 1\n\n a\n---\n 2\n"),
        (Format.JSON, '[\n{"a": 1}\n]\n[\n{"a": 2}\n]\n'),
        (Format.JSONL, '{"a": 1}\n{"a": 2}\n'),
        (Format.NONE, ""),
    ],
)
def test_several_results_follow_one_another(format_: Format, text: str) -> None:
    out = io.BytesIO()
    rows = Rows(out, format_)
    assert [rows.write(["a"], iter([(value,)])) for value in (1, 2)] == [1, 1]
    assert out.getvalue().decode() == text


def test_a_file_appears_whole_and_with_the_usual_rights(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        export(tmp_path / "out.csv")
    finally:
        os.umask(before)
    assert (tmp_path / "out.csv").read_bytes().startswith(b"a,b\n0,name\x1b[2J 0\n")
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_that_is_replaced_keeps_its_rights_and_its_link(tmp_path: Path) -> None:
    real = tmp_path / "real.csv"
    real.write_text("old")
    real.chmod(0o604)
    (tmp_path / "link.csv").symlink_to(real)
    export(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert real.read_text().startswith("a,b\n")
    assert real.stat().st_mode & 0o777 == 0o604


def test_a_result_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(QueryError):
        export(tmp_path / "out.csv", rows=broken_rows())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "old")]


def test_a_run_without_a_result_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    path = str(tmp_path / "out.csv")
    with open_rows(path, format_=Format.CSV, stdout=io.BytesIO(), existing=Existing.REPLACE):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "old")]


def test_nothing_but_the_old_file_is_there_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_rows(str(path), format_=Format.CSV, stdout=io.BytesIO()) as sink:
        sink.write(["a", "b"], some_rows())
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize(
    ("path", "why"), [("no/such/folder/out.csv", "no such file or directory"), (".", "is a directory")]
)
def test_a_place_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as failure:
        export(tmp_path / path)
    assert failure.value.hint


def test_a_device_is_written_straight(tmp_path: Path) -> None:
    export(Path("/dev/null"))
    assert not Path("/dev/null").is_file()


def test_a_full_disk_is_an_error_in_words() -> None:
    with (
        pytest.raises(SqlagentError, match="no space left") as failure,
        open_rows("/dev/full", format_=Format.CSV, stdout=io.BytesIO()) as sink,
    ):
        sink.write(["a", "b"], some_rows())
    assert "-o FILE" in failure.value.hint


SCRIPT = """
import sys
from sqlagent.ui.export import open_rows
from sqlagent.ui.formats import Format
with open_rows(None, format_=Format(sys.argv[1]), stdout=sys.stdout.buffer) as sink:
    sink.write(["a"], ((i,) for i in range(300_000)))
    sink.write(["a"], iter([(1,)]))
print("broken", sink.broken, file=sys.stderr)
"""


@pytest.mark.parametrize("format_", ["csv", "jsonl", "table"])
def test_a_reader_that_stops_early_ends_it_quietly(format_: str) -> None:
    command = [sys.executable, "-c", SCRIPT, format_]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        said = child.stderr.read()
        assert (child.wait(), said) == (0, b"broken True\n")


def test_a_full_device_as_stdout_does_not_fail_again_at_the_end() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, "csv"], stdout=full, stderr=subprocess.PIPE, env=env, check=False
        )
    assert ran.returncode == 1
    assert b"SqlagentError: the rows cannot be written: no space left on device" in ran.stderr
    assert b"Exception ignored" not in ran.stderr
