"""A secret that no log, traceback or screen can show by accident."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Holds a key or a password; only `reveal` gives it back.

    It prints as `****` wherever it is formatted, is true when it holds anything, and refuses to be pickled, so that
    it cannot reach a checkpoint.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: call it only where it is handed on to what needs it."""
        return self._value

    def hide_in(self, text: str) -> str:
        """The text with every copy of the secret masked: for what a server or a driver says back."""
        return text.replace(self._value, "****") if self._value else text

    def __repr__(self) -> str:
        return "Secret('****')" if self._value else "Secret('')"

    def __str__(self) -> str:
        return "****" if self._value else ""

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be stored")
