"""Tells a program of the user's what waits for a person, or was decided: once, and within a time limit."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlagent.core.approval.seats import POLICY
from sqlagent.core.errors import StoreError
from sqlagent.core.nouns.documents import decision_json
from sqlagent.core.nouns.session import Report, Thread
from sqlagent.core.programs import absolute_places, for_a_users_program
from sqlagent.store.journal import Journal
from sqlagent.store.notices import Notices

if TYPE_CHECKING:
    from sqlagent.config import Settings
    from sqlagent.pipeline.state import State
    from sqlagent.service.agent import Agent

SECONDS = 10.0
"""What the answer waits for the program at most."""
_LONGEST_COMPLAINT = 200


@dataclass(frozen=True, slots=True)
class Hook:
    """A program that is told, and how it is run: without a shell, with the payload on its standard input."""

    command: Sequence[str]
    folder: Path
    env: Mapping[str, str]
    seconds: float = SECONDS

    def run(self, payload: Mapping[str, Any]) -> str:
        """Run it; answers why it failed, empty where it ended well.

        It is a process group of its own: past its time it is ended with all that it started.  What it prints goes
        nowhere, but for its last line of complaint.
        """
        text = json.dumps(payload).encode("ascii") + b"\n"
        with tempfile.TemporaryFile() as complaints:
            try:
                process = subprocess.Popen(
                    [self._program(), *self.command[1:]],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                    cwd=self.folder,
                    env=for_a_users_program(self.env),
                    start_new_session=True,
                )
            except OSError as e:
                return (e.strerror or str(e)).lower()
            failure = self._heard(process, text)
            complaints.seek(0)
            said = _last_line(complaints.read()[-4096:]) if failure else ""
        return f"{failure}: {said}" if said else failure

    def _program(self) -> str:
        """By absolute path: an entry of PATH that is relative would find one in whatever folder this is."""
        named = os.path.expanduser(self.command[0])  # noqa: PTH111 - `notify` is no path
        found = shutil.which(named, path=absolute_places(self.env.get("PATH", os.defpath), os.pathsep))
        if found is None and not Path(named).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found or named

    def _heard(self, process: subprocess.Popen[bytes], text: bytes) -> str:
        try:
            process.communicate(text, timeout=self.seconds)  # one that does not read it is no failure
        except subprocess.TimeoutExpired:
            return f"it took longer than {self.seconds:g} s and was ended"
        finally:
            if process.returncode is None:
                _end(process)
        code = process.returncode
        return "" if code == 0 else f"it exited with {code}" if code > 0 else f"it died of signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):  # what it never read is still to be flushed
            process.stdin.close()


def _last_line(complaints: bytes) -> str:
    lines = complaints.decode("utf-8", "replace").split("\n")
    return next((line.strip()[:_LONGEST_COMPLAINT] for line in reversed(lines) if line.strip()), "")


def announce(
    report: Report, state: State, s: Settings, *, journal: Journal, by: str, note: Callable[[str], None]
) -> None:
    """Tell the user's program of what waits, with the interrupt's payload, unless it was told before.

    Its failure, or the journal's, is one line for `note`: the session waits all the same.
    """
    from sqlagent.pipeline.proposing import interrupt_payload  # only where there is a hook

    hook = Hook(s.on_pending, s.cwd, os.environ)
    waits = interrupt_payload.clarification(state) if report.asks is not None else interrupt_payload.question(state)
    _tell_once(_seat_or_question(report, state), waits, hook, journal, who=by, note=note)


def tell_decided(proposal: str, s: Settings, *, journal: Journal, by: str, note: Callable[[str], None]) -> None:
    """Tell the user's program of each decision on a proposal that people or time made, unless it was told before.

    The decision is on record by then: whatever becomes of the program, it stands.
    """
    hook = Hook(s.on_decided, s.cwd, os.environ)
    try:
        waited, decisions = journal.proposed(proposal)
    except StoreError as e:
        note(f"on_decided was not told of {proposal}: {hook.command[0]}: {e.message}")
        return
    for one in decisions:
        if one.decision.how != POLICY:  # there, nobody was asked
            told = _Telling("on_decided", waited.thread, proposal, one.stage, f"{proposal}!", {"of": "decision"})
            _tell_once(told, decision_json(waited, one), hook, journal, who=by, note=note)


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told once: the setting that asks for it, what it is of, and its name among the journal's notices."""

    setting: str
    thread: str
    proposal: str
    stage: int
    notice: str
    more: Mapping[str, str] = field(default_factory=dict)


def _tell_once(
    told: _Telling, payload: Mapping[str, Any], hook: Hook, journal: Journal, *, who: str, note: Callable[[str], None]
) -> None:
    try:
        if not Notices(journal).claim(told.notice, told.stage):
            return
        failure = hook.run(payload)
        what = "not notified" if failure else "notified"
        journal.note(
            what, who=who, thread=told.thread, proposal=told.proposal, stage=told.stage, because=failure, **told.more
        )
    except StoreError as e:
        failure = e.message
    if failure:
        note(f"{told.setting} was not told of {told.thread}: {hook.command[0]}: {failure}")


class Watched:
    """What somebody who watches was told of: whatever they may answer in a team's store, once while they watch."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._told: set[tuple[str, int]] = set()

    def tell(self, threads: Sequence[Thread]) -> None:
        """Tell their own program of what is new to them; its failure is one remark."""
        s = self._agent.settings
        if not s.on_pending or not s.store:
            return
        hook = Hook(s.on_pending, s.cwd, os.environ)
        yours = set(self._agent.answerable(threads))
        for thread in threads:
            key = (thread.proposal, thread.stage)
            if thread.id not in yours or not thread.proposal or key in self._told:
                continue
            self._told.add(key)
            if thread.requested_by != self._agent.by and (failure := hook.run(self._payload(thread))):
                self._agent.note(f"on_pending was not told of {thread.id}: {hook.command[0]}: {failure}")

    def _payload(self, thread: Thread) -> dict[str, Any]:
        from sqlagent.pipeline.proposing import interrupt_payload  # only where there is a hook
        from sqlagent.pipeline.proposing.analysis import found

        p = self._agent.journal.proposal(thread.proposal)
        state: State = found(p, 0) | {
            "thread": thread.id, "sql": p.sql, "author": p.author, "question": thread.question,
            "requested_by": thread.requested_by, "source": thread.source.value, "stale": p.stale,
            "part_of": p.part_of, "rejected": [*p.rejected],
        }  # fmt: skip
        return interrupt_payload.question(state)


def _seat_or_question(report: Report, state: State) -> _Telling:
    """What waits: a seat of a proposal, or a question that the model asks back."""
    if report.asks is None and report.proposal is not None:
        name, stage = report.proposal.id, report.proposal.stage
    else:
        name, stage = f"{report.thread}?{state.get('turn', 1)}.{state.get('asked', 1)}", 1
    return _Telling("on_pending", report.thread, name, stage, name)
