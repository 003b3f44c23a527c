"""Two users of one machine on a shared store that knows them by their sockets, and what one of them tries as the other.

Everything runs as the system's own users `daemon` (ana) and `bin` (ben), in processes of theirs.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import re
import shutil
import sqlite3
import sys
import tempfile
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from checkout import FIXTURES
from cli_shop import SHOP
from langgraph.checkpoint.postgres import PostgresSaver
from strangers import open_to_strangers

from sqlagent import Agent
from sqlagent.cli import run
from sqlagent.cli.store_help import STORE
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer
from sqlagent.store.shared.setup import upgrade

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="other users of the machine can only be had by root, on Linux"
)
USERS = {"ana": "daemon", "ben": "bin"}
WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"
POLICY = '[[rule]]\nid = "two"\nwhen = { risk = ">=write" }\nthen = { ask = { people = 1, not_requester = true } }\n'
_NEW_USER_NAMESPACE = 0x10000000
_BE_DUMPABLE = 4


@dataclass
class Machine:
    """A server that tells users by their sockets, and a home for each of them."""

    server: ThrowawayServer
    sockets: Path
    homes: Path
    database: str

    def url(self, login: str) -> str:
        return f"postgresql://{login}@/{self.database}?host={self.sockets}&port={self.server.port}"

    def home(self, who: str) -> Path:
        return self.homes / who

    def start(
        self, who: str, words: list[str], *, login: str = "", before: Callable[[], None] = lambda: None
    ) -> Process:
        """A command of theirs; `login` is whom they say that they are, and `before` what they do to themselves."""
        said = self.homes / f"{who}.said"
        child = os.fork()
        if child == 0:
            code = 99
            try:
                out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                for standard in (1, 2):
                    os.dup2(out, standard)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
                become(USERS[who], self.home(who))
                os.environ["SQLAGENT_STORE"] = self.url(login or who)
                before()
                code = int(run(words))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        return Process(child, said)

    def typed(self, who: str, *words: str, **more: object) -> tuple[int, str]:
        return self.start(who, list(words), **more).end()  # type: ignore[arg-type]


@dataclass
class Process:
    """A command that runs."""

    pid: int
    said: Path

    def end(self) -> tuple[int, str]:
        """Its exit code, and all that it said."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self.said.read_text("utf-8", "replace")


def become(name: str, home: Path) -> None:
    """That user, with that home and nothing of ours."""
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.chdir(home)
    for variable in [v for v in os.environ if v.startswith(("XDG_", "SQLAGENT_"))]:
        del os.environ[variable]
    os.environ |= {"HOME": str(home), "SQLAGENT_STATE_DIR": str(home / "state")}
    if (home / "shop.db").exists():
        os.environ |= {"SQLAGENT_DB": "shop.db", "SQLAGENT_POLICY": "policy.toml"}


def mapped_to(name: str) -> Callable[[], None]:
    """What `unshare -U --map-user=NAME` does."""

    def unshare() -> None:
        mine, theirs = os.getuid(), pwd.getpwnam(name).pw_uid
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_BE_DUMPABLE, 1, 0, 0, 0)  # else /proc/self is root's, after a change of user
        if libc.unshare(_NEW_USER_NAMESPACE) != 0:
            os._exit(77)
        Path("/proc/self/uid_map").write_text(f"{theirs} {mine} 1")
        assert os.getuid() == theirs

    return unshare


def _admin(server: ThrowawayServer, *statements: str) -> None:
    with psycopg.connect(server.loopback_url(), autocommit=True) as db:
        for statement in statements:
            db.execute(statement.encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ThrowawayServer, Path]]:
    sockets = Path(tempfile.mkdtemp(prefix="sqlagent-sockets-"))
    sockets.chmod(0o777)
    made = ThrowawayServer(
        addresses="127.0.0.1",
        settings=f"unix_socket_directories = '{sockets}'\nunix_socket_permissions = 0777\nmax_connections = 30\n",
    )
    rules = made.data / "pg_hba.conf"
    rules.write_text(f"local all all peer map=team\n{rules.read_text()}")
    with (made.data / "pg_ident.conf").open("a") as file:
        file.writelines(f"team {user} {login}\n" for login, user in USERS.items())
    _admin(made, "SELECT pg_reload_conf()", "CREATE DATABASE warm")
    upgrade(made.loopback_url("warm"), lambda db: PostgresSaver(db).setup())
    _admin(made, "CREATE ROLE ana LOGIN IN ROLE sqlagent_people", "CREATE ROLE ben LOGIN IN ROLE sqlagent_people")
    _admin(made, "CREATE DATABASE empty TEMPLATE warm")
    warmed(made, tmp_path_factory.mktemp("warm"))
    yield made, sockets
    made.close()
    shutil.rmtree(sockets)


