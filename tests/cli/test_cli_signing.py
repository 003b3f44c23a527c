"""Plans that travel, approvals that are signatures, and every forgery of one that we could think of."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES, ROOT
from cli_shop import Shop
from signing import POLICY, People, altered, needs_ssh_keygen, some_people, without
from strangers import NOBODY, open_to_strangers

from sqlagent.cli import run
from sqlagent.core.approval.plan import Plan, read, written
from sqlagent.core.approval.signed import Signed, fields
from sqlagent.core.errors import UsageError

pytestmark = needs_ssh_keygen
WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@dataclass
class Desk:
    """A shop whose writes need ana's or ben's signature, and then zoe's."""

    shop: Shop
    people: People
    thread: str
    plan: Plan

    def ask(self, sql: str = WRITE, *more: str) -> Desk:
        """Another thread, with its plan."""
        thread = self.shop.run("run", "--sql", sql, "--json", *more).document["thread"]
        return replace(self, thread=thread, plan=self.planned(thread))

    def planned(self, thread: str, *more: str) -> Plan:
        done = self.shop.run("plan", thread, *more)
        assert done.code == 0, done.err
        return read(done.out)

    @property
    def asks(self) -> Signed:
        """What ana would sign of the first stage."""
        now = self.plan.asked
        return fields(now.digest, now.thread, now.stage, now.target, "ana", at(0))

    def good(self, **changes: Any) -> str:
        """An approval by ana's own key."""
        return self.people.approval(replace(self.asks, **changes)).text

    def give(self, text: str | bytes, thread: str = "") -> Any:
        (self.shop.folder / "given").write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.shop.run("resume", thread or self.thread, "--approval", "given")

    def entries(self, what: str) -> list[dict[str, Any]]:
        return [e for e in self.shop.run("audit", self.thread, "--json").document["entries"] if e["what"] == what]

    @property
    def stage(self) -> int:
        return int(self.shop.run("show", self.thread, "--json").document["stage"])

    @property
    def unpaid(self) -> int:
        return int(self.shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'")[0][0])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    some_people(folder)
    return folder


@pytest.fixture
def desk(shop: Shop, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for file in keys.iterdir():
        shutil.copy(file, shop.folder)
    monkeypatch.setenv("SQLAGENT_POLICY", str(shop.folder / "policy.toml"))
    first = Desk(shop, People(shop.folder), "", Plan(None, ""))  # type: ignore[arg-type]
    return first.ask()


# ---- the way it is meant ---------------------------------------------------------------------------------------------


def test_two_people_sign_one_after_the_other_on_machines_without_a_store_and_it_runs(desk: Desk) -> None:
    shop = desk.shop
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    digest = desk.plan.asked.digest
    first = shop.run("approve", "p.json", "--as", "ana", "--key", "ana", "--digest", digest, "-o", "a.approval")
    assert (first.code, "stage 1 of 2, signed as ana with SHA256:" in first.err) == (0, True)
    second = shop.run("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--json")
    assert second.code == 8
    digest = json.loads((shop.folder / "p.json").read_text())["proposal"]["digest"]
    refused = shop.run("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--key", "zoe", "--digest", digest)
    assert (refused.code, "is not what this plan asks for" in refused.error[0]) == (7, True), "stage 1's digest"
    digest = refused.error[0].split(": ")[1].split()[0]
    done = shop.run(
        *("approve", "p.json", "--after", "a.approval", "--as", "zoe", "--key", "zoe"),
        *("--digest", digest, "-o", "z.approval"),
    )
    assert done.code == 0, done.err
    ran = shop.run("resume", desk.thread, "--approval", "a.approval", "--approval", "z.approval")
    assert (ran.code, desk.unpaid) == (0, 0), ran.err
    assert [e["who"] for e in desk.entries("approved")] == ["ana", "zoe"]
    assert shop.run("audit", "verify").code == 0


def test_a_thread_that_wants_signatures_takes_nothing_else(desk: Desk) -> None:
    digest = desk.plan.asked.digest
    for by in (("--approve", digest), ("--approve", digest, "--only", "1")):
        refused = desk.shop.run("resume", desk.thread, *by)
        assert (refused.code, desk.stage, desk.unpaid) == (8, 1, 10), by
        assert "not one of those who may" in refused.error[0]
    assert len(desk.entries("refused")) == 2


def test_at_a_terminal_the_plan_is_the_same_screen_and_only_a_key_signs(desk: Desk) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    with desk.shop.terminal("approve", "p.json", "--as", "ana", "--key", "ana") as person:
        person.see("stage 1 of 2, technical, takes the signature of dba: ana, ben").see("[a] approve and sign")
        person.type("e", "x 1", "a")
        assert person.end() == 0
    assert "e is none of these" in person.seen
    assert desk.give((desk.shop.folder / f"{desk.thread}.approval").read_bytes()).code == 8
    assert desk.stage == 2


@pytest.mark.parametrize(("typed", "code"), [("l", 8), ("r", 5), ("", 8)])
def test_nothing_but_yes_signs(desk: Desk, typed: str, code: int) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    with desk.shop.terminal("approve", "p.json", "--as", "ana", "--key", "ana") as person:
        person.type(typed)
        if typed == "r":
            person.answer("why?", "no")
        assert person.end() == code
    assert not list(desk.shop.folder.glob("*.approval"))


def test_approve_needs_no_store_no_database_and_no_settings_of_the_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with broken settings, a database that is none, and a state folder that may not be read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sqlagent.toml").write_text("this is not toml")
    (elsewhere / "ssh-keygen").write_text("#!/bin/sh\ntouch ran\n")
    (elsewhere / "ssh-keygen").chmod(0o755)
    desk.shop.run("plan", desk.thread, "-o", str(elsewhere / "p.json"))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("PATH", f".:{elsewhere}:{os.environ['PATH']}")
    monkeypatch.setenv("SQLAGENT_DB", "postgresql://nowhere.invalid/none")
    monkeypatch.setenv("SQLAGENT_STATE_DIR", "/dev/null")
    key = str(desk.shop.folder / "ana")
    done = desk.shop.run("approve", "p.json", "--as", "ana", "--key", key, "--digest", desk.plan.asked.digest)
    assert done.code == 0, done.err
    assert {p.name for p in elsewhere.iterdir()} == {
        "sqlagent.toml", "ssh-keygen", "p.json", f"{desk.thread}.approval",
    }  # fmt: skip


# ---- keys that are not files -----------------------------------------------------------------------------------------


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An SSH agent of the test's own, which asks whoever it asks; `answer` beside it has their exit code."""
    socket, ask = tmp_path / "agent", tmp_path / "askpass"
    ask.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/questions\nexit $(cat {tmp_path}/answer)\n")
    ask.chmod(0o755)
    env = {**os.environ, "SSH_ASKPASS": str(ask), "DISPLAY": ":9", "SSH_ASKPASS_REQUIRE": "force"}
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, env=env)
    assert process.stdout is not None
    process.stdout.readline()  # printed once it listens
    yield {"SSH_AUTH_SOCK": str(socket)}
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.mark.parametrize(("flags", "answer", "code"), [([], "1", 0), (["-c"], "0", 0), (["-c"], "1", 4)])
def test_a_key_in_an_agent_signs_and_one_that_asks_first_only_after_a_yes(
    desk: Desk, agent: dict[str, str], monkeypatch: pytest.MonkeyPatch, flags: list[str], answer: str, code: int
) -> None:
    folder = desk.shop.folder
    (folder / "answer").write_text(answer)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent["SSH_AUTH_SOCK"])
    subprocess.run(["ssh-add", "-q", *flags, "ana"], cwd=folder, check=True, capture_output=True)
    (folder / "ana").rename(folder / "kept-away")
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    done = desk.shop.run("approve", "p.json", "--as", "ana", "--key", "ana.pub", "--digest", desk.plan.asked.digest)
    assert (done.code, (folder / "questions").exists()) == (code, bool(flags)), done.err
    if code == 0:
        assert desk.give((folder / f"{desk.thread}.approval").read_bytes()).code == 8
    assert desk.stage == (2 if code == 0 else 1)


