"""Several rules ask about one proposal: whose word is needed then."""

from __future__ import annotations

import pytest
from policy_builders import a_policy, a_rule, a_statement, some_facts

from sqlagent.core.nouns.analysis import Analysis, Kind
from sqlagent.core.policy import Allow, Ask, Deny, OnTimeout, Reads, Stage, decide, refusal, words
from sqlagent.core.policy.stages import merge

DBA = Stage("", "dba", ("ana", "ben"))
OWNER = Stage("", "owner", ("zoe", "kim"))
ESCALATE = OnTimeout.ESCALATE


def dba(**changes: object) -> Stage:
    return Stage(**({"role": "dba", "who": ("ana", "ben")} | changes))  # type: ignore[arg-type]  # as stages have it


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        ([(Stage(),), (Stage(people=3),)], (Stage(people=3),)),
        ([(Stage(),), (DBA,)], (DBA,)),
        ([(Stage(people=2),), (DBA,)], (Stage(people=1), DBA)),
        ([(DBA,), (Stage(people=2),)], (DBA, Stage(people=1))),
        ([(Stage(people=2),), (DBA, OWNER)], (DBA, OWNER)),
        ([(Stage(), DBA), (Stage(),)], (Stage(), DBA)),
        ([(Stage(), DBA), (OWNER,)], (DBA, OWNER)),
        ([(DBA,), (DBA, OWNER)], (DBA, OWNER)),
        ([(dba(people=2),), (dba(not_requester=True),)], (dba(people=2, not_requester=True),)),
        ([(dba(expires=60.0),), (dba(expires=30.0),)], (dba(expires=30.0),)),
        ([(dba(expires=60.0),), (DBA,)], (dba(expires=60.0),)),
        ([(Stage(expires=60.0),), (Stage(people=2),)], (Stage(people=2, expires=60.0),)),
        ([(Stage(not_requester=True),), (DBA,)], (Stage(not_requester=True), DBA)),
        ([(dba(name="technical"),), (dba(name="second"),)], (dba(name="technical"), dba(name="second"))),
        # Who escalates may be passed over, so nobody else's seat is filled by them.
        ([(Stage(people=2),), (dba(expires=9.0, on_timeout=ESCALATE), OWNER)],
         (Stage(people=1), dba(expires=9.0, on_timeout=ESCALATE), OWNER)),
        # Of two that escalate the later end, for the sooner would pass them over earlier.
        ([(dba(expires=9.0, on_timeout=ESCALATE), OWNER), (dba(expires=60.0, on_timeout=ESCALATE), OWNER, Stage())],
         (dba(expires=60.0, on_timeout=ESCALATE), OWNER, Stage())),
        ([(dba(expires=60.0, on_timeout=ESCALATE), OWNER), (dba(expires=90.0),)], (dba(expires=60.0), OWNER)),
        ([(OWNER,), (dba(expires=9.0, on_timeout=ESCALATE), Stage())], (OWNER, dba(expires=9.0))),
        # The last one has nobody to escalate to.
        ([(OWNER,), (dba(expires=9.0, on_timeout=ESCALATE), OWNER)], (OWNER, dba(expires=9.0))),
    ],
)  # fmt: skip
def test_stages_of_several_rules_become_those_that_satisfy_all(
    asked: list[tuple[Stage, ...]], merged: tuple[Stage, ...]
) -> None:
    assert merge(asked) == merged


def test_one_rule_that_asks_is_asked_as_it_stands() -> None:
    stages = (Stage(), dba(expires=9.0, on_timeout=ESCALATE), OWNER)
    assert merge([stages, stages]) == stages


# ---- of whole scripts ------------------------------------------------------------------------------------------


def a_script(*kinds: Kind) -> Analysis:
    return Analysis(tuple(a_statement(kind, index=i) for i, kind in enumerate(kinds, 1)))


