"""A table never wraps: columns are narrowed, cells cut with a mark and a count, or it goes vertical or to the pager."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from ui_builders import check_screen

from sqlagent.ui.formats import Format, Spelling, write
from sqlagent.ui.paging import Wide, shown_rows
from sqlagent.ui.screen import Screen
from sqlagent.ui.visible import width

Row = tuple[Any, ...]
LONG = "The parcel was left with a neighbour who has since moved to another town altogether"
COLUMNS = ["id", "customer", "note", "total"]
ROWS: list[Row] = [(1, "Acme GmbH", LONG, 1204.5), (2, "漢字 " * 30, None, 7), (3, "Ben", "short", 123456789012)]
MANY = [f"column_{n}" for n in range(9)]
WIDE: list[Row] = [tuple(f"a value of some length {n}{row}" for n in range(9)) for row in range(2)]


def drawn(format_: Format, columns: list[str], rows: list[Row], room: int | None = 80) -> str:
    out = io.BytesIO()
    assert write(out, format_, columns, iter(rows), Spelling.VISIBLE, room=room) == len(rows)
    return out.getvalue().decode()


@pytest.mark.parametrize("room", [60, 80, 120])
def test_columns_are_narrowed_and_numbers_are_whole(room: int) -> None:
    text = drawn(Format.AUTO, COLUMNS, ROWS, room)
    assert max(map(width, text.splitlines())) <= room
    assert "123456789012" in text
    assert text.splitlines()[0].split(" | ")[0].strip() == "id", "a table still"
    check_screen(f"wide-narrowed-{room}", text)


def test_what_was_cut_is_marked_with_its_count_and_told_under_the_table() -> None:
    text = drawn(Format.TABLE, COLUMNS, ROWS)
    (kept, left) = re.findall(r"(The parcel[^…|]*)…\+(\d+)", text)[0]
    assert len(kept) + int(left) == len(LONG)
    assert text.splitlines()[-1] == "cut to fit: 1 of note, 1 of customer; --format vertical shows all of it"


def test_what_fits_is_as_it_is_in_a_pipe() -> None:
    rows: list[Row] = [(1, "x", None, 5)]
    assert drawn(Format.AUTO, COLUMNS, rows) == drawn(Format.TABLE, COLUMNS, rows, None)


def test_where_no_table_fits_it_goes_vertical() -> None:
    text = drawn(Format.AUTO, MANY, WIDE)
    assert text.startswith("-[ row 1 ]")
    assert max(map(width, text.splitlines())) <= 80
    check_screen("wide-vertical", text)


def test_a_table_that_is_asked_for_stays_one() -> None:
    assert drawn(Format.TABLE, MANY, WIDE).startswith(" column_0")
    assert drawn(Format.VERTICAL, COLUMNS, ROWS).startswith("-[ row 1 ]")


@pytest.mark.parametrize("format_", [Format.AUTO, Format.VERTICAL])
def test_a_long_value_goes_on_behind_the_bar_and_none_of_it_is_lost(format_: Format) -> None:
    value = "".join(chr(97 + n % 26) for n in range(500))
    text = drawn(format_, ["name of it", *MANY], [(value, *WIDE[0])])
    body = text.splitlines()[1:]
    assert max(map(len, body)) <= 80
    assert value in "".join(line.partition("| ")[2] for line in body)


def test_in_a_pipe_nothing_is_cut() -> None:
    assert LONG in drawn(Format.AUTO, COLUMNS, ROWS, None)


@pytest.mark.parametrize(
    ("rows", "env", "format_", "wide", "paged"),
    [
        (ROWS, {}, Format.AUTO, Wide.VERTICAL, False),
        (ROWS * 20, {}, Format.AUTO, Wide.VERTICAL, True),
        (WIDE, {}, Format.TABLE, Wide.VERTICAL, True),
        (WIDE, {}, Format.AUTO, Wide.VERTICAL, False),
        (WIDE, {}, Format.AUTO, Wide.PAGER, True),
        (ROWS * 20, {"SQLAGENT_PAGER": ""}, Format.AUTO, Wide.VERTICAL, False),
    ],
)
def test_what_is_more_than_a_screen_goes_to_the_pager(
    tmp_path: Path, rows: list[Row], env: dict[str, str], format_: Format, wide: Wide, paged: bool
) -> None:
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "PAGED LESS=$LESS"\ncat\n')
    pager.chmod(0o700)
    env = {"SQLAGENT_PAGER": str(pager), "COLUMNS": "80", "LINES": "24", "PATH": "/bin:/usr/bin", **env}
    columns = COLUMNS if len(rows[0]) == 4 else MANY
    with (tmp_path / "screen").open("w+", encoding="utf-8") as terminal:
        with shown_rows(format_, screen=Screen(terminal, env=env), wide=wide) as sink:
            sink.write(columns, iter(rows))
        terminal.flush()
    text = (tmp_path / "screen").read_text(encoding="utf-8")
    assert text.startswith("PAGED LESS=FRX") == paged
    if wide is Wide.PAGER:
        assert WIDE[0][8] in text.splitlines()[3], "a line of it is a row"
    assert "Acme" in text or "a value" in text
