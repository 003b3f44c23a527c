"""From what a policy file says under `then` to who must approve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlagent.config.conditions import holders, said
from sqlagent.config.kinds import DURATION, Wrong, nearest
from sqlagent.core.approval.seats import DOORS
from sqlagent.core.approval.signed import SIGNATURE
from sqlagent.core.policy import OnTimeout, Stage

STAGE_KEYS = ("name", "role", "people", "not_requester", "expires", "on_timeout", "via", "signed")
_EXAMPLE = '{ ask = { people = 2, role = "dba" } }'


def stages(value: object, roles: Mapping[str, tuple[str, ...]]) -> tuple[Stage, ...]:
    """The stages of one rule, in order; raises Wrong for what nobody could ever fill."""
    if not isinstance(value, list) or not value:
        raise Wrong(f"must be a list of stages, not {said(value)}", 'such as [{ role = "dba" }, { role = "owner" }]')
    found = tuple(stage(each, roles) for each in value)
    keys = [(s.name, s.role) for s in found]
    if len(set(keys)) < len(keys):
        raise Wrong("has two stages of one name and role", "give each a name, or one of them people = 2")
    _fillable(found)
    return found


def one_stage(value: object, roles: Mapping[str, tuple[str, ...]]) -> tuple[Stage, ...]:
    """`ask = { people = 2 }`, or `ask = { stages = [...] }`."""
    if isinstance(value, dict) and "stages" in value:
        if others := sorted(value.keys() - {"stages"}):
            raise Wrong(f"has stages and {others[0]} side by side", f"put {others[0]} into a stage")
        return stages(value["stages"], roles)
    found = (stage(value, roles),)
    _fillable(found)
    return found


def stage(value: object, roles: Mapping[str, tuple[str, ...]]) -> Stage:
    """One table under `then`: who must approve, and how.  Raises Wrong with the mistake and what to write instead."""
    if not isinstance(value, dict):
        raise Wrong(f"must be a table, not {said(value)}", _EXAMPLE)
    for key in value:
        if key not in STAGE_KEYS:
            guess = nearest(key, list(STAGE_KEYS))
            raise Wrong(f"has no key {key}", f"did you mean {guess}?" if guess else f"one of: {', '.join(STAGE_KEYS)}")
    taken: dict[str, Any] = {key: _part(key, each) for key, each in value.items()}
    if "on_timeout" in taken and "expires" not in taken:
        raise Wrong("has on_timeout and no expires", 'such as expires = "30m"')
    if taken.get("signed") and SIGNATURE not in taken.get("via", DOORS):
        raise Wrong("takes a signature alone, and via takes none", 'via = ["signature"], or no via')
    if "role" in taken:
        taken["who"] = holders(taken["role"], roles)
    return Stage(**taken)


def _part(key: str, value: object) -> object:
    try:
        return _PARTS[key](value)
    except Wrong as wrong:
        raise Wrong(f"{key} {wrong.message}", wrong.hint) from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise Wrong(f"must be text, not {said(value)}", 'put it in quotes: "..."')
    return value


def _people(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong(f"must be a whole number, not {said(value)}", "such as people = 2")
    if not 1 <= value <= 20:
        raise Wrong(f"is out of range: {value}", "from 1 to 20")
    return value


def _yes_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {said(value)}", "write true or false, without quotes")
    return value


def _expires(value: object) -> float:
    seconds = DURATION.take(value)
    assert isinstance(seconds, float)  # what that kind takes
    if not seconds:
        raise Wrong(f"is over at once: {said(value)}", 'such as "30m"; leave it out for ever')
    return seconds


def _on_timeout(value: object) -> OnTimeout:
    known = [word.value for word in OnTimeout]
    if value not in known:
        guess = nearest(value, known) if isinstance(value, str) else ""
        raise Wrong(f"cannot be {said(value)}", f"did you mean {guess}?" if guess else f"one of: {', '.join(known)}")
    return OnTimeout(value)


def _via(value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(word in DOORS for word in words):
        raise Wrong(f"cannot be {said(value)}", f'such as ["terminal"], of: {", ".join(DOORS)}')
    return tuple(words)


_PARTS: dict[str, Callable[[object], object]] = {
    "name": _text,
    "role": _text,
    "people": _people,
    "not_requester": _yes_no,
    "expires": _expires,
    "on_timeout": _on_timeout,
    "via": _via,
    "signed": _yes_no,
}


# ---- who could fill them ---------------------------------------------------------------------------------------


def _fillable(found: tuple[Stage, ...]) -> None:
    if found[-1].on_timeout is OnTimeout.ESCALATE:
        raise Wrong("ends in a stage with nobody to escalate to", 'on_timeout = "reject", or one more stage')
    for one in found:
        if one.who is not None and len(one.who) < one.people:
            who = " and ".join(one.who)
            raise Wrong(f"needs {one.people} people who hold {one.role}, and only {who} do", "name more in [roles]")
    if not can_fill(found):
        seats = sum(s.people for s in found if s.who is not None)
        who = ", ".join(sorted({p for s in found for p in s.who or ()}))
        raise Wrong(f"needs {seats} different people, and there are only {who}", "nobody fills two seats: [roles]")


def can_fill(found: tuple[Stage, ...], *, without: str = "") -> bool:
    """Whether every seat that is not for anyone can have a person of its own; `without` counts where they may."""
    seats = [
        [p for p in s.who if not (s.not_requester and p == without)]
        for s in found
        if s.who is not None
        for _ in range(s.people)
    ]
    sits: dict[str, int] = {}

    def place(seat: int, tried: set[str]) -> bool:
        """Give the seat somebody, moving who sits there to another seat where that helps."""
        for person in seats[seat]:
            if person not in tried:
                tried.add(person)
                if person not in sits or place(sits[person], tried):
                    sits[person] = seat
                    return True
        return False

    return all(place(seat, set()) for seat in range(len(seats)))
