"""The outline of a schema in a file, for the next process: to read thousands of tables takes a second or two.

What is kept are names, types, keys and comments; no row.  A change is approved by the fingerprint, which is always read
from the server.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec

from sqlagent.core.nouns.draft import Schema


@dataclass(frozen=True, slots=True)
class KeptOutline:
    """One file: of one database, as one role sees it."""

    folder: Path | None
    """None where nothing is kept."""
    of: tuple[str, ...]
    """Which database of which server's life, and who looks."""

    def read(self, version: str) -> Schema | None:
        """What was kept while the catalogs were as they are; None where there is none, or it is damaged."""
        if self.folder is None:
            return None
        with suppress(OSError, msgspec.MsgspecError, ValueError):
            kept_of, kept_version, outline = msgspec.msgpack.decode(self._path(self.folder).read_bytes(), type=_Kept)
            if (kept_of, kept_version) == (self.of, version):
                return outline
        return None

    def write(self, version: str, outline: Schema) -> None:
        """In the place of what was kept before; a full disk is no reason to fail."""
        if self.folder is None:
            return
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, delete=False) as file:  # which only its owner may read
                file.write(msgspec.msgpack.encode((self.of, version, outline), enc_hook=_refused))
            os.replace(file.name, self._path(self.folder))  # noqa: PTH105 - as one step

    def _path(self, folder: Path) -> Path:
        return folder / f"{hashlib.sha256(repr(self.of).encode()).hexdigest()[:32]}.schema"


_Kept = tuple[tuple[str, ...], str, Schema]


def _refused(value: Any) -> Any:
    raise ValueError(f"not to be kept: {type(value).__name__}")
