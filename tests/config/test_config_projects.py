"""A project's file may have come with somebody's clone: it can name things and tighten, never loosen or reach out."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from config_folders import Folders
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.errors import ConfigError
from sqlagent.core.nouns.policy import KnownAs
from sqlagent.core.policy.conditions import Answer, Databases, Match


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
        "databases.x = { url = 'x.db', foreign_keys = false }",
        "databases.x = { url = '/srv/prod.db' }",
        "databases.x = { url = '../prod.db' }",
        "databases.x = { url = '~/prod.db' }",
        "databases.x = { url = 'sqlite:////srv/prod.db' }",
        "databases.x = { url = 'link.db' }",
        "database = '/srv/prod.db'",
        "database = 'link.db'",
        "timeout = '31s'",
        "timeout = 0",
        "model_timeout = 0",
        "keep_alive = '11m'",
        "limit = 201",
        "limit = -1",
        "keep_undo = 0",
        "keep_undo = '1s'",
        "keep_undo = '90d'",
        "model = 'gpt-5'",
        "on_pending = ['/bin/sh', '-c', 'evil']",
        "relax = ['hidden-characters']",
        "samples = 9",
    ],
)
def test_a_project_may_not_reach_out_or_loosen(folders: Folders, line: str) -> None:
    (folders.cwd / "link.db").symlink_to("/srv/prod.db")
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


@pytest.mark.parametrize("model", ["gpt-5", "local", "auto"])
def test_a_project_names_no_model(folders: Folders, model: str) -> None:
    folders.project(f"model = '{model}'")
    with pytest.raises(ConfigError, match="model may not be set by a project's file"):
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
def test_the_nearest_preference_wins_and_a_project_only_lowers_a_limit(
    flag: int | None, env: int | None, project: int | None, user: int | None
) -> None:
    without = next(word for word in (flag, env, user, 200) if word is not None)
    with tempfile.TemporaryDirectory() as root:
        folders = Folders(Path(root))
        write(folders.cwd / "sqlagent.toml", said(limit=project))
        write(folders.user_file, said(limit=user))
        try:
            settings = folders.load({"limit": flag}, SQLAGENT_LIMIT=str(env or ""))
        except ConfigError:
            assert project is not None
            assert project > without
            return
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


# ---- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "users", "lower", "higher"),
    [
        ("timeout", "'10s'", "'5s'", "'11s'"),
        ("timeout", "0", "'5h'", "0"),
        ("expires", "'1h'", "'5m'", "'2h'"),
        ("expires", "'1h'", "'5m'", "0"),
        ("limit", "50", "49", "51"),
        ("limit", "-1", "5000", "-1"),
    ],
)
def test_a_project_lowers_a_limit_and_never_lifts_it(
    folders: Folders, key: str, users: str, lower: str, higher: str
) -> None:
    folders.user(f"{key} = {users}")
    folders.project(f"{key} = {lower}")
    assert folders.origin(key) == "./sqlagent.toml:1"
    folders.project(f"{key} = {higher}")
    if users == higher:  # it repeats what the user says
        assert folders.check() == ()
    else:
        (problem,) = folders.check()
        assert f"{key} may only be lowered by a project's file" in problem.message


# ---- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["shop.db", "/srv/prod.db", "dev.db"])
def test_a_name_of_the_user_is_not_a_projects_to_give(folders: Folders, url: str) -> None:
    """It gave the user's `dev` the place of `prod`, and rules by name allowed there what they deny."""
    folders.user("[databases.prod]\nurl = '/srv/prod.db'\n[databases.dev]\nurl = '/srv/dev.db'\n")
    folders.project(f"[databases.dev]\nurl = '{url}'\n")
    with pytest.raises(ConfigError, match=r"dev\.url may not be moved by a project's file"):
        folders.load()


def test_a_project_chooses_among_its_own_databases(folders: Folders) -> None:
    folders.user("[databases.prod]\nurl = '/srv/prod.db'\n")
    folders.project("database = 'mine'\n[databases.mine]\nurl = 'sub/mine.db'\n")
    assert folders.load().database.path == folders.cwd / "sub" / "mine.db"
    folders.project("database = 'sub/mine.db'")
    assert folders.load().database.name == "mine.db"


def test_a_sample_that_leads_out_of_the_folder_is_nobodys_choice(folders: Folders) -> None:
    (folders.root / "prod.db").touch()
    (folders.cwd / "sample.db").symlink_to(folders.root / "prod.db")
    with pytest.raises(ConfigError, match="no database was chosen"):
        _ = folders.load().database


def test_a_project_file_of_a_stranger_is_refused(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folders.project("limit = 3")
    try:
        os.chown(path, 4712, -1)
    except PermissionError:
        monkeypatch.setattr("os.getuid", lambda: 4711)
    (problem,) = folders.check()
    assert re.match(r"belongs to .+: a file that a project brings must be yours or root's", problem.message)
    assert problem.hint == "look at it, then take it as your own: --config ./sqlagent.toml"
    assert folders.load({"config": "sqlagent.toml"}).limit == 3


def known_as(folders: Folders, database: str) -> KnownAs:
    settings = folders.load({"database": database})
    return settings.known_as(settings.database)


@pytest.mark.parametrize("called", ["prod", "./prod.db", "link.db", "hard.db", "mine"])
def test_a_database_is_known_by_what_it_is_however_it_is_called(folders: Folders, called: str) -> None:
    (folders.cwd / "prod.db").touch()
    (folders.cwd / "link.db").symlink_to("prod.db")
    (folders.cwd / "hard.db").hardlink_to(folders.cwd / "prod.db")
    folders.user(f"[databases.prod]\nurl = '{folders.cwd}/prod.db'\n")
    folders.project("[databases.mine]\nurl = 'prod.db'\n")
    assert known_as(folders, called).names == {"prod"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://eva@db.example/shop",
        "postgres://DB.example:5432/shop?sslmode=require",
        "postgresql:///shop?host=db.example",
        "postgresql://db.example/other?dbname=shop",
    ],
)
def test_a_server_is_known_by_host_and_database(folders: Folders, url: str) -> None:
    folders.user("[databases.prod]\nurl = 'postgresql://db.example/shop'\n")
    assert known_as(folders, url).names == {"prod"}
    assert known_as(folders, "postgresql://db.example:5433/shop").names == set()


def test_what_a_folder_calls_a_database_lets_nothing_through(folders: Folders) -> None:
    """A file named `dev`, a project's name `dev`: neither is the `dev` of the user's rules."""
    (folders.cwd / "dev").touch()
    folders.user("[databases.prod]\nurl = '/srv/prod.db'\n")
    folders.project("[databases.dev]\nurl = 'dev'\n")
    for called in ("dev", "./dev"):
        facts = known_as(folders, called)
        assert Databases(("dev",)).answer(facts, Match.ALL) is Answer.NO
        assert Databases(("dev",)).answer(facts, Match.ANY) is Answer.YES, "what denies is not read so closely"
        assert Databases((f"{folders.cwd}/*",)).answer(facts, Match.ALL) is Answer.YES
