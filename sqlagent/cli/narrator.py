"""What a person hears while the service works: one line a step, ended before anything else is printed."""

from __future__ import annotations

from sqlagent.core.nouns.session import Proposal
from sqlagent.ui.progress import Download, Live, Progress
from sqlagent.ui.screen import Screen


class Narrator:
    """Turns what the service tells its listener into lines on the screen; at most one is unfinished."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._step: Progress | None = None
        self._download: Download | None = None
        self._live: Live | None = None
        self._pieces = 0

    def begin(self, words: str) -> None:
        """Say that a step begins which takes time."""
        self.done()
        self._pieces = 0
        self._step = Progress(self._screen, words)
        self._step.__enter__()

    def note(self, words: str) -> None:
        """Add a remark on the step."""
        self._end_live()
        if self._step is None:
            self._screen.line(f"  {words}")
        else:
            self._step.note(words)

    def heard(self, _text: str) -> None:
        """Take a piece of the model's answer, about a token, and show that it is writing."""
        self._pieces += 1
        if self._step is not None:
            self._step.tokens(self._pieces)

    def so_far(self, words: str) -> None:
        """Say how far a long statement is."""
        if self._live is None:
            self.done()
            self._live = Live(self._screen)
        self._live.say(words)

    def downloading(self, done: int, total: int, words: str) -> None:
        """Say how many bytes are here of what `words` name; other words are another line."""
        if self._download is None or self._download.words != words:
            self.done()
            self._download = Download(self._screen, words)
            self._download.__enter__()
        self._download.at(done, total)
        if done >= total:
            self.done()

    def unasked(self, proposal: Proposal) -> None:
        """Show what the policy lets run without a person, before its rows."""
        self.done()
        from sqlagent.ui.human import allowed  # with all that a proposal is drawn of, which a listing does not need

        self._screen.show(allowed(proposal, columns=self._screen.columns))

    def done(self) -> None:
        """End the unfinished line."""
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
        if self._download is not None:
            self._download.__exit__(None, None, None)
            self._download = None
        self._end_live()

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.end()
            self._live = None
