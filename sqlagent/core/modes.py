"""Who may read and write what sqlagent keeps: its owner; or a group, where the owner made the state folder theirs."""

from __future__ import annotations

_GROUP_WRITES = 0o020


def of_file(folder: int) -> int:
    """The mode of a file in a folder of that mode: 0600, or 0660 where the folder is a group's to write."""
    return 0o660 if folder & _GROUP_WRITES else 0o600


def of_folder(parent: int) -> int:
    """The mode of a folder in a folder of that mode; a group's passes the group on to what is made in it."""
    return 0o2770 if parent & _GROUP_WRITES else 0o700
