"""How old the measurement on the screen is, and taking it again before somebody decides by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlagent.cli.call import Call
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.session import Proposal, Report, Status
from sqlagent.databases.base import MeasureBudget
from sqlagent.ui.layout import Block, paragraph
from sqlagent.ui.listing import measured_ago

_TIMES = 10


class Measuring:
    """When each proposal of one conversation was measured last."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._measured: dict[str, datetime] = {}
        self._tried: set[str] = set()

    def _at(self, proposal: Proposal) -> datetime:
        return self._measured.get(proposal.id) or datetime.fromisoformat(proposal.created_at)

    def is_due(self, proposal: Proposal) -> bool:
        """Whether it is older than a person should decide by, and no attempt to measure it again has just failed."""
        longest = self.call.settings.measure_again
        if proposal.measurement is None or not longest or proposal.id in self._tried:
            return False
        return (datetime.now(UTC) - self._at(proposal)).total_seconds() > longest

    def words(self, proposal: Proposal) -> str:
        """`measured 4m ago`; empty where nothing was measured."""
        return measured_ago(proposal, self._at(proposal), datetime.now(UTC))

    def ten_times(self, proposal: Proposal) -> MeasureBudget:
        """What `[m]` may cost, since somebody waits for it: of all that is set for that database, and of the time."""
        settings = self.call.settings
        its = settings.databases.get(proposal.database, settings.database)
        usual = MeasureBudget(rows=its.measure_rows, scan_bytes=its.measure_scan_bytes)
        return replace(
            usual, seconds=usual.seconds * _TIMES, changes_bytes=usual.changes_bytes * _TIMES,
            rows=usual.rows * _TIMES, scan_bytes=usual.scan_bytes * _TIMES,
        )  # fmt: skip

    def again(self, report: Report, *, budget: MeasureBudget | None = None) -> Report:
        """Measure once more; answers the new report, and a line that says what came of it.

        Where the database cannot be looked at just now, the old measurement stands, with its age.
        """
        assert report.proposal is not None
        try:
            after = self.call.agent.measure_again(report.thread, budget=budget)
        except SqlagentError as e:
            self._say(f"it could not be measured again: {e.message}")
            self._tried.add(report.proposal.id)
            return report
        self.call.narrator.done()
        if after.status is Status.PENDING:
            self._measured[report.proposal.id] = datetime.now(UTC)
            self._say("measured again: it would do the same as before")
        return after

    def _say(self, words: str) -> None:
        self.call.screen.show(Block(tuple(paragraph(words, self.call.screen.columns))))
