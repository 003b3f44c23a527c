"""What root writes for a machine binds everybody on it; the strictest word counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_folders import Folders

from sqlagent.config import Settings, check, load
from sqlagent.config.files import SYSTEM, SystemFolder
from sqlagent.core.errors import ConfigError
from sqlagent.core.policy import Origin

DENIES = '[[rule]]\nid = "no-drops"\nwhen = { verb = "drop" }\nthen = "deny"\nwhy = "by migration"\n'


class Machine:
    """A machine with a folder of its owner's, which is whoever runs the tests."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.path = folders.root / "etc"
        self.path.mkdir(mode=0o755)
        self.system = SystemFolder(self.path, self.path.stat().st_uid)

    def says(self, text: str, name: str = "config.toml") -> Path:
        path = self.path / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def load(self, flags: dict[str, object] | None = None, /, **env: str) -> Settings:
        return load(flags or {}, self.folders.env | env, self.folders.cwd, system=self.system)


@pytest.fixture
def machine(folders: Folders) -> Machine:
    return Machine(folders)


def test_it_is_the_folder_of_root_and_no_variable_moves_it() -> None:
    assert (SYSTEM.path, SYSTEM.owner) == (Path("/etc/sqlagent"), 0)


@pytest.mark.parametrize(
    ("system", "others", "key", "counts"),
    [
        ("reads = 'ask'", "reads = 'allow'", "reads", "ask"),
        ("send_examples = false", "send_examples = true", "send_examples", False),
        ("learn = false", "learn = true", "learn", False),
        ("timeout = '5s'", "timeout = '9s'", "timeout", 5.0),
        ("timeout = '5s'", "timeout = 0", "timeout", 5.0),
        ("timeout = '5s'", "timeout = '2s'", "timeout", 2.0),
        ("limit = 10", "limit = -1", "limit", 10),
        ("expires = '1h'", "expires = 0", "expires", 3600.0),
        ("examples = 0", "examples = 3", "examples", 0),
        ("keep_undo = '7d'", "keep_undo = '1d'", "keep_undo", 604800.0),
        ("keep_undo = '7d'", "keep_undo = '9d'", "keep_undo", 777600.0),
        ("base_url = 'http://ours/v1'", "base_url = 'http://mine/v1'", "base_url", "http://ours/v1"),
        ("relax = []", "relax = ['hidden-characters']", "relax", ()),
        ("model = 'local'", "model = 'gpt-5'", "model", "local"),
    ],
)
def test_the_machines_word_binds_and_a_stricter_one_counts(
    machine: Machine, system: str, others: str, key: str, counts: object
) -> None:
    machine.says(system)
    machine.folders.user(others)
    assert getattr(machine.load(), key) == counts


@pytest.mark.parametrize("flag", ["0", "60s"])
def test_no_flag_and_no_variable_goes_past_it(machine: Machine, flag: str) -> None:
    machine.says("timeout = '5s'\n")
    assert machine.load({"timeout": flag}).timeout == 5.0
    assert machine.load(SQLAGENT_TIMEOUT=flag).timeout == 5.0
    machine.folders.user("timeout = 0")
    assert machine.load({"config": str(machine.folders.user_file)}).timeout == 5.0


def test_it_speaks_where_nobody_else_does_and_says_so(machine: Machine) -> None:
    path = machine.says("reads = 'allow'\nlimit = 10\n")
    settings = machine.load()
    assert (settings.reads, settings.limit) == ("allow", 10)
    assert path in settings.config_files


def test_its_databases_are_named_by_nobody_else(machine: Machine) -> None:
    machine.says("[databases.prod]\nurl = '/srv/prod.db'\nread_only = true\n")
    machine.folders.user("[databases.prod]\nurl = '/srv/other.db'\nread_only = false\n")
    for called in ("prod", "/srv/prod.db"):
        database = machine.load({"database": called}).database
        assert (database.url, database.read_only) == ("sqlite:/srv/prod.db", True)


def test_its_policy_is_in_force_whatever_else_is_named(machine: Machine) -> None:
    machine.says(DENIES, "policy.toml")
    mine = machine.folders.root / "mine.toml"
    mine.write_text(DENIES.replace("no-drops", "mine").replace("deny", "allow"))
    settings = machine.load({"policy": [str(mine)]})
    assert [(rule.id, rule.origin) for rule in settings.rules.rules] == [
        ("no-drops", Origin.SYSTEM), ("mine", Origin.USER),
    ]  # fmt: skip


def test_who_holds_its_roles_it_says_itself(machine: Machine) -> None:
    ask = (
        """[[rule]]\nid = "ID"\nwhen = { verb = "drop" }\nthen = { ask = { role = "dba" } }\n[roles]\ndba = ["WHO"]\n"""
    )
    machine.says(ask.replace("ID", "ours").replace("WHO", "eva"), "policy.toml")
    machine.folders.root.joinpath("mine.toml").write_text(ask.replace("ID", "mine").replace("WHO", "mallory"))
    rules = machine.load({"policy": [str(machine.folders.root / "mine.toml")]}).rules.rules
    assert [rule.then.seats[0].who for rule in rules] == [("eva",), ("eva",)]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["config.toml", "policy.toml"])
@pytest.mark.parametrize("which", ["file", "folder"])
@pytest.mark.parametrize("how", [0o664, 0o666])
def test_one_that_others_can_write_stops_everything(machine: Machine, name: str, which: str, how: int) -> None:
    """To go on without it would be to let go of what it forbids."""
    path = machine.says("", name)
    (path if which == "file" else machine.path).chmod(how | (0 if which == "file" else 0o111))
    with pytest.raises(ConfigError, match=r"binds everybody, and .* is not root's alone") as refused:
        machine.load()
    assert "chmod go-w" in refused.value.hint
    problems = check({}, machine.folders.env, machine.folders.cwd, system=machine.system)
    assert [problem.file for problem in problems] == [str(path)]


def test_one_that_somebody_else_owns_stops_everything_too(machine: Machine) -> None:
    """As it looks from a user namespace, where nobody is root."""
    machine.says(DENIES, "policy.toml")
    machine.system = SystemFolder(machine.path, machine.system.owner + 1)
    with pytest.raises(ConfigError, match="is not root's alone"):
        machine.load()
