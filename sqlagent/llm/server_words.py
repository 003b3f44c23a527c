"""What a server says of a failure, found in a body of whatever shape."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlagent.llm.reply import whole_characters

_MESSAGES = ("message", "msg", "detail", "details", "error_msg", "error_message", "error_description", "errorMessage",
             "description", "reason", "title", "Message", "error", "errors", "raw")  # fmt: skip
_PLACES = ("param", "loc", "field", "path", "fieldViolations")
_DEEPEST = 6


class Refused(Exception):
    """The server answered, with an error."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words(body))
        self.status = status
        """Of HTTP, or the one that the body claims; 0 where neither says."""
        self.body = body
        self.headers = headers or {}

    @property
    def said(self) -> str:
        """Why, in the server's words."""
        return words(self.body)

    @property
    def everything(self) -> str:
        """All texts of the body in lower case, for what is looked for in it."""
        return " ".join(_texts(self.body)).lower()

    @property
    def is_page(self) -> bool:
        """Whether what refused was no model's server: it sent a page for a browser."""
        return is_page(self.body)


class Unreadable(Exception):
    """The server answered 200, with something that is no answer."""

    def __init__(self, head: str) -> None:
        super().__init__(shortened(head))
        self.head = head
        """How its body begins."""

    @property
    def is_page(self) -> bool:
        """Whether it is a page for a browser."""
        return is_page(self.head)


def is_page(body: object) -> bool:
    """Written for a browser: by a proxy, a portal or a firewall, and not by a model's server."""
    return isinstance(body, str) and bool(re.search(r"<(!doctype|html|head|body|title)\b", body, re.IGNORECASE))


def body_of(text: str) -> object:
    """A body decoded, or the text where it is no JSON."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text


def error_in(event: dict[str, Any]) -> Refused | None:
    """The error that an answer of status 200 consists of, or that stands in the middle of a stream."""
    choices = as_list(event.get("choices"))
    for holder in (event, *map(as_dict, choices)):
        error = holder.get("error") or as_list(holder.get("errors"))
        if error:
            return Refused(_status_in(error) or _status_in(holder), {"error": error})
    if not choices and "usage" not in event and event.get("object") != "chat.completion.chunk":
        claimed = _status_in(event)
        if claimed >= 400 or event.get("object") == "error" or event.get("type") == "error":
            return Refused(claimed, event)
        if any(isinstance(event.get(name), str) for name in ("detail", "message", "error_msg")) and "id" not in event:
            return Refused(claimed, event)
    return None


def words(body: object) -> str:
    """The message in a body, short; the title of a page; the beginning of anything else."""
    if isinstance(body, str):
        title = re.search(r"<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
        return shortened(title[1] if title else re.sub(r"<[^>]+>", " ", body))
    found = list(dict.fromkeys(_messages(body)))
    return shortened("; ".join(found) or json.dumps(body, ensure_ascii=False) if body else "")


def _messages(body: object, depth: int = 0) -> list[str]:
    if isinstance(body, str):
        nested = body_of(body) if body.lstrip().startswith("{") else body
        return [body] if isinstance(nested, str) else _messages(nested, depth + 1)
    if depth > _DEEPEST:
        return []
    if isinstance(body, list):
        return [text for each in body[:3] for text in _messages(each, depth + 1)]
    if not isinstance(body, dict):
        return []
    place = next((_place(body[name]) for name in _PLACES if body.get(name)), "")
    texts = [t for name in _MESSAGES if body.get(name) for t in _messages(body[name], depth + 1)]
    texts += _messages(as_dict(body.get("metadata")), depth + 1)
    return [f"{place}: {t}" if place and place.split(".")[-1] not in t else t for t in texts]


def _place(where: object) -> str:
    """A field's path as a person reads it."""
    steps = where if isinstance(where, list) else [where]
    return ".".join(str(step) for step in steps if isinstance(step, str | int) and step != "body")


def _texts(body: object, depth: int = 0) -> list[str]:
    if depth > _DEEPEST:
        return []
    if isinstance(body, dict):
        return [t for key, value in body.items() for t in (str(key), *_texts(value, depth + 1))]
    if isinstance(body, list):
        return [t for each in body for t in _texts(each, depth + 1)]
    return [] if body is None else [str(body)]


_STATUS_OF = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "too_many_requests": 429, "overloaded_error": 529,
    "overloaded": 529, "server_error": 500, "internal_error": 500, "internal_server_error": 500,
    "unavailable": 503, "service_unavailable": 503, "resource_exhausted": 429, "invalid_api_key": 401,
    "authentication_error": 401, "unauthenticated": 401, "permission_denied": 403, "model_not_found": 404,
    "not_found": 404, "invalid_request_error": 400, "invalid_argument": 400, "context_length_exceeded": 400,
    "insufficient_quota": 429, "timeout": 504, "insufficient_balance": 402,
}  # fmt: skip
"""The status that a word stands for, where an error came without one."""


def _status_in(error: object) -> int:
    """The status that an error claims in its body: a number, or a word that stands for one."""
    if not isinstance(error, dict):
        return 0
    for name in ("code", "status", "status_code", "statusCode", "http_code", "type"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if isinstance(value, str) and (status := _STATUS_OF.get(value.lower())):
            return status
    return 0


def shortened(text: str, length: int = 160) -> str:
    """On one line, cut to `length` characters, the last three then dots."""
    text = " ".join(whole_characters(text).split())
    return text if len(text) <= length else text[: length - 3] + "..."


def quoted(text: str) -> str:
    """Shortened and in double quotes, for a message."""
    return f'"{shortened(text)}"'


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: a server may send anything."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""
