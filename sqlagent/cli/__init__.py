"""Words in, exit code out: the command line, a thin caller of `sqlagent.service`."""

from __future__ import annotations

from sqlagent.cli.app import run

__all__ = ["run"]
