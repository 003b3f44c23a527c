"""Prompts that the embedded model has read, kept on disk: a server that starts later reads none of them again.

A file holds what llama.cpp computed of one prompt, 28 kB a token.  Its name is the hash of the system message, which
the model's folder, the prompt's wording and the schema make what it is; its size and hash stand beside it, because a
damaged one would end the server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlagent.llm.locks import private_folder

LARGEST = 512_000_000
"""Bytes of all files of one model; the longest unused goes first."""
_SECONDS = 60.0

Post = Callable[[str, dict[str, Any]], bool]
"""Sends a request to the server; whether it answered well."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The prompts that one model has read, kept on disk."""

    folder: Path
    post: Post
    started: float
    """When the server started: what it has read since is in its memory."""

    def recall(self, system: str) -> None:
        """Have the server take up where it once stood with this system message.

        Where that is not on disk and the server has read nothing yet, another database's does: the rules are the same.
        """
        read = self._read()
        name = _name(system)
        if name in read:
            return
        known = self._file(name)
        if known is None and not read:
            known = next(iter(reversed(self._files())), None)
        if known is not None and self._is_whole(known):
            with suppress(OSError):  # then it is forgotten sooner than others
                os.utime(known)
            self._ask("restore", known.name)

    def keep(self, system: str) -> None:
        """Have the server write down what it has read now, if that is not there yet."""
        name = _name(system)
        self._note_read(name)
        if self._file(name) is not None:
            return
        draft = self.folder / f"{name}.{os.getpid()}"
        with suppress(OSError):  # it is only a shortcut: the next start reads once more
            private_folder(self.folder)
            if self._ask("save", draft.name):
                seal = {"size": draft.stat().st_size, "sha256": _digest(draft)}
                self._seal(name).write_text(json.dumps(seal))
                draft.replace(self.folder / f"{name}.bin")
                self._forget_oldest()
        with suppress(OSError):  # as above
            draft.unlink(missing_ok=True)

    def _ask(self, action: str, file: str) -> bool:
        return self.post(f"/slots/0?action={action}", {"filename": file})

    def _files(self) -> list[Path]:
        """Every file, the longest unused first."""
        with suppress(OSError):
            return sorted(self.folder.glob("*.bin"), key=lambda file: file.stat().st_mtime)
        return []

    def _file(self, name: str) -> Path | None:
        path = self.folder / f"{name}.bin"
        return path if path.exists() else None

    def _seal(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _is_whole(self, file: Path) -> bool:
        """Whether it is what was written; what is not is deleted."""
        try:
            seal: dict[str, Any] = json.loads(self._seal(file.stem).read_text())
            whole = bool(file.stat().st_size == seal["size"] and _digest(file) == seal["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            self._delete(file)
        return whole

    def _forget_oldest(self) -> None:
        files = self._files()
        total = sum(file.stat().st_size for file in files)
        for file in files[:-1]:
            if total <= LARGEST:
                return
            total -= file.stat().st_size
            self._delete(file)

    def _delete(self, file: Path) -> None:
        file.unlink(missing_ok=True)
        self._seal(file.stem).unlink(missing_ok=True)

    # ---- what the server has in its memory ----------------------------------------------------------------------

    def _read(self) -> list[str]:
        try:
            said = json.loads((self.folder / "read.json").read_text())
            return [str(name) for name in said["prompts"]] if said["started"] == self.started else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _note_read(self, name: str) -> None:
        names = [each for each in self._read() if each != name][-_MOST_IN_MEMORY:]
        with suppress(OSError):  # as above
            private_folder(self.folder)
            (self.folder / "read.json").write_text(json.dumps({"started": self.started, "prompts": [*names, name]}))


_MOST_IN_MEMORY = 7
"""Prompts that a server surely still has in its memory of 512 MiB; of others a file is quicker."""


def poster(url: str, key: str) -> Post:
    """Requests to a server of this machine, past every proxy."""
    import urllib.request  # 20 ms that only the embedded model needs

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(path: str, body: dict[str, Any]) -> bool:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)  # noqa: S310  our loopback
        try:
            with opener.open(request, timeout=_SECONDS) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    return post


def _name(system: str) -> str:
    return sha256(system.encode("utf-8", "surrogatepass")).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        sum_ = sha256()
        while block := file.read(1 << 20):
            sum_.update(block)
    return sum_.hexdigest()
