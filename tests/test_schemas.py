"""What is published of the JSON documents is what every command prints, and what a waiting thread asks and takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from runpy import run_path
from typing import Any

import pytest
from checkout import ROOT
from cli_process import Ran
from cli_shop import Asked, Shop
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sqlagent import schemas
from sqlagent.core.wire.answers import Invalid, Pending, decode, decode_answer

MADE = run_path(str(ROOT / "fixtures" / "build_schemas.py"))

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"
READ = "SELECT * FROM odd"
BATCH = "DELETE FROM orders WHERE id = 1; DELETE FROM orders WHERE id = 2; UPDATE customers SET name = 'x' WHERE id = 1"


def closed(schema: Any) -> Any:
    """The schema with nothing allowed that it does not name, so that no command prints what is not published."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False} | made if "properties" in made else made


def held_to(name: str, document: object, what: str = "") -> None:
    errors = [error.message for error in Draft202012Validator(closed(schemas.load(name))).iter_errors(document)]
    assert errors == [], what


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_what_the_types_make_it(name: str) -> None:
    """`python fixtures/build_schemas.py` writes them anew."""
    assert schemas.text(name) == MADE["spelled"](name)
    Draft202012Validator.check_schema(schemas.load(name))


def test_every_schema_is_listed_and_shipped() -> None:
    there = {path.name for path in (files("sqlagent") / "schemas").iterdir() if path.name.endswith(".json")}
    assert there == {f"{name}.json" for name in schemas.NAMES}
    assert set(MADE["DOCUMENTS"]) == set(schemas.NAMES)


# ---- what commands print ---------------------------------------------------------------------------------------------


def pending(shop: Shop, sql: str = WRITE) -> dict[str, Any]:
    return shop.run("run", "--sql", sql, "--json").document


def test_a_report_is_as_published_wherever_the_session_stands(shop: Shop) -> None:
    waits = pending(shop)
    thread, digest = waits["thread"], waits["digest"]
    done = shop.run("resume", thread, "--approve", digest, "--json").document
    (shop.folder / "other.sql").write_text("DELETE FROM orders WHERE id = 3")
    edited = shop.run("resume", pending(shop)["thread"], "--edit", "other.sql", "--json").document
    undone = shop.run("undo", thread, "--json").document
    rejected = shop.run("resume", pending(shop, BATCH)["thread"], "--reject", "no", "--json").document
    denied = shop.run("run", "--sql", "ATTACH 'x.db' AS x", "--json").document
    reads = pending(shop, READ)
    rows = shop.run("resume", reads["thread"], "--approve", reads["digest"], "--json").document
    assert {d["status"] for d in (waits, done, rejected, denied)} == {"pending", "executed", "rejected", "denied"}
    assert edited["edited_by"]
    assert undone["undo_of"] == f"{thread}.1"
    assert len(rows["results"][0]["rows"]) == 6
    for report in (waits, done, edited, undone, rejected, denied, reads, rows):
        held_to("report", report)
    held_to("report", shop.run("show", thread, "--json").document)


def test_a_part_of_a_batch_and_a_series_are_as_published(shop: Shop) -> None:
    waits = pending(shop, BATCH)
    part = shop.run("resume", waits["thread"], "--approve", waits["digest"], "--only", "1,3", "--json").document
    assert part["part_of"] == f"{waits['thread']}.1"
    held_to("report", part)
    series = shop.run("run", "--sql", BATCH, "--each", "--json").document
    assert (len(series["each"]), series["not_begun"]) == (1, 2)
    held_to("each", series)


def test_a_question_back_and_its_answer_are_as_published(shop: Shop, model: Asked) -> None:
    model.answers("ASK: Gross or net? | gross | net", READ)
    asked = shop.run("ask", "revenue?", "--json").document
    assert asked["asks"]["choices"] == ["gross", "net"]
    held_to("report", asked)
    held_to("threads", shop.run("pending", "--json").document)
    answered = shop.run("resume", asked["thread"], "--answer", "2", "--json").document
    assert answered["clarified"][0]["answer"] == "net"
    held_to("report", answered)


