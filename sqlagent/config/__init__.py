"""Settings: flag > environment > project > user > default for preferences, the strictest word for restrictions."""

from __future__ import annotations

from sqlagent.config.files import Problem
from sqlagent.config.kinds import show_duration
from sqlagent.config.settings import Setting, Settings, check, check_given, explain, load
from sqlagent.config.table import TABLE, Definition, EnvironmentRow, environment_rows
from sqlagent.config.targets import DatabaseSettings

__all__ = [
    "TABLE",
    "DatabaseSettings",
    "Definition",
    "EnvironmentRow",
    "Problem",
    "Setting",
    "Settings",
    "check",
    "check_given",
    "environment_rows",
    "explain",
    "load",
    "show_duration",
]
