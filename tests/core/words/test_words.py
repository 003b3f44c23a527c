"""A statement in words: what it takes for granted is named, and names and values pass for nothing else."""

from __future__ import annotations

import re

import pytest
from words_schema import assumed, words

from sqlagent.core.nouns.analysis import Basis, Operation, Size, Verb
from sqlagent.core.nouns.draft import Column, Table
from sqlagent.core.words.spelling import VOCABULARY
from sqlagent.core.words.writes import Rows


def test_a_sum_over_more_rows_than_there_are_is_called_so() -> None:
    found = assumed("SELECT sum(total) FROM orders JOIN items ON items.order_id = orders.id")
    assert "a row of orders counts once for each of its items" in found
    assert not any(
        "counts once" in n for n in assumed("SELECT sum(quantity) FROM orders JOIN items ON order_id = orders.id")
    )


def test_each_row_of_a_table_is_a_group_only_by_its_key() -> None:
    by_key = "SELECT customers.name, sum(total) FROM orders JOIN customers ON customers.id = customer_id GROUP BY {}"
    assert words(by_key.format("customers.id")).startswith("for each customer with orders")
    assert words(by_key.format("customers.name")).startswith("for each different customers.name of orders")


def test_a_name_that_is_given_is_what_the_order_is_by() -> None:
    assert words("SELECT status, sum(total) AS total FROM orders GROUP BY status ORDER BY total DESC").endswith(
        "largest first"
    )
    assert words("SELECT name AS country FROM customers ORDER BY country").endswith("in order of name")


def test_texts_that_are_the_same_in_either_case_are_said_to_be() -> None:
    table = Table("people", (Column("email", "TEXT", collation="NOCASE"), Column("code", "TEXT", collation="MINE")))
    either = "(capitals or small letters)"
    assert words("SELECT 1 + 1 FROM people WHERE email = 'A'", table).endswith(f"email is 'A' {either}")
    assert words("DELETE FROM people WHERE email NOT IN ('A', 'B')", table).endswith(f"neither 'A' nor 'B' {either}")
    unsaid = ("code = 'A'", "email IN (SELECT name FROM staff)")
    assert [words(f"DELETE FROM people WHERE {condition}", table) for condition in unsaid] == ["", ""]
    assert words("SELECT email, count(*) FROM people GROUP BY email", table) == ""
    assert words("SELECT DISTINCT email FROM people", table) == ""
    assert words("SELECT DISTINCT * FROM people", table) == ""
    assert words("SELECT count(DISTINCT email) FROM people", table) == ""
    alike = Table("people", (Column("email", "citext"), Column("id", "integer")))
    assert words("DELETE FROM people WHERE email = 'A'", alike, dialect="postgres").endswith(f"email is 'A' {either}")


def test_a_query_in_a_bracket_has_columns_of_its_own() -> None:
    joined = "SELECT status FROM orders JOIN customers ON customers.id = customer_id WHERE customer_id IN ({})"
    assert words(joined.format("SELECT id FROM staff")).endswith("where customer_id is among (id of staff rows)")


def test_a_view_has_no_key_that_each_of_its_rows_is_known_by() -> None:
    view = Table("seen", (Column("id", "INTEGER", nullable=False, primary_key=True),), is_view=True)
    pointing = Table("notes", (Column("id", "INTEGER"), Column("seen_id", "INTEGER", references="seen.id")))
    assert words("SELECT notes.id FROM notes JOIN seen ON seen.id = seen_id", view, pointing) == ""


# ---- NULL ----------------------------------------------------------------------------------------------------------

LEFT_OUT = "rows where country is NULL are left out"


@pytest.mark.parametrize("condition", ["<> 'DE'", "NOT IN ('DE', 'FR')", "NOT LIKE 'D%'", "NOT BETWEEN 'A' AND 'E'"])
def test_rows_that_are_left_out_because_they_are_null_are_named(condition: str) -> None:
    assert assumed(f"SELECT name FROM customers WHERE country {condition}") == [LEFT_OUT]
    assert assumed(f"UPDATE customers SET newsletter = 1 WHERE country {condition}") == [LEFT_OUT]
    assert assumed(f"SELECT name FROM customers WHERE country {condition} OR newsletter = 1") == []
    assert assumed(f"SELECT id FROM customers WHERE name {condition}") == []