LISTS = {
    "pending": ("threads", ("pending",)),
    "sessions": ("threads", ("sessions",)),
    "schema": ("schema", ("schema",)),
    "what can be undone": ("undoable", ("undo", "--list")),
    "doctor": ("doctor", ("doctor",)),
    "audit": ("audit", ("audit",)),
    "audit verify": ("verified", ("audit", "verify")),
    "expire": ("expired", ("expire",)),
    "policy check": ("rules", ("policy", "check", "team.toml")),
    "policy explain": ("ruling", ("policy", "explain", "--sql", BATCH, "--policy", "team.toml")),
    "policy test, cases": ("cases", ("policy", "test", "team-cases.toml")),
    "policy test, SQL": ("ruling", ("policy", "test", "batch.sql")),
    "examples": ("examples", ("examples", "list")),
    "examples export": ("conversations", ("examples", "export")),
    "examples forget": ("forgotten", ("examples", "forget", "--all")),
    "config": ("settings", ("config", "show")),
    "config check": ("problems", ("config", "check")),
    "models": ("models", ("model", "list")),
    "models that run": ("models", ("model", "status")),
    "model stop": ("stopped", ("model", "stop")),
    "help": ("help", ("help", "json")),
}


@pytest.fixture
def busy(shop: Shop, model: Asked) -> Shop:
    """A shop in which something waits, something ran, something was learned, and something can be undone."""
    model.answers(WRITE)
    learned = shop.run("ask", "settle what is pending", "--json").document
    shop.run("resume", learned["thread"], "--approve", learned["digest"])
    pending(shop, BATCH)
    waits = pending(shop)
    shop.run("resume", waits["thread"], "--approve", waits["digest"])
    for name in ("team.toml", "team-cases.toml"):
        (shop.folder / name).write_text((ROOT / "fixtures" / "policies" / name).read_text())
    (shop.folder / "batch.sql").write_text(BATCH)
    return shop


def test_what_every_command_prints_is_as_published(busy: Shop) -> None:
    for what, (name, command) in LISTS.items():
        document = busy.run(*command, "--json").document
        held_to(name, document, what)
        assert any(document[key] for key in document if key != "format_version") or name in _MAY_BE_EMPTY, what


_MAY_BE_EMPTY = ("problems", "stopped", "models", "forgotten", "expired")


def test_a_line_of_the_export_is_as_published(busy: Shop) -> None:
    lines = busy.run("audit", "export").text.splitlines()
    assert len(lines) > 5
    for line in lines:
        held_to("entry", json.loads(line))


def test_a_line_of_check_is_as_published(busy: Shop) -> None:
    lines = busy.run("check", "batch.sql", "--json").text.splitlines()
    assert len(lines) == 3
    for line in lines:
        held_to("check", json.loads(line))


@pytest.mark.parametrize("command", [("show", "none"), ("run",), ("run", "--sql", "SELECT * FROM none"), ("no",)])
def test_an_error_is_as_published(shop: Shop, command: tuple[str, ...]) -> None:
    ran: Ran = shop.run(*command, "--json")
    assert ran.code != 0
    held_to("error" if ran.err else "report", json.loads(ran.err or ran.out))


def test_help_lists_every_schema_and_prints_each(shop: Shop) -> None:
    listed = shop.run("help", "json").text
    for name in schemas.NAMES:
        assert f"json-{name} " in listed
        assert json.loads(shop.run("help", f"json-{name}").out) == schemas.load(name)
    assert shop.run("help", "json-repot").error == ("no help on json-repot", "sqlagent help json-report")


# ---- what is answered ------------------------------------------------------------------------------------------------

