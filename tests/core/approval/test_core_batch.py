"""Statements that read alike, what needs what, and numbers as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.approval.batch import Need, alike, need_words, needs, places, rejection, shape, spans
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.analysis import Kind, Operation, Risk, Statement, Verb


def a_statement(
    index: int, kind: Kind = Kind.UPDATE, verb: Verb = Verb.UPDATE, table: str = "orders", **more: Any
) -> Statement:
    facts: dict[str, Any] = {
        "sql": f"UPDATE {table} SET status = 'x' WHERE id = {index}",
        "writes": (table,),
        "operations": (Operation(verb, table),),
    } | more
    return Statement(index=index, line=index, kind=kind, risk=facts.pop("risk", Risk.WRITE), **facts)


def a_read(index: int, *tables: str) -> Statement:
    return Statement(index, "SELECT 1", index, Kind.SELECT, Risk.READ, reads=tables)


# ---- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("2", (2,)), ("1,3-5", (1, 3, 4, 5)), ("3-5,1", (1, 3, 4, 5)), (" 2 , 4 ", (2, 4)), ("1-1", (1,)), ("2,2", (2,))],
)
def test_numbers_are_read_as_people_write_them(text: str, numbers: tuple[int, ...]) -> None:
    assert places(text, 6) == numbers


@pytest.mark.parametrize(
    "text", ["", "0", "7", "5-3", "1-7", "1,,2", "-1", "1-", "a", "1;2", "1 2", "١", "1-999999999", "9" * 50, "1.5"]
)
def test_other_numbers_name_no_statement(text: str) -> None:
    with pytest.raises(UsageError):
        places(text, 6)


@given(st.sets(st.integers(1, 300), min_size=1))
def test_what_is_said_of_numbers_names_them_again(numbers: set[int]) -> None:
    assert set(places(spans(numbers), 300)) == numbers


def test_reasons_that_are_the_same_are_said_once() -> None:
    assert rejection({4: "", 2: "not on a Friday", 5: "", 7: "not on a Friday"}) == "2,7: not on a Friday; 4-5"


# ---- alike -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UPDATE t SET a = 'x' WHERE id = 1", "update T  set A='it''s' where ID=2 -- two"),
        ("INSERT INTO t VALUES (1, NULL, 'a')", "INSERT INTO t VALUES (2.5e3, 'b', x'00')"),
        ("DELETE FROM t WHERE id = 1 /* one */", "DELETE\nFROM t WHERE id = 0x10"),
    ],
)
def test_only_the_values_differ(one: str, other: str) -> None:
    assert shape(one, "sqlite") == shape(other, "sqlite")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id > 1"),
        ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 1 OR id = 2"),
        ("DELETE FROM t WHERE a IS NULL", "DELETE FROM t WHERE a IS 1"),
        ("DELETE FROM t WHERE a = 'x'", 'DELETE FROM t WHERE a = "x"'),
        ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = id"),
    ],
)
def test_more_than_the_values_differs(one: str, other: str) -> None:
    assert shape(one, "sqlite") != shape(other, "sqlite")


def test_many_alike_are_together_and_what_differs_stands_alone() -> None:
    statements = [a_statement(n) for n in range(1, 31)]
    statements[9] = a_statement(10, risk=Risk.SEVERE)
    statements[20] = a_statement(21, table="customers")
    statements[27] = a_statement(28, sql="UPDATE orders SET status = 'x' WHERE id > 0")
    groups = [group.numbers for group in alike(statements, "sqlite")]
    assert groups == ["1-9", "10", "11-20", "21", "22-27", "28", "29", "30"]


@given(st.lists(st.sampled_from(["a", "b"]), max_size=40))
def test_no_statement_is_lost_and_none_changes_its_place(tables: list[str]) -> None:
    statements = [a_statement(n, table=table) for n, table in enumerate(tables, 1)]
    assert [s for group in alike(statements, "sqlite") for s in group.statements] == statements


# ---- needs -------------------------------------------------------------------------------------------------------

CREATE = a_statement(2, Kind.CREATE, Verb.CREATE, "tmp_import")


def test_what_is_read_later_was_created_before() -> None:
    statements = [a_statement(1), CREATE, a_statement(3), a_read(4, "Tmp_Import")]
    (need,) = needs(statements, {2})
    assert need == Need((4,), 2, ("tmp_import",), Verb.CREATE)
    assert need.is_hard
    assert need_words(need, statements) == "4 needs 2: it reads tmp_import, which 2 creates"


def test_what_is_changed_later_was_changed_before() -> None:
    statements = [a_statement(1), a_statement(2), a_statement(3), a_read(4, "customers")]
    (need,) = needs(statements, {2})
    assert not need.is_hard
    assert need_words(need, statements) == "3 works on orders, which 2 changes"


def test_nothing_needs_what_comes_after_it() -> None:
    assert needs([a_read(1, "tmp_import"), CREATE], {2}) == ()


def test_what_is_left_out_needs_nothing() -> None:
    assert needs([a_statement(1), CREATE, a_read(3, "tmp_import")], {2, 3}) == ()


def test_many_that_need_one_are_said_at_once() -> None:
    statements = [a_statement(1), CREATE, *(a_read(n, "tmp_import") for n in range(3, 203))]
    assert [need_words(n, statements) for n in needs(statements, {2})] == [
        "3-202 need 2: they read tmp_import, which 2 creates"
    ]


def test_what_is_made_anew_no_longer_needs_what_was_there() -> None:
    dropped = a_statement(1, Kind.DROP, Verb.DROP, "tmp")
    made = a_statement(2, Kind.CREATE, Verb.CREATE, "tmp")
    statements = [dropped, made, a_read(3, "tmp")]
    assert [need_words(n, statements) for n in needs(statements, {1})] == ["2 needs 1: it changes tmp, which 1 drops"]


def test_an_index_is_not_the_table_that_it_is_on() -> None:
    index = a_statement(
        1, Kind.CREATE, operations=(Operation(Verb.ALTER, "orders"), Operation(Verb.CREATE, "orders_by_status"))
    )
    (need,) = needs([index, a_read(2, "orders")], {1})
    assert not need.is_hard


def test_a_renamed_table_is_needed_by_its_new_name() -> None:
    renamed = a_statement(
        1, Kind.ALTER, table="tmp", operations=(Operation(Verb.ALTER, "tmp"), Operation(Verb.ALTER, "tmp -> kept"))
    )
    (need,) = needs([renamed, a_read(2, "kept")], {1})
    assert (need.targets, need.is_hard) == (("kept",), True)


def test_all_that_one_works_on_is_said_at_once() -> None:
    statements = [a_statement(1, writes=("orders", "log")), a_statement(2, writes=("orders", "log"))]
    assert [need_words(n, statements) for n in needs(statements, {1})] == ["2 works on orders, log, which 1 changes"]


def test_rows_that_a_trigger_writes_are_worked_on_too() -> None:
    sale = a_statement(
        1, writes=("orders", "log"),
        operations=(Operation(Verb.UPDATE, "orders"), Operation(Verb.INSERT, "log", "trigger t")),
    )  # fmt: skip
    (need,) = needs([sale, a_read(2, "log")], {1})
    assert need_words(need, [sale, a_read(2, "log")]) == "2 works on log, which 1 changes"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=15), st.sets(st.integers(1, 15)))
def test_who_needs_is_kept_and_what_is_needed_is_out_and_before(made: list[tuple[str, bool]], out: set[int]) -> None:
    statements = [
        a_statement(n, table=table) if writes else a_read(n, table) for n, (table, writes) in enumerate(made, 1)
    ]
    for need in needs(statements, out):
        assert need.on in out
        assert all(n not in out and n > need.on for n in need.statements)
