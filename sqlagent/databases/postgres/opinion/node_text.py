"""PostgreSQL's own trees, read from the text in which it prints them: `({QUERY :commandType 1 :rtable (...)})`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r"(?:\\.|[^\s(){}\\])+|[(){}]", re.DOTALL)
_WIDTH = 77
"""The server breaks lines of a message between words, and where a line has no blank, in the middle of a word."""


class Unreadable(ValueError):
    """A text is not one of PostgreSQL's trees, so that nothing is known of what it says."""


@dataclass(slots=True)
class Node:
    """One node: `OPEXPR` and its fields, each of which holds one value or a few."""

    tag: str
    fields: dict[str, list[object]] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """A field that is one word; empty where there is no such field, or it is `<>`."""
        found = self.fields.get(name, [])
        return found[0] if len(found) == 1 and isinstance(found[0], str) and found[0] != "<>" else ""

    def number(self, name: str) -> int:
        """A field that is a whole number; 0 where it is not there."""
        word = self.word(name)
        return int(word) if word.lstrip("-").isdigit() else 0

    def numbers(self, name: str) -> list[int]:
        """A field that is one number, or a list or set of them: `(o 23 25)`, `(b 8 9)`."""
        found = self.fields.get(name, [])
        words = found[0][1:] if len(found) == 1 and isinstance(found[0], list) else found
        return [int(word) for word in words if isinstance(word, str) and word.lstrip("-").isdigit()]

    def nodes(self, name: str) -> list[Node]:
        """The nodes of a field that is a list of them, or one."""
        found = self.fields.get(name, [])
        inner = found[0] if len(found) == 1 and isinstance(found[0], list) else found
        return [each for each in inner if isinstance(each, Node)]

    def inner(self) -> Iterator[Node]:
        """The nodes right below, in whichever field they are."""
        waiting: list[object] = [value for values in self.fields.values() for value in values]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Node):
                yield value
            elif isinstance(value, list):
                waiting.extend(value)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in no order that means anything."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.inner())


def read(text: str) -> list[Node]:
    """The trees in the text, such as the queries that rules made of one; none for `<>`."""
    for line in text.split("\n"):
        if len(line.encode()) >= _WIDTH and " " not in line[1:]:
            raise Unreadable("a word in it is longer than a line")
    return [each for each in _flat(_values(text)) if isinstance(each, Node)]


def _flat(values: list[object]) -> list[object]:
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _values(text: str) -> list[object]:
    """All that stands at the outermost level.  Without recursion: an expression may be thousands of levels deep."""
    outermost: list[object] = []
    into: list[object] = outermost
    above: list[tuple[list[object], Node | None]] = []
    node: Node | None = None
    opening = False
    for found in _TOKEN.finditer(text):
        word = found.group()
        if opening:
            made = Node(word)
            into.append(made)
            above.append((into, node))
            node, into, opening = made, [], False
        elif word == "{":
            opening = True
        elif word == "(":
            inner: list[object] = []
            into.append(inner)
            above.append((into, node))
            node, into = None, inner
        elif word in (")", "}"):
            if not above or (word == "}") != (node is not None):
                raise Unreadable("its brackets do not match")
            into, node = above.pop()
        elif node is not None and word.startswith(":") and len(word) > 1:
            into = node.fields.setdefault(word[1:], [])
        else:
            into.append(word)
    if above or opening:
        raise Unreadable("it ends in the middle")
    return outermost