@pytest.fixture
def machine(server: tuple[ThrowawayServer, Path], tmp_path: Path) -> Machine:
    made, sockets = server
    homes = tmp_path / "homes"
    homes.mkdir()
    open_to_strangers(homes / "x")
    homes.chmod(0o755)
    for who, name in USERS.items():
        home = homes / who
        home.mkdir(0o700)
        if who == "ana":
            with sqlite3.connect(home / "shop.db") as db:
                db.executescript(SHOP)
            db.close()
            (home / "policy.toml").write_text(POLICY)
            (home / "cleanup.sql").write_text(WRITE)
        user = pwd.getpwnam(name)
        for path in (home, *home.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
            path.chmod(0o700 if path.is_dir() else 0o600)
    database = f"s{uuid.uuid4().hex[:8]}"
    _admin(made, f"CREATE DATABASE {database} TEMPLATE empty")
    return Machine(made, sockets, homes, database)


def warmed(server: ThrowawayServer, folder: Path) -> None:
    """Everything is imported that the other users may not be able to read: a thread is asked, approved and run."""
    shop = folder / "warm.db"
    with sqlite3.connect(shop) as db:
        db.executescript(SHOP)
    db.close()
    url = server.loopback_url("warm", user="ana")
    (folder / "warm.toml").write_text(POLICY)
    with Agent.open(str(shop), store=url, state_dir=str(folder / "warm"), policy=[str(folder / "warm.toml")]) as ana:
        waits = ana.run(WRITE)
        assert waits.proposal is not None
        with Agent.open(store=url.replace("ana@", "ben@"), state_dir=str(folder / "warm-ben")) as ben:
            ben.approve(waits.thread, waits.proposal.digest, run=False)
        ana.wait(waits.thread)
        ana.resume(waits.thread)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQLAGENT_STORE", url)
        patch.setenv("SQLAGENT_POLICY", str(folder / "warm.toml"))
        here = ("--db", str(shop), "--state-dir", str(folder / "warm"))
        run(["run", "--sql", WRITE, *here, "--json"])
        run(["run", "--sql", WRITE, *here, "--wait", "--expires", "1s"])
        run(["pending"])
        run(["pending", "--json"])
        run(["resume", waits.thread, "--approve", waits.proposal.digest, "--no-run", *here[2:]])
        run(["resume", "none", "--approve", "9" * 64])


def unpaid(machine: Machine) -> int:
    db = sqlite3.connect(machine.home("ana") / "shop.db")
    try:
        return int(db.execute("SELECT count(*) FROM orders WHERE status = 'pending'").fetchone()[0])
    finally:
        db.close()


def waits(machine: Machine) -> dict[str, str]:
    """What waits for ben, once something does."""
    while True:
        code, said = machine.typed("ben", "pending", "--json")
        assert code == 0, said
        threads = json.loads(said)["threads"]
        if threads and threads[0]["digest"]:
            return dict(threads[0])


def test_ana_asks_and_waits_ben_approves_and_it_is_run(machine: Machine) -> None:
    """As `fixtures/readme/store.txt` has it."""
    screen = (FIXTURES / "readme" / "store.txt").read_text().splitlines()[1:]
    assert set(screen) <= {line.strip() for line in STORE.splitlines()}, "sqlagent help store"
    commands = [re.fullmatch(r"(\w+)\$ sqlagent (.*)", line) for line in screen]
    (asks, *answers) = [(c[1], c[2]) for c in commands if c]
    ana = machine.start(asks[0], asks[1].split())
    found = waits(machine)
    for who, words in answers:
        code, said = machine.typed(
            who, *words.replace("k7f3", found["thread"]).replace("DIGEST", found["digest"]).split()
        )
        assert code == 0, said
    code, said = ana.end()
    assert (code, unpaid(machine)) == (0, 0), said
    assert "approved by ben (flag)" in said


@pytest.mark.parametrize(
    ("login", "before", "says"),
    [
        ("ben", lambda: None, "let nobody in"),
        ("ben", mapped_to("bin"), "let nobody in"),
        ("ana", mapped_to("bin"), "ana asked for it"),
        ("ana", lambda: None, "ana asked for it"),
        ("sqlagent_owner", lambda: None, "let nobody in"),
    ],
    ids=["as ben", "as ben, with his number", "with his number", "as herself", "as the owner"],
)
def test_whoever_asked_does_not_become_another_by_a_login_or_a_number(
    machine: Machine, login: str, before: Callable[[], None], says: str
) -> None:
    code, said = machine.typed("ana", "run", "cleanup.sql", "--json")
    assert code == 8, said
    asked = json.loads(said.splitlines()[0])
    code, said = machine.typed(
        "ana", "resume", asked["thread"], "--approve", asked["digest"], login=login, before=before
    )
    if code == 77:
        pytest.skip("this machine makes no user namespaces")
    assert code in (4, 8), said
    assert says in said
    assert unpaid(machine) == 10


def test_neither_of_them_reads_what_is_the_other_s(machine: Machine) -> None:
    machine.typed("ana", "run", "cleanup.sql")
    for path in ("shop.db", "state", "state/marks"):
        child = os.fork()
        if child == 0:
            become(USERS["ben"], machine.home("ben"))
            os._exit(int(os.access(machine.home("ana") / path, os.R_OK)))
        assert os.waitpid(child, 0)[1] == 0, path
