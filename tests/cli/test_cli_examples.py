"""What a person approved is shown to the next model that is asked something like it, listed, forgotten and exported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_process import Ran
from cli_shop import Asked, Shop

BEN = "UPDATE customers SET country = 'AT' WHERE id = 2"
ZOE = "UPDATE customers SET country = 'AT' WHERE name = 'Zoë'"


def asked(shop: Shop, model: Asked, question: str, sql: str, *more: str) -> dict[str, Any]:
    model.answers(sql)
    return shop.run("ask", question, "--json", *more).document


def approved(shop: Shop, model: Asked, question: str, sql: str, *more: str) -> dict[str, Any]:
    """Asked, drafted, approved and run."""
    document = asked(shop, model, question, sql, *more)
    done = shop.run("resume", document["thread"], "--approve", document["digest"], "--json", *more)
    assert done.code == 0, done.err
    return done.document


def listed(shop: Shop, *more: str) -> list[dict[str, Any]]:
    return list(shop.run("examples", "list", "--json", *more).document["examples"])


def finals(shop: Shop, *more: str) -> list[str]:
    return [example["sql"] for example in listed(shop, *more)]


def prompt_of(shop: Shop, model: Asked, question: str, *more: str) -> str:
    asked(shop, model, question, "SELECT 1", *more)
    return model.last_prompt


# ---- learning ----------------------------------------------------------------------------------------------------


def test_what_was_approved_is_shown_to_the_model_with_the_next_question_like_it(shop: Shop, model: Asked) -> None:
    assert BEN not in prompt_of(shop, model, "move Ana to Austria")
    approved(shop, model, "move Ben to Austria", BEN)
    assert BEN in prompt_of(shop, model, "move Ana to Austria")
    assert BEN not in prompt_of(shop, model, "how many orders are there?")


def test_what_a_person_changed_it_to_is_shown_and_not_the_draft(shop: Shop, model: Asked) -> None:
    document = asked(shop, model, "move Ben to Austria", "UPDATE customers SET country = 'Austria' WHERE id = 2")
    (shop.folder / "ben.sql").write_text(BEN)
    edited = shop.run("resume", document["thread"], "--edit", "ben.sql", "--json").document
    assert shop.run("resume", document["thread"], "--approve", edited["digest"]).code == 0
    prompt = prompt_of(shop, model, "move Ana to Austria")
    assert "UPDATE customers SET country = ? WHERE id = 2" in prompt, "a person's values are not told to a server"
    assert "country = 'Austria'" not in prompt
    (example,) = listed(shop)
    assert (example["decision"], example["drafted"]) == ("edit", document["sql"])
    assert (example["sql"], example["run"]) == (BEN, f"{document['thread']}.2")


def test_a_read_that_a_person_approved_is_an_example_and_one_that_ran_unasked_is_none(shop: Shop, model: Asked) -> None:
    assert asked(shop, model, "names in Austria", "SELECT name FROM customers", "--json")["status"] == "pending"
    (shop.folder / "reads.toml").write_text('reads = "allow"\n')
    unasked = asked(shop, model, "countries", "SELECT country FROM customers", "--config", "reads.toml")
    assert unasked["status"] == "executed"
    assert listed(shop) == []
    approved(shop, model, "names in Austria", "SELECT name FROM customers")
    assert finals(shop) == ["SELECT name FROM customers"]


def test_nothing_rejected_failed_or_left_is_an_example(shop: Shop, model: Asked) -> None:
    rejected = asked(shop, model, "move Ben to Austria", BEN)
    assert shop.run("resume", rejected["thread"], "--reject", "not today").code == 5
    shop.write("CREATE TRIGGER no BEFORE UPDATE ON customers BEGIN SELECT raise(ABORT, 'no'); END")
    failing = asked(shop, model, "move Zoë to Austria", ZOE)
    if failing["status"] == "pending":
        shop.run("resume", failing["thread"], "--approve", failing["digest"])
    assert shop.status(failing["thread"]) == "failed"
    asked(shop, model, "move Ana to Austria", "SELECT 1")
    assert listed(shop) == []
    assert BEN not in prompt_of(shop, model, "move Ben to Austria again")


def test_an_undo_takes_the_example_back(shop: Shop, model: Asked) -> None:
    done = approved(shop, model, "move Ben to Austria", BEN)
    undo = shop.run("undo", done["thread"], "--json").document
    assert finals(shop) == [BEN]
    assert shop.run("resume", undo["thread"], "--approve", undo["digest"]).code == 0
    assert listed(shop) == []


def test_no_example_is_shown_to_a_question_about_another_database(shop: Shop, model: Asked) -> None:
    approved(shop, model, "move Ben to Austria", BEN)
    other = shop.folder / "other.db"
    other.write_bytes(shop.path.read_bytes())
    assert BEN not in prompt_of(shop, model, "move Ana to Austria", "--db", str(other))
    assert finals(shop, "--db", str(other)) == []
    assert finals(shop, "--db", str(shop.path)) == [BEN]


def test_with_learning_off_nothing_is_kept_and_nothing_shown(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(shop, model, "move Ben to Austria", BEN)
    monkeypatch.setenv("SQLAGENT_LEARN", "no")
    assert BEN not in prompt_of(shop, model, "move Ana to Austria")
    approved(shop, model, "move Zoë to Austria", ZOE)
    assert finals(shop) == [BEN]
    assert shop.run("examples", "forget", "--all").err == "1 example forgotten\n"
    assert shop.run("examples", "list").err == "no example: learn is off\n"


def test_a_project_s_file_may_turn_learning_off_and_never_on(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.folder / "sqlagent.toml").write_text("learn = false\n")
    approved(shop, model, "move Ben to Austria", BEN)
    assert listed(shop) == []
    (shop.folder / "sqlagent.toml").write_text("learn = true\n")
    monkeypatch.setenv("SQLAGENT_LEARN", "no")
    done = shop.run("examples", "list")
    assert done.code == 2
    assert "learn may not be loosened by a project's file" in done.error[0]


# ---- list --------------------------------------------------------------------------------------------------------


def test_a_list_is_a_table_for_people_and_a_document_for_programs(shop: Shop, model: Asked) -> None:
    done = shop.run("examples", "list")
    assert (done.code, done.out, done.err) == (0, b"", "no example yet: what you approve becomes one\n")
    approved(shop, model, "move Ben\x07 to\nAustria", BEN)
    approved(shop, model, "move Zoë to Austria", ZOE)
    done = shop.run("examples", "list")
    headings, _, *rows = [[cell.strip() for cell in line.split("|")] for line in done.text.splitlines()]
    assert headings == ["id", "age", "database", "decision", "question"]
    assert [row[:1] + row[2:] for row in rows] == [
        ["2", "shop.db", "approved", "move Zoë to Austria"],
        ["1", "shop.db", "approved", "move Ben⟨U+0007⟩ to Austria"],
    ]
    assert done.err == "(2 examples)\n"
    assert len(shop.run("examples", "list", "-n", "1").text.splitlines()) == 3
    assert list(listed(shop, "-n", "1")[0]) == [
        "id", "database", "target", "run", "question", "drafted", "sql", "decision", "why", "approved_by",
        "approved_at",
    ]  # fmt: skip


# ---- forget ------------------------------------------------------------------------------------------------------


def test_what_is_forgotten_is_shown_to_no_model_and_the_record_says_who_forgot_it(shop: Shop, model: Asked) -> None:
    approved(shop, model, "move Ben to Austria", BEN)
    approved(shop, model, "move Zoë to Austria", ZOE)
    assert shop.run("examples", "forget", "1").err == "1 example forgotten\n"
    prompt = prompt_of(shop, model, "move Ana to Austria")
    assert BEN not in prompt
    assert ZOE in prompt
    assert shop.run("examples", "forget", "--all", "--json").document["forgotten"] == 1
    said = [e for e in shop.run("audit", "--json").document["entries"] if e["what"] == "forgot"]
    assert [json.loads(e["detail"])["examples"] for e in said] == [[1], "all 1"]
    assert shop.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name examples by their ids, or all of them"),
        (("1", "--all"), "ids and --all exclude each other"),
        (("1", "9"), "no example 9; nothing was forgotten"),
        (("99999999999999999999999",), "no example"),
        (("one",), "invalid value for '[ID]...'"),
        (("--", "-1"), "no example -1; nothing was forgotten"),
    ],
)
def test_a_forgetting_that_makes_no_sense_forgets_nothing(
    shop: Shop, model: Asked, arguments: tuple[str, ...], message: str
) -> None:
    approved(shop, model, "move Ben to Austria", BEN)
    done = shop.run("examples", "forget", *arguments)
    assert done.code == 2
    assert done.error[0].startswith(message)
    assert finals(shop) == [BEN]


# ---- export ------------------------------------------------------------------------------------------------------


def lines(done: Ran) -> list[list[dict[str, str]]]:
    """Each line is an object with messages, and nothing else."""
    documents = [json.loads(line) for line in done.text.splitlines()]
    assert all(set(document) == {"messages"} for document in documents)
    return [document["messages"] for document in documents]


def test_an_export_is_one_conversation_a_line_with_what_was_approved_last(shop: Shop, model: Asked) -> None:
    approved(shop, model, "move Zoë to Austria", "UPDATE customers SET country = 'Austria' WHERE id = 3")
    approved(shop, model, "move Zoë to Austria", ZOE)
    approved(shop, model, "move Ben to Austria", BEN)
    done = shop.run("examples", "export", "--format", "openai-jsonl")
    assert done.text.isascii()
    assert lines(done) == [
        [{"role": "user", "content": "move Ben to Austria"}, {"role": "assistant", "content": BEN}],
        [{"role": "user", "content": "move Zoë to Austria"}, {"role": "assistant", "content": ZOE}],
    ]
    assert len(shop.run("examples", "export", "--json").document["conversations"]) == 2


def test_an_export_with_the_schema_is_what_a_model_is_told_without_values_of_the_data(shop: Shop, model: Asked) -> None:
    approved(shop, model, "move Ben to Austria", BEN)
    asked(shop, model, "something else entirely", "SELECT 1")
    ((system, user, assistant),) = lines(shop.run("examples", "export", "--with-schema", "--db", str(shop.path)))
    assert [m["role"] for m in (system, user, assistant)] == ["system", "user", "assistant"]
    assert system["content"] == model.server.requests[-1].system
    assert "move Ben to Austria" in user["content"]
    assert "Ana" not in system["content"]
    assert assistant["content"] == BEN


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--format", "parquet"), "--format is not one of its values: parquet", "one of: openai-jsonl"),
        (
            ("--with-schema",),
            "--with-schema needs to know of which database",
            "sqlagent examples export --with-schema --db DB",
        ),
    ],
)
def test_an_export_that_cannot_be_is_two_lines(shop: Shop, arguments: tuple[str, ...], message: str, hint: str) -> None:
    done = shop.run("examples", "export", *arguments)
    assert (done.code, done.out, done.error) == (2, b"", (message, hint))
