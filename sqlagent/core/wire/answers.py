"""Answers of other programs, read strictly: LangChain's decisions, Agent Inbox's responses, AG-UI's and our own shapes.

Only an explicit approval of the right form approves.  A bool, a "yes", an empty object, a count that is off, an id or a
digest of something else, a key that the shape does not have: each is Invalid, and says what would have been right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlagent.core.approval.signed import of_object
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Choice, Decision
from sqlagent.core.text.counted import counted
from sqlagent.core.text.split import joined
from sqlagent.core.wire import ag_ui
from sqlagent.core.wire.strict_fields import LONGEST_TEXT, Invalid, exactly, only, shown, text, words

__all__ = [
    "LONGEST_SQL", "LONGEST_TEXT", "MOST_DECISIONS", "TOOL", "Invalid", "Pending", "decode", "decode_answer", "shown",
]  # fmt: skip

TOOL = "execute_sql"
"""What our one action is called in the shapes of LangChain and Agent Inbox."""
LONGEST_SQL = 1_000_000
MOST_DECISIONS = 10_000

_INTERRUPT = re.compile(r"[0-9a-f]{32}").fullmatch
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})").fullmatch
_ANSWERS = (
    '{"type": "approve", "digest": "<the pending digest>"}, {"type": "reject", "reason": "..."}, '
    '{"type": "edit", "sql": "..."}, LangChain\'s {"decisions": [...]}, Agent Inbox\'s [{"type": ..., "args": ...}] '
    'or AG-UI\'s {"interruptId": ..., "status": ..., "payload": {"approved": true, "digest": ...}}; '
    "sqlagent help json-answer"
)
_CLARIFIED = '{"type": "answer", "text": "..."} or {"choice": 1}; sqlagent help json-clarified'


@dataclass(frozen=True, slots=True)
class Pending:
    """What an answer is an answer to."""

    digest: str
    sql: str
    statements: tuple[str, ...] = ()
    interrupt_id: str = ""
    addressed: bool = False
    """The answer came for this very interrupt, by its id, which LangGraph has taken off it."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What is said of one statement, or of the whole."""

    choice: Choice
    sql: str = ""
    reason: str = ""
    returned: str = ""
    """The SQL that came back with an approval, byte for byte the one that was asked about."""


def decode(raw: Any, *, pending: Pending) -> Decision:
    """The decision that a program's answer is; raises Invalid.

    `by` is left empty, since no answer says who sent it; but for one that is signed, which the store verifies.
    """
    answer, addressed = _opened(raw, pending)
    answer = ag_ui.decision(answer, interrupt_id=pending.interrupt_id, sql=pending.sql)
    if type(answer) is list:
        return _decision(_of_inbox(only(answer), pending.sql), pending)
    if type(answer) is not dict:
        raise Invalid(f"{shown(answer)} is no answer", _ANSWERS)
    if "decisions" in answer:
        return _batch(answer, pending)
    return _single(answer, pending, addressed=addressed)


def decode_answer(raw: Any, *, choices: tuple[str, ...] = (), interrupt_id: str = "") -> str:
    """The words that a program answers a clarifying question with; raises Invalid.

    The choices are shown as a numbered list, so that a number of it in words is the choice that stands there.
    """
    text = _answer_text(raw, choices, interrupt_id)
    if text in choices or not _LISTED(text.strip()) or int(text) > len(choices):
        return text
    return choices[int(text) - 1]


_LISTED = re.compile("[1-9]").fullmatch


