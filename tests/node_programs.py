"""Programs of Node that a machine may have: where one is missing, or too old, the test that asks is skipped."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest


def node(*, at_least: tuple[int, int] = (18, 0)) -> str:
    """Node's path; skips the test without one that is new enough."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not here")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"v(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < at_least:
        pytest.skip(f"node {said.strip()} is older than {'.'.join(map(str, at_least))}")
    return found


def program(name: str) -> str:
    """The path of a program that npm installed; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


def package(name: str) -> str:
    """Where `require` finds a package, by NODE_PATH; skips the test where it does not."""
    asked = [node(), "-p", f"require.resolve('{name}')"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"{name} is not here")
    return found.stdout.strip()
