"""A person is asked before any model where the schema shows two readings; and a large schema is told in part."""

from __future__ import annotations

import pytest
from cli_shop import Asked, Shop

SQL = "SELECT count(*) FROM trips WHERE left_on > '2024'"


@pytest.fixture
def trips(shop: Shop) -> Shop:
    shop.write("CREATE TABLE trips (id INTEGER PRIMARY KEY, name TEXT, left_on TEXT, back_on TEXT)")
    shop.write("CREATE TABLE boats (id INTEGER PRIMARY KEY, name TEXT)")
    shop.write("INSERT INTO trips (name, left_on, back_on) VALUES ('Dora', '2024-01-01', '2024-02-01')")
    shop.write("INSERT INTO boats (name) VALUES ('Dora')")
    return shop


def test_two_dates_are_asked_about_once_and_the_answer_reaches_the_model(trips: Shop, model: Asked) -> None:
    model.answers(SQL)
    ran = trips.run("ask", "how many trips last month", "--json")
    assert ran.code == 8
    assert ran.document["asks"]["choices"] == ["trips.left_on", "trips.back_on"]
    assert model.server.requests == []
    ran = trips.run("resume", ran.document["thread"], "--answer", "2", "--json")
    assert ran.document["sql"] == SQL
    assert "I answer: trips.back_on" in model.last_prompt
    assert len(model.server.requests) == 1


def test_a_name_in_two_tables_is_asked_about(trips: Shop, model: Asked) -> None:
    model.answers(SQL)
    ran = trips.run("ask", "when was 'Dora' last seen", "--json")
    assert ran.document["asks"]["choices"] == ["boats", "trips"] or ran.document["asks"]["choices"] == [
        "trips",
        "boats",
    ]
    assert model.server.requests == []


@pytest.mark.parametrize("question", ["how many trips left last month", "is the boat 'Dora' there", "all trips"])
def test_what_reads_one_way_is_not_asked_about(trips: Shop, model: Asked, question: str) -> None:
    model.answers(SQL)
    assert trips.run("ask", question, "--json").document["sql"] == SQL


def test_one_setting_turns_it_off(trips: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_ASK_BACK", "no")
    model.answers(SQL)
    assert trips.run("ask", "how many trips last month", "--json").document["sql"] == SQL


def test_where_nobody_is_to_be_asked_nobody_is(trips: Shop, model: Asked) -> None:
    model.answers(SQL)
    assert trips.run("ask", "how many trips last month", "--auto-reject", "--json").code == 5
    assert len(model.server.requests) == 1


def test_the_tables_that_a_person_names_are_all_that_the_model_is_told_of(trips: Shop, model: Asked) -> None:
    model.answers("SELECT count(*) FROM boats")
    ran = trips.run("ask", "how many are there", "--tables", "boats")
    system = model.server.requests[-1].system
    assert "CREATE TABLE boats" in system
    assert "CREATE TABLE trips" not in system
    assert "about 1 of " in ran.err
    wrong = trips.run("ask", "how many are there", "--tables", "boat")
    assert wrong.code == 2
    assert "boats" in wrong.err


def test_after_the_schema_s_question_the_model_asks_no_other(trips: Shop, model: Asked) -> None:
    model.answers(SQL)
    thread = trips.run("ask", "how many trips last month", "--json").document["thread"]
    trips.run("resume", thread, "--answer", "1", "--json")
    assert "do not ask" in model.last_prompt


def test_debug_shows_the_exchange_without_the_key(trips: Shop, model: Asked) -> None:
    model.answers(SQL)
    ran = trips.run("ask", "all trips", "--debug")
    assert "> POST http://127.0.0.1" in ran.err
    assert "< 200" in ran.err
    assert "test-key" not in ran.err
