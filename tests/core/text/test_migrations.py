"""How migration tools name and cut their files, and what a script says of its own findings."""

from __future__ import annotations

import random

import pytest

from sqlagent.core.text.allowances import Allowance, NotUnderstood, allowances
from sqlagent.core.text.migrations import Direction, goes, order, parts

FOLDERS = {
    "flyway": ["V1__a.sql", "V1.1__b.sql", "V2__c.sql", "V10__d.sql", "R__views.sql"],
    "golang-migrate": ["0001_a.up.sql", "0001_a.down.sql", "0002_b.up.sql", "0002_b.down.sql"],
    "dbmate": ["20240101120000_a.sql", "20240102000000_b.sql"],
    "alembic and django": ["0001_initial.sql", "0002_auto.sql", "0010_more.sql", "0100_last.sql"],
    "plain": ["9.sql", "10.sql", "11.sql"],
    "folders": ["2023/02_b.sql", "2024/01_a.sql"],
}


@pytest.mark.parametrize("tool", FOLDERS)
def test_files_come_in_the_order_of_their_versions(tool: str) -> None:
    names = FOLDERS[tool]
    shuffled = random.Random(5).sample(names, len(names))
    assert sorted(shuffled, key=order) == names


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("0001_a.down.sql", Direction.DOWN),
        ("db/0001_a.DOWN.sql", Direction.DOWN),
        ("U2__a.sql", Direction.DOWN),
        ("0001_a.up.sql", Direction.UP),
        ("V2__a.sql", Direction.UP),
        ("down.sql", Direction.UP),
        ("Users__a.sql", Direction.UP),
    ],
)
def test_a_name_tells_whether_it_takes_back(name: str, way: Direction) -> None:
    assert goes(name) is way


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- migrate:up", "-- migrate:down"),
        ("-- +goose Up", "-- +goose Down"),
        ("-- +migrate Up", "-- +migrate Down notransaction"),
        ("--migrate:up transaction:false", "  -- migrate:down"),
    ],
)
def test_a_file_is_cut_where_it_turns(up: str, down: str) -> None:
    text = f"{up}\nCREATE TABLE a (x);\n{down}\nDROP TABLE a;\n"
    found = [(p.direction, text[p.start : p.end].splitlines()[1]) for p in parts(text, "1.sql")]
    assert found == [(Direction.UP, "CREATE TABLE a (x);"), (Direction.DOWN, "DROP TABLE a;")]
    assert "".join(text[p.start : p.end] for p in parts(text, "1.sql")) == text


def test_what_stands_before_the_first_mark_is_a_part_too() -> None:
    text = "SELECT 1;\n-- migrate:down\nSELECT 2;"
    assert [p.direction for p in parts(text, "a.sql")] == [Direction.UP, Direction.DOWN]
    assert [p.direction for p in parts("SELECT 'migrate:down'", "a.sql")] == [Direction.UP]


RULES = ["no-where", "schema-change"]


@pytest.mark.parametrize(
    ("comment", "rules", "reason"),
    [
        ("-- sqlagent: allow no-where because it is a scratch table", ("no-where",), "it is a scratch table"),
        ("/* sqlagent:  allow no-where , schema-change because\n  old */", ("no-where", "schema-change"), "old"),
        ("--sqlagent: allow schema-change because ticket 41", ("schema-change",), "ticket 41"),
    ],
)
def test_an_allowance_names_rules_and_a_reason(comment: str, rules: tuple[str, ...], reason: str) -> None:
    assert list(allowances(f"SELECT 1;\n{comment}\n", "sqlite", RULES)) == [Allowance(rules, reason, 2, alone=True)]


@pytest.mark.parametrize(
    "comment",
    [
        "-- sqlagent: allow no-where",
        "-- sqlagent: allow no-where because",
        "-- sqlagent: allow nowhere because of a typo",
        "-- sqlagent: ignore no-where because so",
        "-- sqlagent: allow * because so",
    ],
)
def test_what_is_mistyped_is_said_with_its_line(comment: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        list(allowances(f"\n\n{comment}", "sqlite", RULES))
    assert caught.value.line == 3


def test_a_string_allows_nothing() -> None:
    assert list(allowances("SELECT '-- sqlagent: allow no-where because so'", "sqlite", RULES)) == []


def test_it_speaks_of_its_line_and_alone_of_the_next_statement() -> None:
    beside = Allowance(("no-where",), "x", 4, alone=False)
    assert beside.speaks_of(3, 5, 0)
    assert not beside.speaks_of(5, 5, 3)
    above = Allowance(("no-where",), "x", 4, alone=True)
    assert above.speaks_of(6, 7, 3)
    assert not above.speaks_of(6, 7, 5), "another statement stands between them"
