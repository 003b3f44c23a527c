"""Addresses as people copy them, and each provider's manners on a server of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faulty_server import OK, FaultyServer, Played, message, piece, plain, stream

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.secret import Secret
from sqlagent.llm.address import read
from sqlagent.llm.client import ModelSpec, open_model
from sqlagent.llm.providers import PROVIDERS, page

SHOP = Schema("sqlite", "3.54.1", (Table("orders", (Column("id", "INTEGER", primary_key=True),)),))


@pytest.mark.parametrize(
    ("copied", "asked"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/responses", "https://api.openai.com/v1"),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/api/v1/chat/completions", "https://openrouter.ai/api/v1"),
        ("https://api.deepseek.com/", "https://api.deepseek.com/v1"),
        ("https://api.deepseek.com/chat/completions", "https://api.deepseek.com/v1"),
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:11434/api/chat", "http://localhost:11434/v1"),
        ("http://localhost:11434/api", "http://localhost:11434/v1"),
        ("http://localhost:11434/api/generate", "http://localhost:11434/v1"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        ("http://[::]:8000/v1", "http://[::1]:8000/v1"),
        ("http://localhost:8000/v1/models", "http://localhost:8000/v1"),
        ("http://localhost:8000/docs", "http://localhost:8000/v1"),
        ("http://localhost:1234/v1/", "http://localhost:1234/v1"),
        ("http://localhost:1234/api/v0", "http://localhost:1234/v1"),
        ("http://localhost:8080/generate_stream", "http://localhost:8080/v1"),
        ("http://localhost:8080/health", "http://localhost:8080/v1"),
        ("http://localhost:3000/api/chat/completions", "http://localhost:3000/api"),
        ("http://localhost:8000/api/v1", "http://localhost:8000/api/v1"),
        (" 'https://api.groq.com' ", "https://api.groq.com/openai/v1"),
        ("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta/openai"),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1"),
        ("https://gateway.example/team-a/openai", "https://gateway.example/team-a/openai"),
        ("HTTPS://Models.Example/v1", "https://Models.Example/v1"),
    ],
)
def test_an_address_is_asked_where_its_chat_is(copied: str, asked: str) -> None:
    assert read(copied).base_url == asked


OLD = "https://acme.openai.azure.com/openai/deployments/gpt4"


@pytest.mark.parametrize(
    ("copied", "asked", "query", "model"),
    [
        ("https://acme.openai.azure.com", "https://acme.openai.azure.com/openai/v1", {}, ""),
        ("https://acme.openai.azure.com/openai/v1/", "https://acme.openai.azure.com/openai/v1", {}, ""),
        ("https://acme.openai.azure.com/openai/v1/chat/completions?api-version=preview",
         "https://acme.openai.azure.com/openai/v1", {}, ""),
        ("https://acme.services.ai.azure.com/", "https://acme.services.ai.azure.com/openai/v1", {}, ""),
        ("https://acme.cognitiveservices.azure.com", "https://acme.cognitiveservices.azure.com/openai/v1", {}, ""),
        (OLD, OLD, {"api-version": "2024-10-21"}, "gpt4"),
        (f"{OLD}/chat/completions?api-version=2025-01-01-preview", OLD, {"api-version": "2025-01-01-preview"}, "gpt4"),
        ("https://apim.example/x/openai/deployments/gpt4/", "https://apim.example/x/openai/deployments/gpt4",
         {"api-version": "2024-10-21"}, "gpt4"),
        ("https://acme.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
         "https://acme.services.ai.azure.com/models", {"api-version": "2024-05-01-preview"}, ""),
    ],
)  # fmt: skip
def test_azure_in_both_its_styles(copied: str, asked: str, query: dict[str, str], model: str) -> None:
    address = read(copied)
    assert (address.base_url, dict(address.query), address.model) == (asked, query, model)
    assert address.is_azure


@pytest.mark.parametrize(
    ("copied", "hint"),
    [
        ("localhost:11434", "--base-url http://localhost:11434"),
        ("api.deepseek.com", "--base-url https://api.deepseek.com"),
        ("wss://models.example/v1", "--base-url http://localhost:11434/v1"),
        ("http://", "--base-url"),
        ("http://host:port/v1", "--base-url"),
        ("http://my host/v1", "--base-url"),
        ("http://[::1/v1", "--base-url"),
        ("https://api.deepseek.com/anthropic", "--base-url https://api.deepseek.com"),
        ("https://acme.services.ai.azure.com/api/projects/p1", "/openai/v1 --model DEPLOYMENT"),
    ],
)
def test_what_is_no_address_is_refused_with_the_one_that_was_meant(copied: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(copied)
    assert hint in caught.value.hint


# ---- manners -----------------------------------------------------------------------------------------------------

SQL = OK.decode()
THOUGHT = piece("", reasoning_content="they ask for a count")
MANNERS: dict[str, list[Played]] = {
    "OpenAI": [stream(piece("", role="assistant", refusal=None), piece(), piece(None, "stop"), {"choices": [], "usage":
               {"prompt_tokens": 9, "completion_tokens": 3}})],
    "Azure, v1": [stream({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, piece(),
                         piece(None, "stop"))],
    "Azure, older": [stream({"choices": [], "model": "", "id": ""}, piece(), piece(None, "stop"))],
    "OpenRouter": [plain(error={"code": 502, "message": "Provider returned error", "metadata": {"raw": "busy"}}),
                   stream(": OPENROUTER PROCESSING", piece("", reasoning="hm"), piece(native_finish_reason="x"),
                          piece("", "stop"))],
    "DeepSeek": [stream(": keep-alive", THOUGHT, piece(), piece("", "stop"))],
    "Ollama": [stream(piece(), {**piece("", "stop"), "system_fingerprint": "fp_ollama"})],
    "vLLM": [plain(400, object="error", message="[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options')}]",
                   type="BadRequestError", code=400), stream(piece("", role="assistant"), piece(finish="stop"))],
    "LM Studio": [stream("event: message", piece(), piece(None, "stop"))],
    "llama.cpp": [Played(b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', 503),
                  stream(piece(None, role="assistant"), piece(), {"choices": [{"index": 0, "delta": {},
                         "finish_reason": "stop"}], "timings": {"prompt_n": 3}})],
    "TGI": [plain(422, error="Input validation error: `temperature` must be strictly positive",
                  error_type="validation"),
            stream(piece(), piece("</s>", "eos_token"), done=False)],
    "LiteLLM, gateways": [message(provider_specific_fields=None)],
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS, ids=[p.name for p in PROVIDERS])
def test_each_provider_answers_in_its_own_manner(provider: object) -> None:
    from sqlagent.llm.providers import Provider

    assert isinstance(provider, Provider)
    script = MANNERS[provider.name]
    with FaultyServer(script) as server:
        here = server.url
        url = provider.base_url or "https://api.openai.com/v1"
        path = url.split("://")[1].partition("/")[2]
        spec = ModelSpec(provider.model, f"{here}/{path}", Secret("k"), timeout=20)
        model = replace(open_model(spec), sleep=lambda _seconds: None)
        assert model.draft("how many orders", SHOP).sql == SQL
    assert len(server.asked) == len(script)
    last = server.asked[-1]
    if provider.name == "Azure, older":
        assert last.path == "/openai/deployments/DEPLOYMENT/chat/completions?api-version=2024-10-21"
        assert (last.headers.get("api-key"), "authorization" in last.headers) == ("k", False)
    else:
        assert last.headers["authorization"] == "Bearer k"


def test_a_token_of_entra_goes_where_every_token_goes() -> None:
    with FaultyServer(MANNERS["Azure, older"]) as server:
        url = f"{server.url}/openai/deployments/d"
        open_model(ModelSpec("auto", url, Secret("eyJ0.a.b"), timeout=20)).draft("q", SHOP)
    assert server.asked[0].headers["authorization"] == "Bearer eyJ0.a.b"
    assert "api-key" not in server.asked[0].headers


def test_every_provider_has_a_line_to_type_and_every_line_can_be_read() -> None:
    text = page()
    assert all(len(line) <= 170 for line in text.split("\n"))
    for provider in PROVIDERS:
        assert provider.name in text
        assert read(provider.base_url).base_url.startswith("http") or not provider.base_url