def a_security_key(folder: Path) -> None:
    """A key of OpenSSH's security-key type, whose private half is here: no device, and the same bytes."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "sk.pem"], cwd=folder, check=True)
    der = subprocess.run(
        ["openssl", "pkey", "-in", "sk.pem", "-pubout", "-outform", "DER"], cwd=folder, check=True, capture_output=True
    ).stdout
    blob = base64.b64encode(_sk_public(der[-32:])).decode()
    (folder / "sk.pub").write_text(f"sk-ssh-ed25519@openssh.com {blob} sk\n")


def _sk_public(raw: bytes) -> bytes:
    return _string(b"sk-ssh-ed25519@openssh.com") + _string(raw) + _string(b"ssh:")


def _string(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def sk_signature(folder: Path, words: bytes, *, flags: int) -> str:
    """What a device would answer; bit 1 of the flags says that it was touched."""
    space = _string(b"sqlagent-approval-v1") + _string(b"") + _string(b"sha512")
    told = b"SSHSIG" + space + _string(hashlib.sha512(words).digest())
    tail = bytes([flags]) + (7).to_bytes(4, "big")
    (folder / "told").write_bytes(hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(told).digest())
    raw = subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", "sk.pem", "-in", "told"],
        cwd=folder, check=True, capture_output=True,
    ).stdout  # fmt: skip
    public = base64.b64decode((folder / "sk.pub").read_text().split()[1])
    blob = _string(b"sk-ssh-ed25519@openssh.com") + _string(raw) + tail
    whole = b"SSHSIG" + (1).to_bytes(4, "big") + _string(public) + space + _string(blob)
    text = base64.b64encode(whole).decode()
    lines = "\n".join(text[i : i + 70] for i in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
@pytest.mark.parametrize(("flags", "stage"), [(1, 2), (5, 2), (0, 1), (4, 1)])
def test_a_security_key_counts_where_it_was_touched(desk: Desk, flags: int, stage: int) -> None:
    folder = desk.shop.folder
    a_security_key(folder)
    desk.people.allow("ana=sk", "zoe")
    asked = desk.asks
    given = desk.give(replace(asked, signature=sk_signature(folder, asked.words, flags=flags)).text)
    assert (given.code, desk.stage) == (8, stage), given.err
    if stage == 1:
        assert given.error[0] == "its security key was not touched"


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


# ---- plans: every byte hostile until it fits -------------------------------------------------------------------------


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, (*path, name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from leaves(value, (*path, place))
    else:
        yield path, node


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def test_a_plan_with_any_fact_changed_is_none(desk: Desk) -> None:
    """But for when it expires, which whoever runs it knows."""
    whole = written(desk.plan)
    tried = 0
    for path, value in leaves(json.loads(whole)):
        if path[-1] == "expires_at":
            continue
        for other in _others(value):
            document = json.loads(whole)
            put(document, path, other)
            with pytest.raises(UsageError, match="that is no plan"):
                read(json.dumps(document).encode())
            tried += 1
    assert tried > 60


def _others(value: Any) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1]
        case str():
            return [value + "x", "\x1b[31m"]
    return ["x"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"sqlagent": "sqlagent-plan-v1"}', b"[" * 100_000, b"{" * 100_000,
     b'{"sqlagent": "sqlagent-plan-v2", "proposal": 1, "schema": "", "decided": []}'],
)  # fmt: skip
def test_what_is_no_plan_is_said_so_in_two_lines(shop: Shop, data: bytes) -> None:
    (shop.folder / "p.json").write_bytes(data)
    refused = shop.run("approve", "p.json")
    assert (refused.code, refused.error[0].startswith("that is no plan: ")) == (2, True)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_plan_that_was_cut_is_none(desk: Desk, share: float) -> None:
    whole = written(desk.plan)
    with pytest.raises(UsageError, match="that is no plan"):
        read(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("name", ["fifo", "folder", "/dev/zero", "missing"])
def test_what_is_no_file_is_not_waited_for(shop: Shop, name: str) -> None:
    os.mkfifo(shop.folder / "fifo")
    (shop.folder / "folder").mkdir()
    assert shop.run("approve", name).code == 2


def test_a_plan_with_hostile_text_moves_no_cursor(desk: Desk) -> None:
    hostile = desk.ask("UPDATE orders SET status = 'a\x1b[2J\x1b]0;x\x07\u202e' WHERE id = 1")
    hostile.shop.run("plan", hostile.thread, "-o", "p.json")
    shown = hostile.shop.run("approve", "p.json", "--as", "ana")
    assert shown.code == 8
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.err)


def test_rows_of_the_database_travel_only_where_they_are_asked_for(desk: Desk) -> None:
    secret = desk.ask("DELETE FROM odd WHERE id = 5")
    assert b"quoted" not in secret.shop.run("plan", secret.thread).out
    assert b"quoted" in secret.shop.run("plan", secret.thread, "--rows").out


def test_a_plan_goes_over_nothing_but_a_plan(desk: Desk) -> None:
    shop = desk.shop
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    assert shop.run("plan", desk.thread, "-o", "p.json").code == 0
    before = shop.path.read_bytes()
    refused = shop.run("plan", desk.thread, "-o", "shop.db")
    assert (refused.code, shop.path.read_bytes() == before) == (2, True)
    (shop.folder / "link").symlink_to("p.json")
    assert shop.run("plan", desk.thread, "-o", "link").code != 0


# ---- whether it still fits -------------------------------------------------------------------------------------------


CHANGES: dict[str, tuple[str, str]] = {
    "nothing": ("SELECT 1", ""),
    "other rows": ("UPDATE orders SET status = 'pending' WHERE id = 1", "changes other rows now: 11 rows"),
    "another schema": ("ALTER TABLE orders ADD COLUMN note TEXT", "the schema changed"),
    "no rows left": ("UPDATE orders SET status = 'sent' WHERE status = 'pending'", "changes other rows now: 0 rows"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_check_says_whether_a_plan_still_fits(desk: Desk, what: str) -> None:
    script, why = CHANGES[what]
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    desk.shop.write(script)
    checked = desk.shop.run("check", "--plan", "p.json", "--db", "shop.db")
    assert checked.code == (7 if why else 0)
    assert why in checked.err
    told = desk.shop.run("check", "--plan", "p.json", "--db", "shop.db", "--json").document
    assert (told["fits"], why in told["because"]) == (not why, True)


def test_a_plan_of_another_database_or_of_rules_that_ask_more_does_not_fit(desk: Desk) -> None:
    shop = desk.shop
    shop.run("plan", desk.thread, "-o", "p.json")
    shutil.copy(shop.path, shop.folder / "other.db")
    assert "it is of sqlite:" in shop.run("check", "--plan", "p.json", "--db", "other.db").error[0]
    more = POLICY + '[[rule]]\nid = "no"\nwhen = { table = "orders" }\nthen = "deny"\n'
    (shop.folder / "policy.toml").write_text(more)
    assert "the policy denies it now" in shop.run("check", "--plan", "p.json", "--db", "shop.db").error[0]
    asks = POLICY.replace('owner = ["zoe"]', 'owner = ["kim"]')
    (shop.folder / "policy.toml").write_text(asks)
    assert "asks other people now" in shop.run("check", "--plan", "p.json", "--db", "shop.db").error[0]


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--key", "none"), "none did not sign"),
        (("--key", "shop.db"), "shop.db did not sign"),
        (("--as", "a b"), "can be no name"),
        (("--as", "zoe"), "is not one of those who may"),
        (("--digest", "123"), "is not what this plan asks for"),
        (("--after", "p.json"), "that is no approval"),
    ],
)
def test_what_cannot_be_signed_is_said_in_two_lines(desk: Desk, more: tuple[str, ...], words: str) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    usual = {"--as": "ana", "--key": "ana", "--digest": desk.plan.asked.digest, **{more[0]: more[1]}}
    refused = desk.shop.run("approve", "p.json", *(part for pair in usual.items() for part in pair))
    assert refused.code in (2, 4, 7, 8)
    assert words in refused.error[0]
    assert not list(desk.shop.folder.glob("*.approval"))


def test_without_a_key_it_says_how_to_make_one(desk: Desk) -> None:
    desk.shop.run("plan", desk.thread, "-o", "p.json")
    refused = desk.shop.run("approve", "p.json", "--as", "ana", "--digest", desk.plan.asked.digest)
    assert (refused.code, "ssh-keygen -t" in refused.error[1]) == (2, True)


def test_signers_that_are_no_file_are_not_waited_for(desk: Desk) -> None:
    good = desk.good()
    (desk.shop.folder / "allowed_signers").unlink()
    os.mkfifo(desk.shop.folder / "allowed_signers")
    given = desk.give(good)
    assert (given.code, "is a FIFO" in given.error[0]) == (2, True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (('allowed_signers = "allowed_signers"', ""), "revoked_keys without allowed_signers"),
        (('allowed_signers = "allowed_signers"\nrevoked_keys = "revoked"', ""), "no policy says who may sign"),
        (('"allowed_signers"', '"nowhere"'), "cannot be read: no such file"),
        (('"allowed_signers"', "7"), "must name a file, not 7"),
        (("signed = true", 'signed = "yes"'), "signed must be true or false"),
        (("signed = true", 'signed = true, via = ["terminal"]'), "takes a signature alone"),
    ],
)
def test_a_policy_that_could_not_be_kept_is_refused(desk: Desk, changed: tuple[str, str], words: str) -> None:
    (desk.shop.folder / "policy.toml").write_text(POLICY.replace(*changed))
    refused = desk.shop.run("policy", "check")
    assert refused.code == 2
    assert words in refused.err + refused.text


# ---- the other doors -------------------------------------------------------------------------------------------------


def resumed(desk: Desk, answer: Any) -> dict[str, Any]:
    """What a LangGraph client is asked next, after this answer."""
    from langgraph.types import Command

    from sqlagent.graph import open_graph

    with open_graph() as opened:
        state = opened.invoke(Command(resume=answer), {"configurable": {"thread_id": desk.thread}})
    return dict(state)


def test_a_langgraph_client_brings_a_signature_and_nothing_less_counts(desk: Desk) -> None:
    digest = desk.plan.asked.digest
    forged = json.loads(desk.people.approval(desk.asks, key="eve").text)
    for answer in (
        {"type": "approve", "digest": digest},
        {"type": "approve", "digest": digest, "signature": "yes"},
        {"type": "approve", "digest": digest, "signature": forged},
        {"type": "approve", "digest": "0" * 64, "signature": json.loads(desk.good())},
    ):
        before = len(desk.entries("refused"))
        resumed(desk, answer)
        assert (desk.stage, desk.entries("approved"), len(desk.entries("refused"))) == (1, [], before + 1)
    resumed(desk, {"type": "approve", "signature": json.loads(desk.good())})
    (entry,) = desk.entries("approved")
    assert (desk.stage, entry["who"], "signature" in entry["detail"]) == (2, "ana", True)


def test_what_is_printed_of_plans_is_as_published(desk: Desk) -> None:
    from jsonschema import Draft202012Validator

    from sqlagent import schemas

    digest = desk.plan.asked.digest
    documents = {
        "planned": desk.shop.run("plan", desk.thread, "-o", "p.json", "--json"),
        "signed": desk.shop.run("approve", "p.json", "--as", "ana", "--key", "ana", "--digest", digest, "--json"),
        "fits": desk.shop.run("check", "--plan", "p.json", "--db", "shop.db", "--json"),
    }
    for name, ran in documents.items():
        assert ran.code == 0, ran.err
        schema = {"additionalProperties": False, **schemas.load(name)}
        assert not [e.message for e in Draft202012Validator(schema).iter_errors(ran.document)]
    answer = {"type": "approve", "signature": json.loads(desk.good())}
    assert Draft202012Validator(schemas.load("answer")).is_valid(answer)


def test_doctor_says_whom_signatures_bind(desk: Desk) -> None:
    """Here the signers are the user's own to write; root's are not tried, since root may write all."""
    said = desk.shop.run("doctor").text
    assert "signed: signers in" in said
    assert "binds only the honest: you can write" in said


# ---- examples that people copy ---------------------------------------------------------------------------------------


def steps(job: str) -> list[str]:
    import yaml

    workflow = yaml.safe_load((ROOT / "fixtures" / "ci" / "approve-by-pull-request.yml").read_text())
    return [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]


def as_the_runner(desk: Desk, script: str) -> subprocess.CompletedProcess[str]:
    """As GitHub starts a step, with the program of this environment."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=desk.shop.folder, env=env, capture_output=True, text=True, check=False
    )


