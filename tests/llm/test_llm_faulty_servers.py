"""Servers as they are: what each kind of answer becomes, and how many requests it costs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
from faulty_server import OK, FaultyServer, Played, message, piece, plain, stream

from sqlagent.core.errors import AuthError, ConnectError, ModelError, NoDraft, SqlagentError
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.secret import Secret
from sqlagent.llm.client import ModelSpec, open_model

SHOP = Schema("sqlite", "3.54.1", (Table("orders", (Column("id", "INTEGER", primary_key=True),)),))
KEY = "sk-canary-123456"
SQL = OK.decode()
FINE = stream(piece(finish="stop"))


def error(status: int, *more: tuple[str, str], **fields: object) -> Played:
    return replace(plain(status, **fields), headers=more)


def openai_error(status: int, message: str, **more: object) -> Played:
    return error(status, error={"message": message, **more})


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    script: list[Played]
    says: str = ""
    """What the error says; empty where the SQL is to come."""
    kind: type[SqlagentError] = ModelError
    requests: int = 1
    hint: str = ""


HTML = b"<!doctype html><html><head><title>Sign in to the hotel's network</title></head></html>"
SSE = "text/event-stream"
GOOD = [
    # ---- how an answer ends
    Fault("finish eos_token", [stream(piece(finish="eos_token"))]),
    Fault("finish empty", [stream(piece(finish=""))]),
    Fault("finish missing, done", [stream(piece())]),
    Fault("finish null in a plain body", [message(finish=None)]),
    Fault("finish COMPLETE", [stream(piece(finish="COMPLETE"))]),
    Fault("finish STOP", [stream(piece(finish="FINISH_REASON_STOP"))]),
    Fault("no done, but a finish", [stream(piece(finish="stop"), done=False)]),
    # ---- shapes of a body
    Fault("a plain body to a stream", [message()]),
    Fault("a pretty printed body", [Played(message().body.replace(b", ", b",\n "))]),
    Fault("a body with a byte order mark", [Played(b"\xef\xbb\xbf" + message().body)]),
    Fault("one object a line", [Played(b"\n".join(stream(piece(), done=False).body.split(b"data: ")[1:]))]),
    Fault("events without a blank behind the colon", [Played(FINE.body.replace(b"data: ", b"data:"), kind=SSE)]),
    Fault("events with carriage returns", [Played(FINE.body.replace(b"\n", b"\r\n"), kind=SSE)]),
    Fault("events without empty lines", [Played(FINE.body.replace(b"\n\n", b"\n"), kind=SSE)]),
    Fault("comments between events", [stream(": OPENROUTER PROCESSING", piece(), ": ping", piece("", "stop"))]),
    Fault("named events", [stream("event: message", piece(finish="stop"))]),
    Fault("a line that is no JSON", [stream("data: {broken", piece(finish="stop"))]),
    Fault("the wrong content type", [Played(FINE.body, kind="text/html")]),
    Fault("content in parts", [message([{"type": "text", "text": SQL}])]),
    Fault("text of the older protocol", [plain(choices=[{"text": SQL, "finish_reason": "stop"}])]),
    Fault("choices null before the answer", [stream({"choices": None}, piece(finish="stop"))]),
    Fault("delta null at the end", [stream(piece(), {"choices": [{"delta": None, "finish_reason": "stop"}]})]),
    Fault("usage with nothing in it", [stream(piece(finish="stop"), {"choices": [], "usage": {}})]),
    Fault("usage of odd types", [stream(piece(finish="stop"), {"choices": [], "usage": {"prompt_tokens": None}})]),
    Fault("half a character", [message(SQL + "\ud83d")]),
    Fault("an error that is null", [stream({**piece(finish="stop"), "error": None})]),
    Fault("a filter's empty first event", [stream({"choices": [], "prompt_filter_results": []}, piece(finish="stop"))]),
    # ---- what stands around the SQL
    Fault("thinking apart", [stream(piece("", reasoning_content="hm"), piece(finish="stop"))]),
    Fault("think closed on the line of the SQL", [stream(piece(f"count them</think>{SQL}", "stop"))]),
    Fault("an end token", [stream(piece(f"{SQL}<|im_end|>", "stop"))]),
    Fault("channels", [stream(piece(f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
                                    f"<|message|>{SQL}<|return|>", "stop"))]),
    Fault("SQL in a call of a tool", [message(None, "tool_calls", tool_calls=[
        {"index": 0, "function": {"name": "run_sql", "arguments": f'{{"query": "{SQL}"}}'}}])]),
    Fault("a call of the older kind", [message(None, "function_call", function_call={
        "name": "q", "arguments": f'{{"sql": "{SQL}"}}'})]),
    Fault("a call in the text", [message(f'<tool_call>{{"name": "q", "arguments": {{"sql": "{SQL}"}}}}</tool_call>')]),
    # ---- what a server does not know
    Fault("no system role, 400", [openai_error(400, "System role not supported"), FINE], requests=2),
    Fault("no system role, 500 of a template", [error(500, error={"code": 500, "message":
          "Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/..."}), FINE], requests=2),
    Fault("no system role, in its own words", [openai_error(400, "Developer instruction is not enabled for gemma"),
          FINE], requests=2),
    Fault("a field it does not know, FastAPI", [error(422, detail=[{"type": "extra_forbidden", "loc": ["body",
          "stream_options"], "msg": "Extra inputs are not permitted"}]), FINE], requests=2),
    Fault("a field it does not know, in a list", [Played(b'[{"error": {"message": "Unknown name temperature"}}]', 400),
          FINE], requests=2),
    Fault("a field it does not know, as text", [Played(b"unknown field stream_options", 400, "text/plain"), FINE],
          requests=2),
    Fault("some field that it does not name", [openai_error(400, "Unrecognized request argument supplied"), FINE],
          requests=2),
    Fault("temperature must be positive", [error(422, error="`temperature` must be strictly positive",
          error_type="validation"), FINE], requests=2),
    Fault("no streaming", [openai_error(400, "stream is not supported by this model"), message()], requests=2),
    Fault("an empty stream", [Played(b"", kind=SSE), message()], requests=2),
    Fault("no /v1", [Played(b"404 page not found", 404, "text/plain"), FINE], requests=2),
    # ---- what passes
    Fault("an error in a 200 that says try again", [plain(error={"message": "Overloaded, try again"}), FINE],
          requests=2),
    Fault("a number in the body of a 200", [plain(error={"code": 429, "message": "slow down"}), FINE], requests=2),
    Fault("an error in the stream, before any text", [stream({"error": {"code": 502, "message": "upstream"}}), FINE],
          requests=2),
    Fault("an error in the stream, after some text", [stream(piece("SELECT 7"), {"error": {"message": "overloaded",
          "code": 503}, "choices": [{"delta": {}, "finish_reason": "error"}]}), FINE], requests=2),
    Fault("loading", [openai_error(503, "Loading model", type="unavailable_error"), FINE], requests=2),
    Fault("no resources", [stream(piece("", "insufficient_system_resource")), FINE], requests=2),
    Fault("a date to wait for", [error(429, ("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), error="slow"), FINE],
          requests=2),
    Fault("a wait that is no number", [error(503, ("Retry-After", "soon"), error="busy"), FINE], requests=2),
    Fault("dropped once", [Played(cut=True), FINE], requests=2),
]  # fmt: skip
BAD = [
    # ---- words instead of SQL
    Fault("thinking used the budget", [stream(piece("", "length", reasoning_content="hm " * 99))], "whole budget"),
    Fault("thinking used the budget, in the text", [stream(piece("<think>hm hm", "length"))], "whole budget"),
    Fault("only thinking", [stream(piece("", "stop", reasoning_content="hm"))], "thought .* and wrote no answer"),
    Fault("only the channel of thoughts", [stream(piece("<|channel|>analysis<|message|>hm", "stop"))],
          "thought .* and wrote no answer"),
    Fault("a refusal", [stream(piece(None, "stop", refusal="I cannot help with that"))], "the model refused: .*cannot"),
    Fault("a refusal in parts", [message([{"type": "refusal", "refusal": "no"}])], "the model refused"),
    Fault("a tool without SQL", [message(None, "tool_calls", tool_calls=[{"function": {"name": "web", "arguments":
          '{"q": "orders"}'}}])], r"called a tool \(web\)"),
    Fault("cut at the limit", [stream(piece("DELETE FROM orders", "max_tokens"))], "length limit"),
    Fault("filtered", [stream(piece("SELECT", "SAFETY"))], "filtered the answer"),
    Fault("a word for the end that nobody knows", [stream(piece("DELETE FROM orders", "zork"))], '"zork"'),
    Fault("no end at all", [stream(piece("DELETE FROM orders"), done=False)], "broke off"),
    Fault("cut in the middle", [replace(stream(piece("DELETE FROM orders"), done=False), cut=True)], "broke off"),
    Fault("an error after some text", [stream(piece("DELETE FROM orders"), {"error": {"message": "prompt is poison",
          "code": 400}})], r"broke off .*\(prompt is poison\)"),
    Fault("nothing", [stream(piece("", "stop"))], "answered with nothing", NoDraft),
    # ---- no answer of this protocol
    Fault("a web page", [Played(HTML, kind="text/html")], "a web page", hint="help servers"),
    Fault("a web page of a firewall", [Played(HTML, 403, "text/html")], "web page .*hotel", ConnectError),
    Fault("Ollama's own protocol", [plain(model="m", message={"content": "SELECT 1"}, done=True)], "does not speak"),
    Fault("an empty list", [Played(b"[]")], "does not speak"),
    Fault("binary", [Played(b"\x00\xff\xfe\x89PNG")], "does not speak"),
    Fault("empty, twice", [Played(b"")], "an empty body", requests=2),
    Fault("no HTTP", [Played(raw=b"SSH-2.0-OpenSSH_9.9\r\n\r\n")], "does not speak HTTP", ConnectError),
    Fault("TLS on a plain port", [Played(raw=b"\x15\x03\x01\x00\x02\x02\x46")], "does not speak HTTP", ConnectError,
          hint="https://"),
    Fault("https wanted", [Played(b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", 400,
          "text/html")], "HTTPS", ConnectError, hint="https"),
    Fault("moved", [Played(b"", 301, headers=(("Location", "https://models.example/v1/chat/completions"),))],
          "moved to models.example", ConnectError, hint="--base-url https://models.example/v1$"),
    Fault("a login page", [Played(b"", 302, headers=(("Location", "/login?next=/v1"),))], "login page", AuthError),
    Fault("closed without a word", [Played(cut=True)], r"closed the connection without an answer \(3 tries\)",
          ConnectError, requests=3),
    Fault("dropped gzip", [Played(b"not gzip", headers=(("Content-Encoding", "gzip"),))], "", ModelError),
    # ---- the key and the model
    Fault("a refused key", [openai_error(401, f"Incorrect API key provided: {KEY}")], r"refused the key \(401\)",
          AuthError),
    Fault("not with this key", [openai_error(403, "no access to this region")], "not allow it with this key",
          AuthError),
    Fault("no model", [openai_error(404, 'model "test-model" not found, try pulling it first')], "has no model",
          hint="ollama pull test-model"),
    Fault("no model, 400", [openai_error(400, "test-model is not a valid model ID")], "has no model"),
    Fault("no deployment", [openai_error(404, "The API deployment for this resource does not exist",
          code="DeploymentNotFound")], "has no model"),
    Fault("nothing there", [Played(b"404 page not found", 404, "text/plain")], "there is no chat at", requests=2),
    Fault("no credit", [openai_error(402, "Insufficient credits")], "402", hint="credit"),
    Fault("no quota", [openai_error(429, "You exceeded your current quota", code="insufficient_quota")], "429",
          hint="quota"),
    # ---- the question
    Fault("too long", [openai_error(400, "This model's maximum context length is 4096 tokens")], "too long"),
    Fault("too long, llama.cpp", [error(400, error={"code": 400, "type": "exceed_context_size_error", "message":
          "the request exceeds the available context size, try increasing it"})], "too long"),
    Fault("too long, TGI", [error(422, error="Input validation error: `inputs` tokens + `max_new_tokens` must be "
          "<= 4096", error_type="validation")], "too long"),
    Fault("too long, as 500", [openai_error(500, "context window exceeded")], "too long"),
    Fault("too large", [Played(b"Request Entity Too Large", 413, "text/plain")], "too long"),
    Fault("filtered by Azure", [openai_error(400, "The response was filtered due to content management policy",
          code="content_filter")], "filtered the question"),
    # ---- what does not pass
    Fault("an error in a 200", [plain(error="prompt is poison")], "reports an error: prompt is poison"),
    Fault("a detail in a 200", [plain(detail="prompt is poison")], "prompt is poison"),
    Fault("vLLM's error", [plain(400, object="error", message="prompt is poison", code=400)], "400: prompt is poison"),
    Fault("Anthropic's error", [plain(400, type="error", error={"type": "invalid_request_error", "message": "poison"})],
          "400: poison"),
    Fault("a problem of RFC 9457", [plain(400, title="Bad", detail="poison")], "poison"),
    Fault("the provider behind the gateway", [openai_error(400, "Provider returned error", metadata={"raw":
          '{"error": {"message": "poison"}}'})], "poison"),
    Fault("an error as an event", [stream('event: error\ndata: {"message": "poison"}')], "poison"),
    Fault("overloaded for ever", [openai_error(529, "Overloaded")], r"529 \(3 tries\)", requests=3),
    Fault("an hour to wait", [error(429, ("Retry-After", "3600"), error="slow")], "429", hint="3,600 s"),
    Fault("a field that it keeps refusing", [openai_error(400, "temperature is wrong")], "400", requests=2),
    Fault("no system role, and no user either", [openai_error(400, "System role not supported")], "400", requests=2),
]  # fmt: skip


def ask(server: FaultyServer, said: list[str] | None = None) -> str:
    spec = ModelSpec("test-model", server.url, Secret(KEY), timeout=20)
    model = replace(open_model(spec, trace=(said.append if said is not None else None)), sleep=lambda _seconds: None)
    return model.draft("how many orders", SHOP).sql


@pytest.mark.parametrize("fault", GOOD, ids=[f.name for f in GOOD])
def test_what_can_be_read_is_an_answer_and_costs_no_request_more_than_it_needs(fault: Fault) -> None:
    with FaultyServer(fault.script) as server:
        assert ask(server).replace("\ufffd", "") == SQL
    assert len(server.asked) == fault.requests


@pytest.mark.parametrize("fault", BAD, ids=[f.name for f in BAD])
def test_what_cannot_help_is_said_as_what_it_is_and_not_asked_again(fault: Fault) -> None:
    with FaultyServer(fault.script) as server, pytest.raises(SqlagentError, match=f"(?i){fault.says}") as caught:
        ask(server)
    assert type(caught.value) is fault.kind
    assert caught.value.hint
    if fault.hint:
        assert re.search(fault.hint, caught.value.hint)
    assert len(server.asked) == fault.requests
    assert KEY not in caught.value.message + caught.value.hint


def test_there_are_enough_of_them_and_each_is_named_once() -> None:
    names = [f.name for f in (*GOOD, *BAD)]
    assert len(set(names)) == len(names) >= 100
