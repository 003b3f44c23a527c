"""Signals as a terminal hands them over, whatever started the tests: `nohup`, a background job, a runner of CI."""

from __future__ import annotations

import signal

OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""What the interpreter ignores by itself, in whatever it starts as well as here."""


def as_at_a_terminal() -> None:
    """Nothing is blocked, and nothing that an ancestor ignored stays ignored, here and in all that is started here."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - OF_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
