"""SQL from outside: a file, standard input or the command line, exactly as it is there."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlagent.core.errors import UsageError
from sqlagent.core.text.titles import title_of
from sqlagent.plain_files import NotPlain, decoded, read_plain

LARGEST_SCRIPT = 64 * 1024 * 1024
"""Bytes; each statement of it has a limit of its own."""
_SPLIT = "split it into several files"
_TITLE = 100
"""Characters of SQL that stand for a question in lists."""


def open_source(file: str, sql: str) -> tuple[str, str]:
    """The text and what to call it, from exactly one of a file's name and the SQL itself."""
    if bool(file) == bool(sql):
        raise UsageError("name one source of SQL", hint="a FILE, - for standard input, or --sql TEXT")
    return (sql, title_of(sql, most=_TITLE)) if sql else script(file)


def script(name: str) -> tuple[str, str]:
    """The text of a file, or of standard input for `-`, and what to call it."""
    if name == "-":
        raw, title = sys.stdin.buffer.read(LARGEST_SCRIPT + 1), "standard input"
        if len(raw) > LARGEST_SCRIPT:
            raise UsageError(f"{title} is larger than {LARGEST_SCRIPT:,} bytes", hint=_SPLIT)
    else:
        raw, title = _file(Path(name))
    try:
        return decoded(raw), title
    except UnicodeDecodeError as e:
        raise UsageError(
            f"{title} is not UTF-8: byte {e.start:,} cannot be read", hint=f"iconv -t UTF-8 {name} | sqlagent run -"
        ) from e


def _file(path: Path) -> tuple[bytes, str]:
    try:
        return read_plain(path, LARGEST_SCRIPT), path.name
    except NotPlain as e:
        hint = _SPLIT if "larger" in str(e) else "name a file of SQL, or - for input"
        raise UsageError(f"{path} {e}", hint=hint) from e
    except (OSError, ValueError) as e:
        why = (getattr(e, "strerror", "") or str(e)).lower()
        raise UsageError(f"{path} cannot be read: {why}", hint="name a file of SQL, or - for input") from e
