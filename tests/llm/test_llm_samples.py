"""More drafts of one question: in one request, one after the other, or fewer than were wanted, and never in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from openai_server import Batches, OpenAIServer, Reply, Request, Scripted

from sqlagent.core.nouns.draft import Attempt, Column, Draft, Schema, Table
from sqlagent.llm.client import Model, ModelSpec, open_model

SHOP = Schema("sqlite", "3.54.1", (Table("orders", (Column("id", "INTEGER", primary_key=True),)),))


def a_model(server: OpenAIServer, **more: object) -> Model:
    spec = ModelSpec("test-model", server.base_url, timeout=20.0)
    return replace(open_model(spec), sleep=lambda _s: None, **more)  # type: ignore[arg-type]


def drafts(server: OpenAIServer, samples: int, **more: object) -> Draft:
    return a_model(server).draft("how many orders", SHOP, samples=samples, **more)  # type: ignore[arg-type]


def test_one_draft_is_one_request_and_has_no_candidates(openai_server: OpenAIServer) -> None:
    assert drafts(openai_server, 1).candidates == ()
    (request,) = openai_server.requests
    assert "n" not in request.body


def test_the_first_draft_streams_at_zero_and_the_others_come_warmer_in_one_request() -> None:
    heard: list[str] = []
    with OpenAIServer(["SELECT 1", "SELECT 2", "SELECT 1", "SELECT 3"]) as server:
        draft = drafts(server, 4, on_text=heard.append)
        first, batch = server.requests
    assert draft.sql == "SELECT 1"
    assert draft.candidates == ("SELECT 1", "SELECT 2", "SELECT 1", "SELECT 3")
    assert "".join(heard) == "SELECT 1"
    assert (first.streaming, first.body["temperature"], first.wanted) == (True, 0, 1)
    assert (batch.streaming, batch.wanted) == (False, 3)
    assert batch.body["temperature"] > 0
    assert batch.messages == first.messages, "a server that keeps its last prompt reads nothing twice"


@pytest.mark.parametrize("batches", [Batches.IGNORED, Batches.REFUSED])
def test_a_server_that_knows_no_n_is_asked_one_after_the_other(batches: Batches) -> None:
    said: list[str] = []
    with OpenAIServer(["SELECT 1", "SELECT 2", "SELECT 3"], batches=batches) as server:
        draft = drafts(server, 3, on_wait=said.append)
        assert draft.candidates == ("SELECT 1", "SELECT 2", "SELECT 3")
        assert all(request.messages == server.requests[0].messages for request in server.requests)
    assert said == []


def test_two_drafts_need_no_batch(openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT 1", "SELECT 2"]
    assert drafts(openai_server, 2).candidates == ("SELECT 1", "SELECT 2")
    assert [request.wanted for request in openai_server.requests] == [1, 1]


def test_the_tokens_of_all_of_them_are_summed_however_they_came() -> None:
    script: list[Scripted] = [Reply("SELECT 1", tokens_in=100, tokens_out=5)] * 3
    for batches, tokens in ((Batches.KNOWN, (200, 15)), (Batches.IGNORED, (300, 15))):
        with OpenAIServer(list(script), batches=batches) as server:
            draft = drafts(server, 3)
        assert (draft.tokens_in, draft.tokens_out) == tokens


def test_a_draft_without_sql_is_a_candidate_without_text() -> None:
    others = ["CANNOT: no such table", "ASK: which? | a | b", "I would rather not.", ""]
    with OpenAIServer(["SELECT 1", *others]) as server:
        assert drafts(server, 5).candidates == ("SELECT 1", "", "", "", "")


@pytest.mark.parametrize("finish", ["length", "content_filter", "who knows"])
def test_one_choice_that_was_cut_off_is_no_candidate_whatever_the_others_say(finish: str) -> None:
    """The last choice's word on why it ended is not the others'."""
    cut = Reply("DELETE FROM orders", finish=finish)
    with OpenAIServer(["SELECT 1", cut, "SELECT 2"]) as server:
        assert drafts(server, 3).candidates == ("SELECT 1", "", "SELECT 2")


@pytest.mark.parametrize("answer", ["CANNOT: no orders", "ASK: which orders? | paid | all"])
def test_without_sql_in_the_first_draft_no_other_is_asked_for(openai_server: OpenAIServer, answer: str) -> None:
    openai_server.script = [answer]
    assert drafts(openai_server, 5).candidates == ()
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Reply.error(500, "overloaded"), "1 of 3 drafts came: the model answered 500"),
        (Reply.error(401, "no"), "1 of 3 drafts came: http"),
        (Reply.drop(), "1 of 3 drafts came: http"),
        (Reply.garbage(), "1 of 3 drafts came: "),
        (Reply.garbage(b'{"choices": null}'), "1 of 3 drafts came: "),
        (Reply.garbage(b'{"choices": [{"message": null}, 7]}'), "1 of 3 drafts came: "),
    ],
)
def test_a_server_that_fails_behind_the_first_draft_costs_the_others_and_no_more(broken: Reply, said: str) -> None:
    heard: list[str] = []
    with OpenAIServer(["SELECT 1", broken]) as server:
        draft = drafts(server, 3, on_wait=heard.append)
    assert (draft.sql, draft.candidates) == ("SELECT 1", ())
    assert heard[-1].startswith(said)


def test_those_that_came_before_a_failure_count() -> None:
    heard: list[str] = []
    with OpenAIServer(["SELECT 1", "SELECT 2", Reply.error(401)], batches=Batches.IGNORED) as server:
        draft = drafts(server, 5, on_wait=heard.append)
    assert draft.candidates == ("SELECT 1", "SELECT 2")
    assert heard == [h for h in heard if h.startswith("2 of 5 drafts came: ")] != []


def test_a_server_that_hangs_behind_the_first_draft_is_waited_for_once() -> None:
    heard: list[str] = []
    with OpenAIServer(["SELECT 1", Reply.hang()]) as server:
        spec = ModelSpec("test-model", server.base_url, timeout=0.5)
        draft = open_model(spec).draft("q", SHOP, samples=5, on_wait=heard.append)
        assert len(server.requests) == 2
    assert draft.sql == "SELECT 1"
    assert heard == [f"1 of 5 drafts came: the model at {server.base_url} did not answer within 0.5 s"]


def picky(field: str) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        refused = Reply.error(400, f"Unsupported parameter: '{field}'")
        return refused if field in request.body else Reply("SELECT 4")

    return answer


def test_a_temperature_that_was_refused_once_is_not_sent_again() -> None:
    with OpenAIServer(picky("temperature")) as server:
        assert drafts(server, 3).candidates == ("SELECT 4",) * 3
        assert ["temperature" in request.body for request in server.requests] == [True, False, False]


def test_a_server_that_cannot_stream_makes_its_further_drafts_without() -> None:
    with OpenAIServer([Reply("SELECT 1", streams=False), "SELECT 1", "SELECT 2"], batches=Batches.IGNORED) as server:
        assert len(drafts(server, 3).candidates) == 3
        assert [request.streaming for request in server.requests] == [True, False, False, False]


def test_after_a_failure_every_draft_is_told_of_it() -> None:
    with OpenAIServer(["SELECT 1", "SELECT 2", "SELECT 3"]) as server:
        drafts(server, 3, attempts=[Attempt("SELECT totl", "no such column: totl")])
        assert all("no such column: totl" in request.messages[-1]["content"] for request in server.requests)


def test_the_first_draft_tells_how_probable_its_words_were() -> None:
    with OpenAIServer([Reply("SELECT 1", logprobs=(-0.1, -0.3))]) as server:
        assert drafts(server, 1).logprob == pytest.approx(-0.2)
        assert server.requests[0].body["logprobs"] is True


@pytest.mark.parametrize("told", [(), (-0.1, float("-inf")), (-0.1, -9999.0)])
def test_probabilities_that_say_nothing_are_none(told: tuple[float, ...]) -> None:
    with OpenAIServer([Reply("SELECT 1", logprobs=told)]) as server:
        assert drafts(server, 1).logprob is None


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_knows_no_probabilities_is_asked_without_and_only_once_with(status: int) -> None:
    def answer(request: Request) -> Reply:
        return Reply.error(status, "logprobs is not supported") if "logprobs" in request.body else Reply("SELECT 1")

    with OpenAIServer(answer) as server:
        model = a_model(server)
        for _ in range(2):
            assert model.draft("how many orders", SHOP).logprob is None
        assert ["logprobs" in r.body for r in server.requests] == [True, False, False]
