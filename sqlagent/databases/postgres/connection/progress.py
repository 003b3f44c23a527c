"""Messages about a statement that takes long, for the person who waits; none for one that ends within a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_FIRST = 1.0  # seconds
_BETWEEN = 0.25


@contextmanager
def telling(heard: Callable[[str], None] | None, doing: str) -> Iterator[Callable[[], None]]:
    """Tell `heard` every now and then that it is still `doing` that; gives what ends the telling early.

    From a thread of its own: this one waits for the server.
    """
    if heard is None:
        yield lambda: None
        return
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(heard, doing, over), daemon=True)
    teller.start()

    def end() -> None:
        over.set()
        teller.join()

    try:
        yield end
    finally:
        end()


def _tell(heard: Callable[[str], None], doing: str, over: threading.Event) -> None:
    begun = monotonic()
    wait = _FIRST
    while not over.wait(wait):
        wait = _BETWEEN
        try:
            heard(f"{doing}, {monotonic() - begun:.1f} s")
        except (OSError, ValueError):  # a screen that is gone is no reason to take an approved run back
            return
