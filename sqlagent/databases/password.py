"""A server's password from a program that the user's own config names, such as a password manager."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from sqlagent.core.errors import AuthError
from sqlagent.core.secret import Secret

_SECONDS = 60.0
"""A password manager may ask the person first."""


def printed_by(command: Sequence[str]) -> Secret:
    """The first line that the program prints; what it complains of goes to the terminal.  Raises AuthError."""
    program = os.path.expanduser(command[0])  # noqa: PTH111 - `pass` is no path
    hint = f"password_command is {program} and {len(command) - 1} arguments: run it yourself"
    try:
        done = subprocess.run([program, *command[1:]], stdout=subprocess.PIPE, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise AuthError(f"{program} printed no password within {_SECONDS:g} s", hint=hint) from None
    except OSError as e:
        raise AuthError(f"{program} could not be run: {(e.strerror or str(e)).lower()}", hint=hint) from None
    first = done.stdout.decode("utf-8", "replace").split("\n")[0].removesuffix("\r")
    if done.returncode or not first:
        raise AuthError(f"{program} ended with exit code {done.returncode} and printed no password", hint=hint)
    return Secret(first)
