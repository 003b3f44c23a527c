"""Whose signature an approval carries: asked of OpenSSH when it comes, before a run, and for the whole record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlagent.core.approval.seats import unproven_seat
from sqlagent.core.approval.signed import Check, Signed, SignerFiles, nobody_signs
from sqlagent.core.errors import SqlagentError
from sqlagent.plain_files import NotPlain, read_plain
from sqlagent.store.reader import Reader
from sqlagent.store.rows import decided_in, proposed_in

LARGEST = 1_000_000
"""Bytes of `allowed_signers`, and of the list of revoked keys."""


class Signers:
    """The people whom a policy lets sign.  The files are read anew each time, so a removal counts at once."""

    def __init__(self, files: Callable[[], SignerFiles | None] = lambda: None) -> None:
        self._files = files

    def now(self, signed: Signed, at: str) -> str:
        """Why a signature does not count at this moment; empty where it does."""
        return self._asked(signed, at, lambda files: files.revoked, "")

    def then(self, signed: Signed, at: str) -> str:
        """Why it did not count at the time that it came: a key that was revoked since does not make it undone."""
        return self._asked(signed, at, lambda _files: None, at)

    def _asked(self, signed: Signed, came: str, revoked: Callable[[SignerFiles], Path | None], judged_at: str) -> str:
        from sqlagent.store import ssh_keygen  # what starts programs, where something is signed

        files = self._files()
        if files is None:
            return nobody_signs(signed, came)
        try:
            gone = revoked(files)
            keys = ssh_keygen.Keys(read_plain(files.allowed, LARGEST), read_plain(gone, LARGEST) if gone else None)
            return ssh_keygen.why_not(signed, keys, at=judged_at)
        except (NotPlain, OSError) as e:
            return f"who may sign could not be read: {_named(files, e)}"
        except SqlagentError as e:
            return e.message


def _named(files: SignerFiles, e: NotPlain | OSError) -> str:
    if isinstance(e, OSError):
        return f"{e.filename or files.allowed}: {(e.strerror or str(e)).lower()}"
    return f"{files.allowed} or its revoked keys: {e}"


def unproven(db: Reader, check: Check) -> str:
    """The first approval on record that a signature does not bear out, though it had to; empty where all are."""
    rows = db.execute(
        "SELECT DISTINCT d.proposal FROM decisions d JOIN proposals p ON p.id = d.proposal"
        " WHERE d.signed <> '' OR d.how = 'signature' OR p.document LIKE '%\"signed\":true%'"
    ).fetchall()
    for (proposal,) in rows:
        first = proposed_in(db, str(proposal))
        if first is not None and (why := unproven_seat(first, decided_in(db, str(proposal)), check=check)):
            return f"an approval of {proposal} is not proven: {why}"
    return ""
