"""Replies as models really write them, and anything at all: the SQL is found, exactly as it stands, or nothing is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.text.raw_checks import is_hidden
from sqlagent.llm.reply import LONGEST_CHOICE, MOST_CHOICES, parse, whole_characters

ONE = "SELECT name\n  FROM customers\n WHERE country = 'DE'  -- Germany; not France\n ORDER BY name"


@pytest.mark.parametrize(
    "text",
    [
        ONE,
        f"\n\n{ONE}\n\n",
        f"```sql\n{ONE}\n```",
        f"```sqlite\n{ONE}\n```",
        f"```SQL\n{ONE}\n```\n",
        f"```\n{ONE}\n```",
        f"~~~sql\n{ONE}\n~~~",
        f"````sql\n{ONE}\n````",
        f"```sql\r\n{ONE}\n```",
        f"```sql\n{ONE}",
        f"Sure! Here is the query you need:\n\n```sql\n{ONE}\n```\n\nIt lists the names of customers.",
        f"Sure! Here is the query you need:\n\n{ONE}\n\nIt lists the names of customers; all of them.",
        f"SQL: {ONE}",
        f"**Query:** {ONE}",
        f"<think>SELECT 1? No.\n```sql\nSELECT 2\n```</think>\n{ONE}",
        f"Maybe SELECT 1\n</think>\n\n{ONE}",
        json.dumps({"sql": ONE}),
        json.dumps({"query": ONE, "explanation": "names"}),
        json.dumps([ONE]),
        json.dumps({"statements": [{"sql": ONE}]}),
        json.dumps({"SQL": f"```sql\n{ONE}\n```"}),
        f"```json\n{json.dumps({'sql': ONE})}\n```",
        f"```python\nprint(1)\n```\n```sql\n{ONE}\n```",
        f"```sql\n{ONE}\n```\nwhich returns\n```text\nAna | 3\n```",
        f"```sql\n{ONE}\n```\nAgain:\n```sql\n{ONE};\n```",
    ],
)
def test_however_it_is_wrapped_the_sql_is_what_was_written(text: str) -> None:
    assert parse(text).sql.removesuffix(";") == ONE


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ';\n\nThis is text' AS a, \"odd;name\" FROM t;",
        "SELECT a\n\nFROM t\n\nWHERE b = 1",
        "WITH x AS (SELECT 1)\n\nSELECT * FROM x;",
        "-- what is late\nSELECT 1;\n-- and what is not\nSELECT 2;",
        "UPDATE t SET a = 1;\nDELETE FROM u WHERE b = 2;",
        "CREATE TRIGGER x AFTER UPDATE ON t BEGIN\n  UPDATE a SET b = 1;\n  DELETE FROM c;\nEND;",
        "INSERT OR REPLACE INTO t VALUES (1, 'it''s');",
        "(SELECT 1) UNION (SELECT 2)",
        "PRAGMA table_info(t)",
        "select 'CANNOT' from t",
        "SELECT /* ;\n\nnot here */ 1",
    ],
)
def test_a_bare_script_is_kept_to_the_last_byte_and_what_follows_is_only_a_note(sql: str) -> None:
    assert parse(sql).sql == sql
    with_words = parse(f"{sql}\n\nThis does what you asked for.")
    assert with_words.sql == sql
    assert with_words.note == "This does what you asked for."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("CANNOT: there is no table of weather", "there is no table of weather"),
        ("cannot: no weather", "no weather"),
        ("**CANNOT:** no weather", "no weather"),
        ("```sql\nCANNOT: no weather\n```", "no weather"),
        ("-- CANNOT: no weather", "no weather"),
        ("SELECT 'CANNOT: it''s not there' AS answer;", "it's not there"),
        ('{"cannot": "no weather"}', "no weather"),
        ('{"sql": "", "error": "no weather"}', "no weather"),
        ("I looked at the tables.\nCANNOT: no weather", "no weather"),
        ("CANNOT", "it did not say why"),
        ("I'm sorry, but I can't help with that.", "I'm sorry, but I can't help with that."),
        ("The database does not contain weather.", "The database does not contain weather."),
    ],
)
def test_a_refusal_is_an_answer_with_its_reason(text: str, why: str) -> None:
    draft = parse(text)
    assert (draft.sql, draft.cannot) == ("", why)


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "Hello!", "<think>SELECT 1", "{}", "[]", "null", '{"sql": null}', "```\n\n```",
     "```python\nprint(1)\n```", "Select the customers first.", "Update your schema.", "With pleasure."],
)  # fmt: skip
def test_words_without_sql_are_neither_sql_nor_a_refusal(text: str) -> None:
    draft = parse(text)
    assert (draft.sql, draft.cannot) == ("", "")


# ---- a question back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ASK: Which date? | ordered | shipped",
        "ask: Which date? |ordered| shipped |",
        "**ASK:** Which date? | `ordered` | *shipped*",
        "```\nASK: Which date? | ordered | shipped\n```",
        "-- ASK: Which date? | ordered | shipped",
        "<think>two dates</think>ASK: Which date? | ordered | shipped",
        "ASK: Which date?\n- ordered\n- shipped",
        "ASK: Which date?\n\n1. ordered\n2) shipped\n\nPlease tell me.",
        "There are two dates.\nASK: Which date? | ordered | shipped",
        "SELECT 'ASK: Which date? | ordered | shipped' AS answer;",
        '{"ask": "Which date?", "choices": ["ordered", "shipped"]}',
        "ASK: Which date? | ordered | shipped\nSELECT * FROM orders",
        "ASK: Which date? | ordered | shipped | ORDERED\u200b | shipped ",
    ],
)
def test_a_question_back_has_its_choices_and_no_sql(text: str) -> None:
    draft = parse(text)
    assert (draft.asks, draft.sql, draft.cannot) == ("Which date?", "", "")
    assert [choice.lower() for choice in draft.choices[:2]] == ["ordered", "shipped"]


def test_a_question_without_choices_is_one_to_be_answered_in_words() -> None:
    draft = parse("ASK: Which year?")
    assert (draft.asks, draft.choices) == ("Which year?", ())


@pytest.mark.parametrize("text", ["ASK:", "ASK: | a | b", "ASK:\n- a\n- b", "ASK: \u200b", "SELECT 'ASK:'", "ask me"])
def test_nothing_asked_is_no_question(text: str) -> None:
    draft = parse(text)
    assert (draft.asks, draft.choices, draft.cannot) == ("", (), "")


@pytest.mark.parametrize(
    "sql", ["SELECT ask FROM offers", "SELECT 'ASK' AS x", "UPDATE t SET a = 'ASK: b?'", "SELECT bid | ask FROM t"]
)
def test_sql_about_asking_is_sql(sql: str) -> None:
    draft = parse(sql)
    assert (draft.sql, draft.asks) == (sql, "")


@pytest.mark.parametrize(
    "form", ["SELECT '{}'", '{{"sql": "SELECT \'{}\'"}}', "CANNOT: {}", "ASK: {}? | {} | b", "Well, {}"]
)
def test_half_a_character_is_marked_as_one(form: str) -> None:
    whole = whole_characters(form.format("x\ud800y", "z\udc00"))
    draft = parse(whole)
    said = "".join((draft.sql, draft.cannot, draft.note, draft.asks, *draft.choices))
    assert "\ufffd" in said
    assert said.encode()
    assert parse('{"sql": "SELECT \'\\ud83d\\ude00 \\ud800\'"}').sql == "SELECT '\U0001f600 \ufffd'"


def test_choices_are_few_short_and_different() -> None:
    draft = parse("ASK: which? | a | a |  | " + "b" * 500 + " | c | d | e | f")
    assert len(draft.choices) == MOST_CHOICES
    assert max(map(len, draft.choices)) == LONGEST_CHOICE
    assert draft.choices[0] == "a"
    assert len(parse("ASK: " + "why " * 500).asks) <= 300


# ---- several pieces ---------------------------------------------------------------------------------------------


def fenced(*pieces: str, between: str = "") -> str:
    return f"\n{between}\n".join(f"```sql\n{piece}\n```" for piece in pieces)


@pytest.mark.parametrize("between", ["", "Alternatively:", "Or, with a join:", "Another way:", "Option 2", "or"])
def test_two_reads_are_rivals_and_the_first_counts(between: str) -> None:
    draft = parse(fenced("SELECT 1", "SELECT 2", between=between))
    assert draft.sql == "SELECT 1"
    assert draft.note.startswith("the model gave 2 different answers; this is the first")


def test_two_ways_to_change_the_same_table_are_rivals() -> None:
    draft = parse(fenced("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE status = 'x'"))
    assert draft.sql == "DELETE FROM orders WHERE id = 1"


def test_another_way_to_change_another_table_is_not_run_as_well() -> None:
    assert parse("UPDATE a SET b = 1;\nOr alternatively:\nDELETE FROM c;").sql == "UPDATE a SET b = 1;"


def test_a_correction_replaces_what_it_corrects() -> None:
    draft = parse(fenced("SELECT totl", "SELECT total", between="Oops, the corrected query:"))
    assert draft.sql == "SELECT total"
    assert "the last, which corrects the others" in draft.note


def test_steps_are_one_script_in_their_order() -> None:
    draft = parse(fenced("SELECT id FROM orders", "UPDATE orders SET status = 'x';", "DELETE FROM t", between="Then:"))
    assert draft.sql == "SELECT id FROM orders;\nUPDATE orders SET status = 'x';\nDELETE FROM t"
    assert draft.note.startswith("the model gave 3 pieces of SQL; they are one script here")


def test_a_comment_at_the_end_of_a_step_does_not_swallow_the_semicolon() -> None:
    draft = parse(fenced("DELETE FROM a -- all", "DELETE FROM b", between="Then:"))
    assert draft.sql == "DELETE FROM a -- all\n;\nDELETE FROM b"


def test_statements_of_a_json_list_are_a_script() -> None:
    assert (
        parse('[{"sql": "UPDATE a SET b = 1"}, {"sql": "DELETE FROM c"}]').sql == "UPDATE a SET b = 1;\nDELETE FROM c"
    )


# ---- anything ---------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["```sql\n", "```", "\n", "\n\n", ";", "SELECT 1", "DELETE FROM t", "or", "CANNOT:", "ASK:", "|", "{", "}", "[",
     "]", '"sql":', '"', "'", "--", "/*", "*/", "<think>", "</think>", "`", "~~~", "WITH x AS (", "json", "\x00",
     "\ufeff", "\u202e", "é"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_it_never_raises_and_never_says_both(text: str) -> None:
    draft = parse(text)
    assert not (draft.sql and draft.cannot)
    assert not (draft.asks and (draft.sql or draft.cannot))
    assert len(draft.choices) <= MOST_CHOICES
    assert not any(is_hidden(char) for asked in (draft.asks, *draft.choices) for char in asked)
    assert draft.sql == draft.sql.strip()


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_no_line_of_sql_is_made_up(text: str) -> None:
    """Outside JSON, whose escapes are not in the text, every line that will run was written by the model."""
    if not text.lstrip().startswith(("{", "[")) and "json" not in text:
        for line in parse(text).sql.split("\n"):
            assert line.removesuffix(";").strip() in text


@pytest.mark.parametrize(
    "text",
    ["```" * 30_000, ";" * 60_000, "[" * 60_000, "SELECT '" * 10_000, "\n\n" * 40_000 + "x", "SELECT 1\n\n" * 8_000,
     "WITH " * 20_000, "--\n" * 30_000, "`SELECT 1" * 9_000, "<think>" * 10_000, "SELECT 1;\nor\n" * 3_000],
    ids=lambda text: text[:9].strip(),
)  # fmt: skip
def test_a_long_answer_of_nonsense_is_read_all_the_same(text: str) -> None:
    parse(text)
