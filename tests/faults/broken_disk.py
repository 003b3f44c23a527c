"""A disk that fails at the k-th operation on some files, for the process that makes it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import apsw


class Fault(Enum):
    """What goes wrong, and for how long."""

    ERROR = "one I/O error"
    GONE = "I/O errors from there on"
    FULL = "full from there on"

    def applies(self, operation: str) -> bool:
        """A full disk is noticed by what makes a file longer, and by nothing else."""
        return self is not Fault.FULL or operation in ("xWrite", "xOpen new")


_CODES = {
    "xRead": apsw.SQLITE_IOERR_READ,
    "xWrite": apsw.SQLITE_IOERR_WRITE,
    "xSync": apsw.SQLITE_IOERR_FSYNC,
    "xTruncate": apsw.SQLITE_IOERR_TRUNCATE,
    "xFileSize": apsw.SQLITE_IOERR_FSTAT,
    "xDelete": apsw.SQLITE_IOERR_DELETE,
}


class Disk(apsw.VFS):
    """The system's files; operations on those whose name begins with `prefix` are counted, and fail from `at` on.

    With `at` 0 nothing fails, and `passed` says how many there were.
    """

    def __init__(self, prefix: Path, fault: Fault, at: int) -> None:
        self.system = apsw.vfs_names()[0]
        self.prefix, self.fault, self.at = str(prefix), fault, at
        self.passed = 0
        self.met: list[str] = []
        super().__init__("broken", self.system, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        file = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        if not file.startswith(self.prefix):
            return _File(self.system, name, flags, lambda _operation: None)
        is_new = flags[0] & apsw.SQLITE_OPEN_CREATE and not Path(file).exists()
        self.passes("xOpen new" if is_new else "xOpen", file)
        return _File(self.system, name, flags, lambda operation: self.passes(operation, file))

    def xDelete(self, name: str, sync: bool) -> None:
        if name.startswith(self.prefix):
            self.passes("xDelete", name)
        super().xDelete(name, sync)

    def passes(self, operation: str, file: str) -> None:
        """Count one operation, or fail it."""
        if not self.fault.applies(operation):
            return
        self.passed += 1
        if not self.at or self.passed < self.at or (self.fault is Fault.ERROR and self.passed > self.at):
            return
        self.met.append(f"{operation} {file.removeprefix(self.prefix)}".rstrip())
        if operation.startswith("xOpen"):
            raise apsw.CantOpenError("unable to open database file")
        if self.fault is Fault.FULL:
            raise apsw.FullError("database or disk is full")
        error: Any = apsw.IOError("disk I/O error")
        error.extendedresult = _CODES[operation]
        raise error


class _File(apsw.VFSFile):
    def __init__(self, system: str, name: Any, flags: list[int], passes: Callable[[str], None]) -> None:
        super().__init__(system, name, flags)
        self.passes = passes

    def xLock(self, level: int) -> None:
        """SQLite tries to lock in vain what it may only read, and overlooks it; apsw would raise it in the end."""
        try:
            super().xLock(level)
        except apsw.IOError as e:
            raise apsw.BusyError(str(e)) from e

    def xRead(self, amount: int, offset: int) -> bytes:
        self.passes("xRead")
        return bytes(super().xRead(amount, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        self.passes("xWrite")
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.passes("xTruncate")
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self.passes("xSync")
        super().xSync(flags)

    def xFileSize(self) -> int:
        self.passes("xFileSize")
        return int(super().xFileSize())
