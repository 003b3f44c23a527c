"""Removes what models and servers put around an answer: thoughts, channels and special tokens."""

from __future__ import annotations

import json
import re

_THOUGHT = r"(?:seed:)?(?:think|thinking|thought|reasoning|thoughts)"
_OPENED = re.compile(
    rf"\s*(?:<(?P<tag>{_THOUGHT})>|◁think▷|\[THINK\]|<\|START_THINKING\|>|<\|begin_of_thought\|>)", re.I
)
_CLOSED = re.compile(rf"</{_THOUGHT}>|◁/think▷|\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>", re.I)
_FINAL = re.compile(r"<\|channel\|?>\s*(?P<name>\w+)[^<\n]*(?:<\|constrain\|>[^<\n]*)?(?:<\|message\|>|\n)", re.I)
_BARE_CHANNELS = re.compile(r"\s*analysis(?=[A-Z\s]).*?assistant\s*final(?P<rest>.*)", re.DOTALL)
"""The same where a server took the marks out and left their names."""
_MARK = (
    r"<[|｜][\w▁./-]{1,40}[|｜]>|</?s>|<eos>|<bos>|<pad>|<EOS_TOKEN>|</?(?:end|start)_of_turn>|<end_of_utterance>"
    r"|\[/?INST\]|<</?SYS>>|\[(?:EOS|BOS|PAD)\]|<\|?endoftext\|?>"
)
_AT_START = re.compile(rf"\s*(?:(?:{_MARK})(?:\s*(?:assistant|user|model)\b(?=\s*\n))?\s*)+")
_AT_END = re.compile(rf"[ \t]*(?:{_MARK})(?=\s*(?:{_MARK}|\n|\Z)).*", re.DOTALL)
_WRAPPED = re.compile(
    r"\s*<(?P<tag>answer|response|sql|output|query|result|final_answer)>(?P<inside>.*?)(?:</(?P=tag)>|\Z)",
    re.DOTALL | re.I,
)
_CALLED = re.compile(
    r"\s*<\|?(?:tool_call|function_call)\|?>\s*(?P<inside>\{.*\})\s*(?:</?\|?[\w▁]+\|?>.*)?\Z", re.DOTALL
)


def answer_in(text: str) -> str:
    """The answer itself; empty where there are only thoughts."""
    text = _final_channel(text)
    text = _without_thoughts(text)
    text = _without_tokens(text)
    if called := _CALLED.match(text):
        return _arguments(called["inside"])
    wrapped = _WRAPPED.match(text)
    return wrapped["inside"] if wrapped and wrapped["inside"].strip() else text


def is_only_thoughts(text: str) -> bool:
    """Whether a text is thinking that never came to its end."""
    return bool(_OPENED.match(text) or _FINAL.search(text)) and not answer_in(text).strip()


def _arguments(call: str) -> str:
    """What a tool is called with; the call itself where that cannot be told."""
    try:
        given = json.loads(call, strict=False).get("arguments")
    except (ValueError, RecursionError):
        return call
    return json.dumps(given) if isinstance(given, dict) else given if isinstance(given, str) else call


def _final_channel(text: str) -> str:
    """What a model says in its `final` channel; nothing where it only thought in another one."""
    channels = list(_FINAL.finditer(text))
    if not channels:
        bare = _BARE_CHANNELS.fullmatch(text)
        return bare["rest"] if bare else text
    final = [c for c in channels if c["name"].lower() in ("final", "response", "answer")]
    if final:
        return text[final[-1].end() :]
    last = channels[-1]
    after = re.split(r"<channel\|>|<\|end\|>", text[last.end() :], maxsplit=1)
    return after[1] if len(after) > 1 else ""


def _without_thoughts(text: str) -> str:
    """The answer behind the thinking that some models print before it."""
    closings = list(_CLOSED.finditer(text))
    if _OPENED.match(text):
        return text[closings[0].end() :] if closings else ""
    # Some chat templates open the thought themselves, and only its end is in the reply.
    if closings and "```" not in text[: closings[-1].start()] and not _is_in_a_string(text, closings[-1].start()):
        return text[closings[-1].end() :]
    return text


def _without_tokens(text: str) -> str:
    """Without the tokens that frame a turn, and without what a model that went on past its end made up after it."""
    text = text[opened.end() :] if (opened := _AT_START.match(text)) else text
    ended = _AT_END.search(text)
    if ended and not _is_in_a_string(text, ended.start()):
        text = text[: ended.start()]
    return text


def _is_in_a_string(text: str, place: int) -> bool:
    """Whether the place is inside the quotes of a value: an odd number of them stands before it on its line."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    behind = text[place:].partition("\n")[0]
    return line.count("'") % 2 == 1 and behind.count("'") % 2 == 1