ONE = Pending("3f" * 32, "SELECT 1", ("SELECT 1",), "0f" * 16, addressed=True)
WORDS = st.sampled_from(
    ["approve", "accept", "edit", "reject", "partial", "respond", "response", "ignore", "execute_sql", "SELECT 1", "",
     "3f" * 32, "no"]
)  # fmt: skip
ACTION = st.fixed_dictionaries(
    {}, optional={"name": WORDS, "action": WORDS, "args": st.fixed_dictionaries({"sql": WORDS}) | st.none()}
)
SAID = st.fixed_dictionaries(
    {"type": WORDS},
    optional={"digest": WORDS, "sql": WORDS, "reason": WORDS, "message": WORDS, "retry": st.booleans() | st.none(),
              "args": ACTION | WORDS | st.none(), "edited_action": ACTION, "text": WORDS, "by": WORDS,
              "keep": st.lists(st.integers(0, 2), max_size=2)},
)  # fmt: skip
PAYLOAD = st.fixed_dictionaries(
    {"approved": st.booleans()},
    optional={"digest": WORDS, "reason": WORDS, "message": WORDS,
              "editedArgs": st.fixed_dictionaries({"sql": WORDS}) | st.none()},
)  # fmt: skip
ENTRY = st.fixed_dictionaries(
    {"interruptId": st.just("0f" * 16) | WORDS, "status": st.sampled_from(["resolved", "cancelled", "no"])},
    optional={"payload": PAYLOAD | st.none() | WORDS},
)
ANY = st.one_of(
    SAID, st.fixed_dictionaries({"decisions": st.lists(SAID, max_size=2)}), st.lists(SAID, max_size=2), WORDS,
    st.none(), st.booleans(),
    ENTRY, st.lists(ENTRY, min_size=1, max_size=2), PAYLOAD,
    st.fixed_dictionaries({}, optional={"answer": WORDS, "choice": st.integers(0, 3) | st.booleans()}),
)  # fmt: skip

ANSWER = Draft202012Validator(schemas.load("answer"))
CLARIFIED = Draft202012Validator(schemas.load("clarified"))


@given(ANY)
def test_what_is_taken_for_an_answer_is_as_published(raw: Any) -> None:
    try:
        decode(raw, pending=ONE)
    except Invalid:
        return
    assert ANSWER.is_valid(raw)


@given(ANY)
def test_what_is_taken_for_an_answer_to_a_question_back_is_as_published(raw: Any) -> None:
    try:
        decode_answer(raw, choices=("a", "b"), interrupt_id=ONE.interrupt_id)
    except Invalid:
        return
    assert CLARIFIED.is_valid(raw) or "decisions" in raw


def examples() -> Iterator[Any]:
    digest = ONE.digest
    action = {"action": "execute_sql", "args": {"sql": "SELECT 2"}}
    yield {"type": "approve", "digest": digest}
    yield {"type": "approve"}
    yield {"type": "edit", "sql": "SELECT 2", "digest": digest}
    yield {"type": "edit", "edited_action": {"name": "execute_sql", "args": {"sql": "SELECT 2"}}}
    yield {"type": "reject", "reason": "no", "retry": True}
    yield {"type": "reject", "message": "no"}
    yield {"type": "respond", "message": "no"}
    yield {"decisions": [{"type": "approve"}]}
    yield {"decisions": [{"type": "edit", "args": action}]}
    yield {"decisions": [{"type": "reject", "args": "no"}]}
    yield [{"type": "accept", "args": action}]
    yield [{"type": "response", "args": "no"}]
    yield [{"type": "ignore", "args": None}]
    approved = {"approved": True, "digest": digest}
    for payload in (approved, approved | {"editedArgs": {"sql": "SELECT 2"}}, {"approved": False, "reason": "no"}):
        entry = {"interruptId": ONE.interrupt_id, "status": "resolved", "payload": payload}
        yield from (payload, entry, [entry])
    yield {"interruptId": ONE.interrupt_id, "status": "cancelled"}


@pytest.mark.parametrize("raw", list(examples()), ids=json.dumps)
def test_what_is_published_is_taken(raw: Any) -> None:
    assert ANSWER.is_valid(raw)
    assert decode(raw, pending=ONE).digest == ONE.digest
