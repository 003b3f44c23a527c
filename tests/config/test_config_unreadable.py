"""A config file that may be there and cannot be looked at is said, never passed over: it may be what tightens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from config_folders import Folders

from sqlagent.config import load
from sqlagent.core.errors import ConfigError

TOO_LONG = "n" * 300


def test_a_config_folder_that_cannot_be_looked_into_is_said(folders: Folders) -> None:
    hidden = str(folders.root / TOO_LONG)
    with pytest.raises(ConfigError, match="cannot be read: file name too long") as failure:
        folders.load(XDG_CONFIG_HOME=hidden)
    assert failure.value.hint == "name another: --config FILE"
    (problem,) = folders.check(XDG_CONFIG_HOME=hidden)
    assert problem.line == 0


def test_a_config_file_that_leads_in_a_circle_is_said(folders: Folders) -> None:
    folders.user_file.symlink_to(folders.user_file)
    with pytest.raises(ConfigError, match="cannot be read: too many levels of symbolic links"):
        folders.load()
    folders.user_file.unlink()
    (folders.cwd / "sqlagent.toml").symlink_to("sqlagent.toml")
    with pytest.raises(ConfigError, match=r"sqlagent\.toml cannot be read"):
        folders.load()


def test_a_file_in_the_place_of_the_folder_holds_no_config(folders: Folders) -> None:
    (folders.root / "file").write_text("")
    assert folders.load(XDG_CONFIG_HOME=str(folders.root / "file")).config_files == ()


@pytest.fixture
def reachable() -> Iterator[Folders]:
    """Folders that every user can come to."""
    root = Path(tempfile.mkdtemp(prefix="sqlagent-closed-"))
    root.chmod(0o755)
    yield Folders(root)
    shutil.rmtree(root)


def test_a_folder_closed_to_its_user_is_said(reachable: Folders) -> None:
    """In a process of somebody whom permissions bind; root they do not."""
    closed = reachable.user_file.parent
    closed.chmod(0o700 if os.getuid() == 0 else 0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            load({}, reachable.env, reachable.cwd)
        except BaseException as e:
            said = f"{type(e).__name__}: {e}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() == f"ConfigError: {reachable.user_file} cannot be read: permission denied"
    os.waitpid(child, 0)
    closed.chmod(0o700)


def test_a_policy_of_the_state_folder_that_cannot_be_looked_at_is_said(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").symlink_to("policy.toml")
    settings = folders.load({"state_dir": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"policy\.toml cannot be read"):
        _ = settings.rules


def test_a_database_of_an_impossible_name_is_no_traceback(folders: Folders) -> None:
    assert folders.load({"database": TOO_LONG}).database.url.endswith(TOO_LONG)
