"""Which scripts `sqlagent check` reads: files, folders in the order of their versions, patterns, standard input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import glob, has_magic
from pathlib import Path

from sqlagent.cli.sources import script
from sqlagent.core.errors import UsageError
from sqlagent.core.text.migrations import order
from sqlagent.service.checks import Script


@dataclass(frozen=True, slots=True)
class Group:
    """Names of scripts, and whether each builds on those before it, as a folder's migrations do."""

    names: tuple[str, ...]
    together: bool

    def scripts(self) -> Iterator[Script]:
        """The scripts, each read from disk only when it is its turn."""
        for name in self.names:
            text, title = script(name)
            yield Script(title if name == "-" else name, text)


def groups(named: Sequence[str], exclude: Sequence[str]) -> list[Group]:
    """The scripts that were named, in that order.  Raises UsageError where nothing is left to check."""
    found = [_group(name, exclude) for name in named]
    kept = [group for group in found if group.names]
    if not kept:
        raise UsageError(
            f"there is no .sql file in {', '.join(named)}" + (" that is not excluded" if exclude else ""),
            hint="name a file of SQL, a folder or a pattern of them, or - for standard input",
        )
    return kept


def _group(name: str, exclude: Sequence[str]) -> Group:
    path = Path(name)
    if name != "-" and path.is_dir():
        files = [str(file) for file in path.rglob("*.sql") if file.is_file()]
        return Group(_wanted(sorted(files, key=order), exclude), together=True)
    if name != "-" and has_magic(name) and not path.exists():
        matched = glob(name, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        return Group(_wanted(sorted(matched, key=order), exclude), together=False)
    return Group(_wanted([name], exclude), together=False)


def _wanted(names: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    def left_out(name: str) -> bool:
        return any(fnmatch(name, pattern) or fnmatch(Path(name).name, pattern) for pattern in exclude)

    return tuple(name for name in names if not left_out(name))
