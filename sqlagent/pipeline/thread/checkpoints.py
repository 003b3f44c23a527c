"""Where a paused thread waits: LangGraph's own saver, made private, strict and safe against a clock set back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import id as checkpoint_id
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import StateSnapshot

from sqlagent.core.errors import SqlagentError, StoreError
from sqlagent.pipeline.thread.guarded_saver import GuardedSaver, json_alone
from sqlagent.pipeline.thread_lock import thread_lock
from sqlagent.plain_files import NotPlain, refuse_odd_database
from sqlagent.store import private

if TYPE_CHECKING:
    from sqlagent.pipeline.thread.graph import Graph

_SETTING_UP = "checkpoints"
"""What the lock is called that is held while the file is made; no thread has a name so long."""
BUSY_SECONDS = 30.0


class Saver(GuardedSaver, SqliteSaver):
    """LangGraph's saver for a SQLite file of this machine."""

    def __init__(self, connection: sqlite3.Connection, path: Path, reached: Callable[[str], None]) -> None:
        super().__init__(connection, serde=json_alone())
        self._path = path
        self._reached = reached

    def guarded(self) -> AbstractContextManager[None]:
        """Whatever goes wrong inside, as a StoreError that names the file."""
        return guarded(self._path)

    def unreadable(self, e: Exception) -> Exception:
        """The error for a checkpoint that raised `e` while it was read: SQLite's own, or one that says damaged."""
        if isinstance(e, sqlite3.Error):
            return e
        return sqlite3.DatabaseError(f"a checkpoint cannot be read ({type(e).__name__})")

    def drop_before(self, thread: str, checkpoint: str) -> None:
        """Delete a thread's checkpoints that are older than this one."""
        with self.cursor() as cursor:
            for table in ("checkpoints", "writes"):
                cursor.execute(
                    f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id < ?",  # noqa: S608
                    (thread, checkpoint),
                )


def open_checkpoints(folder: Path, store: str, reached: Callable[[str], None] = lambda _name: None) -> GuardedSaver:
    """Those of a state folder, or of a team's store where its URL is given."""
    if not store:
        return open_saver(folder / "checkpoints.db", reached)
    from sqlagent.pipeline.thread.shared_checkpoints import open_shared_saver  # with a driver of PostgreSQL

    return open_shared_saver(store, reached)


def open_saver(path: Path, reached: Callable[[str], None] = lambda _name: None) -> Saver:
    """The checkpoints at `path`, made if missing."""
    # One at a time: SQLite does not wait for the lock that turning a new file to WAL takes, it says "locked".
    with thread_lock(path.parent / "locks", _SETTING_UP), guarded(path):
        private.make_folder(path.parent)
        with suppress(FileExistsError):  # a file that is there is not touched: closing it would drop its locks
            os.close(private.open_file(path, os.O_RDWR | os.O_EXCL))
        _refuse_to_roll_back(path)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_SECONDS)
        saver = Saver(connection, path, reached)
        saver.setup()
        connection.execute("PRAGMA synchronous = FULL")
    return saver


def _refuse_to_roll_back(path: Path) -> None:
    """Nothing of ours leaves a rollback journal beside the checkpoints: they are in WAL mode.

    Python's SQLite may be old enough to delete whatever file such a journal names.
    """
    try:
        refuse_odd_database(path)
    except NotPlain as e:
        raise StoreError(f"the checkpoints {path}: it {e}", hint=f"ls -l {path}*") from e
    journal = path.with_name(path.name + "-journal")
    try:
        hot = journal.stat().st_size > 0 and journal.read_bytes()[:8] != bytes(8)
    except OSError:
        return
    if hot:
        raise StoreError(
            f"the checkpoints {path} have a hot journal: another program was cut off while it wrote",
            hint="if the journal is your own: sqlagent doctor --recover",
        )


def head(graph: Graph, config: Any, saver: GuardedSaver) -> StateSnapshot:
    """Where the thread stands; the next checkpoint will have an id above it."""
    with saver.guarded():
        try:
            snapshot = graph.get_state(config)
        except SqlagentError:
            raise
        except Exception as e:  # bytes that somebody changed: what reading them raises is known to nobody
            raise saver.unreadable(e) from e
    never_before(snapshot)
    return snapshot


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
            hint=f"restore them from a backup, or move them away: mv {path} {path}.damaged  (paused threads then "
            "wait as before, by the journal; what ran stays on record there)",
        ) from e
    except OSError as e:
        raise StoreError(
            f"the checkpoints {path} cannot be written: {(e.strerror or str(e)).lower()}",
            hint="name another folder: --state-dir DIR",
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
