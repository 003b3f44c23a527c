"""The client against a real HTTP server: good answers, and each way a server can fail, as one error of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from openai_server import OpenAIServer, Reply, Request

from sqlagent.core.errors import AuthError, ConnectError, ModelError, UsageError
from sqlagent.core.nouns.draft import Attempt, Clarification, Column, Draft, Example, Schema, Table, Turn
from sqlagent.core.secret import Secret
from sqlagent.llm import prompt
from sqlagent.llm.client import DEFAULT_REMOTE, Model, ModelSpec, open_model

SHOP = Schema("sqlite", "3.54.1", (Table("orders", (Column("id", "INTEGER", primary_key=True),)),))
KEY = "sk-very-secret"


def a_model(base_url: str, *, timeout: float = 20.0, sleep: Callable[[float], None] = lambda _s: None) -> Model:
    spec = ModelSpec("test-model", base_url, Secret(KEY), timeout=timeout)
    return replace(open_model(spec), sleep=sleep)


def ask(server: OpenAIServer, question: str = "how many orders", *, timeout: float = 20.0) -> Draft:
    return a_model(server.base_url, timeout=timeout).draft(question, SHOP)


def nobody_listens() -> str:
    with OpenAIServer() as server:
        return server.base_url


def test_a_draft_carries_the_sql_the_tokens_and_the_hash_of_the_prompt(openai_server: OpenAIServer) -> None:
    openai_server.script = [Reply("SELECT COUNT(*) FROM orders", tokens_in=99, tokens_out=5)]
    draft = ask(openai_server)
    told = prompt.messages("how many orders", SHOP, asking=prompt.Asking.STILL)
    assert draft.sql == "SELECT COUNT(*) FROM orders"
    assert (draft.model, draft.tokens_in, draft.tokens_out) == ("test-model", 99, 5)
    assert draft.prompt_sha256 == prompt.prompt_sha256(told)
    assert draft.seconds > 0


def test_the_request_streams_at_temperature_zero_and_asks_for_usage(openai_server: OpenAIServer) -> None:
    ask(openai_server)
    (request,) = openai_server.requests
    assert request.path == "/v1/chat/completions"
    assert (request.body["model"], request.body["temperature"]) == ("test-model", 0)
    assert request.streaming
    assert request.body["stream_options"] == {"include_usage": True}
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_history_and_attempts_reach_the_server_in_order(openai_server: OpenAIServer) -> None:
    a_model(openai_server.base_url).draft(
        "only in Germany",
        SHOP,
        history=[Turn("all orders", "SELECT * FROM orders")],
        attempts=[Attempt("SELECT totl FROM orders", "no such column: totl")],
    )
    (request,) = openai_server.requests
    roles = [(m["role"], m["content"].split("\n")[0]) for m in request.messages[1:]]
    assert roles == [
        ("user", "all orders"),
        ("assistant", "SELECT * FROM orders"),
        ("user", "Q: only in Germany"),
        ("assistant", "SELECT totl FROM orders"),
        ("user", "That was not accepted: no such column: totl"),
    ]
    assert request.body["temperature"] > 0, "at 0, a small model repeats its mistake"


def test_text_arrives_piece_by_piece(openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT COUNT(*) FROM orders"]
    pieces: list[str] = []
    a_model(openai_server.base_url).draft("q", SHOP, on_text=pieces.append)
    assert "".join(pieces) == "SELECT COUNT(*) FROM orders"
    assert len(pieces) > 1


def test_the_first_piece_is_heard_before_the_answer_is_complete(openai_server: OpenAIServer) -> None:
    first = threading.Event()
    openai_server.script = [Reply("SELECT COUNT(*) FROM orders", wait=first)]
    draft = a_model(openai_server.base_url).draft("q", SHOP, on_text=lambda _piece: first.set())
    assert draft.sql == "SELECT COUNT(*) FROM orders"


def test_a_server_that_cannot_stream_is_asked_again_without(openai_server: OpenAIServer) -> None:
    openai_server.script = [Reply("SELECT 2", streams=False)]
    assert ask(openai_server).sql == "SELECT 2"
    assert [r.streaming for r in openai_server.requests] == [True, False]


def test_a_server_that_answers_a_stream_with_a_plain_body_is_asked_again_without(openai_server: OpenAIServer) -> None:
    plain = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": None}
    openai_server.script = [Reply.garbage(json.dumps(plain).encode()), "SELECT 3"]
    assert ask(openai_server).sql == "SELECT 3"
    assert [r.streaming for r in openai_server.requests] == [True, False]


@pytest.mark.parametrize("field", ["temperature", "stream_options"])
def test_a_field_the_server_refuses_is_left_out(field: str) -> None:
    def picky(request: Request) -> Reply:
        refused = Reply.error(400, f"Unsupported parameter: '{field}'")
        return refused if field in request.body else Reply("SELECT 4")

    with OpenAIServer(picky) as server:
        assert ask(server).sql == "SELECT 4"
        assert len(server.requests) == 2


def test_429_waits_as_long_as_the_server_asks_and_says_so() -> None:
    waits: list[float] = []
    said: list[str] = []
    with OpenAIServer([Reply.error(429, retry_after="7"), Reply.error(429, retry_after="0"), "SELECT 1"]) as server:
        draft = a_model(server.base_url, sleep=waits.append).draft("q", SHOP, on_wait=said.append)
    assert draft.sql == "SELECT 1"
    assert waits == [7.0, 0.0]
    assert said == [
        "the model answered 429; trying again in 7 s (2 of 3)",
        "the model answered 429; trying again in 0 s (3 of 3)",
    ]


def test_without_a_word_from_the_server_the_wait_doubles() -> None:
    waits: list[float] = []
    with OpenAIServer([Reply.error(500), Reply.error(503), "SELECT 1"]) as server:
        a_model(server.base_url, sleep=waits.append).draft("q", SHOP)
    assert waits == [1.0, 2.0]


def test_a_server_that_drops_the_connection_once_is_tried_again() -> None:
    with OpenAIServer([Reply.drop(), "SELECT 5"]) as server:
        assert ask(server).sql == "SELECT 5"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_after_three_tries_the_error_names_status_and_reason(status: int) -> None:
    with OpenAIServer(Reply.error(status, "overloaded")) as server:
        with pytest.raises(ModelError, match=rf"answered {status} \(3 tries\): overloaded"):
            ask(server)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [Reply.error(429, "quota", code="insufficient_quota"), Reply.error(429, retry_after="3600")],
    ids=["quota", "an hour"],
)
def test_what_waiting_cannot_cure_is_not_waited_for(reply: Reply) -> None:
    with OpenAIServer(reply) as server:
        with pytest.raises(ModelError, match="answered 429"):
            ask(server)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_an_auth_error_that_does_not_show_it(status: int) -> None:
    with OpenAIServer(Reply.error(status, f"Incorrect API key provided: {KEY}")) as server:
        with pytest.raises(AuthError) as caught:
            ask(server)
        assert len(server.requests) == 1
    assert KEY not in caught.value.message + caught.value.hint
    assert "****" in caught.value.message
    assert "OPENAI_API_KEY" in caught.value.hint


def test_an_unknown_model_is_named() -> None:
    with (
        OpenAIServer(Reply.error(404, "The model does not exist")) as server,
        pytest.raises(ModelError, match="has no model test-model"),
    ):
        ask(server)


def test_a_prompt_too_long_for_the_model_is_said_so() -> None:
    reply = Reply.error(400, "This model's maximum context length is 4096 tokens", code="context_length_exceeded")
    with OpenAIServer(reply) as server, pytest.raises(ModelError, match="too long for the model"):
        ask(server)


def test_nobody_listening_is_a_connect_error_with_the_address() -> None:
    base_url = nobody_listens()
    with pytest.raises(ConnectError, match=base_url) as caught:
        a_model(base_url).draft("q", SHOP)
    assert "--base-url" in caught.value.hint


def test_the_address_in_an_error_has_no_password_in_it() -> None:
    base_url = nobody_listens().replace("http://", "http://ana:hunter2@")
    with pytest.raises(ConnectError) as caught:
        a_model(base_url).draft("q", SHOP)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_server_that_hangs_is_given_up_with_the_seconds_it_had() -> None:
    with OpenAIServer(Reply.hang()) as server:
        with pytest.raises(ConnectError, match=r"did not answer within 0\.3 s"):
            ask(server, timeout=0.3)
        assert len(server.requests) == 1


def test_a_truncated_stream_is_never_half_a_statement() -> None:
    reply = Reply.truncated("DELETE FROM orders WHERE status = 'cancelled'")
    with OpenAIServer(reply) as server, pytest.raises(ModelError, match="broke off after") as caught:
        ask(server)
    assert "DELETE FROM orders" in caught.value.message


@pytest.mark.parametrize("finish", ["", "eos_token", "end_turn", "COMPLETE"])
def test_an_answer_that_its_server_ended_is_whole_whatever_it_calls_the_end(finish: str) -> None:
    with OpenAIServer(Reply("DELETE FROM orders", finish=finish)) as server:
        assert ask(server).sql == "DELETE FROM orders"
        assert len(server.requests) == 1


def test_an_answer_cut_at_its_length_limit_is_not_used() -> None:
    reply = Reply("DELETE FROM orders", finish="length")
    with OpenAIServer(reply) as server, pytest.raises(ModelError, match="length limit"):
        ask(server)


@pytest.mark.parametrize("text", ["", "  \n\n "])
def test_an_empty_answer_is_a_model_error(text: str) -> None:
    with OpenAIServer(text) as server, pytest.raises(ModelError, match="answered with nothing"):
        ask(server)


def test_prose_is_a_model_error_that_quotes_it_short() -> None:
    prose = "Certainly, happy to help with the orders. " * 20
    with OpenAIServer(prose) as server, pytest.raises(ModelError, match="words and no SQL") as caught:
        ask(server)
    assert "Certainly, happy" in caught.value.message
    assert len(caught.value.message) < 260


@pytest.mark.parametrize("raw", [b"<html>it works</html>", b'{"a": 1}', b"", b"[]", b"null", b"\xff\xfe"])
def test_a_body_that_is_not_the_protocol_is_a_model_error(raw: bytes) -> None:
    with OpenAIServer(Reply.garbage(raw)) as server, pytest.raises(ModelError, match="protocol") as caught:
        ask(server)
    assert "/v1" in caught.value.hint


def test_cannot_is_an_answer_and_not_an_error(openai_server: OpenAIServer) -> None:
    openai_server.script = ["CANNOT: there is no table of weather"]
    draft = ask(openai_server)
    assert (draft.sql, draft.cannot) == ("", "there is no table of weather")


def test_a_question_back_is_an_answer_and_not_an_error(openai_server: OpenAIServer) -> None:
    openai_server.script = ["ASK: Which orders? | paid | all of them"]
    draft = ask(openai_server)
    assert (draft.sql, draft.cannot) == ("", "")
    assert (draft.asks, draft.choices) == ("Which orders?", ("paid", "all of them"))
    assert draft.tokens_out > 0


def test_what_was_asked_back_and_answered_reaches_the_server_with_the_question(openai_server: OpenAIServer) -> None:
    clarified = Clarification("Which orders?", ("paid", "all"), "paid")
    a_model(openai_server.base_url).draft(
        "how many orders", SHOP, clarified=[clarified], asked_by="test-model", may_ask=False
    )
    (request,) = openai_server.requests
    told = request.messages[-1]["content"]
    assert "Which orders? I answer: paid" in told
    assert "do not ask" in told
    assert "-- assuming" in told


def test_an_assumption_stays_in_the_sql_where_a_person_sees_it(openai_server: OpenAIServer) -> None:
    sql = "-- assuming paid orders alone\nSELECT COUNT(*) FROM orders WHERE status = 'paid'"
    openai_server.script = [sql]
    assert a_model(openai_server.base_url).draft("q", SHOP, may_ask=False).sql == sql


def test_the_system_message_is_the_same_whether_or_not_the_model_may_still_ask(openai_server: OpenAIServer) -> None:
    model = a_model(openai_server.base_url)
    model.draft("a", SHOP)
    model.draft("b", SHOP, may_ask=False, examples=[Example("c", "SELECT 1")])
    first, second = openai_server.requests
    assert first.system == second.system
    assert "ASK:" in first.system


def test_the_embedded_model_is_not_told_to_ask(tmp_path: Path) -> None:
    assert not open_model(ModelSpec("local"), cache_dir=tmp_path, state_dir=tmp_path).asks_back


def test_two_answers_are_said_to_be_two(openai_server: OpenAIServer) -> None:
    openai_server.script = ["```sql\nSELECT 1\n```\n```sql\nSELECT 2\n```"]
    said: list[str] = []
    draft = a_model(openai_server.base_url).draft("q", SHOP, on_wait=said.append)
    assert draft.sql == "SELECT 1"
    assert said == ["the model gave 2 different answers; this is the first"]


def test_ctrl_c_surfaces_at_once_while_the_model_thinks() -> None:
    main = threading.main_thread().ident
    assert main

    def interrupts(_request: Request) -> Reply:
        signal.pthread_kill(main, signal.SIGINT)
        return Reply.hang()

    with OpenAIServer(interrupts) as server, pytest.raises(KeyboardInterrupt):
        ask(server, timeout=300)


# ---- which model ------------------------------------------------------------------------------------------------


def test_auto_with_a_key_is_the_default_remote_model() -> None:
    model = open_model(ModelSpec(api_key="k"))
    assert (model.name, model.is_local) == (DEFAULT_REMOTE, False)


def test_auto_with_a_base_url_asks_that_server_without_a_key(openai_server: OpenAIServer) -> None:
    model = open_model(ModelSpec(base_url=openai_server.base_url))
    assert not model.is_local
    assert model.draft("q", SHOP).sql == "SELECT 1"


def test_a_named_model_without_key_or_server_says_what_to_set() -> None:
    with pytest.raises(AuthError, match="gpt-9 needs a key") as caught:
        open_model(ModelSpec("gpt-9"))
    assert "OPENAI_API_KEY" in caught.value.hint
    assert "--base-url" in caught.value.hint


def test_a_base_url_without_a_scheme_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="does not start with http"):
        open_model(ModelSpec("m", "localhost:11434/v1"))


def test_the_environment_s_own_key_and_server_are_not_used_behind_our_back(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    ask(openai_server)
    assert openai_server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def child(code: str, **env: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=True, timeout=60
    )
    return ran.stdout.strip()


def test_importing_the_client_imports_no_model_sdk() -> None:
    heavy = ("langchain_openai", "langchain_core", "openai", "langgraph", "xllamacpp", "pydantic", "sqlglot")
    code = f"import sys, sqlagent.llm.client; print([m for m in {heavy} if m in sys.modules])"
    assert child(code) == "[]"


def test_tracing_is_off_whatever_the_environment_says(openai_server: OpenAIServer, tmp_path: Path) -> None:
    code = (
        "import sys, sqlagent.llm.client as c; from sqlagent.core.nouns.draft import Schema\n"
        f"c.open_model(c.ModelSpec('m', {openai_server.base_url!r})).draft('q', Schema('sqlite', '', ()))\n"
        "from langsmith.utils import tracing_is_enabled; print(tracing_is_enabled())"
    )
    assert child(code, LANGSMITH_TRACING="true", LANGCHAIN_TRACING_V2="true", LANGSMITH_API_KEY="x") == "False"
