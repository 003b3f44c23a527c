"""A run held to what was approved: its effect is read in its own transaction, compared, and kept before COMMIT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlagent.core.nouns.effect import Measurement, Touched
from sqlagent.databases.changes import held_to
from sqlagent.databases.changes.causes import tally
from sqlagent.databases.postgres.effect.reading import State
from sqlagent.databases.postgres.effect.sums import fingerprint, rows_changed
from sqlagent.databases.postgres.effect.undo_record import Transaction, encoded


@dataclass(frozen=True, slots=True)
class Binding:
    """What one run is held to, and what is kept of it."""

    expected: Measurement | None
    keep: Callable[[bytes], None] | None

    @property
    def is_read_out(self) -> bool:
        """Whether anybody asks what it changed."""
        return self.expected is not None or self.keep is not None

    def compare(self, state: State, changed: Sequence[int], *, unread: str) -> None:
        """Raise EffectDiffers where the run did something else than what was approved.

        `changed` are rows by statement, as the server counts them; `unread` says why no more is known.
        """
        expected = self.expected
        if expected is None:
            return
        if not expected.is_exact:
            held_to.check_counts(expected, changed, lambda: touched_by(state))
        elif unread:
            raise held_to.no_longer_measured(unread)
        elif fingerprint(state, expected.volatile) != expected.fingerprint:
            raise held_to.other_rows(expected, touched_by(state))

    def settle(self, state: State, transaction: Callable[[], Transaction], *, unread: str) -> bool:
        """Keep what the run changed, with the number of its transaction; answers whether anything was kept."""
        if self.keep is None or not (rows_changed(state) or state.schema or state.came or state.went or unread):
            return False
        self.keep(encoded(transaction(), state, incomplete=unread))
        return True


def touched_by(state: State) -> tuple[Touched, ...]:
    """The rows that a run changed, by table and verb, for the message of an error."""
    return tuple(
        Touched(change.table.name, verb, rows)
        for change in state.changes
        for verb, rows in sorted(tally(change).items())
    )
