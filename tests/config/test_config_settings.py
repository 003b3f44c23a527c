"""Where each value comes from, and what is said when it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_folders import Folders

from sqlagent.config import TABLE, environment_rows, explain
from sqlagent.core.errors import AuthError, ConfigError


def test_everything_has_a_default(folders: Folders) -> None:
    settings = folders.load()

    assert (settings.model, settings.reads, settings.limit, settings.timeout) == ("auto", "ask", 200, 30.0)
    assert (settings.expires, settings.keep_alive, settings.no_input) == (None, 600.0, False)
    assert settings.state_dir == folders.root / "state" / "sqlagent"
    assert settings.cache_dir == folders.root / "cache" / "sqlagent"
    assert {row.origin for row in explain(settings)} == {"default"}


def test_a_flag_beats_a_variable_beats_the_project_beats_the_user(folders: Folders) -> None:
    folders.user("limit = 5")
    assert folders.load().limit == 5
    folders.project("limit = 2")
    assert folders.load().limit == 2
    assert folders.load(SQLAGENT_LIMIT="3").limit == 3
    assert folders.load({"limit": "4"}, SQLAGENT_LIMIT="3").limit == 4


def test_each_value_says_where_it_came_from(folders: Folders) -> None:
    folders.user("# mine\n\nlimit = 1\n")
    assert folders.origin("limit").endswith("config/sqlagent/config.toml:3")
    folders.project("[databases.a]\nurl = 'a.db'\n[databases.b]\n\nurl = 'b.db'\n")
    assert folders.origin("databases.b.url") == "./sqlagent.toml:5"
    assert folders.origin("limit", SQLAGENT_LIMIT="3") == "SQLAGENT_LIMIT"
    assert folders.origin("limit", {"limit": 4}) == "--limit"


def test_a_flag_that_was_not_given_says_nothing(folders: Folders) -> None:
    assert folders.load({"limit": None, "no_input": None}, SQLAGENT_LIMIT="3", CI="true").limit == 3


def test_a_flag_that_no_setting_has_is_a_mistake_of_ours(folders: Folders) -> None:
    with pytest.raises(KeyError):
        folders.load({"limits": 4})


def test_an_empty_variable_counts_as_not_set(folders: Folders) -> None:
    assert folders.load(SQLAGENT_LIMIT="", SQLAGENT_NO_INPUT="", CI="true").no_input


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_yes_in_a_variable_turns_input_off(folders: Folders, word: str) -> None:
    assert folders.load(SQLAGENT_NO_INPUT=word).no_input


@pytest.mark.parametrize("word", ["0", "false", "No", "off"])
def test_no_in_our_variable_overrules_ci(folders: Folders, word: str) -> None:
    assert not folders.load(SQLAGENT_NO_INPUT=word, CI="true").no_input


def test_a_word_that_is_neither_yes_nor_no_is_refused(folders: Folders) -> None:
    with pytest.raises(ConfigError, match="SQLAGENT_AUTO_REJECT is neither yes nor no: maybe"):
        folders.load(SQLAGENT_AUTO_REJECT="maybe")


@pytest.mark.parametrize(
    ("env", "never"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": "1"}, True),
        ({"CI": "false"}, False),
        ({"CI": ""}, False),
        ({"SQLAGENT_NO_INPUT": "1"}, True),
    ],
)
def test_the_environment_can_forbid_asking(folders: Folders, env: dict[str, str], never: bool) -> None:
    assert folders.load(**env).no_input is never


def test_ci_may_hold_the_name_of_a_service(folders: Folders) -> None:
    assert folders.load(CI="woodpecker").no_input
    assert not folders.load(CI="false").no_input


@pytest.mark.parametrize(
    ("env", "color"),
    [
        ({}, "auto"),
        ({"NO_COLOR": "1"}, "never"),
        ({"FORCE_COLOR": "1"}, "always"),
        ({"FORCE_COLOR": "0"}, "auto"),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, "never"),
        ({"TERM": "dumb"}, "never"),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, "always"),
        ({"TERM": "xterm-256color"}, "auto"),
    ],
)
def test_colour_follows_the_variables_that_every_program_follows(
    folders: Folders, env: dict[str, str], color: str
) -> None:
    assert folders.load(**env).color == color


def test_a_colour_flag_beats_no_color(folders: Folders) -> None:
    assert folders.load({"color": "always"}, NO_COLOR="1").color == "always"


def test_no_pager_is_an_empty_pager(folders: Folders) -> None:
    assert folders.load({"pager": ""}, PAGER="more").pager == ""
    assert folders.origin("pager", {"pager": ""}) == "--no-pager"
    assert folders.load(PAGER="more").pager == "more"


def test_the_editor_is_found_in_the_order_of_git_and_gh(folders: Folders) -> None:
    assert folders.load(EDITOR="ed", VISUAL="code --wait", SQLAGENT_EDITOR="vim").editor == "vim"
    assert folders.load(EDITOR="ed", VISUAL="code --wait").editor == "code --wait"
    assert folders.load(EDITOR="ed").editor == "ed"
    assert folders.load().editor == "vi"


def test_our_base_url_beats_the_one_of_openai(folders: Folders) -> None:
    env = {"OPENAI_BASE_URL": "http://a.example/v1", "SQLAGENT_BASE_URL": "http://b.example/v1/"}
    assert folders.load(**env).base_url == "http://b.example/v1"


def test_a_named_file_replaces_discovery_and_counts_as_the_users_own(folders: Folders) -> None:
    folders.project("limit = 2")
    folders.user("limit = 1")
    named = folders.root / "mine.toml"
    named.write_text('reads = "allow"\npager = "more"\n')

    settings = folders.load({"config": str(named)})

    assert (settings.limit, settings.reads, settings.pager) == (200, "allow", "more")
    assert folders.load(SQLAGENT_CONFIG=str(named)).reads == "allow"
    assert settings.config_files == (named,)


def test_a_named_file_that_is_missing_is_an_error_and_a_discovered_one_is_not(folders: Folders) -> None:
    assert folders.load().config_files == ()
    with pytest.raises(ConfigError, match=r"gone\.toml does not exist"):
        folders.load({"config": "gone.toml"})


def test_a_relative_folder_is_relative_to_whoever_said_it(folders: Folders) -> None:
    folders.user('state_dir = "here"')
    assert folders.load().state_dir == folders.user_file.parent / "here"
    assert folders.load(SQLAGENT_STATE_DIR="there").state_dir == folders.cwd / "there"
    assert folders.load({"state_dir": folders.root / "flag"}).state_dir == folders.root / "flag"


def test_a_relative_xdg_folder_is_ignored_as_the_standard_says(folders: Folders) -> None:
    assert folders.load(XDG_STATE_HOME="state").state_dir.is_absolute()


def test_a_limit_of_zero_seconds_is_no_limit(folders: Folders) -> None:
    settings = folders.load({"timeout": "0"}, SQLAGENT_KEEP_ALIVE="0")
    assert settings.timeout is None
    assert settings.keep_alive == 0.0


def key_file(folders: Folders, text: str = "sk-secret-1\n", mode: int = 0o600) -> Path:
    path = folders.root / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_file_beats_the_key_in_the_environment(folders: Folders) -> None:
    path = key_file(folders)

    settings = folders.load(SQLAGENT_API_KEY_FILE=str(path), OPENAI_API_KEY="sk-other")

    assert settings.api_key.reveal() == "sk-secret-1"
    assert settings.api_key_source == str(path)
    assert folders.load(OPENAI_API_KEY="sk-other").api_key_source == "OPENAI_API_KEY"


def test_no_key_is_an_empty_secret(folders: Folders) -> None:
    settings = folders.load()
    assert not settings.api_key
    assert settings.api_key_source == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_a_key_file_that_others_can_reach_is_refused_when_the_key_is_wanted(folders: Folders, mode: int) -> None:
    settings = folders.load(SQLAGENT_API_KEY_FILE=str(key_file(folders, mode=mode)))

    with pytest.raises(AuthError, match="others can read the key") as refused:
        _ = settings.api_key
    assert refused.value.hint.startswith("chmod 600 ")


@pytest.mark.parametrize("text", ["", "\n", "sk-1\nsk-2\n", "two words", "sk-\x1b[2J"])
def test_a_file_that_does_not_hold_one_key_is_refused(folders: Folders, text: str) -> None:
    settings = folders.load(SQLAGENT_API_KEY_FILE=str(key_file(folders, text)))
    with pytest.raises(AuthError, match="does not hold one key"):
        _ = settings.api_key


def test_a_missing_key_file_does_not_fall_back_to_the_environment(folders: Folders) -> None:
    settings = folders.load(SQLAGENT_API_KEY_FILE="gone", OPENAI_API_KEY="sk-other")
    with pytest.raises(AuthError, match=r"cannot read the key file \./gone: no such file"):
        _ = settings.api_key


def test_a_key_is_in_no_text_that_settings_make(folders: Folders) -> None:
    settings = folders.load(OPENAI_API_KEY="sk-very-secret")

    assert "sk-very-secret" not in repr(settings) + str(settings) + repr(explain(settings))
    assert [(row.value, row.origin) for row in explain(settings) if row.key == "api_key"] == [
        ("set, not shown", "OPENAI_API_KEY")
    ]


def test_every_setting_is_explained_and_documented(folders: Folders) -> None:
    explained = {row.key for row in explain(folders.load())}
    assert explained == {definition.key for definition in TABLE} | {"api_key"}
    assert len(environment_rows()) == len(TABLE)
    assert all(definition.doc and (definition.env or definition.flag or definition.in_file) for definition in TABLE)


def test_every_variable_of_the_table_is_read(folders: Folders) -> None:
    ours = [d for d in TABLE for name in d.env if name.startswith("SQLAGENT_")]
    problems = {p.key for d in ours for p in folders.check(**{d.env[0]: "\x1b"})}
    assert problems == {d.key for d in ours}


def test_explained_values_are_ready_for_json(folders: Folders) -> None:
    assert all(isinstance(row.value, str | int | bool) for row in explain(folders.load()))
