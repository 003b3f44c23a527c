"""Strings that try to act on a terminal or to look like something else, and whether any of it came through."""

from __future__ import annotations

import json
import unicodedata

from checkout import ROOT
from cli_process import Ran

HOSTILE: list[str] = [
    json.loads(line)["text"] for line in (ROOT / "fixtures/hostile.jsonl").read_text(encoding="utf-8").splitlines()
]


def raw(text: str) -> list[str]:
    """Characters that act on a terminal, hide, or reorder a line."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return [f"U+{ord(c):04X}" for c in text if c not in "\n\t" and unicodedata.category(c) in hidden]


def tamed(ran: Ran) -> Ran:
    assert raw(ran.text) == []
    assert raw(ran.err) == []
    return ran


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
