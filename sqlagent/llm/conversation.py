"""One question to one server: through retries, what the server does not know, and every way it can fail."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlagent.core.errors import ModelError, SqlagentError
from sqlagent.core.secret import Secret
from sqlagent.llm import failure
from sqlagent.llm.answer import Answer, End
from sqlagent.llm.connection import open_client
from sqlagent.llm.endpoint import Endpoint
from sqlagent.llm.events import Body, TooLarge
from sqlagent.llm.marks import is_only_thoughts
from sqlagent.llm.prompt import Message
from sqlagent.llm.reply import whole_characters
from sqlagent.llm.server_words import Refused, Unreadable, as_list, body_of, error_in, quoted, shortened

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

TRIES = 3
_NEVER_AWAITED = object()
"""In place of a client for `await`, which would read every TLS certificate of the machine once more: 40 ms."""
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_OPTIONAL = ("logprobs", "stream_options", "temperature", "stream")
"""Fields of a request that a server may do without."""
_VAGUE = re.compile(r"(unknown|unrecogni[sz]ed|unsupported|unexpected|extra|additional)\b.{0,40}"
                    r"\b(field|parameter|param|argument|input|key|propert)")  # fmt: skip
_NO_SYSTEM = re.compile(
    r"system[ _-]?(role|message|prompt|instruction)s?\b.{0,60}(not|n't|un)\s*(be )?(support|enabl|allow|accept|permit)"
    r"|(not|n't|un)[ -]?(support|enabl|allow|accept|permit)\w*.{0,40}\bsystem\b|developer instruction is not enabled"
    r"|roles must alternate|only (support )?.?user.? and .?(assistant|model)|role.{0,30}['\"]system['\"]"
    r"|['\"]system['\"].{0,40}(role|not|invalid)|unexpected role|invalid role|first message must be.{0,20}user",
    re.DOTALL,
)

Say = Callable[[str], None]


@dataclass(slots=True)
class Conversation:
    """One question to one server, through retries and whatever the server turns out not to know."""

    endpoint: Endpoint
    timeout: float
    sleep: Callable[[float], None]
    say: Say
    on_text: Say
    temperature: float | None = 0.0
    trace: Say | None = None
    """Told of every request and answer, without the key."""

    def ask(self, talk: Sequence[Message]) -> Answer:
        """The whole answer, or one of our errors."""
        tried = 0
        while True:
            answer = Answer()
            try:
                self._request(talk, answer)
                return self._whole(answer)
            except failures() as e:
                lost = failure.nobody_answered(e)
                if answer.text and (lost or failure.delay(e, 1) is None):
                    raise self._broke_off(answer.text, "" if lost else str(e)) from e
                if self._gives_way(e):
                    continue
                tried += 1
                wait = failure.delay(e, tried)
                if tried >= TRIES or wait is None:
                    raise self.error(e, tried) from e
                self.say(f"{self._what(e)}; trying again in {wait:g} s ({tried + 1} of {TRIES})")
                self.sleep(wait)

    def choices(self, talk: Sequence[Message], count: int) -> list[Answer]:
        """Up to `count` answers from one request; the tokens of all of them are counted with the first."""
        answers: list[Answer] = []
        fields = {**self._fields(talk, {"stream", "stream_options", "logprobs"}), "n": count}
        fields.pop("id_slot", None)  # each has a place of its own
        with self._posted(fields) as blocks:
            for event in self._events(Body(), blocks):
                for choice in filter(_is_choice, as_list(event.get("choices"))):
                    answers.append(Answer(closed=True))
                    answers[-1].add_choice(choice)
                    answers[-1].text = whole_characters(answers[-1].text)
                if answers:
                    answers[0].add({"usage": event.get("usage")})
        return answers

    def error(self, error: Exception, tried: int) -> SqlagentError:
        """The failure in our words."""
        return failure.explained(error, self.endpoint, self.timeout, tried)

    # ---- a request ------------------------------------------------------------------------------------------------

    def _request(self, talk: Sequence[Message], answer: Answer) -> None:
        body, choices = Body(), 0
        with self._posted(self._fields(talk, set())) as blocks:
            for event in self._events(body, blocks):
                choices += sum(map(_is_choice, as_list(event.get("choices"))))
                if piece := answer.add(event):
                    self.on_text(piece)
        answer.closed = body.ended
        if not choices:
            raise Unreadable(body.head.decode("utf-8", "replace"))
        if answer.end is End.FAILED and not answer.text:
            raise Refused(503, f"it ended the answer with {answer.finish}")

    def _fields(self, talk: Sequence[Message], left_out: set[str]) -> dict[str, Any]:
        """The request, without what the server does not know."""
        without = self.endpoint.manners.without | left_out
        optional: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
        if "stream" in without:
            without |= {"stream_options"}
        if self.temperature is not None:
            optional["temperature"] = self.temperature
        messages = [{"role": _ROLES[role], "content": text} for role, text in talk]
        if "system" in without and messages[0]["role"] == "system":
            first, second, *rest = messages
            messages = [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]
        told = {name: value for name, value in optional.items() if name not in without}
        return {"model": self.endpoint.model, "messages": messages, **told, **dict(self.endpoint.extra)}

    @contextmanager
    def _posted(self, fields: dict[str, Any]) -> Iterator[Iterable[bytes]]:
        """Send it, and answer the blocks of bytes that come back.

        Past LangChain's own reading of a reply, which drops why an answer ended, refusals, thoughts, and errors that
        come with status 200.
        """
        import openai

        chat = self._chat()
        self._traced(f"> POST {self.endpoint.host}/chat/completions", fields)
        try:
            send = chat.root_client.chat.completions.with_streaming_response.create
            with send(model=fields["model"], messages=fields["messages"], extra_body=fields) as response:
                self._traced(f"< {response.status_code} {response.headers.get('content-type', '')}")
                yield self._watched(response.iter_bytes())
        except openai.APIStatusError as e:
            headers = {name.lower(): value for name, value in e.response.headers.items()}
            self._traced(f"< {e.status_code} {headers.get('content-type', '')}\n< {e.response.text}")
            raise Refused(e.status_code, body_of(e.response.text), headers) from e
        finally:
            chat.root_client.close()

    def _watched(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks; an end with a timeout where only signs of life come, and no answer."""
        heard = time.monotonic()
        for block in blocks:
            self._traced(f"< {block.decode('utf-8', 'replace').strip()}")
            if any(line and not line.startswith(b":") for line in block.split(b"\n")):
                heard = time.monotonic()
            elif self.timeout and time.monotonic() - heard > self.timeout:
                raise TimeoutError
            yield block

    def _events(self, body: Body, blocks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for event in body.events(blocks):
            if error := error_in(event):
                raise error
            yield event

    def _chat(self) -> ChatOpenAI:
        tracing_off()
        # Half a second of imports that no command without a model should pay for.
        from langchain_openai import ChatOpenAI

        endpoint = self.endpoint
        client = open_client(endpoint.address, endpoint.api_key, self.timeout)
        return ChatOpenAI(
            model=endpoint.model,
            base_url=endpoint.base_url,
            # A server without keys still gets one: the client refuses to start without.
            api_key=(endpoint.api_key or Secret("none")).reveal,
            max_retries=0,
            use_responses_api=False,
            default_query=dict(endpoint.address.query) or None,
            http_client=client,
            openai_proxy="",  # or LangChain refuses a client of ours where a variable names one
            async_client=_NEVER_AWAITED,
            timeout=client.timeout,
        )

    def _traced(self, line: str, fields: dict[str, Any] | None = None) -> None:
        if self.trace is None:
            return
        import json

        text = line if fields is None else f"{line}\n> {json.dumps(fields, ensure_ascii=False)}"
        for each in text.split("\n"):
            if each.strip("<> "):
                self.trace(self.endpoint.masked(each))

    # ---- what the server does not know ------------------------------------------------------------------------------

    def _gives_way(self, error: Exception) -> bool:
        """Leave out the field that the server says it does not know; false where none is left."""
        manners = self.endpoint.manners
        if isinstance(error, Unreadable):
            return self._asks_plainly(error)
        if not isinstance(error, Refused):
            return False
        said = error.everything
        if error.status in (404, 405) and self.endpoint.address.bare and not failure.is_no_model(error):
            was, manners.is_bare = manners.is_bare, True
            return not was
        left = [name for name in _OPTIONAL if name not in manners.without]
        named = [name for name in left if re.search(rf"\b{name}\b", said)]
        if error.status in (400, 422):
            named = named or (left if _VAGUE.search(said) else [])
        elif error.status not in (404, 405, 500, 501) or not re.search(r"support|unknown|not allowed|invalid", said):
            named = []
        if "system" not in manners.without and error.status in (400, 404, 422, 500) and _NO_SYSTEM.search(said):
            named = ["system"]
        # A whole sentence may be about the one and name the other: what is most often unknown goes first, alone.
        manners.without.update(named if _VAGUE.search(said) and len(named) == len(left) else named[:1])
        return bool(named)

    def _asks_plainly(self, error: Unreadable) -> bool:
        """A stream that held nothing at all: some servers have an answer only where none is asked for."""
        nothing = not error.head.strip() or '"choices"' in error.head
        if not nothing or "stream" in self.endpoint.manners.without:
            return False
        self.endpoint.manners.without.add("stream")
        return True

    # ---- what came -------------------------------------------------------------------------------------------------

    def _whole(self, answer: Answer) -> Answer:
        """The answer, if it is all there: half a statement may be a worse one (a DELETE before its WHERE)."""
        answer.text = whole_characters(answer.text)
        if not answer.text.strip():
            return self._wordless(answer)
        text = self.endpoint.masked(answer.text)
        match answer.end:
            case End.WHOLE if is_only_thoughts(answer.text):
                raise _only_thought(len(answer.text))
            case End.WHOLE:
                return answer
            case End.LENGTH:
                if is_only_thoughts(answer.text):
                    raise self._thought_too_long(answer)
                raise ModelError(
                    f"the model's answer reached its length limit: {quoted(text)}",
                    hint="ask for less at a time, or name another model with --model",
                )
            case End.FILTERED:
                raise _filtered()
            case End.UNKNOWN:
                raise ModelError(
                    f"the server ended the answer with {quoted(answer.finish)}, which may mean that it is not all: "
                    f"{quoted(text)}",
                    hint="half an answer is never used; ask again, or name another model with --model",
                )
            case _:
                raise self._broke_off(answer.text, answer.finish)

    def _wordless(self, answer: Answer) -> Answer:
        """An answer without text: what the model did instead, which asking once more would pay for once more."""
        if answer.refusal:
            raise ModelError(
                f"the model refused: {quoted(self.endpoint.masked(answer.refusal))}",
                hint="word the question differently",
            )
        if answer.end is End.FILTERED:
            raise _filtered()
        if answer.calls and answer.end is not End.LENGTH:
            answer.text = answer.arguments
        elif answer.end is End.LENGTH:
            raise self._thought_too_long(answer)
        elif answer.thoughts:
            raise _only_thought(answer.thoughts)
        return answer

    def _thought_too_long(self, answer: Answer) -> ModelError:
        spent = f" of {answer.tokens_out:,} tokens" if answer.tokens_out else ""
        what = "thinking" if answer.thoughts or answer.text else "something that it did not send"
        return ModelError(
            f"the model used its whole budget{spent} on {what}, and wrote no answer",
            hint="raise the limit of tokens on the server, turn its thinking off, or name another --model",
        )

    def _broke_off(self, text: str, why: str = "") -> ModelError:
        because = f" ({shortened(self.endpoint.masked(why))})" if why else ""
        return ModelError(
            f"the model's answer broke off after {len(text):,} characters{because}: "
            f"{quoted(self.endpoint.masked(text))}",
            hint="ask again; half an answer is never used",
        )

    def _what(self, error: Exception) -> str:
        if isinstance(error, Refused):
            return f"the model answered {error.status}" if error.status else "the model's server reports an error"
        return f"{self.endpoint.host} closed the connection"


def _only_thought(characters: int) -> ModelError:
    return ModelError(
        f"the model thought ({characters:,} characters) and wrote no answer",
        hint="turn its thinking off on the server, or name another model with --model",
    )


def _is_choice(choice: object) -> bool:
    said = ("message", "delta", "text", "finish_reason")
    return isinstance(choice, dict) and any(choice.get(name) is not None for name in said)


def _filtered() -> ModelError:
    return ModelError("the model's server filtered the answer", hint="word the question differently")


def failures() -> tuple[type[Exception], ...]:
    """The exceptions that a request may end with; any other one is a fault of sqlagent's."""
    import httpx2
    import openai

    return (Refused, Unreadable, TooLarge, openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, OSError)


def tracing_off() -> None:
    """Keep LangSmith from uploading questions and SQL because of a stray variable; to be called before any import."""
    if os.environ.get("SQLAGENT_TRACING") != "1":
        for name in ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
            os.environ[name] = "false"
