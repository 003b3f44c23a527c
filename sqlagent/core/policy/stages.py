"""Who has to approve where several rules ask about one proposal: the stages of all of them, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from functools import partial

from sqlagent.core.nouns.policy import OnTimeout, Stage

Key = tuple[str, str, tuple[str, ...] | None]
_ANYBODY: Key = ("", "", None)


def merge(asked: Sequence[tuple[Stage, ...]]) -> tuple[Stage, ...]:
    """The stages of all: none asks fewer people, other people or later than any of the rules that asked alone.

    Stages of one name, role and people become one: the more people, the sooner end, `reject` before `escalate`.  A
    plain stage, which anybody fills, is filled by those of the other stages: it keeps as many people as are missing.
    """
    if len(set(asked)) == 1:
        return asked[0]
    alike: dict[Key, list[Stage]] = {}
    for stages in asked:
        for key, stage in _collapsed(stages).items():
            alike.setdefault(key, []).append(stage)
    # Who escalates in any of the rules may be passed over, so nobody else's seat is filled by them.
    sure = {key for key, same in alike.items() if key != _ANYBODY and not any(map(_passes, same))}
    merged = {key: _one(same, escalates=_may_escalate(key, asked)) for key, same in alike.items()}
    if (plain := merged.get(_ANYBODY)) is not None:
        missing = max(map(partial(_needed, sure=sure), asked)) - _people(merged[key] for key in sure)
        merged[_ANYBODY] = replace(plain, people=max(missing, 0 if _is_plain(plain) else plain.people))
    return tuple(s for s in merged.values() if s.people > 0)


def _needed(stages: tuple[Stage, ...], *, sure: Set[Key]) -> int:
    """People that a rule with a plain stage wants, less those who may be passed over."""
    if not any(_key(s) == _ANYBODY for s in stages):
        return 0
    return _people(s for s in stages if _key(s) == _ANYBODY or _key(s) in sure)


def _people(stages: Iterable[Stage]) -> int:
    return sum(s.people for s in stages)


def _key(stage: Stage) -> Key:
    return stage.name, stage.role, stage.who


def _passes(stage: Stage) -> bool:
    return stage.on_timeout is OnTimeout.ESCALATE


def _is_plain(stage: Stage) -> bool:
    free = stage.expires is None and stage.via is None and not stage.signed
    return _key(stage) == _ANYBODY and not stage.not_requester and free


def _collapsed(stages: tuple[Stage, ...]) -> dict[Key, Stage]:
    """One rule's stages; of two that are alike, both are to be filled."""
    found: dict[Key, list[Stage]] = {}
    for stage in stages:
        found.setdefault(_key(stage), []).append(stage)
    return {key: replace(_one(same, escalates=True), people=_people(same)) for key, same in found.items()}


def _one(same: Sequence[Stage], *, escalates: bool) -> Stage:
    """The strictest of stages that are alike; of some that escalate, the later end passes them over later."""
    escalates = escalates and all(map(_passes, same))
    ends = [s.expires for s in same if s.expires is not None]
    return replace(
        same[0],
        people=max(s.people for s in same),
        not_requester=any(s.not_requester for s in same),
        via=_doors(same),
        signed=any(s.signed for s in same),
        expires=(max(ends) if escalates else min(ends)) if ends else None,
        on_timeout=OnTimeout.ESCALATE if escalates else OnTimeout.REJECT,
    )


def _doors(same: Sequence[Stage]) -> tuple[str, ...] | None:
    """The doors that all of them take; None where none of them says."""
    named = [s.via for s in same if s.via is not None]
    return tuple(door for door in named[0] if all(door in via for via in named)) if named else None


def _may_escalate(key: Key, asked: Sequence[tuple[Stage, ...]]) -> bool:
    """Whether those to whom each rule escalates come after it in every rule, and so after all rules are one.

    Not to a plain stage, which may be gone by then.
    """
    keys = [[_key(s) for s in stages] for stages in asked]
    behind = [{*each[each.index(key) + 1 :]} - {key, _ANYBODY} for each in keys if key in each]
    after = frozenset[Key]().union(*behind)
    return all(behind) and all(
        key in each[:place] for each in keys for place, later in enumerate(each) if later in after
    )
