"""Where `-o` may not write: over a database, its logs, what sqlagent keeps, or the files that this command reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from sqlagent.config import Settings
from sqlagent.config.files import PROJECT_FILE
from sqlagent.core.errors import SqlagentError, UsageError
from sqlagent.plain_files import NotPlain, beginning, database_files, refuse_odd_output, same_file
from sqlagent.ui.effects import size_words
from sqlagent.ui.export import Existing
from sqlagent.ui.keyboard import Keyboard, NothingTyped
from sqlagent.ui.screen import Screen

_MAGIC = {
    b"SQLite format 3\0": "a SQLite database",
    bytes.fromhex("d9d505f920a163d7"): "the rollback journal of a SQLite database",
    bytes.fromhex("377f0682"): "the write-ahead log of a SQLite database",
    bytes.fromhex("377f0683"): "the write-ahead log of a SQLite database",
}


def refuse_output_over(output: Path, settings: Settings, sources: Iterable[str]) -> None:
    """Raise UsageError before anything is opened, where the rows would go over a file that is in use.

    Compared by device and inode, so neither a link nor another spelling hides it; `sources` are files of SQL.
    """
    try:
        refuse_odd_output(output)
        head = beginning(output, 16)
    except NotPlain as e:
        raise _refused(output, str(e)) from e
    except (OSError, ValueError):
        head = b""
    if found := next((what for magic, what in _MAGIC.items() if head.startswith(magic)), ""):
        raise _refused(output, f"is {found}")
    for what, files in _in_use(settings, sources):
        if same_file(output, files):
            raise _refused(output, f"is {what}")
    if output.resolve().is_relative_to(settings.state_dir.resolve()):
        raise _refused(output, "is in the folder where sqlagent keeps its state")


def may_replace(output: Path, screen: Screen, stdin: TextIO) -> Existing:
    """Ask a person whether the file that is there may go; anything but yes keeps it."""
    keyboard = Keyboard(stdin)
    try:
        keyboard.forget()
        screen.ask(f"{output} is there already ({size_words(output.stat().st_size)}). Replace it? [y/N] ")
        return Existing.REPLACE if keyboard.line().lower() in ("y", "yes") else Existing.KEEP
    except NothingTyped:
        screen.line()
        return Existing.KEEP


def _refused(output: Path, why: str) -> UsageError:
    return UsageError(f"-o {output} {why}: rows do not go over it", hint="name another file")


def _in_use(settings: Settings, sources: Iterable[str]) -> Iterator[tuple[str, list[Path]]]:
    yield "a file of SQL that this command reads", [Path(source) for source in sources]
    yield "a config file", [*settings.config_files, settings.cwd / PROJECT_FILE]
    yield "a policy in use", [file.path for file in settings.policy]
    known = list(settings.databases.values())
    with suppress(SqlagentError):  # that none was chosen is said where one is needed
        known.append(settings.database)
    for one in known:
        if one.engine == "sqlite":
            yield f"the database {one.name}, or a file of its", database_files(one.path)
        elif not one.takes_writes:
            yield f"one of the files of {one.name}", [one.path, *(one.path.iterdir() if one.path.is_dir() else ())]
    yield "a file that sqlagent keeps", list(settings.state_dir.rglob("*"))
