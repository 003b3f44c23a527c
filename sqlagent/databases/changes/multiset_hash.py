"""The hash of a multiset of records: the same in whatever order they were put in, equal ones counted."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise

_SORTED_AT_ONCE = 1 << 16  # records: some hundredths of a second


class _Run:
    """Records in order, end to end: each as an object of its own would take three times the memory."""

    __slots__ = ("_ends", "_joined")

    def __init__(self, records: list[bytes]) -> None:
        self._joined = b"".join(records)
        self._ends = array("Q", accumulate(map(len, records), initial=0))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> bytes:
        return self._joined[self._ends[place] : self._ends[place + 1]]

    def between(self, start: int, stop: int) -> list[bytes]:
        joined = self._joined
        return [joined[a:b] for a, b in pairwise(self._ends[start : stop + 1])]


_Part = tuple[_Run, int, int]
"""Some of a run: where they start and stop."""


class MultisetHash:
    """Records that are put in one after the other, and hashed; none may be the beginning of another one."""

    def __init__(self, check: Callable[[], object] | None = None) -> None:
        """`check` is called every few hundredths of a second."""
        self._runs: list[_Run] = []
        self._next: list[bytes] = []
        self._check = check

    def add(self, records: list[bytes]) -> None:
        """Put records in; equal ones count as often as they come."""
        self._next += records
        if len(self._next) >= _SORTED_AT_ONCE:
            self._end_run()

    def _end_run(self) -> None:
        if self._next:
            self._next.sort()
            self._runs.append(_Run(self._next))
            self._next = []

    def digest(self, look: Callable[[list[bytes]], object] | None = None) -> bytes:
        """SHA-256 over all of them in order; `look` gets them in order, a few at a time.  It is empty then."""
        self._end_run()
        whole = hashlib.sha256()
        runs, self._runs = self._runs, []
        for piece in _merged([(run, 0, len(run)) for run in runs]) if runs else ():
            whole.update(b"".join(piece))
            if look is not None:
                look(piece)
            if self._check is not None:
                self._check()
        return whole.digest()


def _merged(parts: list[_Part]) -> Iterator[list[bytes]]:
    """All of the parts in one order, in pieces: no single sort of them all, or a Ctrl-C would wait for it."""
    waiting = [parts]
    while waiting:
        parts = waiting.pop()
        first, last = min(run[start] for run, start, _ in parts), max(run[stop - 1] for run, _, stop in parts)
        if sum(stop - start for _, start, stop in parts) <= _SORTED_AT_ONCE or first == last:
            yield sorted(record for run, start, stop in parts for record in run.between(start, stop))
        else:
            waiting += reversed(list(_split(parts, first, last)))


def _split(parts: list[_Part], first: bytes, last: bytes) -> Iterator[list[_Part]]:
    """By the first byte in which any two of them differ."""
    place = next(place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    while parts:
        byte = min(run[start][place] for run, start, _ in parts)
        past = first[:place] + bytes([byte + 1]) if byte < 255 else None
        ends = [stop if past is None else bisect_left(run, past, start, stop) for run, start, stop in parts]
        yield [(run, start, end) for (run, start, _), end in zip(parts, ends, strict=True) if start < end]
        parts = [(run, end, stop) for (run, _, stop), end in zip(parts, ends, strict=True) if end < stop]
