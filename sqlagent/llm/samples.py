"""More drafts of the same question: in one request where the server knows how, else one after the other.

Either way the server has just read the same messages, and a server that keeps its last prompt reads none of them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlagent.core.errors import SqlagentError
from sqlagent.llm.answer import Answer, End
from sqlagent.llm.conversation import Conversation, failures
from sqlagent.llm.prompt import Message
from sqlagent.llm.server_words import Refused

_DOES_NOT_KNOW = frozenset({400, 404, 405, 422, 500, 501})
SPREAD = 0.7
"""The temperature of all drafts but the first: enough for a model to write otherwise what it is not sure of."""


def further(first: Conversation, talk: Sequence[Message], wanted: int) -> list[Answer]:
    """Up to `wanted` more answers to the question that `first` has asked; fewer where a request fails, which is said.

    An answer that was cut off has no text: half a statement is never compared with a whole one.
    """
    warm = None if first.temperature is None else SPREAD
    asking = replace(first, temperature=warm, on_text=lambda _piece: None)
    answers: list[Answer] = []
    try:
        answers += _at_once(asking, talk, wanted) if wanted > 1 else []
        while len(answers) < wanted:
            answers.append(asking.ask(talk))
    except SqlagentError as e:
        first.say(f"{len(answers) + 1} of {wanted + 1} drafts came: {e.message}")
    return answers


def _at_once(asking: Conversation, talk: Sequence[Message], wanted: int) -> list[Answer]:
    """The choices of one request; none where the server does not know of `n`, and one from most that ignore it."""
    try:
        return [_whole(answer) for answer in asking.choices(talk, wanted)][:wanted]
    except failures() as e:
        if isinstance(e, Refused) and e.status in _DOES_NOT_KNOW:
            return []
        raise asking.error(e, 1) from e  # it would be asked, and perhaps paid, in vain once more


def _whole(answer: Answer) -> Answer:
    return answer if answer.end is End.WHOLE else replace(answer, text="")
