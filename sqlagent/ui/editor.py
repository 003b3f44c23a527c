"""The person's own editor, and the person's own pager."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from sqlagent.core.nouns.session import Proposal
from sqlagent.plain_files import without_marks
from sqlagent.ui.visible import visible


class NoEdit(Exception):
    """Nothing to decide on came of the editor; `str` of it says why."""


def edited(proposal: Proposal, *, terminal: TextIO, env: Mapping[str, str]) -> str:
    """The SQL as the person leaves it; NoEdit where it is unchanged, empty, or the editor failed."""
    import tempfile  # with subprocess 8 ms that only an edit needs

    header = _header(proposal.question)
    try:
        with tempfile.TemporaryDirectory(prefix="sqlagent-") as folder:
            path = Path(folder) / f"{proposal.thread}.sql"
            path.touch(mode=0o600)
            path.write_bytes((header + proposal.sql).encode("utf-8", "surrogatepass"))
            _run_editor(path, terminal=terminal, env=env)
            text = _without_header(_read_back(path), header)
    except OSError as e:
        raise NoEdit(f"no temporary file for the editor: {e.strerror}") from e
    if not text.strip():
        raise NoEdit("the file came back empty")
    if text.strip() == proposal.sql.strip():
        raise NoEdit("nothing was changed")
    return text.strip("\r\n")


def _header(question: str) -> str:
    lines = visible(question).split("\n")
    return "".join(f"-- {line}".rstrip() + "\n" for line in lines)


def _without_header(text: str, header: str) -> str:
    """Only our own comment goes; a comment of the person's is part of the SQL."""
    ours = header.splitlines()
    lines = text.splitlines(keepends=True)
    while lines and ours and lines[0].rstrip("\r\n").rstrip() == ours[0]:
        del lines[0], ours[0]
    return "".join(lines)


def _read_back(path: Path) -> str:
    try:
        return without_marks(path.read_bytes().decode("utf-8", "surrogatepass"))
    except OSError as e:
        raise NoEdit("the editor left no file behind") from e
    except UnicodeDecodeError as e:
        raise NoEdit("the file came back in an encoding that is not UTF-8") from e


def _run_editor(path: Path, *, terminal: TextIO, env: Mapping[str, str]) -> None:
    import subprocess

    named = next(filter(None, (env.get(name) for name in ("SQLAGENT_EDITOR", "VISUAL", "EDITOR"))), "vi")
    try:
        command = [*shlex.split(named), str(path)]
    except ValueError as e:
        raise NoEdit(f"the editor's command line cannot be read: {named}") from e
    try:
        with _ctrl_c_is_for_the_child():
            code = subprocess.run(command, stdout=terminal, env=dict(env), check=False).returncode
    except OSError as e:
        raise NoEdit(f"the editor cannot be started: {named}: {e.strerror}") from e
    if code:
        raise NoEdit(f"the editor failed with {code}: {named}")


@contextmanager
def _ctrl_c_is_for_the_child() -> Iterator[None]:
    """A handler, not SIG_IGN: the child would inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def paged(text: str | IO[bytes], *, terminal: TextIO, env: Mapping[str, str]) -> bool:
    """Show visible `text`, or a file of it, in the pager; whether one could be had."""
    import subprocess

    named = env.get("SQLAGENT_PAGER", env.get("PAGER", "less"))
    try:
        command = shlex.split(named)
    except ValueError:
        return False
    if not command or command == ["cat"]:
        return False
    surroundings = {"LESS": "FRX", **env, "LESSSECURE": "1"}
    try:
        with _ctrl_c_is_for_the_child():
            shown = subprocess.run(command, **_read_from(text), stdout=terminal, env=surroundings, check=False)
    except OSError:
        return False
    return shown.returncode == 0


def _read_from(text: str | IO[bytes]) -> dict[str, Any]:
    if isinstance(text, str):
        return {"input": text.encode("utf-8", "backslashreplace")}
    return {"stdin": text}  # a file's own descriptor, so the pager reads it as it turns its pages


__all__ = ["NoEdit", "edited", "paged"]
