"""Calls OpenSSH's `ssh-keygen -Y` to sign and to tell who signed; found in system folders, given no secret of ours."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlagent.core.approval.signed import NAMESPACE, Signed
from sqlagent.core.errors import AuthError, ConfigError

_PLACES = ("/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin")
"""Where a system keeps programs; PATH is the word of whoever runs us, and of what runs as them."""
_SECONDS = 20.0
_ASKED = 300.0
"""For a passphrase, a confirmation or a touch."""
_HANDED_ON = ("HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY", "TERM")
"""What signing needs: the agent, and a way to ask the person."""


@cache
def program() -> str:
    """Its absolute path; raises ConfigError where it is not installed."""
    for place in _PLACES:
        found = Path(place, "ssh-keygen")
        if os.access(found, os.X_OK):
            return str(found)
    raise ConfigError("signatures need ssh-keygen, which is not here", hint="apt install openssh-client")


@dataclass(frozen=True, slots=True)
class Keys:
    """The contents of the two files that say who may sign and which keys are revoked."""

    allowed: bytes
    revoked: bytes | None = None


def why_not(signed: Signed, keys: Keys, *, at: str = "") -> str:
    """Why a signature is not the approver's; empty where it is.  `at` is the time to judge by, empty for now."""
    with TemporaryDirectory(prefix="sqlagent-") as folder:
        kept = Path(folder)
        (kept / "signature").write_text(signed.signature)
        (kept / "allowed").write_bytes(keys.allowed)
        command = ["-Y", "verify", "-n", NAMESPACE, "-I", signed.approver, "-f", "allowed", "-s", "signature"]
        if keys.revoked is not None:
            (kept / "revoked").write_bytes(keys.revoked)
            command += ["-r", "revoked"]
        if at:
            command += ["-O", f"verify-time={re.sub('[^0-9]', '', at[:19])}Z"]
        done = _ran(command, folder, signed.words, {}, _SECONDS)
    if done.returncode == 0:
        return ""
    if keys.revoked is not None and not why_not(signed, replace(keys, revoked=None), at=at):
        return f"it is signed with a key of {signed.approver}'s that was revoked"
    said = _words(done.stderr) or f"no key that {signed.approver} has in allowed_signers, and that is valid, made it"
    return f"it is not signed by {signed.approver}: {said}"


def sign(words: bytes, key: Path, env: Mapping[str, str]) -> str:
    """The signature by a key: of a private file, or of a public one whose other half is in the agent."""
    handed = {name: env[name] for name in _HANDED_ON if name in env}
    with TemporaryDirectory(prefix="sqlagent-") as folder:
        done = _ran(["-Y", "sign", "-n", NAMESPACE, "-f", str(key.absolute())], folder, words, handed, _ASKED)
    if done.returncode != 0:
        raise AuthError(
            f"{key} did not sign: {_words(done.stderr) or 'no reason was given'}",
            hint="another key: --key FILE; keys: ssh-add -L",
        )
    return done.stdout.decode("ascii", "replace")


def _ran(
    command: list[str], folder: str, given: bytes, env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[bytes]:
    clean = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **env}
    try:
        return subprocess.run(
            [program(), *command], input=given, capture_output=True, cwd=folder, env=clean, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as e:
        raise AuthError(f"ssh-keygen did not answer in {seconds:.0f} s", hint="try again") from e


def _words(stderr: bytes) -> str:
    """What it says was wrong, in one printable line; empty where it says nothing."""
    lines = [line for line in stderr.decode("utf-8", "replace").split("\n") if line.strip()]
    said = "; ".join(re.sub(r"^(allowed|Signature verification failed):?(\d+:)? ?", "", line.strip()) for line in lines)
    return "".join(c if c.isprintable() else "?" for c in said)[:300].strip("; ")
