"""Every forgery of a signed approval that we could think of is refused in words, before a run and within it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from signing import altered, needs_ssh_keygen, without
from signing_desk import Desk, at

from sqlagent.core.approval.plan import written
from sqlagent.core.approval.signed import Signed, fields

pytestmark = needs_ssh_keygen


# ---- forgeries: each is refused in words, leaves nothing but a record, and nothing runs ------------------------------


def other_words(desk: Desk, spell: Callable[[dict[str, Any]], str]) -> str:
    """A signature over the same facts in another spelling of JSON."""
    asked = desk.asks
    words = spell(json.loads(asked.words)).encode()
    return replace(asked, signature=desk.people.sign(words, "ana")).text


def with_policy(desk: Desk, text: str) -> str:
    """An approval that was good, under rules that were changed since."""
    good = desk.good()
    (desk.shop.folder / "policy.toml").write_text(text)
    return good


def with_signers(desk: Desk, *lines: str, **changes: Any) -> str:
    desk.people.allow(*lines)
    return desk.people.approval(replace(desk.asks, **{k: v for k, v in changes.items() if k != "key"}),
                                key=changes.get("key", "")).text  # fmt: skip


def revoked(desk: Desk, name: str) -> str:
    good = desk.good()
    desk.people.revoke(name)
    return good


def replayed(desk: Desk) -> str:
    """The approval of the same SQL in another thread, which is as like it as can be."""
    return desk.ask().good()


def cut(desk: Desk, share: float) -> str:
    good = desk.good()
    return good[: int(len(good) * share)]


def half_signature(desk: Desk) -> str:
    good = json.loads(desk.good())
    lines = good["signature"].split("\n")
    return json.dumps(good | {"signature": "\n".join([*lines[:2], *lines[-2:]])})


def certificate(desk: Desk) -> str:
    """A certificate of eve's own authority, in ana's name."""
    people = desk.people
    people.make("ca")
    people._keygen("-q", "-s", "ca", "-I", "x", "-n", "ana", "ana.pub")
    people.make("mallory")
    people._keygen("-q", "-s", "ca", "-I", "x", "-n", "ana", "mallory.pub")
    words = desk.asks
    return replace(words, signature=people.sign(words.words, "mallory-cert.pub")).text


def twice(desk: Desk) -> str:
    good = desk.good()
    return good.replace('"approver"', '"approver": "zoe",\n "approver"', 1)


FORGERIES: dict[str, tuple[Callable[[Desk], str | bytes], str]] = {
    "revoked key": (lambda d: revoked(d, "ana"), "revoked"),
    "expired key": (lambda d: with_signers(d, 'ana valid-before="20200101"', "zoe"), "not signed by ana"),
    "key not valid yet": (lambda d: with_signers(d, 'ana valid-after="29990101"', "zoe"), "not signed by ana"),
    "key of another namespace only": (lambda d: with_signers(d, 'ana namespaces="git"'), "not signed by ana"),
    "key taken out": (lambda d: with_signers(d, "ben", "zoe"), "not signed by ana"),
    "nobody's key": (lambda d: d.people.approval(d.asks, key="eve").text, "not signed by ana"),
    "key of another role": (lambda d: d.people.approval(replace(d.asks, approver="zoe")).text, "not one of those"),
    "another's key in a name that may": (lambda d: d.people.approval(d.asks, key="zoe").text, "not signed by ana"),
    "a colleague of the same role in her name": (
        lambda d: d.people.approval(d.asks, key="ben").text, "not signed by ana",
    ),
    "a name that nobody has": (lambda d: d.people.approval(replace(d.asks, approver="eve")).text, "not one of those"),
    "swapped approver": (lambda d: altered(d.good(), approver="ben"), "not signed by ben"),
    "another digest": (lambda d: d.good(digest="0" * 64), "is not what waits"),
    "digest put in afterwards": (lambda d: altered(d.good(digest="0" * 64), digest=d.asks.digest), "not signed by ana"),
    "digest in capitals": (lambda d: d.good(digest=d.asks.digest.upper()), "its digest is none"),
    "another stage": (lambda d: d.good(stage=2), "it was signed for stage 2"),
    "stage put in afterwards": (lambda d: altered(d.good(stage=2), stage=1), "not signed by ana"),
    "no stage": (lambda d: altered(d.good(), stage=0), "its stage is none"),
    "stage as true": (lambda d: altered(d.good(), stage=True), "its stage is none"),
    "another thread": (lambda d: d.good(thread="zzzz"), "signed for zzzz"),
    "replay from another thread": (replayed, "signed for"),
    "replay under this thread's name": (lambda d: altered(replayed(d), thread=d.thread), "is not what waits"),
    "replay with all of this thread's facts": (
        lambda d: altered(replayed(d), thread=d.thread, digest=d.asks.digest), "not signed by ana",
    ),
    "another target": (lambda d: d.good(target="sqlite:/srv/other.db"), "signed for sqlite:/srv/other.db"),
    "target put in afterwards": (lambda d: altered(d.good(target="sqlite:/x"), target=d.asks.target), "not signed by"),
    "a rejection": (lambda d: d.good(choice="reject"), "it says reject"),
    "a rejection made a yes": (lambda d: altered(d.good(choice="reject"), choice="approve"), "not signed by ana"),
    "a partial one": (lambda d: altered(d.good(), choice="partial"), "its choice is none"),
    "choice as true": (lambda d: altered(d.good(), choice=True), "its choice is none"),
    "a clock ahead": (lambda d: d.good(time=at(3_600)), "yet to come"),
    "a clock behind": (lambda d: d.good(time=at(-3_600)), "before this was proposed"),
    "time put in afterwards": (lambda d: altered(d.good(time=at(-3_600)), time=at(0)), "not signed by ana"),
    "a time of another zone": (lambda d: d.good(time="2026-11-30T10:00:00.000+02:00"), "its time is none"),
    "a day that is none": (lambda d: d.good(time="2026-02-31T10:00:00.000+00:00"), "its time is none"),
    "namespace of files": (lambda d: d.people.approval(d.asks, namespace="file").text, "not signed by ana"),
    "namespace of git": (lambda d: d.people.approval(d.asks, namespace="git").text, "not signed by ana"),
    "namespace of a later format": (
        lambda d: d.people.approval(d.asks, namespace="sqlagent-approval-v2").text, "not signed by ana",
    ),
    "JSON with blanks": (lambda d: other_words(d, json.dumps), "not signed by ana"),
    "JSON in another order": (
        lambda d: other_words(d, lambda f: json.dumps(dict(reversed(f.items())), separators=(",", ":"))), "not signed",
    ),
    "JSON with a line end": (
        lambda d: other_words(d, lambda f: json.dumps(f, sort_keys=True, separators=(",", ":")) + "\n"), "not signed",
    ),
    "the digest alone": (lambda d: other_words(d, lambda f: str(f["digest"])), "not signed by ana"),
    "cut in half": (lambda d: cut(d, 0.5), "a part of it is missing"),
    "cut at its end": (lambda d: cut(d, 0.98), "a part of it is missing"),
    "empty": (lambda _: "", "a part of it is missing"),
    "half a signature": (half_signature, "cut short"),
    "no signature": (lambda d: without(d.good(), ["signature"]), "it lacks signature"),
    "an empty signature": (lambda d: altered(d.good(), signature=""), "its signature is none"),
    "a signature of another armour": (
        lambda d: altered(d.good(), signature="-----BEGIN PGP SIGNATURE-----\n"), "its signature is none",
    ),
    "two names at once": (twice, "in it twice"),
    "more than an approval": (lambda d: altered(d.good(), keep=[1]), "says more"),
    "another format": (lambda d: altered(d.good(), sqlagent="sqlagent-approval-v0"), "does not begin"),
    "a list": (lambda _: "[]", "does not begin"),
    "true": (lambda _: "true", "does not begin"),
    "deep as a well": (lambda _: "[" * 60_000, "no approval"),
    "a hundred thousand bytes": (lambda d: d.good() + " " * 100_000, "bytes"),
    "bytes that are no text": (lambda _: b"\xff\xfe\x00{", "not JSON"),
    "a plan": (lambda d: written(d.plan), "no approval"),
    "a pattern for a name": (lambda d: altered(d.good(), approver="*"), "its approver is none"),
    "an option for a name": (lambda d: altered(d.good(), approver="-Oprint-pubkey"), "its approver is none"),
    "two names for one": (lambda d: altered(d.good(), approver="ana,zoe"), "its approver is none"),
    "a name with a line end": (lambda d: altered(d.good(), approver="ana\nzoe"), "its approver is none"),
    "hostile text for a target": (lambda d: altered(d.good(), target="\x1b[2J"), "its target is none"),
    "her key in a name that may not": (
        lambda d: d.people.approval(replace(d.asks, approver="eve"), key="ana").text, "not one of those",
    ),
    "an authority that nobody named": (certificate, "not signed by ana"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_approval_is_refused_in_words_and_on_record(desk: Desk, name: str) -> None:
    make, words = FORGERIES[name]
    before = len(desk.entries("refused"))
    given = desk.give(make(desk))
    assert given.code in (2, 7, 8), given.err
    message, hint = given.error
    assert words in message
    assert hint
    assert "\x1b" not in given.err
    assert (desk.stage, desk.unpaid) == (1, 10)
    assert desk.entries("approved") == []
    refused = desk.entries("refused")
    assert len(refused) == before + 1
    assert "ana" not in {e["who"] for e in refused}, "a refused approval is told of whoever brought it"


def test_one_key_under_two_names_fills_one_seat(desk: Desk) -> None:
    desk.people.allow("ana", "zoe=ana")
    assert desk.give(desk.good()).code == 8
    assert desk.stage == 2
    now = desk.planned(desk.thread).asked
    again = fields(now.digest, now.thread, now.stage, now.target, "zoe", at(0))
    given = desk.give(desk.people.approval(again, key="ana").text)
    assert (given.error[0], desk.unpaid) == ("ana signed stage 1 with the same key", 10)


def test_the_same_approval_twice_counts_once(desk: Desk) -> None:
    good = desk.good()
    assert desk.give(good).code == 8
    assert desk.give(good).code == 7
    assert (desk.stage, len(desk.entries("approved"))) == (2, 1)


# ---- after it came: the claim, COMMIT, the record --------------------------------------------------------------------


def signed_by_zoe(desk: Desk) -> str:
    assert desk.give(desk.good()).code == 8
    now = desk.planned(desk.thread).asked
    return desk.people.approval(fields(now.digest, now.thread, now.stage, now.target, "zoe", at(0))).text


def test_a_key_revoked_between_two_stages_takes_its_approval_along(desk: Desk) -> None:
    second = signed_by_zoe(desk)
    desk.people.revoke("ana")
    given = desk.give(second)
    assert (given.code, desk.unpaid) == (7, 10), given.err
    assert any("revoked" in e["detail"] for e in desk.entries("refused"))


def test_a_key_revoked_while_it_runs_is_found_before_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    second = signed_by_zoe(desk)
    told: list[str] = []

    def ran(_self: object, point: str) -> None:
        told.append(point)
        if point == "begun":
            desk.people.revoke("zoe")

    from sqlagent.service.parts import Parts

    monkeypatch.setattr(Parts, "reached", property(lambda self: lambda point: ran(self, point)))
    given = desk.give(second)
    assert "begun" in told
    assert (given.code, desk.unpaid) == (7, 10), given.err
    assert "revoked" in given.err


def test_the_record_is_verified_a_year_later_by_the_time_that_it_came(desk: Desk) -> None:
    assert desk.give(signed_by_zoe(desk)).code == 0
    assert desk.unpaid == 0
    verify = desk.shop.run("audit", "verify")
    assert (verify.code, "intact" in verify.err) == (0, True)
    desk.people.allow(f'ana valid-before="{at(3_600)[:10].replace("-", "")}235959Z"', "zoe")
    desk.people.revoke("ana")
    assert desk.shop.run("audit", "verify").code == 0, "what was good then stays good"
    desk.people.allow('ana valid-before="20200101"', "zoe")
    gone = desk.shop.run("audit", "verify")
    assert (gone.code, "is not proven: stage 1: it is not signed by ana" in gone.err) == (1, True)


def test_an_approval_that_somebody_writes_into_the_journal_runs_nothing(desk: Desk) -> None:
    """Even where the log is written anew to match: only a signature makes the claim."""
    from sqlagent.store.journal import Journal
    from sqlagent.store.signatures import Signers

    class Anybody(Signers):
        def now(self, signed: Signed, at: str) -> str:
            return ""

    forged = desk.people.approval(desk.asks, key="eve")
    journal = Journal(desk.shop.state / "journal.db", signers=Anybody())
    journal.decide(journal.proposal(f"{desk.thread}.1"), forged.decision)
    now = journal.proposal(f"{desk.thread}.1")
    late = fields(now.digest, now.thread, now.stage, now.target, "zoe", at(0))
    journal.decide(now, desk.people.approval(late).decision)
    journal.close()
    desk.shop.run("resume", desk.thread)
    assert desk.unpaid == 10
    checked = desk.shop.run("audit", "verify")
    assert (checked.code, "is not proven" in checked.err) == (1, True)
