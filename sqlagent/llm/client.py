"""Asking the model, whatever server it is on: one client, visible retries, and every failure as an error of ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlagent.core.errors import AuthError, ModelError, NoDraft
from sqlagent.core.nouns.draft import Attempt, Clarification, Draft, Example, Schema, Turn
from sqlagent.core.secret import Secret
from sqlagent.llm import outgoing, prompt, reply
from sqlagent.llm.address import Address, read
from sqlagent.llm.answer import Answer
from sqlagent.llm.conversation import Conversation, Say
from sqlagent.llm.endpoint import OPENAI, Endpoint, Manners
from sqlagent.llm.narrowing import Room
from sqlagent.llm.outgoing import Told, Values
from sqlagent.llm.prefixes import Prefixes, poster
from sqlagent.llm.samples import further
from sqlagent.llm.server_words import quoted

DEFAULT_REMOTE = "gpt-5-mini"
"""What `auto` asks where there is a key and no model's name."""
AFTER_A_FAILURE = 0.7
"""The temperature of another try: at 0 a small model writes the same mistake again, whatever it is told of it."""
LOCAL_WINDOW = 17_000
"""Characters of schema that leave the embedded model room for the question and the answer in its 8,192 tokens."""
LOCAL_CHARACTERS_READ = {"1.5b": 3_600, "0.5b": 9_000}
"""What each embedded model reads in about fifteen seconds on two cores."""
LOCAL_LONGEST_REPLY = 1024
LOCAL_SECONDS = 600.0
"""The embedded model may read a long schema for minutes on a small machine; it does not hang for other reasons."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and how to reach it."""

    model: str = "auto"
    """A name the server knows, `local`, `local:0.5b`, or `auto`: a key or a base URL decides, otherwise `local`."""
    base_url: str = ""
    api_key: Secret | str = ""
    timeout: float = 60.0
    """Seconds of silence after which the model is given up; 0 for none."""
    embedded_timeout: float = LOCAL_SECONDS
    """The same of the embedded model, once it is loaded."""
    keep_alive: float = 600.0
    """Seconds without a question after which the embedded model's server ends."""

    @property
    def key(self) -> Secret:
        """The key, wrapped so that nothing prints it."""
        return self.api_key if isinstance(self.api_key, Secret) else Secret(self.api_key)

    @property
    def is_embedded(self) -> bool:
        """Whether sqlagent runs the model itself; `auto` does where neither a key nor a server is named."""
        if self.model == "auto":
            return not self.key and not self.base_url
        return self.model == "local" or self.model.startswith("local:")


@dataclass(frozen=True, slots=True)
class Model:
    """A model to ask.  Making one touches neither network nor disk: `draft` does."""

    name: str
    """What the record calls it."""
    is_local: bool
    """True only for the embedded model: a server on loopback may well pass on what it is told."""
    connect: Callable[[Say], Endpoint]
    """Finds where it answers; starts the embedded server where that is needed."""
    timeout: float = 60.0
    room: Room = prompt.BUDGET
    """How much of a schema it can take."""
    sleep: Callable[[float], None] = time.sleep
    asks_back: bool = True
    """It is told how to ask back where a question reads two ways; the embedded one only gets worse by it."""
    begin: Callable[[], None] = lambda: None
    """Has it made ready meanwhile, by whoever knows that it will be asked."""
    trace: Say | None = None
    """Told of every request and every answer, for `--debug`; never of a key."""

    def draft(
        self,
        question: str,
        schema: Schema,
        *,
        history: Sequence[Turn] = (),
        attempts: Sequence[Attempt] = (),
        examples: Sequence[Example] = (),
        clarified: Sequence[Clarification] = (),
        may_ask: bool = True,
        asked_by: str = "",
        values: Values = Values.WITHHELD,
        samples: int = 1,
        on_text: Say | None = None,
        on_wait: Say | None = None,
    ) -> Draft:
        """Ask for SQL.  `on_text` gets the answer as it arrives, `on_wait` a line whenever there is a delay to explain.

        `examples` are shown to the model, and so are the answers to what `asked_by` asked back, `clarified`; without
        the `values` in them, unless this is the embedded model.  Where it `may_ask`, the draft may be a question back.
        With `samples` above 1 it drafts so many times, and `Draft.candidates` has the SQL of each.

        Raises `ConnectError` (nothing answers), `AuthError` (a key is missing or refused) and `ModelError` (it
        answered, but with nothing that could be used).
        """
        say = on_wait or _unheard
        told = Told(question, schema, tuple(history), tuple(attempts), tuple(examples), tuple(clarified), asked_by)
        talk = outgoing.messages(
            told, model=self.name, values=Values.SENT if self.is_local else values, asking=self._asking(may_ask),
            budget=self.room,
        )  # fmt: skip
        endpoint = self.connect(say)
        if endpoint.memory:
            endpoint.memory.recall(talk[0][1])
        started = time.monotonic()
        temperature = AFTER_A_FAILURE if attempts else 0.0
        asking = Conversation(
            endpoint, self.timeout, self.sleep, say, on_text or _unheard, temperature=temperature, trace=self.trace
        )
        answers = [asking.ask(talk)]
        if endpoint.memory:
            endpoint.memory.keep(talk[0][1])
        draft = reply.parse(answers[0].text)
        if not (draft.sql or draft.cannot or draft.asks):
            raise _without_sql(self.name, answers[0])
        if draft.note.startswith("the model gave"):
            say(draft.note.partition(". ")[0])
        if samples > 1 and draft.sql:
            answers += further(asking, talk, samples - 1)
        return replace(
            draft,
            candidates=tuple(reply.parse(answer.text).sql for answer in answers) if len(answers) > 1 else (),
            logprob=answers[0].logprob,
            model=self.name,
            prompt_sha256=prompt.prompt_sha256(talk),
            tokens_in=sum(answer.tokens_in for answer in answers),
            tokens_out=sum(answer.tokens_out for answer in answers),
            seconds=time.monotonic() - started,
        )

    def _asking(self, may_ask: bool) -> prompt.Asking:
        if not self.asks_back:
            return prompt.Asking.NEVER
        return prompt.Asking.STILL if may_ask else prompt.Asking.NO_MORE


