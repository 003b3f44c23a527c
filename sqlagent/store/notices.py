"""Which people were told that something waits: once for each seat of a proposal."""

from __future__ import annotations

from sqlagent.store.journal import Journal


class Notices:
    """The notices in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def claim(self, proposal: str, stage: int) -> bool:
        """Ask for the one right to tell of it; False where somebody has it already.

        It is on disk before anybody is told, so a process that dies in between has told nobody, and nobody is told
        twice.
        """
        with self._journal.reading() as db:  # every resume asks, and few are the first
            if db.execute("SELECT 1 FROM notices WHERE proposal = ? AND stage = ?", (proposal, stage)).get:
                return False
        return self._journal.claim_notice(proposal, stage)
