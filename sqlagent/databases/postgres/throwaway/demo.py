"""The sample shop on a throw-away PostgreSQL server, which runs until somebody stops it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg

from sqlagent.core.errors import ConnectError
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

_NOTE = "demo-postgres"
"""The file that says where the server is."""
_ROLE, _SHOP = "shopkeeper", "shop"


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo server that runs."""

    url: str
    folder: Path
    started: bool
    """Just now; otherwise it ran before."""


def start(state: Path) -> Demo:
    """The server whose folder is noted in `state`; a new one where none runs."""
    if (found := _noted(state)) and found.is_running:
        return Demo(found.url(_SHOP, user=_ROLE), found.folder, started=False)
    stop(state)
    server = ThrowawayServer()
    try:
        _make_shop(server)
    except BaseException:
        server.close()
        raise
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / _NOTE).write_text(f"{server.folder}\n{server.port}\n", encoding="utf-8")
    return Demo(server.url(_SHOP, user=_ROLE), server.folder, started=True)


def stop(state: Path) -> bool:
    """End the demo server and remove its folder; answers whether there was one."""
    server = _noted(state)
    (state / _NOTE).unlink(missing_ok=True)
    if server is None:
        return False
    server.close()
    return True


def _noted(state: Path) -> ThrowawayServer | None:
    try:
        folder, port = (state / _NOTE).read_text("utf-8").splitlines()
    except (FileNotFoundError, ValueError):
        return None
    return ThrowawayServer.at(Path(folder), int(port)) if Path(folder).is_dir() else None


def _make_shop(server: ThrowawayServer) -> None:
    """A role that owns the shop, and may do nothing else."""
    try:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {_ROLE} LOGIN".encode())
            admin.execute(f"CREATE DATABASE {_SHOP} OWNER {_ROLE}".encode())
        with psycopg.connect(server.url(_SHOP, user=_ROLE), autocommit=True) as shop:
            shop.execute(files(__package__).joinpath("shop.sql").read_bytes())
    except psycopg.Error as e:
        raise ConnectError(f"the shop could not be made: {e}", hint=f"look into {server.folder}") from e
