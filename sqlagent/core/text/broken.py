"""Bytes that are not valid UTF-8, as Python carries them in arguments and file names, made printable."""

from __future__ import annotations


def is_broken(text: str) -> bool:
    """Whether some of it stands for bytes that are not UTF-8, which no screen, record or model can be given."""
    return not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text)


def bytes_shown(text: str) -> str:
    """The same with such bytes spelled out: `caf\\xe9`."""
    return "".join(f"\\x{ord(c) & 0xFF:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
