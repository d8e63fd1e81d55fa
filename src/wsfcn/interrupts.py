"""Signals that ask a process to stop, such as Ctrl-C: obeyed at once, or when it does no harm.

A signal may come at any moment, also halfway through a training step, between the weights and their
average, or while a file is written. A command that is stopped anywhere leaves whole files behind;
of a training that is not enough, so it notes the signal and stops when a step has ended.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C; what a job manager sends; and a terminal that was closed."""

PATIENCE = 1.0
"""Seconds after which a second Ctrl-C stops a training at once, whatever it is doing."""


class TerminatedError(SystemExit):
    """A signal other than Ctrl-C has stopped the process: exit code 128 and its number."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(128 + number)
        self.message = f"stopped by {signal.Signals(number).name}{message}"


class InterruptedTrainingError(Exception):
    """A training has stopped, where it can be gone on from, because a signal asked it to."""


def handled() -> dict[signal.Signals, Any]:
    """The signals that this thread can handle, with what handles them now.

    One that the process ignores, as under nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    return {n: h for n, h in handlers.items() if h not in (None, signal.SIG_IGN)}


@contextmanager
def terminating() -> Iterator[None]:
    """Let signals other than Ctrl-C raise an error too, so that what is half done is undone."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise TerminatedError(number)

    before = handled()
    before.pop(signal.SIGINT, None)
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupts:
    """The signals that came while a training ran, as a context."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        self.before = handled()
        self.listen()
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """Note signals here, whoever has put up a handler of his own since."""
        for number in self.before:
            signal.signal(number, self.note)

    def note(self, number: int, _frame: FrameType | None) -> None:
        """The handler. Raises KeyboardInterrupt for a second Ctrl-C."""
        if self.received is None:
            self.received = signal.Signals(number)
            self.first = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() > self.first + PATIENCE:
            raise KeyboardInterrupt


@contextmanager
def children_without_ctrl_c() -> Iterator[None]:
    """Processes that are started here do not hear Ctrl-C, which a terminal sends to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey_parent(_worker: int = 0) -> None:
    """In a process that only serves another: that one stops it, not a signal sent to all of them.

    Its parent sends SIGTERM when it ends, and waits, so that one may not be ignored.
    """
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # on Linux; elsewhere any SIGTERM ends it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
