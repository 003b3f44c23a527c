"""Keys that are not files: in an agent, and in a device that has to be touched."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from signing import needs_ssh_keygen
from signing_desk import Desk

pytestmark = needs_ssh_keygen


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
