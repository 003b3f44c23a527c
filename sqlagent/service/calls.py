"""What makes a method of the agent's one call of its own, whoever else uses the agent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Decision

P = ParamSpec("P")
T = TypeVar("T")
_KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "text"),
    "Decision": (Decision, "a Decision"),
}
"""Annotations that are held to, and what they are in words."""


def a_call(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that opens databases: each call of it has its own.  What cannot be meant is a UsageError."""
    checked = checks_arguments(method)

    @wraps(method)
    def called(self: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.one_call() as agent:
            return checked(agent, *args, **kwargs)

    return cast(Callable[Concatenate[Any, P], T], called)


def checks_arguments(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that refuses what is not of the type that it says."""
    signature = inspect.signature(method)
    wanted = {p.name: _KINDS[p.annotation] for p in signature.parameters.values() if p.annotation in _KINDS}

    @wraps(method)
    def called(self: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError as e:
            raise UsageError(f"{method.__name__}: {e}", hint=_how(method.__name__, signature)) from e
        for name, (kind, words) in wanted.items():
            if name in given and not isinstance(given[name], kind):
                said = f"{name} is {_shown(given[name])}, and not {words}"
                raise UsageError(said, hint=_how(method.__name__, signature))
        return method(self, *args, **kwargs)

    return cast(Callable[Concatenate[Any, P], T], called)


def _shown(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {value!r:.40}"


def _how(name: str, signature: inspect.Signature) -> str:
    return f"Agent.{name}({', '.join(str(p) for p in list(signature.parameters.values())[1:])})"