def open_model(
    spec: ModelSpec,
    *,
    cache_dir: Path | None = None,
    state_dir: Path | None = None,
    progress: Progress | None = None,
    trace: Say | None = None,
) -> Model:
    """The model that the settings name.  `progress(done, total, what)` is told of a download on first use."""
    if spec.is_embedded:
        return replace(_embedded(spec, cache_dir, state_dir, progress), trace=trace)
    address = read(spec.base_url or OPENAI)
    name = (address.model or DEFAULT_REMOTE) if spec.model == "auto" else spec.model
    if not spec.key and not spec.base_url:
        raise AuthError(
            f"{name} needs a key, and there is none",
            hint="set OPENAI_API_KEY, name a server with --base-url, or use the embedded model: --model local",
        )
    endpoint = Endpoint(name, address, spec.key)
    return Model(name, is_local=False, connect=lambda _say: endpoint, timeout=spec.timeout, trace=trace)


def _embedded(spec: ModelSpec, cache_dir: Path | None, state_dir: Path | None, progress: Progress | None) -> Model:
    from sqlagent.llm import catalogue, local, weights

    kept = catalogue.named(spec.model.partition(":")[2])
    local.require_runtime()

    manners = Manners()

    def begin() -> None:
        if path := weights.unchanged(kept, cache_dir):
            local.begin(path, state_dir=state_dir)

    def connect(say: Say) -> Endpoint:
        path = weights.pull(kept.name, path=None, progress=progress or _uncounted, cache_dir=cache_dir)
        local.begin(path, state_dir=state_dir)
        import langchain_openai  # noqa: F401  a second of imports, while the server loads

        server = local.start_or_attach(path, name=kept.name, keep_alive=spec.keep_alive, state_dir=state_dir, say=say)
        extra = (("cache_prompt", True), ("max_tokens", LOCAL_LONGEST_REPLY), ("id_slot", 0))
        post = poster(server.url, server.api_key.reveal())
        memory = Prefixes(local.prefixes_dir(server.folder), post, server.started)
        return Endpoint(kept.name, Address(f"{server.url}/v1"), server.api_key, extra, manners, memory)

    return Model(
        kept.name,
        is_local=True,
        connect=connect,
        begin=begin,
        timeout=spec.embedded_timeout,
        room=Room(LOCAL_WINDOW, LOCAL_CHARACTERS_READ.get(kept.short, LOCAL_WINDOW)),
        asks_back=False,
    )


def _without_sql(name: str, answer: Answer) -> ModelError:
    text = answer.text
    if answer.calls:
        return ModelError(
            f"{name} called a tool ({answer.tools}) instead of writing SQL: {quoted(text)}",
            hint="turn tools off on the server, or name another model with --model",
        )
    if not text.strip():
        return NoDraft(f"{name} answered with nothing", hint="ask again, or name another model with --model")
    return NoDraft(
        f"{name} answered with words and no SQL: {quoted(text)}",
        hint="say which tables or rows you mean, or name another model with --model",
    )


def _unheard(_text: str) -> None:
    """Stands in for a listener where nobody listens."""


def _uncounted(_done: int, _total: int, _what: str) -> None:
    """Stands in for a progress bar where nobody watches the download."""
