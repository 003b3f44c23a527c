"""Which statements are asked, which run alone, and which nobody may approve."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Statement
from sqlagent.core.policy import RELAXABLE, Allow, Ask, Deny, Facts, Policy, Reads, Writes, decide, relax, words

FACTS = Facts("shop.db", "ana", datetime(2026, 3, 30, 10, 2, tzinfo=UTC))


def an_analysis(*risks: Risk, denied: str = "") -> Analysis:
    kinds = {Risk.READ: Kind.SELECT}
    return Analysis(
        tuple(Statement(i, "x", 1, kinds.get(r, Kind.UPDATE), r, denied=denied) for i, r in enumerate(risks, 1))
    )


@pytest.mark.parametrize("risk", list(Risk))
def test_everything_is_asked_by_default(risk: Risk) -> None:
    assert decide(an_analysis(risk), Policy(), FACTS) == Ask()


@pytest.mark.parametrize("risk", [Risk.WRITE, Risk.SEVERE, Risk.UNKNOWN])
def test_allowed_reads_allow_nothing_else(risk: Risk) -> None:
    policy = Policy(reads=Reads.ALLOW)
    assert decide(an_analysis(Risk.READ), policy, FACTS) == Allow("reads")
    assert decide(an_analysis(Risk.READ, risk), policy, FACTS) == Ask()


@pytest.mark.parametrize("risk", [Risk.WRITE, Risk.SEVERE, Risk.UNKNOWN])
def test_a_read_only_database_denies_whatever_is_no_proven_read(risk: Risk) -> None:
    verdict = decide(an_analysis(risk), Policy(writes=Writes.DENY, reads=Reads.ALLOW), FACTS)
    assert isinstance(verdict, Deny)
    assert verdict.rule == "read-only"
    assert isinstance(decide(an_analysis(Risk.READ), Policy(writes=Writes.DENY), FACTS), Ask)


@pytest.mark.parametrize("rule", ["outside-database", "transaction-control", "unsafe-pragma", "hidden-characters"])
def test_a_denial_stands_whatever_else_is_allowed(rule: str) -> None:
    verdict = decide(an_analysis(Risk.READ, denied=rule), Policy(reads=Reads.ALLOW), FACTS)
    assert isinstance(verdict, Deny)
    assert words(verdict) == f"deny [{rule}]"


@pytest.mark.parametrize("rule", RELAXABLE)
def test_what_is_relaxed_by_name_is_asked_and_never_allowed(rule: str) -> None:
    policy = Policy(reads=Reads.ALLOW, relaxed=frozenset({rule}))
    relaxed = relax(an_analysis(Risk.READ, denied=rule), policy)
    assert relaxed.risk >= Risk.SEVERE
    assert decide(relaxed, policy, FACTS) == Ask()


@pytest.mark.parametrize("rule", RELAXABLE)
def test_relaxing_one_rule_relaxes_no_other(rule: str) -> None:
    policy = Policy(relaxed=frozenset({rule}))
    for other in {*RELAXABLE, "outside-database"} - {rule}:
        assert isinstance(decide(relax(an_analysis(Risk.UNKNOWN, denied=other), policy), policy, FACTS), Deny)
