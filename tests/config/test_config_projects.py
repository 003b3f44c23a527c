"""A project's file may have come with somebody's clone: it can name things and tighten, never loosen or reach out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from config_folders import Folders
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.errors import ConfigError


@pytest.mark.parametrize(
    "line",
    [
        "api_key_file = 'key'",
        "pager = 'sh -c evil'",
        "editor = 'sh -c evil'",
        "state_dir = '.'",
        "cache_dir = '.'",
        "base_url = 'http://evil.example/v1'",
        "examples = 10",
        "database = 'postgresql://evil.example/db'",
        "database = 'postgresql:///db?host=evil.example'",
        "database = 'postgresql:///db?service=evil'",
        "database = 'file://evil.example/share/x.db'",
        "send_examples = true",
        "reads = 'allow'",
        "databases.x = { url = 'postgresql://evil.example/db' }",
        "databases.x = { url = 'postgresql://[::1/db' }",
        "databases.x = { url = 'x.db', examples = 10 }",
        "databases.x = { url = 'x.db', marker_table = true }",
    ],
)
def test_a_project_may_not_reach_out_or_loosen(folders: Folders, line: str) -> None:
    folders.project(f"# from a clone\n{line}\n")
    with pytest.raises(ConfigError, match=r"^\./sqlagent\.toml:2: ") as refused:
        folders.load()
    assert "by a project's file" in refused.value.message or "in a project's file" in refused.value.message
    assert "config.toml" in refused.value.hint


def test_a_user_may_set_all_that_a_project_may_not(folders: Folders) -> None:
    folders.user("pager = 'more'\neditor = 'ed'\nreads = 'allow'\nsend_examples = true\nbase_url = 'http://x/v1'\n")
    settings = folders.load()
    assert (settings.pager, settings.editor, settings.reads) == ("more", "ed", "allow")
    assert (settings.send_examples, settings.base_url) == (True, "http://x/v1")


def test_a_project_may_not_send_to_a_server_what_the_user_keeps_local(folders: Folders) -> None:
    folders.user("model = 'local:0.5b'")
    folders.project("model = 'local'")
    assert folders.load().model == "local"
    folders.project("model = 'gpt-5'")
    with pytest.raises(ConfigError, match="model may not leave this machine in a project's file"):
        folders.load()


def test_a_project_may_repeat_what_the_user_allows(folders: Folders) -> None:
    folders.project("reads = 'allow'")
    folders.user("reads = 'allow'")
    assert folders.load().reads == "allow"


def test_a_variable_of_the_user_lets_the_project_allow_reads(folders: Folders) -> None:
    folders.project("reads = 'allow'")
    assert folders.load(SQLAGENT_READS="allow").reads == "allow"


def test_a_project_may_tighten_what_the_user_allows(folders: Folders) -> None:
    folders.user("reads = 'allow'")
    folders.project("reads = 'ask'")
    assert folders.load(SQLAGENT_READS="allow").reads == "ask"
    assert folders.origin("reads") == "./sqlagent.toml:1"


def test_a_user_who_asks_is_not_overruled_by_a_variable(folders: Folders) -> None:
    folders.user("reads = 'ask'")
    assert folders.load(SQLAGENT_READS="allow").reads == "ask"


def test_a_project_may_make_a_users_database_read_only(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\n")
    folders.project("[databases.shop]\nread_only = true\n")
    database = folders.load().database
    assert (database.read_only, str(database.path)) == (True, "/srv/shop.db")


def test_a_user_may_make_a_projects_database_read_only(folders: Folders) -> None:
    folders.user("[databases.shop]\nread_only = true\n")
    folders.project("[databases.shop]\nurl = 'shop.db'\n")
    assert folders.load().database.read_only


def test_a_project_may_not_open_what_the_user_closed(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nread_only = true\n")
    folders.project("[databases.shop]\nread_only = false\n")
    with pytest.raises(ConfigError, match=r"shop\.read_only may not be loosened by a project's file: false"):
        folders.load()


READS = st.sampled_from([None, "ask", "allow"])
LIMITS = st.one_of(st.none(), st.integers(1, 9999))


def write(path: Path, settings: dict[str, Any]) -> None:
    lines = [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}".lower() for k, v in settings.items()]
    path.write_text("\n".join(lines))


def said(**settings: Any) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


@given(flag=LIMITS, env=LIMITS, project=LIMITS, user=LIMITS)
def test_the_nearest_preference_wins_whatever_else_is_said(
    flag: int | None, env: int | None, project: int | None, user: int | None
) -> None:
    with tempfile.TemporaryDirectory() as root:
        folders = Folders(Path(root))
        write(folders.cwd / "sqlagent.toml", said(limit=project))
        write(folders.user_file, said(limit=user))
        settings = folders.load({"limit": flag}, SQLAGENT_LIMIT=str(env or ""))
    assert settings.limit == next(word for word in (flag, env, project, user, 200) if word is not None)


@given(env=READS, project=READS, user=READS, shown=st.sampled_from([None, True, False]))
def test_a_project_never_loosens(env: str | None, project: str | None, user: str | None, shown: bool | None) -> None:
    with tempfile.TemporaryDirectory() as root:
        folders = Folders(Path(root))
        write(folders.user_file, said(reads=user))
        without = folders.load(SQLAGENT_READS=env or "")
        write(folders.cwd / "sqlagent.toml", said(reads=project, send_examples=shown))
        try:
            settings = folders.load(SQLAGENT_READS=env or "")
        except ConfigError:
            assert project == "allow" or shown
            return
    assert not settings.send_examples
    assert settings.reads == "ask" or (settings.reads, without.reads) == ("allow", "allow")
    assert "ask" not in (env, project, user) or settings.reads == "ask"


@given(user=st.sampled_from([None, True, False]), project=st.sampled_from([None, True, False]))
def test_read_only_from_anywhere_holds(user: bool | None, project: bool | None) -> None:
    with tempfile.TemporaryDirectory() as root:
        folders = Folders(Path(root))
        write(folders.user_file, said(**{"databases.s.url": "/srv/s.db", "databases.s.read_only": user}))
        write(folders.cwd / "sqlagent.toml", said(**{"databases.s.read_only": project}))
        try:
            settings = folders.load()
        except ConfigError:
            assert (user, project) == (True, False)
            return
    assert settings.database.read_only == bool(user or project)