def _answer_text(raw: Any, choices: tuple[str, ...], interrupt_id: str) -> str:
    answer, _ = _opened(raw, Pending("", "", (), interrupt_id))
    answer = ag_ui.words_back(answer, interrupt_id=interrupt_id)
    if type(answer) is dict and "decisions" in answer:
        answer = only(exactly(answer, "decisions")["decisions"])
    elif type(answer) is list:
        answer = only(answer)
        if answer.get("type") != "response":
            raise Invalid(f"{shown(answer.get('type'))} answers no question", _CLARIFIED)
    if type(answer) is not dict:
        raise Invalid(f"{shown(answer)} answers no question", _CLARIFIED)
    match answer.get("type"):
        case "answer":
            return words(exactly(answer, "type", "text"), "text")
        case "respond":
            return words(exactly(answer, "type", "message"), "message")
        case "response":
            return words(exactly(answer, "type", "args"), "args")
    if "choice" in answer:
        return _chosen(exactly(answer, "choice")["choice"], choices)
    return words(exactly(answer, "answer"), "answer")


# ---- shapes ----------------------------------------------------------------------------------------------------------


def _opened(raw: Any, pending: Pending) -> tuple[Any, bool]:
    """The answer without the interrupt's id around it, and whether it came with that id."""
    if type(raw) is not dict or len(raw) != 1:
        return raw, pending.addressed
    [(key, value)] = raw.items()
    if type(key) is not str or not _INTERRUPT(key):
        return raw, pending.addressed
    if pending.interrupt_id and key != pending.interrupt_id:
        raise Invalid(f"{key} is not the interrupt that waits", f"{pending.interrupt_id}, which does")
    return value, pending.addressed or bool(pending.interrupt_id)


def _single(answer: dict[str, Any], pending: Pending, *, addressed: bool) -> Decision:
    """Our own shapes, and LangChain's for one call."""
    match answer.get("type"):
        case "approve":
            exactly(answer, "type", digest=True, signature=True)
            if "signature" in answer:
                return _signed(answer, pending)
            if "digest" not in answer and not addressed:
                raise Invalid(
                    "the approval does not say of what", '"digest": "<the pending digest>", or the interrupt\'s id'
                )
            _same_digest(answer, pending)
            return _decision(_Word(Choice.APPROVE, returned=pending.sql), pending)
        case "reject" if "retry" in answer:
            exactly(answer, "type", "retry", reason=True, message=True, digest=True)
            if type(answer["retry"]) is not bool:
                raise Invalid(f"retry is {shown(answer['retry'])}", "true or false")
            said = _rejection(answer, pending)
            return Decision(Choice.REJECT, pending.digest, "", "graph", reason=said.reason, retry=answer["retry"])
        case "edit" if "sql" in answer:
            exactly(answer, "type", "sql", digest=True)
            _same_digest(answer, pending)
            return _decision(_Word(Choice.EDIT, _sql(answer)), pending)
        case "partial":
            return _partial(exactly(answer, "type", "keep", "digest", reason=True), pending)
        case "reject" | "edit" | "respond":
            return _decision(_of_langchain(answer, pending.sql, pending), pending)
    what = f"an answer of type {shown(answer['type'])}" if "type" in answer else shown(answer)
    raise Invalid(f"{what} is no answer", _ANSWERS)


def _batch(answer: dict[str, Any], pending: Pending) -> Decision:
    """LangChain's: a decision for each statement, by position; one alone counts for all where it cannot mislead.

    Agent Inbox shows the first statement of several and answers with one decision, so that one alone approves only
    where it returns the whole SQL, and one alone never edits.
    """
    entries = exactly(answer, "decisions")["decisions"]
    count = max(1, len(pending.statements))
    if type(entries) is not list or not entries or len(entries) > MOST_DECISIONS:
        raise Invalid(f"decisions is {shown(entries)}", f"a list of {count:,}, one for each statement")
    if len(entries) == 1:
        word = _of_langchain(entries[0], pending.sql, pending)
        if count == 1 or word.choice is Choice.REJECT or (word.choice is Choice.APPROVE and word.returned):
            return _decision(word, pending)
    if len(entries) != count:
        few = f"{counted(len(entries), 'decision')} for {counted(count, 'statement')}"
        raise Invalid(few, f"{count:,}, one for each statement")
    words = [_of_langchain(e, sql, pending) for e, sql in zip(entries, pending.statements, strict=True)]
    return _combined(words, pending)


