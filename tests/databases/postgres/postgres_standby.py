"""A second server that follows a first one, for tests of what a failover loses."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from pathlib import Path

import psycopg

from sqlagent.databases.postgres.throwaway.server import ThrowawayServer


class Standby(ThrowawayServer):
    """Streams from its primary; it is asynchronous, as most are."""

    def __init__(self, primary: ThrowawayServer) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sqlagent-pg-"))
        self._user, self._bin = primary._user, primary._bin
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self.data = self.folder / "data"
        self._run(
            "pg_basebackup", "-d", primary.loopback_url(), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast"
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
        self.start()

    def wait_for(self, primary: ThrowawayServer) -> None:
        """Until it has all that the primary has flushed."""
        with psycopg.connect(primary.loopback_url(), autocommit=True) as db:
            row = db.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        assert row is not None
        with psycopg.connect(self.loopback_url(), autocommit=True) as db:
            while db.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone() != (True,):
                db.execute("SELECT pg_sleep(0.02)")

    def promote(self) -> None:
        """It takes writes from here on."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")
