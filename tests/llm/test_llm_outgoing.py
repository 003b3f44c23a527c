"""No value of the database leaves for a model that is not ours: a canary sits in every place that reaches a prompt."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai_server import OpenAIServer

from sqlagent.core.nouns.draft import Attempt, Clarification, Column, Example, Schema, Table, Turn
from sqlagent.core.secret import Secret
from sqlagent.llm import outgoing
from sqlagent.llm.address import Address, is_loopback
from sqlagent.llm.client import Model, ModelSpec, open_model
from sqlagent.llm.endpoint import Endpoint
from sqlagent.llm.outgoing import Told, Values
from sqlagent.llm.prompt import Asking

CANARY = "canary42"
SCHEMA = Schema(
    "sqlite",
    "3.54.1",
    (
        Table(
            "customers",
            (
                Column("id", "INTEGER", primary_key=True),
                Column("name", "TEXT", examples=(CANARY, CANARY.title())),
                Column("state", f"ENUM('{CANARY}', 'it''s {CANARY}')"),
                Column("born", "TEXT"),
            ),
            checks=(f"CHECK (state IN ('{CANARY}'))", f"CHECK (lower(name) IN ('{CANARY}'))"),
            triggers=("on_change",),
        ),
    ),
)
LITERALS = [
    f"'{CANARY}'", f"'it''s {CANARY}'", f"N'{CANARY}'", f'"{CANARY}"', f"'%{CANARY}%'",
    f"1 -- {CANARY}", f"1 /* {CANARY} */", f"'{CANARY}", f"/* {CANARY}",
]  # fmt: skip


def sent(told: Told, values: Values = Values.WITHHELD, model: str = "gpt") -> str:
    talk = outgoing.messages(told, model=model, values=values, asking=Asking.STILL)
    return "\n".join(text for _, text in talk)


PLACES = {
    "schema": Told("names", SCHEMA),
    "history": Told("names", SCHEMA, history=(Turn("all", f"SELECT '{CANARY}'", "qwen"),)),
    "a person's SQL": Told("names", SCHEMA, history=(Turn("all", f"SELECT '{CANARY}'", "ana"),)),
    "another model's example": Told("names", SCHEMA, examples=(Example(CANARY, f"SELECT '{CANARY}'", "qwen", "qwen"),)),
    "an edited example": Told("names", SCHEMA, examples=(Example("all", f"SELECT '{CANARY}'", "ana", "gpt"),)),
    "an attempt": Told("names", SCHEMA, attempts=(Attempt(f"SELECT '{CANARY}'", "no such column: x", "qwen"),)),
    "an error": Told("names", SCHEMA, attempts=(Attempt("SELECT 1", f"Key (name)=({CANARY}) already exists", "gpt"),)),
    "a trigger's words": Told("names", SCHEMA, attempts=(Attempt("SELECT 1", f"{CANARY}: not allowed", "gpt"),)),
    "another model's question": Told(
        "names", SCHEMA, clarified=(Clarification(f"Is it {CANARY}?", (CANARY, "all"), CANARY),), asked_by="qwen"
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_value_stays_here_wherever_it_stands(place: str) -> None:
    assert CANARY not in sent(PLACES[place]).casefold()
    assert CANARY in sent(PLACES[place], Values.SENT).casefold(), "the canary is not where this test believes it"


@pytest.mark.parametrize("dialect", ["sqlite", "postgres", "mysql"])
@pytest.mark.parametrize("literal", LITERALS)
def test_however_it_is_written(literal: str, dialect: str) -> None:
    turn = Turn("all", f"SELECT * FROM customers WHERE name = {literal}", "ana")
    assert CANARY not in sent(Told("names", replace(SCHEMA, dialect=dialect), history=(turn,)))


@pytest.mark.parametrize("number", ["4711", "0.25", "0x2f", "1e9", "12_345"])
def test_numbers_are_values_too(number: str) -> None:
    turn = Turn("all", f"SELECT name FROM customers WHERE id = {number} LIMIT 25", "ana")
    said = sent(Told("names", SCHEMA, history=(turn,)))
    assert number not in said
    assert "WHERE id = ? LIMIT 25" in said


@pytest.mark.parametrize("literal", [f"[{CANARY} x]", f"`{CANARY}`"])
def test_a_name_that_nothing_has_is_a_value_to_sqlite(literal: str) -> None:
    assert CANARY not in sent(Told("names", SCHEMA, history=(Turn("all", f"SELECT {literal}", "ana"),)))


@pytest.mark.parametrize("literal", ["$$canary42$$", "$x$canary42$x$", "E'canary42'", "U&'canary42'"])
def test_strings_that_postgresql_alone_knows(literal: str) -> None:
    turn = Turn("all", f"SELECT {literal}", "ana")
    assert CANARY not in sent(Told("names", replace(SCHEMA, dialect="postgres"), history=(turn,)))


def test_what_a_schema_gets_some_day_is_not_sent_unasked() -> None:
    """Every text of a table and a column that is no name, type or key; a field that is new is one of them."""
    column = Column("name", "TEXT")
    for each in fields(Column):
        if each.name not in {"name", "type", "references"} and isinstance(getattr(column, each.name), str | tuple):
            value: Any = CANARY if isinstance(getattr(column, each.name), str) else (CANARY,)
            column = replace(column, **{each.name: value})
    table = Table("customers", (column,))
    for each in fields(Table):
        if each.name not in {"name", "columns"} and isinstance(getattr(table, each.name), str | tuple):
            value = CANARY if isinstance(getattr(table, each.name), str) else (CANARY,)
            table = replace(table, **{each.name: value})
    told = outgoing.without_values(Told("names", replace(SCHEMA, tables=(table,))), "gpt")
    assert CANARY not in str(told.schema)


def test_a_conversation_with_one_model_goes_on_word_for_word() -> None:
    """What the model wrote, and what the person said, is no news there."""
    told = Told(
        "only those of 2024", SCHEMA,
        history=(Turn("customers in Berlin", "SELECT * FROM customers WHERE state = 'cancelled' AND id > 99", "gpt"),),
        attempts=(Attempt("SELECT 'x9'", "a person rejected it: Köln, not Bonn", "gpt", "ana"),),
        examples=(Example("who is in Rome", "SELECT * FROM customers WHERE name = 'roma'", "gpt", "gpt"),),
        clarified=(Clarification("Which ones?", ("late", "all"), "late"),), asked_by="gpt",
    )  # fmt: skip
    bare = replace(told, schema=outgoing.without_values(told, "gpt").schema)
    assert sent(told) == sent(bare, Values.SENT)


def test_the_words_of_the_person_stay_in_sql_that_a_person_wrote() -> None:
    turn = Turn("customers in Berlin", "SELECT * FROM customers WHERE name LIKE '%berlin%' AND name <> 'Bonn'", "ana")
    said = sent(Told("only the first 20", SCHEMA, history=(turn,)))
    assert "LIKE '%berlin%' AND name <> ?" in said


def test_how_a_date_is_written_is_no_value() -> None:
    turn = Turn("a", "SELECT strftime('%Y-%m', born), date('now', '-1 month') FROM customers WHERE born > '1999-01-31'")
    said = sent(Told("names", SCHEMA, history=(turn,)))
    assert "strftime('%Y-%m', born), date('now', '-1 month') FROM customers WHERE born > ?" in said


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("the database refused it: no such column: nme", "no such column: nme"),
        ("the database refused it: no such table: customer42", "no such table: ?"),
        ('column "nme" does not exist', 'column "nme" does not exist'),
        ('invalid input syntax for type integer: "4711 Main Street"', 'integer: "? ? ?"'),
    ],
)
def test_an_error_keeps_the_words_that_mend_the_draft(error: str, told: str) -> None:
    assert told in sent(Told("names", SCHEMA, attempts=(Attempt("SELECT nme FROM customers", error, "gpt"),)))


def test_the_embedded_model_is_told_all_and_a_server_only_where_it_is_said(openai_server: OpenAIServer) -> None:
    spec = ModelSpec("gpt", openai_server.base_url, Secret("k"))
    for model, values in (
        (open_model(spec), Values.WITHHELD),
        (open_model(spec), Values.SENT),
        (replace(open_model(spec), is_local=True), Values.WITHHELD),
    ):
        model.draft("names", SCHEMA, values=values)
    withheld, allowed, embedded = (str(request.body) for request in openai_server.requests)
    assert CANARY not in withheld
    assert CANARY in allowed
    assert CANARY in embedded


# ---- on the way --------------------------------------------------------------------------------------------------


class Proxy:
    """A proxy on loopback that keeps what it is given, and answers as a model would."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.path + self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_error(502)

            do_GET = do_CONNECT = lambda self: heard.append(self.path)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    started = Proxy()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "OPENAI_PROXY"):
        monkeypatch.setenv(name, started.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    yield started
    started.close()


def embedded(base_url: str) -> Model:
    """As the embedded server is reached, wherever it listens."""
    endpoint = Endpoint("qwen", Address(base_url), Secret("sk-canary"), (("cache_prompt", True),))
    return Model("qwen", is_local=True, connect=lambda _say: endpoint, sleep=lambda _seconds: None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_for_this_machine_goes_to_a_proxy(openai_server: OpenAIServer, proxy: Proxy, host: str) -> None:
    base_url = openai_server.base_url.replace("127.0.0.1", host)
    draft = embedded(base_url).draft("names", SCHEMA, samples=3)
    assert draft.sql
    assert openai_server.requests
    assert proxy.heard == []
    assert os.environ["HTTP_PROXY"] == proxy.url


def test_a_server_elsewhere_is_reached_through_the_proxy(proxy: Proxy) -> None:
    """Or the test above could not fail."""
    spec = ModelSpec("gpt", "http://models.example:8000/v1", Secret("k"), timeout=5)
    with pytest.raises(Exception, match="502"):
        replace(open_model(spec), sleep=lambda _seconds: None).draft("names", SCHEMA)
    assert proxy.heard[0].startswith("http://models.example:8000/v1/chat/completions")


def test_a_server_of_this_machine_cannot_send_the_rows_on(openai_server: OpenAIServer, proxy: Proxy) -> None:
    """A redirect that is followed would."""
    from openai_server import Reply

    openai_server.script = [Reply(status=307, headers={"Location": f"{proxy.url}/v1/chat/completions"}, raw=b"")]
    with pytest.raises(Exception, match="which nothing was sent to"):
        embedded(openai_server.base_url).draft("names", SCHEMA)
    assert proxy.heard == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v1", "http://127.9.9.9/v1", "http://localhost", "http://LOCALHOST./v1", "http://[::1]:1",
        "http://127.1/v1", "http://0x7f000001/v1", "http://[::ffff:127.0.0.1]/v1", "http://a.localhost/v1",
        "https://0.0.0.0/v1", "http://2130706433/v1",
    ],
)  # fmt: skip
def test_loopback_in_every_spelling(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["", "http://models.example/v1", "http://10.0.0.1", "http://127.0.0.1.example", "http://[2001:db8::1]/v1"]
)
def test_what_is_elsewhere_is_not_loopback(url: str) -> None:
    assert not is_loopback(url)
