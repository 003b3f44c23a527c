"""Which files become tables, and what each table is called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlagent.core.errors import ConnectError
from sqlagent.plain_files import DATA_ENDINGS, MOST_BYTES, MOST_FILES

_UNSAFE = re.compile(r"\W+")
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing
    primary qualify references returning select show some summarize symmetric table then to trailing true union unique
    unpivot using variadic when where window with
    """.split()
)
"""Words that DuckDB takes for no table's name unless they stand in quotes."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file, and the name of the table, or of the first of its tables, that it becomes."""

    path: Path
    table: str

    @property
    def kind(self) -> str:
        """Its ending in small letters, without the dot."""
        return self.path.suffix.lower()[1:]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of a folder, or of a file, became no table, and why."""

    name: str
    why: str


def found(place: Path) -> tuple[tuple[DataFile, ...], tuple[LeftOut, ...]]:
    """The file, or the files of a folder by their names, and what of the folder is left out; raises ConnectError."""
    if not os.path.exists(place):  # noqa: PTH110 - a path that cannot be is none
        raise ConnectError(f"there is no {place}", hint=f"a file ({' '.join(DATA_ENDINGS)}), or a folder of such files")
    if not place.is_dir():
        return _named([place]), ()
    files, left_out = _listed(place)
    if not files:
        databases = [entry for entry in sorted(place.iterdir()) if entry.suffix in (".db", ".sqlite", ".sqlite3")]
        hint = f"--db {databases[0]}" if databases else f"one of {' '.join(DATA_ENDINGS)}"
        raise ConnectError(f"{place} is a folder, and no file in it can be opened as a table", hint=hint)
    if len(files) > MOST_FILES:
        raise ConnectError(f"{place} has {len(files):,} files, and {MOST_FILES:,} is the most", hint="--db FILE")
    return _named(files), tuple(left_out)


def check_sizes(files: Iterable[DataFile]) -> None:
    """Raise ConnectError where they are more than is held in memory."""
    size = sum(file.path.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise ConnectError(
            f"the files have {size / 1e9:.1f} GB, and {MOST_BYTES / 1e9:g} GB is the most that is opened",
            hint="name one file of them, or put the rows in a database",
        )


def _listed(folder: Path) -> tuple[list[Path], list[LeftOut]]:
    files: list[Path] = []
    left_out: list[LeftOut] = []
    home = os.path.realpath(folder)
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.startswith((".", "~$")):
            continue  # hidden, or what Excel keeps beside a file that is open
        if why := _why_not(entry, home):
            left_out.append(LeftOut(entry.name, why))
        else:
            files.append(entry)
    return files, left_out


def _why_not(entry: Path, home: str) -> str:
    """Why an entry of a folder becomes no table; empty where it does."""
    if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(home):
        return "a link to outside the folder"
    if entry.is_dir():
        return "a folder inside it"
    if entry.suffix.lower() not in DATA_ENDINGS:
        return f"{entry.suffix or 'a name without an ending'} is none of the formats that are opened"
    return "" if entry.is_file() else "no plain file"


def _named(paths: Iterable[Path]) -> tuple[DataFile, ...]:
    """Every file with its table's name; files that would share one are told apart by their endings, then by number."""
    files = [DataFile(path, safe(path.stem)) for path in paths]
    shared = _shared(files)
    files = [replace(f, table=f"{f.table}_{f.kind}") if f.table.lower() in shared else f for f in files]
    return tuple(replace(f, table=name) for f, name in zip(files, told_apart(f.table for f in files), strict=True))


def _shared(files: Iterable[DataFile]) -> frozenset[str]:
    counted = Counter(file.table.lower() for file in files)
    return frozenset(name for name, times in counted.items() if times > 1)


def safe(text: str) -> str:
    """A name that needs no quotes in SQL: letters, digits and `_`, no digit first, no word of the language."""
    name = _UNSAFE.sub("_", text).strip("_") or "data"
    if name[0].isdigit() or not name[0].isidentifier():
        name = f"t_{name}"
    return f"{name}_" if name.lower() in _RESERVED else name


def told_apart(names: Iterable[str]) -> Iterator[str]:
    """The names in their order, with `_2`, `_3` behind those that were there already, whatever their case."""
    taken: set[str] = set()
    for name in names:
        made, number = name, 1
        while made.lower() in taken:
            number += 1
            made = f"{name}_{number}"
        taken.add(made.lower())
        yield made