def test_a_pull_request_carries_a_plan_and_its_approvals(desk: Desk) -> None:
    folder = desk.shop.folder / "approvals"
    folder.mkdir()
    (folder / f"{desk.thread}.plan.json").write_bytes(written(desk.plan))
    (fits,), (runs,) = steps("fits"), steps("run")
    checked = as_the_runner(desk, fits)
    assert checked.returncode == 0, checked.stderr
    first = desk.people.approval(desk.asks)
    now = desk.plan.after([first]).asked
    second = desk.people.approval(fields(now.digest, now.thread, now.stage, now.target, "zoe", at(0)))
    (folder / f"{desk.thread}.1.approval").write_text(first.text)
    assert as_the_runner(desk, runs).returncode == 8, "zoe has not signed"
    assert desk.unpaid == 10
    (folder / f"{desk.thread}.1.approval").unlink()
    (folder / f"{desk.thread}.2.approval").write_text(second.text)
    ran = as_the_runner(desk, runs)
    assert (ran.returncode, desk.unpaid) == (0, 0), ran.stderr
    desk.shop.write("UPDATE orders SET status = 'pending' WHERE id = 3")
    assert as_the_runner(desk, fits).returncode == 7


def as_another_user(folder: Path, words: list[str], *, unreadable: list[Path]) -> int:
    """A process of another user, who can do what that user can; answers its exit code."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.chdir(folder)
            os.environ["HOME"] = str(folder)
            code = 98 if any(os.access(path, os.R_OK) for path in unreadable) else run(words)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="another user of the machine can only be had by root")
def test_signatures_alone_are_enough_for_two_users_of_one_machine(desk: Desk, tmp_path_factory: Any) -> None:
    """As `fixtures/readme/signatures.txt` has it; ben can read neither the database nor the store."""
    policy = POLICY.partition("stages")[0].replace('then = "ask"', 'then = { ask = { role = "dba", signed = true } }')
    (desk.shop.folder / "policy.toml").write_text(policy)
    desk = desk.ask("UPDATE orders SET status = 'paid' WHERE id = 4")
    theirs = tmp_path_factory.mktemp("ben")
    open_to_strangers(theirs / "x")
    shutil.copy(desk.shop.folder / "ben", theirs / "ben.key")
    for path in (theirs, theirs / "ben.key"):
        os.chown(path, NOBODY, NOBODY)
    screen = (FIXTURES / "readme" / "signatures.txt").read_text()
    plan = theirs / f"{desk.thread}.plan.json"
    for line in screen.splitlines()[1:]:
        who, _, command = line.partition("$ sqlagent ")
        words = command.replace("k7f3", desk.thread).replace("DIGEST", desk.plan.asked.digest).split()
        if who == "ana":
            words = [str(theirs / w) if w.startswith(f"{desk.thread}.") else w for w in words]
            assert desk.shop.run(*words).code == 0
            continue
        assert plan.exists()
        warm = [*words[:-1], "0" * 64]
        desk.shop.run(warm[0], str(plan), *warm[2:])  # imports what the other user may not be able to read
        assert as_another_user(theirs, words, unreadable=[desk.shop.path, desk.shop.state / "journal.db"]) == 0
    assert desk.shop.rows("SELECT status FROM orders WHERE id = 4") == [("paid",)]
    assert desk.entries("approved")[0]["who"] == "ben"
