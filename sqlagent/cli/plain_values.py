"""Words, paths and flags read off a command line without pydantic, which takes a third of a listing's start-up.

Typer reads every value through a pydantic adapter, also where the value is to stay the text that was typed.  Kinds that
are named here are read without; any other kind is left to typer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer._coercion import RuntimeParam  # private, and held to by `typer>=0.29,<0.30` and tests/test_imports.py

HELP_NAMES = ["-h", "--help"]
_READ: dict[Any, Callable[[str], Any]] = {str: str, Path: Path}


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    """A kind of value that is read by a plain function, or each value of a list by it."""

    read: Callable[[Any], Any]

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - as typer calls it
        kind: Any = self.annotation
        if get_origin(kind) is list:
            return [self.read(each) for each in value]
        return self.read(value)


def without_pydantic(command: Any) -> Any:
    """The command, with each parameter of a plain kind read without pydantic; groups with all their commands."""
    help_option = command.get_help_option(typer.Context(command, help_option_names=HELP_NAMES))  # cached by typer
    for param in (*command.params, help_option):
        if read := _reader(getattr(param, "type_descriptor", None)):
            param._runtime_param = _Plain(param.type_descriptor.parameter_info, param.type_descriptor.annotation, read)
    for inner in getattr(command, "commands", {}).values():
        without_pydantic(inner)
    return command


def _reader(described: Any) -> Callable[[Any], Any] | None:
    """How values of this kind are read; None where typer is to do it."""
    if described is None or described.file_annotation is not None:
        return None
    if described.parameter_info.parser is not None:
        return described.parameter_info.parser  # type: ignore[no-any-return]
    kind = described.annotation
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    if kind is bool:
        return bool if kind is described.annotation else None
    return _READ.get(kind)
