"""Making files and folders that nobody reads but those the state folder belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from sqlagent.core.modes import of_file, of_folder


def make_folder(folder: Path) -> None:
    """The state folder where it is missing: its owner's alone.  One that is there keeps the mode its owner gave it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_subfolder(folder: Path) -> None:
    """A folder in the state folder, for the same people."""
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(of_folder(folder.parent.stat().st_mode))


def open_file(path: Path, flags: int) -> int:
    """A file descriptor; a file that this makes is for the same people as its folder, whatever the umask says."""
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags)
    os.fchmod(handle, of_file(path.parent.stat().st_mode))
    return handle