@pytest.mark.parametrize(("sql", "note"), [
    ("SELECT count(note) FROM orders", "rows where note is NULL are left out of the count"),
    ("SELECT count(DISTINCT note) FROM orders", "rows where note is NULL are left out of the count"),
    ("SELECT avg(length(note)) FROM orders", "rows where note is NULL are left out of the average"),
    ("SELECT orders.id FROM orders JOIN staff ON staff.id = seller_id", "orders without staff are left out"),
    ("SELECT customers.name FROM customers JOIN orders ON customer_id = customers.id",
     "customers without orders are left out"),
])  # fmt: skip
def test_what_an_aggregate_or_a_join_leaves_out_is_named(sql: str, note: str) -> None:
    assert note in assumed(sql)


@pytest.mark.parametrize("sql", [
    "SELECT count(status) FROM orders",
    "SELECT avg(total) FROM orders",
    "SELECT avg(coalesce(length(note), 0)) FROM orders",
    "SELECT orders.id FROM orders JOIN customers ON customers.id = customer_id",
    "SELECT orders.id FROM orders LEFT JOIN staff ON staff.id = seller_id",
])  # fmt: skip
def test_nothing_is_named_where_nothing_is_left_out(sql: str) -> None:
    assert [note for note in assumed(sql) if "left out" in note] == []


def test_where_null_stands_first_it_is_said() -> None:
    assert words("SELECT id FROM orders ORDER BY note").endswith("in order of note (NULL first)")
    assert words("SELECT id FROM orders ORDER BY note DESC").endswith("in reverse order of note")
    assert words("SELECT id FROM orders ORDER BY note DESC", dialect="postgres").endswith("note (NULL first)")
    assert words("SELECT id FROM orders ORDER BY status").endswith("in order of status")


# ---- changes -------------------------------------------------------------------------------------------------------

PAID = "UPDATE orders SET status = 'paid' WHERE total > 5"


def measured(rows: int, *via: Operation, verb: Verb = Verb.UPDATE, matching: int | None = None) -> Rows:
    own = Operation(verb, "orders", size=Size(rows, 100, Basis.EXACT))
    return Rows((own, *via), matching)


def test_the_figure_is_the_measured_one_and_stands_where_it_is_true() -> None:
    where = "orders where total is more than 5"
    assert words(PAID) == f"sets status to 'paid' on the {where}"
    assert words(PAID, rows=measured(7, matching=7)) == f"sets status to 'paid' on the 7 {where}"
    assert words(PAID, rows=measured(7, matching=9)).endswith(f"on the 9 {where}, of which 7 are changed")
    assert words(PAID, rows=measured(7)).endswith(f"on the {where}; 7 rows are changed")
    assert words(PAID, rows=measured(0, matching=0)).endswith("on no orders; there are none where total is more than 5")
    assert words("DELETE FROM orders", rows=measured(7, verb=Verb.DELETE, matching=7)) == "deletes all 7 orders"
    assert words("DELETE FROM orders", rows=measured(7, verb=Verb.DELETE, matching=9)) == ""


def test_what_a_trigger_does_is_said_or_that_it_may_do_more() -> None:
    gone = Operation(Verb.DELETE, "items", "trigger t", Size(3, 9, Basis.EXACT))
    unknown = Operation(Verb.DELETE, "items", "trigger t", Size())
    itself = Operation(Verb.UPDATE, "orders", "trigger t", Size(3, 9, Basis.EXACT))
    assert words(PAID, rows=measured(7, gone, matching=7)).endswith("; by trigger t: 3 items deleted")
    itself_unknown = Operation(Verb.UPDATE, "orders")
    assert words(PAID, rows=Rows((itself_unknown, unknown))).endswith("; triggers or keys may do more")
    assert words(PAID, rows=measured(7, itself, matching=7)) == ""
    key = Operation(Verb.INSERT, "orders", size=Size(3, 9, Basis.EXACT))
    assert words("UPDATE orders SET id = 3", rows=measured(0, key, matching=3)) == ""


