"""Several rules ask about one proposal: whoever fills the stages of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlagent.core.policy.model import OnTimeout, Stage

Key = tuple[str, str, tuple[str, ...] | None]


def merge(asked: Sequence[tuple[Stage, ...]]) -> tuple[Stage, ...]:
    """The stages of all: none asks fewer people, other people or later than any of the rules that asked alone.

    Stages of one name, role and people become one: the more people, the sooner end, and `reject` before `escalate`
    (of two that escalate the later end, for the sooner would pass them over earlier).  A plain stage, which anybody
    fills, is filled by those of the other stages: it keeps as many people as are missing.
    """
    if len(set(asked)) == 1:
        return asked[0]
    found: dict[Key, Stage] = {}
    for stages in asked:
        for key, stage in _collapsed(stages).items():
            found[key] = _stricter(found[key], stage) if key in found else stage
    wanted = max(_people(stages) for stages in asked)
    merged = [s for s in found.values() if not _is_plain(s)]
    missing = wanted - _people(s for s in merged if s.on_timeout is not OnTimeout.ESCALATE)
    kept = (replace(s, people=missing) if _is_plain(s) else s for s in found.values())
    return _ended(tuple(s for s in kept if s.people > 0))


def _people(stages: Iterable[Stage]) -> int:
    return sum(s.people for s in stages)


def _key(stage: Stage) -> Key:
    return stage.name, stage.role, stage.who


def _is_plain(stage: Stage) -> bool:
    return _key(stage) == ("", "", None) and not stage.not_requester and stage.expires is None


def _collapsed(stages: tuple[Stage, ...]) -> dict[Key, Stage]:
    """One rule's stages; of two that are alike, both are to be filled."""
    found: dict[Key, Stage] = {}
    for stage in stages:
        key, people = _key(stage), stage.people
        found[key] = replace(_stricter(found[key], stage), people=found[key].people + people) if key in found else stage
    return found


def _stricter(one: Stage, other: Stage) -> Stage:
    both = one.on_timeout is other.on_timeout is OnTimeout.ESCALATE
    ends = [s.expires for s in (one, other) if s.expires is not None]
    return replace(
        one,
        people=max(one.people, other.people),
        not_requester=one.not_requester or other.not_requester,
        expires=(max(ends) if both else min(ends)) if ends else None,
        on_timeout=OnTimeout.ESCALATE if both else OnTimeout.REJECT,
    )


def _ended(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The last one has nobody to escalate to."""
    return (*stages[:-1], replace(stages[-1], on_timeout=OnTimeout.REJECT))
