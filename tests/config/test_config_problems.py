"""Every mistake in a file is named with the file, the line, the key and the nearest thing that would be right."""

from __future__ import annotations

import pytest
from config_folders import Folders

from sqlagent.config.files import lines_of
from sqlagent.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("limt = 3", "./sqlagent.toml:1: no setting named limt", "did you mean limit?"),
        ("\n\ntime-out = '3s'", "./sqlagent.toml:3: no setting named time-out", "did you mean timeout?"),
        ("zzz = 3", "./sqlagent.toml:1: no setting named zzz", "sqlagent help environment"),
        ("limit = '3'", "./sqlagent.toml:1: limit must be a whole number, not text", "-1 for all"),
        ("limit = true", "./sqlagent.toml:1: limit must be a whole number, not a boolean", "-1 for all"),
        ("limit = 0", "./sqlagent.toml:1: limit is out of range: 0", "-1 for all"),
        ("timeout = 'soon'", "./sqlagent.toml:1: timeout is not a duration: soon", "30s"),
        ("timeout = '-1s'", "./sqlagent.toml:1: timeout is not a duration: -1s", "30s"),
        ("timeout = -1", "./sqlagent.toml:1: timeout is out of range: -1", "10 years"),
        ("timeout = nan", "./sqlagent.toml:1: timeout is out of range: nan", "10 years"),
        ("timeout = [1]", "./sqlagent.toml:1: timeout must be a duration, not a list", "30s"),
        ("timeout = 2020-01-01", "./sqlagent.toml:1: timeout must be a duration, not a date", "30s"),
        ("format = 'cvs'", "./sqlagent.toml:1: format cannot be cvs", "did you mean csv?"),
        ("reads = 'alow'", "./sqlagent.toml:1: reads cannot be alow", "did you mean allow?"),
        ("model = 3", "./sqlagent.toml:1: model must be text, not a number", "in quotes"),
        ('model = "a\\u001b[2J"', "./sqlagent.toml:1: model holds a control character", "one line"),
        ("send_examples = 'no'", "./sqlagent.toml:1: send_examples must be true or false, not text", "without quotes"),
        ("no_input = true", "./sqlagent.toml:1: no_input is not for a file", "use --no-input or SQLAGENT_NO_INPUT"),
        ("databases = 3", "./sqlagent.toml:1: databases must be tables", "[databases.prod]"),
        ("[databases]\nprod = 3", "./sqlagent.toml:2: databases.prod must be a table", "[databases.prod]"),
        ("[databases.p]\nread_only = true", "./sqlagent.toml:1: databases.p has no url", "url ="),
        ("[databases.p]\nurl='p.db'\nreadonly=1", "./sqlagent.toml:3: no setting named databases.p.", "read_only?"),
        ("[databases.p]\nurl='p.db'\nread_only=1", "./sqlagent.toml:3: databases.p.read_only must be", "without"),
        ("[databases.p]\n\nurl='sqlite:'", "./sqlagent.toml:3: databases.p.url names no file", "sqlite:shop.db"),
        ("limit = 3\nlimit = 4", "./sqlagent.toml:2: column ", "key ="),
        ("limit = ", "./sqlagent.toml:1: column ", "key ="),
        ('limit = """', "./sqlagent.toml:1: ", "key ="),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_its_remedy(folders: Folders, text: str, message: str, hint: str) -> None:
    folders.project(text)
    with pytest.raises(ConfigError) as refused:
        folders.load()
    assert refused.value.message.startswith(message)
    assert hint in refused.value.hint
    assert folders.check()[0].sentence == refused.value.message


def test_a_file_that_is_not_text_is_named_with_the_line(folders: Folders) -> None:
    (folders.cwd / "sqlagent.toml").write_bytes(b"limit = 3\nmodel = '\xff'\n")
    with pytest.raises(ConfigError, match=r"\./sqlagent.toml:2: is not UTF-8 text"):
        folders.load()


def test_a_folder_instead_of_a_file_is_an_error(folders: Folders) -> None:
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        folders.load({"config": "."})


def test_a_byte_order_mark_of_an_editor_is_harmless(folders: Folders) -> None:
    (folders.cwd / "sqlagent.toml").write_bytes(b"\xef\xbb\xbflimit = 3\n")
    assert folders.load().limit == 3


def test_check_names_every_problem_at_once(folders: Folders) -> None:
    folders.user("limt = 3\n\nreads = 'alow'\n")
    folders.project("zzz = 1\npager = 'x'\n[databases.p]\nurl = 'postgresql://host/p'\n")

    problems = folders.check({"timeout": "soon"}, SQLAGENT_FORMAT="cvs")

    assert sorted((p.file.rpartition("/")[2], p.line, p.key) for p in problems) == [
        ("--timeout", 0, "timeout"),
        ("SQLAGENT_FORMAT", 0, "format"),
        ("config.toml", 1, "limt"),
        ("config.toml", 3, "reads"),
        ("sqlagent.toml", 1, "zzz"),
        ("sqlagent.toml", 2, "pager"),
        ("sqlagent.toml", 4, "databases.p.url"),
    ]


def test_check_of_a_good_configuration_names_nothing(folders: Folders) -> None:
    folders.project("limit = 3\n[databases.p]\nurl = 'p.db'\n")
    assert folders.check() == ()


def test_check_finds_a_default_database_that_no_file_has(folders: Folders) -> None:
    folders.project("limit = 3\ndatabase = 'prd'\n[databases.prod]\nurl = 'p.db'\n")
    (problem,) = folders.check()
    assert (problem.where, problem.hint) == ("./sqlagent.toml:2", "did you mean prod?")
    assert problem.message == "no database named prd in ./sqlagent.toml"


def test_check_finds_a_key_file_that_others_can_read(folders: Folders) -> None:
    (folders.cwd / "key").write_text("sk-1")
    (folders.cwd / "key").chmod(0o644)
    (problem,) = folders.check(SQLAGENT_API_KEY_FILE="key")
    assert (problem.file, problem.key, problem.hint) == ("./key", "api_key_file", "chmod 600 ./key")


def test_lines_are_found_in_every_shape_that_toml_has() -> None:
    text = '''# comment
model = """
limit = 5
[databases.no]
"""
limit = 3   # [databases.no]
[databases.prod]  # the real one
"url" = 'p.db'
    read_only = true
[databases]
dev = { url = [
  "x",
], examples = 1 }
other.url = "o.db"
'''
    lines = lines_of(text)
    assert lines[("model",)] == 2
    assert lines[("limit",)] == 6
    assert lines[("databases", "prod")] == 7
    assert lines[("databases", "prod", "url")] == 8
    assert lines[("databases", "prod", "read_only")] == 9
    assert lines[("databases", "dev", "examples")] == 11
    assert lines[("databases", "other", "url")] == 14
    assert ("databases", "no") not in lines
