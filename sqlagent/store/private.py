"""Keeps the state folder one person's own, and refuses one that others can write: they could forge anything in it."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

from sqlagent.core.errors import NotPrivate

_SCRATCH = frozenset({"/tmp", "/var/tmp", "/dev/shm", "/private/tmp"})  # noqa: S108 - of the system, and told apart
"""Everybody's by design: root's and sticky, so that nobody moves what is another's in it, and what is there is looked
at by its owner all the same."""
_KEPT = ("journal.db", "checkpoints.db", "kept", "marks", "locks", "models")
"""What sqlagent puts there, by how the names begin; a `policy.toml` may be read by all."""
_ELSEWHERE = "or name another folder: --state-dir DIR; people who share need a store that knows who they are"


def make_folder(folder: Path) -> None:
    """The state folder, its owner's alone; raises `NotPrivate` for one that is there and somebody else's too."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    require(folder)


def make_subfolder(folder: Path) -> None:
    """A folder in the state folder, for the same person."""
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_file(path: Path, flags: int) -> int:
    """A file descriptor; a file that this makes is its owner's alone, and no link is followed."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def require(folder: Path) -> None:
    """Refuse a state folder that anybody else can write, or read, or put another in the place of."""
    for path in dict.fromkeys((Path(os.path.abspath(folder)), Path(os.path.realpath(folder)))):  # noqa: PTH100
        for each in reversed(path.parents):
            _require_safe(folder, each)
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _refused(folder, "it is a link", "name the folder itself")
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if found.st_uid != os.geteuid():
        raise _refused(folder, f"it belongs to {_name(found.st_uid)}", "use your own")
    if found.st_mode & 0o077:
        raise NotPrivate(
            f"the state folder {folder} is not yours alone: others can get into it ({_mode(found)})",
            hint=f"chmod 700 {shlex.quote(str(folder))}",
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            _require_private(folder, entry)


def _require_safe(folder: Path, above: Path) -> None:
    """Whoever can write a folder above ours can put another in its place."""
    found = above.lstat()
    if stat.S_ISLNK(found.st_mode) and found.st_uid != 0:
        raise _refused(folder, f"{above} is a link", "name the folder that it leads to")
    if stat.S_ISLNK(found.st_mode):
        return  # the system's own; where it leads is looked at too
    if found.st_uid not in (0, os.geteuid()):
        raise _refused(folder, f"{above} belongs to {_name(found.st_uid)}", "put it below a folder of yours")
    if _others_write(found) and not (str(above) in _SCRATCH and found.st_uid == 0 and found.st_mode & stat.S_ISVTX):
        raise _refused(folder, f"others can write {above} ({_mode(found)})", f"chmod go-w {above}")


def _require_private(folder: Path, entry: os.DirEntry[str]) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # a journal of SQLite's comes and goes
    if stat.S_ISLNK(found.st_mode):
        raise _refused(folder, f"{entry.name} in it is a link", f"rm {entry.path}")
    if found.st_uid != os.geteuid():
        raise _refused(folder, f"{entry.name} in it belongs to {_name(found.st_uid)}", f"look at {entry.path}")
    if found.st_mode & 0o022:
        raise _refused(folder, f"others can write {entry.name} in it ({_mode(found)})", f"chmod -R go-rwx {folder}")
    if found.st_mode & 0o077 and entry.name.startswith(_KEPT):
        Path(entry.path).chmod(found.st_mode & 0o700)  # a copy that was put back; the folder kept it from all others


def _others_write(found: os.stat_result) -> bool:
    """Whether anybody but the owner and root can; a group that only the user is in is nobody else."""
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid != 0 and not _is_own_group(found.st_gid)


def _is_own_group(gid: int) -> bool:
    """Whether it is the group that many systems make for each user, of the same name."""
    import grp  # only where a group may write

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}


def _refused(folder: Path, what: str, mend: str) -> NotPrivate:
    return NotPrivate(f"the state folder {folder} is not yours alone: {what}", hint=f"{mend}   {_ELSEWHERE}")


def _mode(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
