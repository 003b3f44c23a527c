"""What a program is offered: names, documents, words for what it got wrong, and `help` that reads well."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from shops import Shop, a_shop, audited

import sqlagent
from sqlagent import schemas
from sqlagent.core import errors
from sqlagent.core.nouns.session import Choice, Decision
from sqlagent.service.async_agent import AsyncAgent


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    return a_shop(tmp_path / "shop")


def test_everything_public_is_there_and_listed() -> None:
    assert set(sqlagent.__all__) <= set(dir(sqlagent))
    for name in sqlagent.__all__:
        assert getattr(sqlagent, name) is not None


def test_every_error_is_public() -> None:
    found = {name for name, it in vars(errors).items() if inspect.isclass(it) and issubclass(it, errors.SqlagentError)}
    assert found <= set(sqlagent.__all__)


def test_every_public_name_says_what_it_is() -> None:
    for name in set(sqlagent.__all__) - {"__version__"}:
        it = getattr(sqlagent, name)
        own = it.__dict__.get("__doc__") or ""
        assert own, name
        assert not own.startswith(f"{name}("), f"{name} has the words that a dataclass has by itself"
    for kind in (sqlagent.Agent, sqlagent.AsyncAgent):
        for name, it in vars(kind).items():
            if not name.startswith("_"):
                assert inspect.getdoc(it), f"{kind.__name__}.{name}"


def test_the_same_agent_for_asyncio_has_the_same_calls_by_the_same_arguments() -> None:
    awaited = {n: it for n, it in vars(AsyncAgent).items() if inspect.iscoroutinefunction(it) and n[0] != "_"}
    for name, it in awaited.items():
        known = inspect.signature(getattr(sqlagent.Agent, name)).parameters
        assert {p: known[p].default for p in inspect.signature(it).parameters if p != "self"}.items() <= {
            p: v.default for p, v in known.items()
        }.items(), name
    assert {"ask", "run", "decide", "approve", "reject", "edit", "resume", "wait", "show", "pending"} <= set(awaited)


def test_a_report_as_json_is_the_published_document(stock: Shop) -> None:
    schema = Draft202012Validator(json.loads(schemas.text("report")))
    with stock.agent(reads="allow") as agent:
        for sql in ("DELETE FROM stock", "SELECT * FROM nowhere", "SELECT 1, x'00ff', 9e999, NULL, 'naïve'"):
            document = agent.run(sql).to_json()
            schema.validate(json.loads(json.dumps(document)))
    assert document["results"][0]["rows"] == [[1, {"$blob": "00ff"}, {"$float": "inf"}, None, "naïve"]]


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"nosuch": 1}, "there is no setting named nosuch", "sqlagent config show lists them"),
        ({"limt": 1}, "there is no setting named limt", "did you mean limit?"),
        ({"state-dir": "x"}, "there is no setting named state-dir", "did you mean state_dir?"),
        ({"limit": "many"}, "limit", ""),
        ({"reads": "perhaps"}, "reads", ""),
        ({"database": 5}, "database", ""),
    ],
)
def test_what_is_no_setting_is_said_with_the_nearest(
    stock: Shop, given: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(sqlagent.UsageError) as raised:
        sqlagent.Agent.open(**{"database": str(stock.db), **given})
    assert message in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ask", (5,)),
        ("run", (None,)),
        ("run", (b"SELECT 1",)),
        ("run", ()),
        ("run", ("SELECT 1", "title")),
        ("resume", (["k7f3"],)),
        ("decide", ("k7f3", "approve")),
        ("approve", ("k7f3", None)),
        ("edit", ("k7f3", "d", 5)),
        ("show", (3,)),
        ("wait", (None,)),
    ],
)
def test_a_value_of_another_type_is_said(stock: Shop, name: str, arguments: tuple[Any, ...]) -> None:
    with stock.agent() as agent:
        with pytest.raises(sqlagent.UsageError) as raised:
            getattr(agent, name)(*arguments)
        assert raised.value.hint.startswith(f"Agent.{name}(")
        assert list(agent.journal.audit()) == []


@pytest.mark.parametrize(
    "sql", ["DELETE FROM stock", "SELECT 1; DELETE FROM stock", "PRAGMA user_version = 3", "ATTACH 'x.db' AS x"]
)
def test_only_a_read_is_run_and_nothing_else_leaves_more_than_its_refusal(stock: Shop, sql: str) -> None:
    with stock.agent(reads="allow") as agent:
        with pytest.raises((sqlagent.NotPermitted, sqlagent.QueryError)):
            agent.run(sql, only="read")
        assert agent.sessions() == ()
        rows = agent.run("SELECT name FROM stock WHERE id = 1", only="read").rowsets[0].rows
    assert rows == (("apple",),)
    assert [e.what for e in audited(stock)][:-5] in (["refused"], [])
    assert stock.sold == 0


def test_what_kind_there_is_is_said(stock: Shop) -> None:
    with stock.agent() as agent, pytest.raises(sqlagent.UsageError, match="'write'"):
        agent.run("SELECT 1", only="write")


def test_a_decision_is_what_it_says(stock: Shop) -> None:
    with stock.agent() as agent:
        asked = agent.run("DELETE FROM stock")
        assert asked.proposal is not None
        no = Decision(Choice.REJECT, asked.proposal.digest, agent.by, "library")
        assert agent.decide(asked.thread, no).status is sqlagent.Status.REJECTED
