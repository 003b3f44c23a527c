"""The servers that people use: what to type for each, as `sqlagent help servers` prints it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """One server that people use, as its own page tells to reach it."""

    name: str
    base_url: str
    """As its own page has it."""
    model: str
    """What --model names there, or an example."""
    key: str = "OPENAI_API_KEY"
    """Where its own instructions keep the key; empty where it needs none."""
    note: str = ""

    @property
    def line(self) -> str:
        """What to type, before the question."""
        key = f'OPENAI_API_KEY="${self.key}" ' if self.key not in ("", "OPENAI_API_KEY") else ""
        url = f" --base-url {self.base_url}" if self.base_url else ""
        return f"{key}sqlagent ask{url} --model {self.model}"


PROVIDERS = (
    Provider("OpenAI", "", "gpt-5-mini"),
    Provider("Azure, v1", "https://NAME.openai.azure.com/openai/v1", "DEPLOYMENT", "AZURE_OPENAI_API_KEY",
             "the bare endpoint of the portal does as well"),
    Provider("Azure, older", "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21",
             "auto", "AZURE_OPENAI_API_KEY", "in quotes, for the ?; a target URI with /chat/completions does as well"),
    Provider("OpenRouter", "https://openrouter.ai/api/v1", "qwen/qwen3-coder", "OPENROUTER_API_KEY"),
    Provider("DeepSeek", "https://api.deepseek.com", "deepseek-chat", "DEEPSEEK_API_KEY"),
    Provider("Ollama", "http://localhost:11434/v1", "qwen2.5-coder:7b", "",
             "a longer window: OLLAMA_CONTEXT_LENGTH=16384"),
    Provider("vLLM", "http://localhost:8000/v1", "Qwen/Qwen2.5-Coder-7B-Instruct", "",
             "with --api-key: OPENAI_API_KEY"),
    Provider("LM Studio", "http://localhost:1234/v1", "qwen2.5-coder-7b-instruct", ""),
    Provider("llama.cpp", "http://localhost:8080/v1", "auto", "", "the model is the one that it was started with"),
    Provider("TGI", "http://localhost:8080/v1", "tgi", "", "Hugging Face's text-generation-inference"),
    Provider("LiteLLM, gateways", "http://localhost:4000/v1", "NAME-IN-ITS-CONFIG", "LITELLM_API_KEY"),
)  # fmt: skip

_PAGE = """\
Any server that speaks OpenAI's chat protocol.  Addresses work as their pages
print them, with or without /v1, /chat/completions or ?api-version.

{table}
every time     base_url and model in the config file, the key in a file of mode
               0600 that SQLAGENT_API_KEY_FILE names
proxy          HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; never for this
               machine's own servers, whatever they say
certificates   SSL_CERT_FILE=ca.pem names your own authority
trouble        --debug shows every request and answer, without the key
values         of your rows stay here unless send_examples = true
"""


def page() -> str:
    """The topic's text."""
    return _PAGE.format(table="".join(map(_entry, PROVIDERS)))


def _entry(provider: Provider) -> str:
    line = (
        provider.line.replace(provider.base_url, f"'{provider.base_url}'")
        if "?" in provider.base_url
        else provider.line
    )
    note = f"    {provider.note}\n" if provider.note else ""
    return f"{provider.name}\n    {line}\n{note}"
