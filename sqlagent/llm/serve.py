"""The embedded model's server: a process of its own that outlives whoever asked, until nobody has asked for a while.

Run as a file, `python serve.py NAME`, with its settings as JSON on stdin so that the key is on no command line; it
imports nothing of the package.  While it lives it holds `alive`; once it answers it writes `registration`; whoever uses
it touches `lease`, which holds the seconds to stay without use.  A request that is still being answered is use, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

POLL_SECONDS = 1.0
CONTEXT_TOKENS = 8192
DRAFTS_AT_ONCE = 3
"""Answers that one request may have; more come one after the other."""
PROMPT_CACHE_MIB = 512
"""Prompts of other schemas kept in memory, so that two databases in turn are not read anew each time."""


def main() -> int:
    """The server's process; answers 0 also where another one was there first.

    What it needs comes as JSON on its stdin, so that the key is in no list of processes.
    """
    settings = json.load(sys.stdin)
    folder = Path(settings["folder"])
    os.umask(0o077)  # what it saves of prompts has names and values of databases in it
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not claim(folder / "alive"):
        return 0  # another one was quicker
    server = load(settings["model"], settings["api_key"], settings["prefixes"])
    registration = {
        "url": server.listening_address,
        "api_key": settings["api_key"],
        "pid": os.getpid(),
        "model": settings["model"],
        "started": time.time(),
    }
    write_private(folder / "registration.json", json.dumps(registration))
    try:
        serve(folder, server.listening_address, settings["api_key"], ended)
    finally:
        (folder / "registration.json").unlink(missing_ok=True)
    return 0


def load(model: str, api_key: str, prefixes: str) -> Any:
    """A llama.cpp server on a free port of loopback, with the model in memory."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [api_key]
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = DRAFTS_AT_ONCE
    params.kv_unified = True  # the drafts share the tokens of the one prompt, and a single one may use them all
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.endpoint_slots = True
    params.slot_save_path = f"{prefixes}/"
    params.use_jinja = True
    params.ui = False
    params.verbosity = 1  # errors; more would put questions into the log
    return xllamacpp.Server(params)


def serve(folder: Path, url: str, api_key: str, ended: threading.Event) -> None:
    """Wait until told to end, or until the lease has run out while nobody could be taking it."""
    while not ended.wait(min(POLL_SECONDS, left(folder) / 2 + 0.05)):
        if left(folder) > 0:
            continue
        if busy(url, api_key):
            os.utime(folder / "lease")
            continue
        # Whoever attaches holds `start` while renewing the lease: after this, nobody is between the two.
        with held(folder / "start"):
            if left(folder) <= 0:
                (folder / "registration.json").unlink(missing_ok=True)
                return


def left(folder: Path) -> float:
    """Seconds until the lease runs out."""
    lease = folder / "lease"
    try:
        return lease.stat().st_mtime + float(lease.read_text()) - time.time()
    except (OSError, ValueError):
        return 0.0


def busy(url: str, api_key: str) -> bool:
    """Whether the server is writing an answer right now."""
    request = urllib.request.Request(f"{url}/slots", headers={"Authorization": f"Bearer {api_key}"})  # noqa: S310
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            return any(slot.get("is_processing") for slot in json.load(response))
    except (OSError, ValueError):
        return False


def claim(path: Path) -> bool:
    """Hold the file for life, with our process id in it; false where another server has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(20):  # whoever looks whether a server lives has the file for an instant
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
            continue
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        return True
    return False


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file for a while, after whoever holds it now."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """All of it or nothing, and for the owner's eyes."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Past the native threads' own clean-up, which may wait for connections that nobody uses.
    os._exit(code)
