"""People with SSH keys, a policy that wants their signatures, and approvals made in every wrong way."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sqlagent.core.approval import signed as approvals
from sqlagent.core.approval.signed import NAMESPACE, Signed
from sqlagent.core.errors import ConfigError
from sqlagent.store import ssh_keygen

POLICY = """\
allowed_signers = "allowed_signers"
revoked_keys = "revoked"
[roles]
dba = ["ana", "ben"]
owner = ["zoe"]
[[rule]]
id = "signed"
when = { risk = ">=write" }
then = "ask"
stages = [{ name = "technical", role = "dba", signed = true }, { name = "business", role = "owner", signed = true }]
"""


@cache
def _program() -> str:
    try:
        return ssh_keygen.program()
    except ConfigError:
        return ""


needs_ssh_keygen = pytest.mark.skipif(not _program(), reason="ssh-keygen is not here: apt install openssh-client")


@dataclass(frozen=True, slots=True)
class People:
    """A folder with a key for each person, and the files that say who they are."""

    folder: Path

    def make(self, *names: str, kind: str = "ed25519") -> None:
        for name in names:
            self._keygen("-q", "-t", kind, "-N", "", "-C", name, "-f", name)

    def public(self, name: str) -> str:
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def allow(self, *lines: str) -> None:
        """`ana`, `ana valid-before="..."`, or `ana=ben` for a principal with another's key."""
        written = []
        for line in lines:
            principal, _, options = line.partition(" ")
            name, _, key = principal.partition("=")
            written.append(f"{name} {options + ' ' if options else ''}{self.public(key or name)}\n")
        (self.folder / "allowed_signers").write_text("".join(written))

    def revoke(self, *names: str) -> None:
        self._keygen("-q", "-k", "-f", "revoked", *(f"{name}.pub" for name in names))

    def sign(self, words: bytes, key: str, *, namespace: str = NAMESPACE, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [_program(), "-Y", "sign", "-n", namespace, "-f", key],
            cwd=self.folder, input=words, capture_output=True, check=True, env={**os.environ, **(env or {})},
        )  # fmt: skip
        return done.stdout.decode()

    def approval(self, signed: Signed, *, key: str = "", **more: Any) -> Signed:
        """What its approver signs, or somebody else's key does."""
        return approvals.with_signature(signed, self.sign(signed.words, key or signed.approver, **more))

    def _keygen(self, *arguments: str) -> None:
        subprocess.run([_program(), *arguments], cwd=self.folder, check=True, capture_output=True)


def some_people(folder: Path) -> People:
    """ana and ben, who are dbas, zoe, who owns it, and eve, who is nobody."""
    people = People(folder)
    people.make("ana", "ben", "zoe", "eve")
    people.allow("ana", "ben", "zoe")
    people.revoke()
    (folder / "policy.toml").write_text(POLICY)
    return people


def altered(text: str, **changes: Any) -> str:
    """The file with other facts, and the same signature."""
    return json.dumps(json.loads(text) | changes)


def without(text: str, names: Sequence[str]) -> str:
    return json.dumps({name: value for name, value in json.loads(text).items() if name not in names})
