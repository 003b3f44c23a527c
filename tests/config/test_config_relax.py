"""Only the user's own settings may relax a denial, by name, and only one that can be carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlagent import config
from sqlagent.core.errors import ConfigError


def settings_of(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> config.Settings:
    file = tmp_path / "user.toml"
    file.write_text(text)
    return config.load({"config": str(file)}, env or {}, tmp_path)


def test_nothing_is_relaxed_unless_it_is_named(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "").relax == ()


def test_the_users_file_and_variable_relax_by_name(tmp_path: Path) -> None:
    assert settings_of(tmp_path, 'relax = ["hidden-characters"]').relax == ("hidden-characters",)
    assert settings_of(tmp_path, "", {"SQLAGENT_RELAX": "executable-comment, hidden-characters"}).relax == (
        "executable-comment",
        "hidden-characters",
    )


@pytest.mark.parametrize("rule", ["outside-database", "transaction-control", "everything"])
def test_what_cannot_be_carried_out_cannot_be_relaxed(tmp_path: Path, rule: str) -> None:
    with pytest.raises(ConfigError, match="relax") as failure:
        settings_of(tmp_path, f'relax = ["{rule}"]')
    assert "hidden-characters" in failure.value.hint


def test_a_project_file_relaxes_nothing(tmp_path: Path) -> None:
    (tmp_path / "sqlagent.toml").write_text('relax = ["hidden-characters"]')
    with pytest.raises(ConfigError, match="relax"):
        config.load({}, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path)
