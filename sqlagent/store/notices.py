"""Who was told that something waits: once for each seat of a proposal, whatever happens afterwards."""

from __future__ import annotations

from sqlagent.store.journal_file import Book


class Notices:
    """The notices in a journal."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def claim(self, proposal: str, stage: int) -> bool:
        """Ask for the one right to tell of it; False where somebody has it already.

        It is on disk before anybody is told, so a process that dies in between has told nobody, and nobody is told
        twice.
        """
        with self._book.reading() as db:  # every resume asks, and few are the first
            if db.execute("SELECT 1 FROM notices WHERE proposal = ? AND stage = ?", (proposal, stage)).get:
                return False
        with self._book.writing("a notice") as db:
            db.execute(
                "INSERT INTO notices VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (proposal, stage, self._book.time())
            )
            return db.changes() == 1
