"""`--db` takes a configured name, a path or a URL without a password, and says so when it gets anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_folders import Folders

from sqlagent.config import explain
from sqlagent.core.errors import ConfigError
from sqlagent.core.secret import Secret

TWO = "[databases.prod]\nurl = 'postgresql://db.example/prod'\n[databases.dev]\nurl = 'dev.db'\n"


def test_the_sample_next_to_the_person_is_used_and_marked_as_such(folders: Folders) -> None:
    (folders.cwd / "sample.db").touch()

    database = folders.load().database

    assert (database.name, database.is_sample) == ("sample.db", True)
    assert database.path == folders.cwd / "sample.db"


def test_the_sample_that_somebody_names_is_chosen_and_not_marked(folders: Folders) -> None:
    (folders.cwd / "sample.db").touch()
    assert not folders.load({"database": "sample.db"}).database.is_sample


def test_without_any_database_loading_works_and_asking_for_one_says_what_to_type(folders: Folders) -> None:
    settings = folders.load()
    with pytest.raises(ConfigError, match="no database was chosen") as refused:
        _ = settings.database
    assert refused.value.hint.startswith("--db PATH")


def test_the_only_database_configured_is_the_default(folders: Folders) -> None:
    (folders.cwd / "sample.db").touch()
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\n")
    assert folders.load().database.name == "shop"


def test_of_several_databases_none_is_guessed(folders: Folders) -> None:
    folders.user(TWO)
    (folders.cwd / "sample.db").touch()
    with pytest.raises(ConfigError, match="2 databases are configured") as refused:
        _ = folders.load().database
    assert refused.value.hint == "--db dev, or: dev, prod"


def test_a_misspelt_name_gets_the_nearest(folders: Folders) -> None:
    folders.user(TWO)
    with pytest.raises(ConfigError, match=r"no database named prd in .*config\.toml") as refused:
        _ = folders.load({"database": "prd"}).database
    assert refused.value.hint == "did you mean prod?"


def test_a_name_like_no_other_gets_the_list_and_how_to_write_a_path(folders: Folders) -> None:
    folders.user(TWO)
    with pytest.raises(ConfigError) as refused:
        _ = folders.load({"database": "warehouse"}).database
    assert refused.value.hint == "there is dev, prod; a path has a dot or a slash: ./warehouse"


def test_a_name_wins_over_a_file_of_the_same_name(folders: Folders) -> None:
    folders.user(TWO)
    (folders.cwd / "prod").touch()
    assert folders.load({"database": "prod"}).database.engine == "postgresql"
    assert folders.load({"database": "./prod"}).database.path == folders.cwd / "prod"


def test_a_file_without_a_dot_is_a_path_when_it_is_there(folders: Folders) -> None:
    (folders.cwd / "shop").touch()
    assert folders.load(SQLAGENT_DB="shop").database.path == folders.cwd / "shop"


def test_a_missing_file_is_for_the_database_to_report(folders: Folders) -> None:
    assert folders.load({"database": "gone.db"}).database.path == folders.cwd / "gone.db"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("shop.db", "{cwd}/shop.db"),
        ("../shop.db", "{cwd}/../shop.db"),
        ("/srv/shop.db", "/srv/shop.db"),
        ("sqlite:shop.db", "{cwd}/shop.db"),
        ("sqlite:/srv/shop.db", "/srv/shop.db"),
        ("sqlite:///shop.db", "{cwd}/shop.db"),
        ("SQLite:////srv/shop.db", "/srv/shop.db"),
        ("file:///srv/shop.db", "/srv/shop.db"),
        ("odd:name.db", "{cwd}/odd:name.db"),
        ("~/shop.db", "{home}/shop.db"),
    ],
)
def test_every_spelling_of_a_file_comes_to_one_url(folders: Folders, text: str, path: str) -> None:
    wanted = Path(path.format(cwd=folders.cwd, home=Path.home())).resolve()
    assert folders.load({"database": text}).database.url == f"sqlite:{wanted}"


def test_a_database_named_in_a_file_is_relative_to_that_file(folders: Folders) -> None:
    folders.user("database = 'mine.db'\n[databases.dev]\nurl = 'dev.db'\n")
    settings = folders.load()
    assert settings.database.path == folders.user_file.parent / "mine.db"
    assert settings.databases["dev"].path == folders.user_file.parent / "dev.db"


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("postgresql://ana:hunter2@db.example/prod", "postgresql://ana@db.example/prod"),
        ("postgresql://ana:hunter2@/prod", "postgresql://ana@/prod"),
        ("postgresql:///prod?user=ana&password=hunter2", "postgresql:///prod?user=ana"),
        ("postgresql:///prod?password=hunter2", "postgresql:///prod"),
        ("postgresql://:hunter2@a:1,b:2/prod?sslmode=require", "postgresql://@a:1,b:2/prod?sslmode=require"),
        ("postgresql://ana:hunte%722@[::1]:5433/prod", "postgresql://ana@[::1]:5433/prod"),
    ],
)
def test_a_password_in_a_url_is_taken_and_shown_nowhere(folders: Folders, url: str, without: str) -> None:
    settings = folders.load({"database": url})

    assert (settings.database.url, settings.database.password) == (without, Secret("hunter2"))
    assert "hunter2" not in repr(settings.database) + repr(explain(settings))
    assert settings.find_database(without).password == Secret("hunter2")


@pytest.mark.parametrize("url", ["mysql://ana:hunter2/@db.example/prod", "postgresql://ana:hunter2@[::1/prod"])
def test_a_password_in_a_url_is_refused_and_not_repeated(folders: Folders, url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _ = folders.load({"database": url}).database
    assert "hunter2" not in refused.value.message + refused.value.hint + repr(refused.value.__cause__)


def test_a_password_in_a_file_is_refused_with_its_line(folders: Folders) -> None:
    folders.user("[databases.prod]\nurl = 'postgresql://ana:hunter2@db.example/prod'\n")
    with pytest.raises(ConfigError, match=r"config\.toml:2: databases\.prod\.url carries a password") as refused:
        folders.load()
    assert "PGPASSFILE" in refused.value.hint
    assert "hunter2" not in str(refused.value) + repr(folders.check())


def test_a_server_is_named_after_its_database(folders: Folders) -> None:
    database = folders.load({"database": "postgresql://ana@db.example:5433/prod"}).database
    assert (database.name, database.engine) == ("prod", "postgresql")


def test_sqlite_has_no_host(folders: Folders) -> None:
    with pytest.raises(ConfigError, match="names a host, and sqlite has none"):
        _ = folders.load({"database": "sqlite://shop.db"}).database


def test_what_is_configured_for_a_file_holds_however_it_is_named(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nread_only = true\nforeign_keys = false\n")
    for text in ("shop", "/srv/shop.db", "sqlite:/srv/../srv/shop.db"):
        database = folders.load({"database": text}).database
        assert (database.name, database.read_only, database.foreign_keys) == ("shop", True, False)
    assert folders.load().find_database("sqlite:/srv/shop.db").read_only


def test_a_second_name_for_a_read_only_file_is_read_only_too(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nread_only = true\n")
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nread_only = true\n[databases.other]\nurl = '/srv/shop.db'\n")
    assert folders.load({"database": "other"}).database.read_only


def test_a_second_name_of_a_project_is_read_only_too(folders: Folders) -> None:
    folders.user(f"[databases.shop]\nurl = '{folders.cwd}/shop.db'\nread_only = true\n")
    folders.project("[databases.again]\nurl = 'shop.db'\n")
    for text in ("shop", "again", "./shop.db"):
        assert folders.load({"database": text}).database.read_only


def test_a_read_only_file_is_so_through_links_of_either_kind(folders: Folders) -> None:
    (folders.root / "shop.db").touch()
    (folders.cwd / "link.db").symlink_to(folders.root / "shop.db")
    folders.user(f"[databases.shop]\nurl = '{folders.root}/shop.db'\nread_only = true\n")
    (folders.cwd / "hard.db").hardlink_to(folders.root / "shop.db")
    assert folders.load({"database": "link.db"}).database.read_only
    assert folders.load({"database": "hard.db"}).database.read_only


def test_marks_are_left_in_a_database_only_where_the_user_allows_it(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nmarker_table = true\n[databases.other]\nurl = '/srv/o.db'\n")
    assert folders.load({"database": "shop"}).database.marker_table
    assert folders.load({"database": "/srv/shop.db"}).database.marker_table
    assert not folders.load({"database": "other"}).database.marker_table
    folders.project("[databases.shop]\nmarker_table = true\n")
    assert folders.load({"database": "shop"}).database.marker_table


def test_a_project_may_have_no_marks_left_in_its_database(folders: Folders) -> None:
    folders.user("[databases.shop]\nurl = '/srv/shop.db'\nmarker_table = true\n")
    folders.project("[databases.shop]\nmarker_table = false\n")
    assert not folders.load({"database": "shop"}).database.marker_table
