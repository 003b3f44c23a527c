"""What a model has answered so far, and whether that is all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlagent.llm.server_words import as_dict, as_list, as_text


class End(Enum):
    """How an answer ended."""

    WHOLE = "whole"
    LENGTH = "length"
    """It reached a limit of tokens."""
    FILTERED = "filtered"
    FAILED = "failed"
    """The server says that it could not go on."""
    CUT = "cut"
    """The connection closed, and nothing said that this is all."""
    UNKNOWN = "unknown"
    """The server has a word for it that nobody here knows."""


_ENDS = {
    End.WHOLE: "stop eos eos_token end_turn stop_sequence stop_token stop_words complete completed done end eot finish "
    "finished normal success tool_calls tool_use function_call tool_call",
    End.LENGTH: "length max_tokens max_length model_length max_output_tokens max_completion_tokens token_limit "
    "max_new_tokens error_limit model_context_window_exceeded context_length_exceeded limit",
    End.FILTERED: "content_filter content_filtered safety recitation prohibited_content blocklist blocked spii "
    "guardrail_intervened sensitive refusal moderation language",
    End.FAILED: "error abort aborted cancel cancelled canceled timeout network_error insufficient_system_resource "
    "malformed_function_call internal_error failed overloaded",
}
_END_OF = {word: end for end, words in _ENDS.items() for word in words.split()}


@dataclass(slots=True)
class Answer:
    """The model's answer as far as it has arrived."""

    text: str = ""
    finish: str = ""
    """The server's own word on why it ended."""
    closed: bool = False
    """The body said by itself that it is all there."""
    thoughts: int = 0
    """Characters that the server sent as thinking, apart from the answer."""
    refusal: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Calls of tools: each one's name and arguments."""
    tokens_in: int = 0
    tokens_out: int = 0
    logprobs: list[float] = field(default_factory=list)
    """The log probability of each token, where the server tells."""

    def add(self, event: dict[str, Any]) -> str:
        """Take what a reply, or a piece of one, brings; answers its text."""
        self._count(as_dict(event.get("usage")))
        choices = [as_dict(each) for each in as_list(event.get("choices"))]
        choice = next((each for each in choices if not each.get("index")), {})
        return self.add_choice(choice)

    def add_choice(self, choice: dict[str, Any]) -> str:
        """Take one of several answers to the same question."""
        self.finish = as_text(choice.get("finish_reason")) or self.finish
        for token in as_list(as_dict(choice.get("logprobs")).get("content")):
            if isinstance(told := as_dict(token).get("logprob"), int | float):
                self.logprobs.append(float(told))
        said = as_dict(choice.get("delta")) or as_dict(choice.get("message"))
        piece = _content(said.get("content")) or as_text(choice.get("text"))
        thinking = [said.get(name) for name in ("reasoning_content", "reasoning", "thinking")]
        self.thoughts += max(len(as_text(each)) for each in thinking) + _thinking(said.get("content"))
        self.refusal += as_text(said.get("refusal")) or _refusal(said.get("content"))
        called = as_list(said.get("tool_calls")) or [{"function": said.get("function_call")}]
        for place, call in enumerate(map(as_dict, called)):
            self._call(call.get("index", place), as_dict(call.get("function")) or call)
        self.text += piece
        return piece

    @property
    def logprob(self) -> float | None:
        """The mean log probability of its tokens; None where the server tells none, or not all of them."""
        told = [min(p, 0.0) for p in self.logprobs if p > -1_000]
        return sum(told) / len(told) if told and len(told) == len(self.logprobs) else None

    @property
    def end(self) -> End:
        """How it ended: by the server's own word, else by whether the stream was closed as it should be."""
        if not self.finish:
            return End.WHOLE if self.closed else End.CUT
        return _END_OF.get(self.finish.lower().removeprefix("finish_reason_"), End.UNKNOWN)

    @property
    def arguments(self) -> str:
        """What the called tools were given: some models put their SQL there."""
        return "\n".join(given for _, given in self.calls.values() if given)

    @property
    def tools(self) -> str:
        """Names of the tools that it called, each once, for a message; empty where it called none."""
        return ", ".join(dict.fromkeys(name or "no name" for name, _ in self.calls.values()))

    def _call(self, place: object, function: dict[str, Any]) -> None:
        name, given = as_text(function.get("name")), function.get("arguments")
        if name or given:
            call = self.calls.setdefault(place if isinstance(place, int) else 0, ["", ""])
            call[0] += name
            call[1] += as_text(given)

    def _count(self, usage: dict[str, Any]) -> None:
        for name, there in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens")):
            if isinstance(count := usage.get(there), int):
                setattr(self, name, count)


def _content(content: object) -> str:
    """The text of a content, which some servers send in parts."""
    if isinstance(content, list):
        parts = [as_dict(part) for part in content]
        return "".join(as_text(p.get("text")) for p in parts if p.get("type", "text") in ("text", "output_text"))
    return as_text(content)


def _thinking(content: object) -> int:
    parts = [as_dict(part) for part in as_list(content)]
    return sum(len(str(p.get("thinking") or p.get("text") or "")) for p in parts if p.get("type") in _THOUGHTS)


def _refusal(content: object) -> str:
    return "".join(as_text(as_dict(part).get("refusal")) for part in as_list(content))


_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
