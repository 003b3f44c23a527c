"""Builders for configuration tests: a project's folder beside a user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sqlagent.config import Problem, Settings, check, explain, load


@dataclass
class Folders:
    """Where the files of one imagined user are."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.cwd, self.user_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.env = {f"XDG_{n}_HOME": str(self.root / n.lower()) for n in ("CONFIG", "STATE", "CACHE")} | self.env

    @property
    def cwd(self) -> Path:
        return self.root / "project"

    @property
    def user_file(self) -> Path:
        return self.root / "config" / "sqlagent" / "config.toml"

    def project(self, text: str) -> Path:
        path = self.cwd / "sqlagent.toml"
        path.write_text(text)
        return path

    def user(self, text: str) -> Path:
        self.user_file.write_text(text)
        return self.user_file

    def load(self, flags: Mapping[str, object] | None = None, /, **env: str) -> Settings:
        return load(flags or {}, self.env | env, self.cwd)

    def check(self, flags: Mapping[str, object] | None = None, /, **env: str) -> tuple[Problem, ...]:
        return check(flags or {}, self.env | env, self.cwd)

    def origin(self, key: str, flags: Mapping[str, object] | None = None, /, **env: str) -> str:
        return next(row.origin for row in explain(self.load(flags, **env)) if row.key == key)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)
