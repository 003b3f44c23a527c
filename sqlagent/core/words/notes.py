"""What a statement takes for granted that changes its answer: told beside its sentence, once each."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Note:
    """One assumption, in words that are true as they stand."""

    text: str
    counted: str = ""
    """The same with figures, `{rows}` and `{of}`; empty where nothing is to be counted."""
    rows: str = ""
    """A query of one number."""
    of: str = ""


@dataclass(slots=True)
class Notes:
    """The assumptions of one statement, in the order in which they were met."""

    all: list[Note] = field(default_factory=list)

    def say(self, text: str, counted: str = "", rows: str = "", of: str = "") -> None:
        """Add one, with the queries that count for it where it has figures."""
        note = Note(text, counted, rows, of)
        if note not in self.all:
            self.all.append(note)
