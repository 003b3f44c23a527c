"""Who acts, for a store on this machine: the operating system's user, which no flag or variable can change."""

from __future__ import annotations

import os
import pwd


def current_user() -> str:
    """The name of the process's real user; `uid1000` where the system has no name for it.

    Not `getpass.getuser`: that believes LOGNAME and USER, which anyone can set.
    """
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
