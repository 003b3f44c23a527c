"""The body of a server's answer, as the JSON objects in it: a stream of events, one object, or one a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

LARGEST = 16_000_000
"""Bytes of one answer; a server that sends more does not end by itself."""
_KEPT = 4096


class TooLarge(Exception):
    """The answer goes on past any sensible size."""


@dataclass(slots=True)
class Body:
    """What has been read of an answer's body."""

    head: bytearray = field(default_factory=bytearray)
    """Its first bytes, to say what came where nothing could be read."""
    ended: bool = False
    """Its own last word has come: `[DONE]`, or the bracket that closes the one object."""
    objects: int = 0

    def events(self, blocks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """Every JSON object of the body, as it arrives.  What is no JSON is passed over, and stays in `head`."""
        named, unfinished, document = "", "", bytearray()
        for raw in self._lines(blocks):
            line = raw.decode("utf-8", "replace").strip("\ufeff\r")
            if document or line.lstrip()[:1] in ("{", "["):
                document += raw + b"\n"
                continue
            name, colon, value = line.partition(":")
            if not line:
                named = unfinished = ""
            elif colon and name == "event":
                named = value.strip()
            elif colon and name == "data":
                if value.strip() == "[DONE]":
                    self.ended = True
                    return
                unfinished = f"{unfinished}\n{value}" if unfinished else value
                for found in _objects(unfinished):
                    unfinished = ""
                    yield self._counted(_as_error(found) if named == "error" else found)
        yield from map(self._counted, self._documents(bytes(document)))

    def _counted(self, found: dict[str, Any]) -> dict[str, Any]:
        self.objects += 1
        return found

    def _documents(self, document: bytes) -> Iterator[dict[str, Any]]:
        """A body that is one object, a list of them, or one a line."""
        text = document.decode("utf-8", "replace").strip("\ufeff \r\n")
        found = _objects(text) or [each for line in text.split("\n") for each in _objects(line)]
        self.ended = bool(found)
        yield from found

    def _lines(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        rest, size = b"", 0
        for block in blocks:
            size += len(block)
            if size > LARGEST:
                raise TooLarge
            if len(self.head) < _KEPT:
                self.head += block[: _KEPT - len(self.head)]
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
        if rest:
            yield rest


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON object that a text is, or those in the list that it is; none where it is neither."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return []
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def _as_error(found: dict[str, Any]) -> dict[str, Any]:
    return found if found.get("error") else {"error": found}