def test_a_row_that_a_postgresql_trigger_may_alter_is_not_told() -> None:
    watched = Table("watched", (Column("x", "integer"),), triggers=("t",))
    assert words("UPDATE watched SET x = 1", watched, dialect="postgres") == ""
    assert words("UPDATE watched SET x = 1", watched) == "sets x to 1 on all watched rows"
    view = Table("seen", (Column("x", "integer"),), is_view=True)
    assert words("DELETE FROM seen", view) == ""


# ---- names and values ----------------------------------------------------------------------------------------------

HOSTILE = [
    "x'; all rows", 'a" of all', "id of the 0 rows", "all", "nothing", "row", "NULL", "where", "first", "a, b",
    "a\u202eb", "a\x1b[2K", "a\nb", "id\u200b", "\u0430ll", "of which 0 are changed", "", " ",
    "x" * 200, "a\u0301\u0301\u0301\u0301b",
]  # fmt: skip


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_name_passes_for_nothing_but_a_name(text: str) -> None:
    table = Table(text, (Column("id", "INTEGER", nullable=False, primary_key=True), Column(text, "TEXT")))
    for sql in (
        f"DELETE FROM {_quoted(text)} WHERE {_quoted(text)} = 'x'",
        f"UPDATE {_quoted(text)} SET {_quoted(text)} = 'x' WHERE id = 3",
        f"SELECT {_quoted(text)}, count(*) FROM {_quoted(text)} GROUP BY 1",
    ):
        assert _without_quoted(words(sql, table)) <= VOCABULARY | {"id"}, words(sql, table)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_value_passes_for_nothing_but_a_value(text: str) -> None:
    sql = "UPDATE customers SET name = '{0}' WHERE country = '{0}'".format(text.replace("'", "''"))
    sentence = words(sql)
    assert _without_quoted(sentence) <= VOCABULARY | {"name", "country", "customers"}, sentence
    assert sentence.isprintable()


def _without_quoted(sentence: str) -> set[str]:
    """The words that stand in no quotes."""
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", " ", sentence)
    return {w.lower() for w in re.findall(r"[^\W\d_][\w]*", bare)}


def test_a_name_that_is_one_of_our_words_is_in_quotes() -> None:
    table = Table("all", (Column("each", "INTEGER"), Column("plain", "INTEGER")))
    assert words('SELECT "each", plain FROM "all"', table) == '"each" and plain of "all" rows'


def test_a_sentence_of_any_length_is_not_given() -> None:
    many = " OR ".join(f"note = 'a long enough word {n}'" for n in range(40))
    assert words(f"SELECT id FROM orders WHERE {many}") == ""


def test_which_of_two_dates_or_prices_is_meant_is_named() -> None:
    table = Table("sales", (
        Column("id", "INTEGER", nullable=False, primary_key=True), Column("price", "NUMERIC"), Column("cost", "REAL"),
        Column("ordered_at", "TEXT"), Column("shippedOn", "TEXT"), Column("label", "TEXT"),
    ))  # fmt: skip
    assert "by sales.price (there is also cost)" in assumed("SELECT max(price) FROM sales", table)
    found = assumed("SELECT label FROM sales WHERE ordered_at >= '2024-01-01'", table)
    assert found == ["by sales.ordered_at (there is also shippedOn)"]
    assert assumed("SELECT label FROM sales WHERE ordered_at < shippedOn", table) == []
    assert assumed("SELECT label FROM sales", table) == []


def test_the_last_day_of_a_range_is_said_to_end_when_it_begins() -> None:
    found = assumed("SELECT id FROM orders WHERE created_at BETWEEN '2024-01-01' AND '2024-12-31'")
    assert found == ["a created_at with a time of day on 2024-12-31 comes after 2024-12-31"]
    found = assumed("SELECT id FROM orders WHERE created_at > date('now')")
    assert found == ["a created_at with a time of day on that day comes after it"]
    found = assumed("SELECT id FROM orders WHERE created_at = '2024-12-31'")
    assert found == ["a created_at with a time of day on 2024-12-31 is not 2024-12-31"]
    assert assumed("SELECT id FROM orders WHERE created_at >= '2024-01-01' AND created_at < '2025-01-01'") == []