def test_one_denied_statement_denies_the_script_and_is_named() -> None:
    policy = a_policy(a_rule("deny", "no-deletes", kind="delete"), a_rule("allow", "all"))
    verdict = decide(a_script(Kind.UPDATE, Kind.DELETE), policy, some_facts())
    assert isinstance(verdict, Deny)
    assert refusal(verdict, "prod") == (
        "the policy denies delete on prod  [no-deletes, policy.toml:10]",
        "nobody can approve this here; change the policy, or run it outside sqlagent",
    )


def test_a_denial_says_why_and_what_in_the_statements_own_words() -> None:
    denial = Deny("no-drops", "schema changes go through migrations", ("policy.toml:9",), "drop table")
    message, hint = refusal(denial, "prod")
    assert message == "the policy denies drop table on prod  [no-drops, policy.toml:9]"
    assert hint.startswith("schema changes go through migrations; nobody can approve this here; change the policy")


def test_a_built_in_denial_reads_as_before() -> None:
    message, hint = refusal(Deny("read-only", "this database is configured read_only"), "prod")
    assert message == "the policy denies this: this database is configured read_only  [read-only]"
    assert hint == "nobody can approve this here; change the SQL, or run it outside sqlagent"


def test_a_statement_that_no_rule_allows_is_asked_with_those_that_are_allowed() -> None:
    policy = a_policy(a_rule("allow", "updates", kind="update"))
    assert decide(a_script(Kind.UPDATE, Kind.DELETE), policy, some_facts()) == Ask()
    allowed = decide(a_script(Kind.UPDATE, Kind.UPDATE), policy, some_facts())
    assert allowed == Allow("updates", ("policy.toml:7",))


def test_every_rule_that_allows_a_part_of_a_script_is_named() -> None:
    policy = a_policy(a_rule("allow", "updates", kind="update"), reads=Reads.ALLOW)
    assert words(decide(a_script(Kind.UPDATE, Kind.SELECT), policy, some_facts())) == (
        "allow [updates, policy.toml:7; reads]"
    )


def test_rules_that_ask_about_different_statements_are_all_asked() -> None:
    policy = a_policy(a_rule("ask dba", "d", kind="delete"), a_rule("ask 2 owner", "o", kind="update"))
    verdict = decide(a_script(Kind.UPDATE, Kind.DELETE, Kind.SELECT), policy, some_facts())
    assert isinstance(verdict, Ask)
    assert [seat.role for seat in verdict.seats] == ["owner", "owner", "dba"]
    assert words(verdict) == "ask, 3 people  [o, policy.toml:1; d, policy.toml:1]"


# ---- agreement of drafts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("confidence", "asked"), [(0.8, True), (1.0, False), (None, False)])
def test_a_read_that_is_allowed_is_asked_where_drafts_disagree(confidence: float | None, asked: bool) -> None:
    verdict = decide(a_script(Kind.SELECT), a_policy(reads=Reads.ALLOW), some_facts(confidence=confidence))
    assert words(verdict) == ("ask  [confidence]" if asked else "allow [reads]")


def test_how_much_agreement_a_read_needs_is_the_policys() -> None:
    policy = a_policy(reads=Reads.ALLOW, least_confidence=0.6)
    assert words(decide(a_script(Kind.SELECT), policy, some_facts(confidence=0.6))) == "allow [reads]"
    assert words(decide(a_script(Kind.SELECT), policy, some_facts(confidence=0.4))) == "ask  [confidence]"


def test_a_rule_that_allows_is_held_to_agreement_too_unless_it_looks_at_it() -> None:
    facts = some_facts(confidence=0.7)
    assert words(decide(a_script(Kind.UPDATE), a_policy(a_rule("allow", "u")), facts)) == "ask  [confidence]"
    rule = a_rule("allow", "u", confidence=">=0.6")
    assert words(decide(a_script(Kind.UPDATE), a_policy(rule), facts)) == "allow [u, policy.toml:1]"
