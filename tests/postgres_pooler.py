"""A PgBouncer of its own on loopback before a test server, as a team runs one before its database."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
"""


class Pooler:
    """One process, which ends with the test run; it refuses to run as root, so it runs as the server's user."""

    def __init__(
        self, server: ThrowawayServer, *, mode: str = "transaction", settings: str = "", roles: Sequence[str] = ()
    ) -> None:
        assert PROGRAM is not None
        self.folder = Path(tempfile.mkdtemp(prefix="sqlagent-pgbouncer-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        users, config = self.folder / "users", self.folder / "pgbouncer.ini"
        users.write_text("".join(f'"{role}" ""\n' for role in ("postgres", *roles)))
        text = _SETTINGS.format(server=server.port, port=self.port, users=users, mode=mode)
        config.write_text(text + settings)
        user = _owner(server)
        if os.geteuid() == 0:
            for each in (self.folder, users, config):
                os.chown(each, pwd.getpwnam(user).pw_uid, -1)
        self._process = subprocess.Popen(
            [PROGRAM, config], user=user if os.geteuid() == 0 else None, stderr=subprocess.PIPE, text=True,
            cwd=self.folder,
        )  # fmt: skip
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "process up" in line:
                break
        else:
            raise AssertionError("pgbouncer did not start")
        # what it says of every connection would fill the pipe, and then it would stand still
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._drain.start()

    def url(self, database: str, *, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        """It lets go of the server at once."""
        self._process.kill()
        self._process.wait()
        self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        shutil.rmtree(self.folder)


def _owner(server: ThrowawayServer) -> str:
    return server.data.owner()


@pytest.fixture(scope="session")
def pooler(pg_server: ThrowawayServer) -> Iterator[Pooler]:
    """In transaction mode."""
    _skip_without()
    made = Pooler(pg_server)
    yield made
    made.close()


@pytest.fixture
def pooler_of(pg_server: ThrowawayServer) -> Iterator[Callable[..., Pooler]]:
    """Makes one with a mode and settings of the test's own."""
    made: list[Pooler] = []

    def make(*, mode: str = "transaction", settings: str = "", roles: Sequence[str] = ()) -> Pooler:
        _skip_without()
        made.append(Pooler(pg_server, mode=mode, settings=settings, roles=roles))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _skip_without() -> None:
    if PROGRAM is None:
        pytest.skip("pgbouncer is not here")