def _combined(words: list[_Word], pending: Pending) -> Decision:
    choices = {word.choice for word in words}
    if choices == {Choice.APPROVE}:
        return _decision(_Word(Choice.APPROVE), pending)
    reason = "; ".join(
        f"{place}: {word.reason}" if word.reason else f"{place}"
        for place, word in enumerate(words, 1)
        if word.choice is Choice.REJECT
    )
    if choices == {Choice.REJECT}:
        return _decision(_Word(Choice.REJECT, reason=reason if any(w.reason for w in words) else ""), pending)
    if Choice.EDIT not in choices:
        keep = tuple(place for place, word in enumerate(words, 1) if word.choice is Choice.APPROVE)
        return _decision(_Word(Choice.PARTIAL, reason=reason), pending, keep=keep)
    left = [
        word.sql if word.choice is Choice.EDIT else sql
        for word, sql in zip(words, pending.statements, strict=True)
        if word.choice is not Choice.REJECT
    ]
    return _decision(_Word(Choice.EDIT, joined(left), reason), pending)


def _of_langchain(entry: Any, sql: str, pending: Pending) -> _Word:
    """One decision.  Where it has `args`, Agent Inbox wrote it, which makes decisions of its responses by renaming."""
    if type(entry) is not dict:
        raise Invalid(f"a decision is {shown(entry)}", 'an object such as {"type": "approve"}')
    if "args" in entry:
        renamed = {"approve": "accept", "reject": "response"}
        kind = entry.get("type")
        if type(kind) is not str or kind not in ("approve", "edit", "reject", "ignore"):
            raise Invalid(f"a decision is of type {shown(kind)}", '"approve", "edit" or "reject"')
        return _of_inbox(entry | {"type": renamed.get(kind, kind)}, sql)
    match entry.get("type"):
        case "approve":
            _same_digest(exactly(entry, "type", digest=True), pending)
            return _Word(Choice.APPROVE)
        case "edit":
            _same_digest(exactly(entry, "type", "edited_action", digest=True), pending)
            return _Word(Choice.EDIT, _sql_of_action(entry["edited_action"], "name"))
        case "reject":
            return _rejection(exactly(entry, "type", reason=True, message=True, digest=True), pending)
        case "respond":
            return _Word(Choice.REJECT, reason=words(exactly(entry, "type", "message"), "message"))
    raise Invalid(f"a decision is of type {shown(entry.get('type'))}", '"approve", "edit" or "reject"')


def _of_inbox(entry: dict[str, Any], sql: str) -> _Word:
    """Agent Inbox's: what it calls accepting sends the SQL back, and approves only what it sends."""
    match entry.get("type"):
        case "accept":
            returned = _sql_of_action(exactly(entry, "type", "args")["args"], "action")
            return _Word(Choice.APPROVE, returned=sql) if returned == sql else _Word(Choice.EDIT, returned)
        case "edit":
            return _Word(Choice.EDIT, _sql_of_action(exactly(entry, "type", "args")["args"], "action"))
        case "response":
            return _Word(Choice.REJECT, reason=words(exactly(entry, "type", "args"), "args"))
        case "ignore":
            if exactly(entry, "type", args=True).get("args") is not None:
                raise Invalid(f"an ignore has args: {shown(entry['args'])}", '{"type": "ignore", "args": null}')
            return _Word(Choice.REJECT)
    raise Invalid(f"a response is of type {shown(entry.get('type'))}", '"accept", "edit", "response" or "ignore"')


# ---- parts -----------------------------------------------------------------------------------------------------------


def _decision(word: _Word, pending: Pending, *, keep: tuple[int, ...] = ()) -> Decision:
    if not _DIGEST(pending.digest):
        raise Invalid("there is nothing here that could be decided", "an answer to a question that waits")
    if len(word.sql) > LONGEST_SQL:
        raise Invalid(f"the SQL has {len(word.sql):,} characters", f"{LONGEST_SQL:,} at most")
    return Decision(word.choice, pending.digest, "", "graph", word.sql, word.reason, keep=keep)


