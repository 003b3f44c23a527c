"""Which format a file's name asks for."""

from __future__ import annotations

from pathlib import Path

from sqlagent.core.errors import UsageError
from sqlagent.ui.formats import Format

EXTENSIONS = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".md": Format.MARKDOWN,
    ".txt": Format.TABLE,
    ".parquet": Format.PARQUET,
    ".xlsx": Format.XLSX,
}


def format_of(path: Path) -> Format:
    """The format by the extension; raises UsageError for one that is none, and for a name without."""
    extension = path.suffix.lower()
    if found := EXTENSIONS.get(extension):
        return found
    known = " ".join(EXTENSIONS)
    what = f"{extension} is no format" if extension else "a name without an extension says no format"
    raise UsageError(f"-o {path}: {what}; there is {known}", hint="--format FORMAT says it, whatever the name")
