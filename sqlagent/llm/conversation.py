"""One question to one server: through retries, what the server does not know, and every way it can fail."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlagent.core.errors import AuthError, ConnectError, ModelError, SqlagentError
from sqlagent.core.secret import Secret
from sqlagent.llm.prompt import Message
from sqlagent.llm.reply import whole_characters

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

TRIES = 3
LONGEST_WAIT = 30.0
"""A server that asks for more patience than this is reported instead of waited for."""
CONNECT_SECONDS = 10.0
_NEVER_AWAITED = object()
"""In place of a client for `await`, which would read every TLS certificate of the machine once more: 40 ms."""
TRANSIENT = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
FINISHED = frozenset({"stop", "eos", "end_turn", "stop_sequence"})
"""What servers call an answer that is all there.  No word, or another one, means that it may not be."""

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers right now."""

    model: str
    base_url: str = ""
    """Empty: OpenAI's own."""
    api_key: Secret = field(default_factory=Secret)
    extra: tuple[tuple[str, Any], ...] = ()
    """Fields of the request that only this kind of server knows."""

    @property
    def is_on_loopback(self) -> bool:
        """Whether it is on this machine, in whatever spelling: nothing on the way there is a proxy's business."""
        host = (urlsplit(self.base_url).hostname or "").rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return socket.inet_aton(host)[0] in (0, 127)  # as the resolver reads it: 127.1, 0x7f000001
        except (OSError, UnicodeError):
            pass  # no IPv4 address; perhaps of the other kind
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback or address.is_unspecified

    @property
    def host(self) -> str:
        """The address without any user, password or query in it."""
        if not self.base_url:
            return "api.openai.com"
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(slots=True)
class Answer:
    """What has arrived so far."""

    text: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, chunk: Any) -> str:
        """Take what a message, or a piece of one, brings; answers its text."""
        self.finish = str(chunk.response_metadata.get("finish_reason") or self.finish)
        if usage := chunk.usage_metadata:
            self.tokens_in, self.tokens_out = usage["input_tokens"], usage["output_tokens"]
        piece = chunk.content if isinstance(chunk.content, str) else str(chunk.text)
        self.text += piece
        return piece