def _signed(answer: dict[str, Any], pending: Pending) -> Decision:
    """The approval that somebody signed: the object that `sqlagent approve` writes.  Only the store believes it."""
    _same_digest(answer, pending)
    try:
        signed = of_object(answer["signature"])
    except UsageError as e:
        raise Invalid(e.message, "what is in the file that sqlagent approve PLAN writes") from None
    _same_digest({"digest": signed.digest}, pending)
    return signed.decision


def _partial(answer: dict[str, Any], pending: Pending) -> Decision:
    _same_digest(answer, pending)
    keep, count = answer["keep"], len(pending.statements)
    places = set(keep) if type(keep) is list and all(type(place) is int for place in keep) else set()
    if not places or len(places) != len(keep) or not places <= set(range(1, count + 1)):
        raise Invalid(f"keep is {_list_shown(keep)}", f"places of statements, from 1 to {count:,}, each once")
    if len(places) == count:
        raise Invalid("keep has every statement", 'an approval of the whole: {"type": "approve", "digest": "..."}')
    reason = text(answer, "reason") if "reason" in answer else ""
    return _decision(_Word(Choice.PARTIAL, reason=reason), pending, keep=tuple(sorted(places)))


def _rejection(answer: dict[str, Any], pending: Pending) -> _Word:
    _same_digest(answer, pending)
    if "reason" in answer and "message" in answer:
        raise Invalid("a rejection has a reason and a message", "one of them")
    key = "reason" if "reason" in answer else "message"
    return _Word(Choice.REJECT, reason=text(answer, key) if key in answer else "")


def _same_digest(answer: dict[str, Any], pending: Pending) -> None:
    if "digest" not in answer:
        return
    given = answer["digest"]
    found = _DIGEST(given) if type(given) is str else None
    if found is None:
        raise Invalid(f"digest is {shown(given)}", "all 64 hex digits of the pending digest")
    wanted = _DIGEST(pending.digest)
    if wanted is None or found[1] != wanted[1]:
        raise Invalid(f"{found[1][:12]} is not the pending digest", "the digest of what waits; look at it first")


def _sql_of_action(action: Any, called: str) -> str:
    """The SQL of `{"name": "execute_sql", "args": {"sql": ...}}`; another action is none of ours."""
    if type(action) is not dict:
        raise Invalid(f"the action is {shown(action)}", f'{{"{called}": "{TOOL}", "args": {{"sql": "..."}}}}')
    exactly(action, called, "args")
    if type(action[called]) is not str or action[called] != TOOL:
        raise Invalid(f"the action is {shown(action[called])}", TOOL)
    if type(action["args"]) is not dict:
        raise Invalid(f"args is {shown(action['args'])}", '{"sql": "..."}')
    return _sql(exactly(action["args"], "sql"))


def _sql(answer: dict[str, Any]) -> str:
    sql = answer["sql"]
    if type(sql) is not str or not sql.strip():
        raise Invalid(f"sql is {shown(sql)}", "the text of one statement or more")
    if len(sql) > LONGEST_SQL:
        raise Invalid(f"sql has {len(sql):,} characters", f"{LONGEST_SQL:,} at most")
    return sql


def _chosen(number: Any, choices: tuple[str, ...]) -> str:
    if type(number) is not int or not 1 <= number <= len(choices):
        among = f"a number from 1 to {len(choices)}" if choices else 'words: {"type": "answer", "text": "..."}'
        raise Invalid(f"choice is {shown(number)}", among)
    return choices[number - 1]


def _list_shown(keep: Any) -> str:
    short = type(keep) is list and len(keep) <= 8 and keep
    return f"[{', '.join(map(shown, keep))}]" if short else shown(keep)
