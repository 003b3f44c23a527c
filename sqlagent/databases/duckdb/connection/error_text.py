"""DuckDB's errors in one line: its sentence, without the drawing of the place in the SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb


def said(error: duckdb.Error) -> str:
    """`Binder Error: Referenced column "totl" not found in FROM clause!` without its first two words."""
    first = str(error).strip().split("\n\n")[0]
    line = " ".join(first.split())
    kind, separator, rest = line.partition(" Error: ")
    return rest if separator and kind.replace(" ", "").isalpha() else line


def said_of_file(error: duckdb.Error, opened_as: str, path: Path) -> str:
    """Why a file became no table, in its own name rather than that of the handle that it was read by."""
    return said(error).replace(opened_as, path.name)
