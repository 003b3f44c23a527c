"""The chain of the audit log: each entry holds the hash of the one before it, so that no change goes unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GENESIS = "0" * 64
"""What the first entry seals."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    number: int
    """From 1, without gaps."""
    at: str
    """UTC, ISO 8601."""
    who: str
    what: str
    """`asked`, `drafted`, `analyzed`, `approved`, `edited`, `rejected`, `claimed`, `committed`, `stale`, ..."""
    thread: str
    detail: str
    """A JSON object; its names depend on `what`."""
    hash: str
    """SHA-256, hex, over the entry before it and all of the above."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry: whoever keeps it elsewhere can tell later that the end was not cut off."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"#{self.number} {self.hash[:8]}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking the chain found."""

    entries: int
    head: Head | None
    problem: str = ""
    """The first entry that is not what it was, or is missing; empty where the chain holds."""
    hint: str = ""


def canonical(values: Iterable[object]) -> bytes:
    """A JSON array in ASCII without blanks, as `json.dumps` has it, in a third of its time: a seal is taken of it."""
    return f"[{','.join([_text(v) if type(v) is str else _plain(v) for v in values])}]".encode("ascii")


def _plain(value: object) -> str:
    return str(value) if type(value) is int else json.dumps(value, ensure_ascii=True, separators=(",", ":"))


_text = json.encoder.encode_basestring_ascii


def seal(previous: str, *, number: int, at: str, who: str, what: str, thread: str, detail: str) -> str:
    """The hash of an entry: over a JSON array in ASCII without blanks, so that any language can compute it."""
    return hashlib.sha256(canonical((previous, number, at, who, what, thread, detail))).hexdigest()


def verify(entries: Iterable[Entry], head: Head | None = None) -> Checked:
    """Recompute the chain; with a `head` from elsewhere, also whether that entry is still there as it was.

    `head.hash` may be the first characters only, as a receipt prints them.
    """
    last: Head | None = None
    met = head is None
    for entry in entries:
        before = last or Head(0, GENESIS)
        if problem := _broken(entry, before):
            return Checked(before.number, last, problem, _intact(before.number))
        last = Head(entry.number, entry.hash)
        if head is not None and entry.number == head.number:
            if not entry.hash.startswith(head.hash):
                return Checked(before.number, last, _rewritten(head, entry), "every entry up to it may be forged")
            met = True
    count = last.number if last else 0
    if head is not None and not met:
        return Checked(count, last, f"entry {head.number} is missing: the log ends at {count}", _intact(count))
    return Checked(count, last)


def verify_seen(entries: Iterable[Entry], hashes: Mapping[int, str], head: Head | None = None) -> Checked:
    """The same for a reader who sees some of the entries, and of all of them the hash, by number."""
    count, seen = len(hashes), 0
    last = Head(count, hashes[count]) if count in hashes else None
    missing = next((n for n in range(1, count + 1) if n not in hashes), 0)
    if missing:
        return Checked(missing - 1, last, f"entry {missing} is missing", _intact(missing - 1))
    for entry in entries:
        if problem := _broken(entry, Head(entry.number - 1, hashes.get(entry.number - 1, GENESIS))):
            return Checked(seen, last, problem, "compare with your last export")
        seen += 1
    if head is not None and not hashes.get(head.number, "").startswith(head.hash):
        return Checked(seen, last, f"entry {head.number} is not the one you kept, or is missing", _intact(0))
    return Checked(seen, last)


def _broken(entry: Entry, before: Head) -> str:
    if entry.number != before.number + 1:
        missing = (
            f"entry {before.number + 1} is missing" if entry.number > before.number else "entries are out of order"
        )
        return f"{missing}: {entry.number} follows {before.number}"
    sealed = seal(
        before.hash, number=entry.number, at=entry.at, who=entry.who, what=entry.what, thread=entry.thread,
        detail=entry.detail,
    )  # fmt: skip
    return "" if sealed == entry.hash else f"entry {entry.number} was changed after it was written (hash differs)"


def _rewritten(head: Head, entry: Entry) -> str:
    return f"entry {entry.number} is not the one you kept: {entry.hash[:8]} here, {head.hash[:8]} there"


def _intact(count: int) -> str:
    return (
        f"entries 1 to {count} are intact; compare the next with your last export"
        if count
        else "compare with your last export"
    )
