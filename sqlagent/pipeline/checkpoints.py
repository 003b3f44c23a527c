"""Where a paused thread waits: LangGraph's own saver, made private, strict and safe against a clock set back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import id as checkpoint_id
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import StateSnapshot

from sqlagent.core.errors import StoreError

BUSY_SECONDS = 30.0


def open_saver(path: Path) -> SqliteSaver:
    """The checkpoints at `path`, made if missing, 0600.

    The serializer restores JSON-like values and nothing else: by default whoever can write the file could run code in
    whoever reads it.
    """
    with guarded(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_SECONDS)
        saver = SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        saver.setup()
        connection.execute("PRAGMA synchronous = FULL")
    return saver


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Whatever SQLite or the disk says of the checkpoints, as a StoreError with what to do."""
    try:
        yield
    except sqlite3.OperationalError as e:
        raise StoreError(f"the checkpoints {path} cannot be used: {e}", hint="sqlagent doctor") from e
    except sqlite3.DatabaseError as e:
        raise StoreError(
            f"the checkpoints {path} are damaged: {e}",
            hint=f"restore them from a backup, or move them away: mv {path} {path}.damaged  (paused threads are then "
            "asked anew; what ran stays on record in the journal)",
        ) from e
    except OSError as e:
        raise StoreError(
            f"the checkpoints {path} cannot be written: {e.strerror}",
            hint="name another folder: sqlagent --state-dir DIR ...",
        ) from e


def never_before(snapshot: StateSnapshot) -> None:
    """Keep the next checkpoint's id above the head's.

    Ids are made of the wall clock and the newest is the greatest, so a clock that went back five seconds would make an
    old checkpoint the head again, and an approved statement run twice.
    """
    head: str = snapshot.config.get("configurable", {}).get("checkpoint_id", "")
    if head:
        ids: Any = checkpoint_id  # a private name of the installed version: a test pins it
        ids._last_v6_timestamp = max(ids._last_v6_timestamp or 0, _timestamp(head))


def _timestamp(uuid6: str) -> int:
    """The 60 bits of time in a version 6 UUID, in units of 100 ns."""
    bits = int(uuid6.replace("-", ""), 16)
    return ((bits >> 80) << 12) | ((bits >> 64) & 0xFFF)
