"""A bag of records, hashed: the same hash in whatever order they came into it."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain

_SORTED_AT_ONCE = 1 << 16  # records: some hundredths of a second

Run = list[bytes]
"""Records in order."""


class Bag:
    """No record in it may be the beginning of another one."""

    def __init__(self, check: Callable[[], object] | None = None) -> None:
        """`check` is called every few hundredths of a second."""
        self._runs: list[Run] = []
        self._next: Run = []
        self._check = check

    def add(self, records: list[bytes]) -> None:
        self._next += records
        if len(self._next) >= _SORTED_AT_ONCE:
            self._end_run()

    def _end_run(self) -> None:
        self._next.sort()
        self._runs.append(self._next)
        self._next = []

    def digest(self, look: Callable[[Run], object] | None = None) -> bytes:
        """SHA-256 over all of them in order; `look` gets them in order, a few at a time.  The bag is empty then."""
        self._end_run()
        whole = hashlib.sha256()
        runs, self._runs = [run for run in self._runs if run], []
        for piece in _merged(runs) if runs else ():
            whole.update(b"".join(piece))
            if look is not None:
                look(piece)
            if self._check is not None:
                self._check()
        return whole.digest()


def _merged(runs: list[Run]) -> Iterator[Run]:
    """All of the runs in one order, in pieces: no single sort of them all, or a Ctrl-C would wait for it."""
    waiting = [runs]
    while waiting:
        runs = waiting.pop()
        first, last = min((run[0] for run in runs), default=b""), max((run[-1] for run in runs), default=b"")
        if sum(map(len, runs)) <= _SORTED_AT_ONCE or first == last:
            yield sorted(chain.from_iterable(runs))
        else:
            waiting += reversed(list(_split(runs, first, last)))


def _split(runs: list[Run], first: bytes, last: bytes) -> Iterator[list[Run]]:
    """By the first byte in which any two of them differ."""
    place = next(place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    common = first[:place]
    starts = [0] * len(runs)
    for byte in range(first[place], last[place] + 1):
        ends = [bisect_left(run, common + bytes([byte + 1])) if byte < 255 else len(run) for run in runs]
        if some := [run[a:b] for run, a, b in zip(runs, starts, ends, strict=True) if a < b]:
            yield some
        starts = ends
