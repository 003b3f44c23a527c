"""The note on dates stands where a date is asked for, with a column that is there."""

from __future__ import annotations

import pytest

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.llm import prompt
from sqlagent.llm.date_note import date_note

ORDERS = Table(
    "orders",
    (
        Column("id", "INTEGER", primary_key=True),
        Column("customer_id", "INTEGER", references="customers.id"),
        Column("created_at", "TEXT", examples=("2024-01-05", "2024-02-01")),
        Column("total", "REAL", examples=("12.5",)),
    ),
)
CUSTOMERS = Table(
    "customers", (Column("id", "INTEGER", primary_key=True), Column("born", "DATE"), Column("name", "TEXT"))
)
VISITS = Table("visits", (Column("seen at", "INTEGER", examples=("1700000000", "1700000001")), Column("page", "TEXT")))
SHOP = Schema("sqlite", "3.54.1", (CUSTOMERS, ORDERS, VISITS))


@pytest.mark.parametrize(
    "question",
    [
        "how many orders last month", "orders of March 2024", "orders per year", "what was ordered yesterday",
        "orders since March", "orders of the last 30 days", "ORDERS THIS WEEK", "orders in Q3",
    ],
)  # fmt: skip
def test_a_date_asked_for_brings_the_column_that_is_meant(question: str) -> None:
    assert date_note(question, SHOP) == (
        "(orders.created_at is text: strftime('%Y-%m', created_at) = '2024-05', date('now', '-1 month'))"
    )


@pytest.mark.parametrize("question", ["orders in 2023", "how much was ordered in 2023"])
def test_a_year_that_is_named_is_what_is_compared(question: str) -> None:
    assert "strftime('%Y', created_at) = '2023'" in date_note(question, SHOP)


def test_what_is_asked_by_month_of_a_year_is_shown_both() -> None:
    said = date_note("orders per month in 2023", SHOP)
    assert "strftime('%Y-%m', created_at) is its month, strftime('%Y', created_at) = '2023'" in said
    assert "strftime('%Y', \"seen at\", 'unixepoch') = '2023'" in date_note("visits of 2023", SHOP)


@pytest.mark.parametrize("question", ["revenue of 2023-05", "revenue in 2023 Q2", "revenue of may 2023"])
def test_a_month_that_is_named_is_compared_as_one(question: str) -> None:
    assert "strftime('%Y-%m', " in date_note(question, SHOP)


def test_what_happens_often_is_meant_where_no_word_leads_to_a_date() -> None:
    """`total revenue per month` is not of the day on which an employee was hired."""
    staff = Table("staff", (Column("hired_on", "TEXT"),), rows=12)
    paid = Table("payments", (Column("paid_at", "TEXT"),), rows=2_000)
    assert date_note("total revenue per month", Schema("sqlite", "", (staff, paid))).startswith("(payments.paid_at")
    assert date_note("who of the staff came last year", Schema("sqlite", "", (staff, paid))).startswith("(staff.")


@pytest.mark.parametrize(
    "question", ["how many orders", "the last name of customer 7", "who may order", "the oldest customer's total", ""]
)
def test_no_date_asked_for_brings_none(question: str) -> None:
    assert date_note(question, SHOP) == ""


def test_seconds_since_1970_are_said_to_be_so() -> None:
    assert date_note("visits per day", SHOP) == (
        "(visits.\"seen at\" is in seconds: strftime('%Y-%m', \"seen at\", 'unixepoch') = '2024-05')"
    )


def test_without_a_date_column_there_is_nothing_to_say() -> None:
    schema = Schema(
        "sqlite", "", (Table("t", (Column("year", "INTEGER", examples=("1999",)), Column("name", "TEXT"))),)
    )
    assert date_note("in 1999", schema) == ""


def test_another_engine_has_dates_of_its_own() -> None:
    assert date_note("orders last month", Schema("postgres", "17", (ORDERS,))) == ""


def test_the_note_stands_with_the_question_and_the_system_message_has_no_date() -> None:
    (_, system), (_, question) = prompt.messages("orders in 2024", SHOP)
    assert "strftime" not in system
    assert question.split("\n") == ["Q: orders in 2024", date_note("orders in 2024", SHOP), prompt.ANSWER]


def test_the_rules_come_first_and_are_the_same_for_every_database() -> None:
    other = Schema("sqlite", "3.54.1", (Table("songs", (Column("title", "TEXT"),)),))
    one, two = prompt.system(SHOP), prompt.system(other)
    rules = one.partition("This is the database:\n\n")[0]
    assert two.startswith(rules)
    assert len(rules) > 1000
    assert one.endswith(prompt.schema_text(SHOP))


def test_what_the_database_says_of_itself_is_told() -> None:
    price = Column("price", "INTEGER", comment="in cents,\nwithout tax")
    text = prompt.schema_text(Schema("postgres", "17", (Table("items", (price,), comment="what is sold"),)))
    assert text == "CREATE TABLE items ( -- what is sold\n price INTEGER -- in cents, without tax\n);"