@dataclass(slots=True)
class Conversation:
    """One question to one server, through retries and whatever the server turns out not to know."""

    endpoint: Endpoint
    timeout: float
    sleep: Callable[[float], None]
    say: Say
    on_text: Say
    streams: bool = True
    usage: bool = True
    temperature: float | None = 0.0

    def ask(self, talk: Sequence[Message]) -> Answer:
        """The whole answer, or one of our errors."""
        tried = 0
        while True:
            answer = Answer()
            try:
                self._request(talk, answer)
            except Exception as e:  # whatever the client raises, at any depth, becomes one of our errors below
                if answer.text:
                    raise self._broke_off(answer.text) from e
                if self._gives_way(e):
                    continue
                tried += 1
                wait = _delay(e, tried)
                if tried >= TRIES or wait is None:
                    raise self.error(e, tried) from e
                self.say(f"{self._what(e)}; trying again in {wait:g} s ({tried + 1} of {TRIES})")
                self.sleep(wait)
            else:
                return self._whole(answer)

    def _request(self, talk: Sequence[Message], answer: Answer) -> None:
        chat = self._chat()
        if not self.streams:
            self.on_text(answer.add(chat.invoke(list(talk))))
            return
        for chunk in chat.stream(list(talk)):
            if piece := answer.add(chunk):
                self.on_text(piece)

    def choices(self, talk: Sequence[Message], count: int) -> list[Answer]:
        """Up to `count` answers from one request, as they came; the tokens of all of them stand with the first.

        Past the client's own reading of a reply, which gives every choice the last one's word on why it ended.
        """
        chat = self._chat()
        said = chat.root_client.chat.completions.create(
            model=self.endpoint.model,
            messages=[{"role": _ROLES[role], "content": text} for role, text in talk],
            n=count,
            extra_body=dict(self.endpoint.extra) or None,
            **({} if self.temperature is None else {"temperature": self.temperature}),
        )
        texts = [whole_characters(str(c.message.content or "")) for c in said.choices]
        answers = [Answer(text, str(c.finish_reason or "")) for text, c in zip(texts, said.choices, strict=True)]
        if said.usage and answers:
            answers[0].tokens_in, answers[0].tokens_out = said.usage.prompt_tokens, said.usage.completion_tokens
        return answers

    def _chat(self) -> ChatOpenAI:
        tracing_off()
        # Half a second of imports that no command without a model should pay for.
        import openai
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=self.endpoint.model,
            base_url=self.endpoint.base_url or "https://api.openai.com/v1",
            api_key=self.endpoint.api_key.reveal,
            temperature=self.temperature,
            timeout=openai.Timeout(self.timeout or None, connect=min(self.timeout or CONNECT_SECONDS, CONNECT_SECONDS)),
            max_retries=0,
            stream_usage=self.usage,
            use_responses_api=False,
            extra_body=dict(self.endpoint.extra) or None,
            async_client=_NEVER_AWAITED,
            **self._straight(),
        )

    def _straight(self) -> dict[str, Any]:
        """For a server on this machine, a client that no variable sends elsewhere: its key and values stay here."""
        if not self.endpoint.is_on_loopback:
            return {}
        import openai

        plain = self.endpoint.base_url.startswith("http:")
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True  # no certificate is read for plain HTTP
        client = openai.DefaultHttpxClient(trust_env=False, follow_redirects=False, verify=verify)
        return {"http_client": client, "openai_proxy": ""}

    def _gives_way(self, error: Exception) -> bool:
        """Leave out what the server says it does not know; false where there is nothing left to leave out."""
        said = str(error).lower() if _status(error) in (400, 422) else ""
        if "temperature" in said and self.temperature is not None:
            self.temperature = None
        elif "stream_options" in said and self.usage:
            self.usage = False
        elif self.streams and ("stream" in said or _is_empty_stream(error)):
            self.streams = False
        else:
            return False
        return True

    def _whole(self, answer: Answer) -> Answer:
        """The answer, if it is all there: half a statement may be a worse one (a DELETE before its WHERE)."""
        answer.text = whole_characters(answer.text)
        if answer.finish.lower() in FINISHED or (not answer.text.strip() and answer.finish != "content_filter"):
            return answer
        if answer.finish == "length":
            raise ModelError(
                f"the model's answer reached its length limit: {quoted(answer.text)}",
                hint="ask for less at a time, or name another model with --model",
            )
        if answer.finish == "content_filter":
            raise ModelError("the model's server filtered the answer", hint="word the question differently")
        raise self._broke_off(answer.text)

    def _broke_off(self, text: str) -> ModelError:
        return ModelError(
            f"the model's answer broke off after {len(text):,} characters: {quoted(self._masked(text))}",
            hint="ask again; half an answer is never used",
        )

    def _what(self, error: Exception) -> str:
        status = _status(error)
        return f"the model answered {status}" if status else f"no model answers at {self.endpoint.host}"

    def _masked(self, text: str) -> str:
        return self.endpoint.api_key.hide_in(text)

    def error(self, error: Exception, tried: int) -> SqlagentError:
        """The failure in our words."""
        status, said = _status(error), self._masked(_said(error))
        times = f" ({tried} tries)" if tried > 1 else ""
        if _is_timeout(error):
            return ConnectError(
                f"the model at {self.endpoint.host} did not answer within {self.timeout:g} s",
                hint="ask again, or give it longer: --model-timeout 10m",
            )
        if status in (401, 403):
            return AuthError(
                f"the model's server refused the key ({status}): {said}",
                hint=f"check OPENAI_API_KEY or SQLAGENT_API_KEY_FILE for {self.endpoint.host}",
            )
        if status == 404:
            return ModelError(
                f"{self.endpoint.host} has no model {self.endpoint.model}: {said}",
                hint="check --model and --base-url (most servers want a URL that ends in /v1)",
            )
        if "context" in said and status in (400, 413, 422):
            return ModelError(f"the question and the schema are too long for the model: {said}",
                              hint="name a model with a larger context with --model")  # fmt: skip
        if status:
            return ModelError(
                f"the model answered {status}{times}: {said}", hint="ask again later, or name another --model"
            )
        if _is_connection(error):
            return ConnectError(
                f"no model answers at {self.endpoint.host}{times}",
                hint="is the server running; check --base-url, or use the embedded model: --model local",
            )
        return ModelError(
            f"{self.endpoint.host} does not speak the OpenAI chat protocol: {said}",
            hint="check --base-url (most servers want a URL that ends in /v1)",
        )


# ---- what an exception of the client means ----------------------------------------------------------------------


def tracing_off() -> None:
    """Keep LangSmith from uploading questions and SQL because of a stray variable; to be called before any import."""
    if os.environ.get("SQLAGENT_TRACING") != "1":
        for name in ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
            os.environ[name] = "false"


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _is_timeout(error: Exception) -> bool:
    import openai

    return isinstance(error, openai.APITimeoutError)


def _is_connection(error: Exception) -> bool:
    import openai

    return isinstance(error, openai.APIConnectionError)


def gave_up(error: Exception) -> bool:
    """Whether nobody answered, as opposed to an answer of whatever kind."""
    return _is_connection(error)  # a timeout is one of them


def _is_empty_stream(error: Exception) -> bool:
    """LangChain's word for a stream that held no event: the body was something else, perhaps a plain answer."""
    return isinstance(error, ValueError) and "No generation" in str(error)


def _delay(error: Exception, tried: int) -> float | None:
    """Seconds until it is worth another try; None where it is not."""
    if _is_timeout(error) or getattr(error, "code", None) == "insufficient_quota":
        return None
    if _status(error) not in TRANSIENT and not _is_connection(error):
        return None
    asked = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    try:
        wait = max(float(asked), 0.0)
    except ValueError:
        wait = float(2 ** (tried - 1))
    return wait if wait <= LONGEST_WAIT else None


def _said(error: Exception) -> str:
    """What the server said, short."""
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    text = message if isinstance(message, str) else str(error)
    return _shortened(text) or type(error).__name__


def quoted(text: str) -> str:
    return f'"{_shortened(text)}"'


def _shortened(text: str, length: int = 160) -> str:
    text = " ".join(whole_characters(text).split())
    return text if len(text) <= length else text[: length - 3] + "..."
