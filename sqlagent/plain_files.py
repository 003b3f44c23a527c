"""Files that somebody named or left lying about: looked at before they are opened, and read no further than is sane."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link",
}
_CTRL_Z = "\x1a"
_HANDED_OVER = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Names of what the shell has already opened for us, as `<(...)` does: a pipe is meant there."""


DATA_ENDINGS = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx")
"""Files of rows that are opened as tables, by how their names end."""

MOST_FILES = 500
MOST_BYTES = 4_000_000_000
"""Of files of rows that are opened together: they are held in memory."""


class NotPlain(Exception):
    """What is there is no file to read; `str` of it says why: `is a FIFO, not a file`."""


def refuse_odd(mode: int) -> None:
    """Raise NotPlain unless the mode is that of a plain file: a FIFO would be waited for, a device never ends."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise NotPlain(f"is {_KINDS.get(stat.S_IFMT(mode), 'no plain file')}, not a file")


def holds_data(path: Path) -> bool:
    """Whether a path is a file of rows, or a folder that may hold some, rather than a database."""
    return path.suffix.lower() in DATA_ENDINGS or os.path.isdir(path)  # noqa: PTH112 - a path that cannot be is none


def open_plain(path: Path) -> int:
    """A handle on a plain file; NotPlain where it is none, OSError where it cannot be read.  It never waits."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        refuse_odd(os.fstat(handle).st_mode)
    except BaseException:
        os.close(handle)
        raise
    return handle


def read_plain(path: Path, largest: int) -> bytes:
    """The bytes of a plain file; NotPlain where it is none or larger, OSError where it cannot be read.

    It is opened without waiting: even what takes a file's place in between cannot hold us.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(handle)
        if not _is_handed_over(path):
            refuse_odd(found.st_mode)
        elif not stat.S_ISREG(found.st_mode):
            os.set_blocking(handle, True)
        if found.st_size > largest:
            raise NotPlain(f"is larger than {largest:,} bytes")
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(largest + 1)
    finally:
        os.close(handle)
    if len(data) > largest:
        raise NotPlain(f"is larger than {largest:,} bytes")
    return data


def database_files(path: Path) -> list[Path]:
    """A SQLite database and the files that SQLite would open with it, whether they are there or not."""
    real = Path(os.path.realpath(path))
    return [path, *(real.with_name(real.name + ending) for ending in ("-journal", "-wal", "-shm"))]


def refuse_odd_database(path: Path) -> None:
    """Raise NotPlain where a database, or a file beside it that SQLite would open too, is no plain file."""
    refuse_odd(path.stat().st_mode)
    for beside in database_files(path)[1:]:
        try:
            mode = beside.lstat().st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            raise NotPlain(f"has {beside.name} beside it, which is {_KINDS.get(stat.S_IFMT(mode), 'no plain file')}")


def refuse_odd_output(path: Path) -> None:
    """Raise NotPlain where there is something that no rows can go into; a FIFO or a terminal takes them."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise NotPlain(f"is {_KINDS.get(stat.S_IFMT(mode), 'no plain file')}, not a file")


def beginning(path: Path, size: int) -> bytes:
    """The first bytes of a plain file; none of what is no plain file."""
    if not stat.S_ISREG(path.stat().st_mode):
        return b""
    with path.open("rb") as file:
        return file.read(size)


def _is_handed_over(path: Path) -> bool:
    return str(path).startswith(_HANDED_OVER)


def decoded(data: bytes) -> str:
    """The text of a file, without the marks that editors and tools of other systems put at its two ends.

    A byte order mark before it, and Ctrl-Z behind it.  In the middle both stay, for whoever judges the text to refuse.
    """
    return without_marks(data.decode("utf-8"))


def without_marks(text: str) -> str:
    """The same of a text that is read already."""
    text = text.removeprefix("\ufeff")
    end = text.rstrip()  # Ctrl-Z is no blank to Python
    return end.rstrip(_CTRL_Z) if end.endswith(_CTRL_Z) else text


def same_file(one: Path, others: Iterable[Path]) -> Path | None:
    """The first of the others that is the same file, whatever it is called: by device and inode, or where it would be.

    A name that nothing has yet is compared as the place it stands for.
    """
    wanted = _identity(one)
    return next((other for other in others if _identity(other) == wanted), None)


def _identity(path: Path) -> tuple[int, int] | str:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino
