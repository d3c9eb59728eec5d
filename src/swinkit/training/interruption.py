"""SIGINT, SIGTERM and SIGHUP: a training run saves at its next step and ends, everything else ends at once.

Python runs a signal's handler in the main thread alone, between two of its instructions. A main thread that waits in C
code, for another process of the run say, would never come to it. So on the command line a thread of its own sees to it
that the process leaves: at the second signal, and where it is still there some seconds after the first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_SECONDS = 8.0
"""After the first signal the process has so long to tidy up."""
SAVING_SECONDS = 600.0
"""And a training run that waits for no other process so long more to come to the end of its step and save."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SENTENCE = "swinkit: interrupted; the same command goes on from a training run's last checkpoint"
_SHOW_CURSOR = "\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """The process was asked to end, by the signal `number`."""

    def __init__(self, number: int, *, saved: str | None = None) -> None:
        super().__init__(f"signal {number}" if saved is None else f"signal {number}, {saved}")
        self.number = number
        self.saved = saved
        """Of a training run, what was saved where: "after step 3 of 22, saved in runs/digits/checkpoint.pt"."""

    @property
    def code(self) -> int:
        """The exit code that shells and schedulers know: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number


class Interruption:
    """What this process was asked so far."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that came."""
        self.saves = False
        """Whether a training run is listening, which looks at `number` after each step."""
        self.raises = False
        """Whether it is doing something that can end in the middle."""
        self.is_alone = False
        """Whether it waits for no other process, and so comes to the end of its step."""
        self.leaves = False
        """Whether this is a command line, whose process may be ended."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Called by Python in the main thread."""
        is_second = self.number is not None
        self.number = self.number or number
        is_noted = self.saves and not (self.raises and not _is_importing(frame))
        if is_noted and not is_second:
            return
        if self.leaves and (is_second or _is_importing(frame)):
            leave(128 + self.number)
        raise Interrupted(self.number)


_now = Interruption()


def requested() -> int | None:
    """The signal that asks a training run to save and end, or None."""
    return _now.number if _now.saves else None


@contextmanager
def saving_on_signals(*, alone: bool) -> Iterator[None]:
    """Inside, the first signal is only noted, for `requested`; the second is raised. A process that is `alone`, and
    waits for no other, has longer to save."""
    before, _now.saves = _now.saves, True
    _now.is_alone = alone
    handlers = {} if _now.leaves else _installed(_now.handle)
    try:
        yield
    finally:
        _now.saves, _now.is_alone = before, False
        if not _now.leaves:
            _now.number = None
        _restore(handlers)


@contextmanager
def raising_on_signals() -> Iterator[None]:
    """Inside `saving_on_signals`, around what nobody needs to the end: the first signal is raised, besides being noted
    for `requested`; one that was noted before is raised at once."""
    _now.raises = True
    try:
        if _now.number is not None:
            raise Interrupted(_now.number)
        yield
    finally:
        _now.raises = False


@contextmanager
def leaving_on_signals() -> Iterator[Interruption]:
    """Around a command line: signals become `Interrupted`, and the process ends for certain some seconds later."""
    global _now
    outer, _now = _now, Interruption()
    handlers = _installed(_now.handle)
    if not handlers:  # not in the main thread
        try:
            yield _now
        finally:
            _now = outer
        return
    _now.leaves = True
    hook, sys.unraisablehook = sys.unraisablehook, _leave_where_lost(sys.unraisablehook)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    waking = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_stop_waking)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()
    try:
        yield _now
    finally:
        if _now.number is None:  # else the thread still watches over the end
            signal.set_wakeup_fd(waking)
            _restore(handlers)
            sys.unraisablehook = hook
            os.close(writing)
            _now = outer


def leave(code: int) -> None:
    """End the process this moment, without waiting for threads, files or other processes."""
    text = f"\n{SENTENCE}\n"
    if sys.stderr is not None and sys.stderr.isatty():
        text = _SHOW_CURSOR + text
    os.write(2, text.encode())
    os._exit(code)


def ignore_in_worker() -> None:
    """In a process that loads images: Ctrl-C and what a scheduler sends to all processes are for the main one, which
    needs its batches to come to the end of the step. A second SIGTERM ends it, for a stuck one."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def _watch(reading: int) -> None:
    """Counts the signals that come, until the pipe is closed."""
    first: int | None = None
    while True:
        came = os.read(reading, 64)
        if not came:
            os.close(reading)
            return
        numbers = [number for number in came if number in SIGNALS]  # that a child has ended comes here, too
        if not numbers:
            continue
        if first is not None or len(numbers) > 1:
            leave(128 + (first or numbers[0]))
        first = numbers[0]
        _after(GRACE_SECONDS, _leave_or_wait, 128 + first)


def _after(seconds: float, action: Callable[[int], None], code: int) -> None:
    timer = threading.Timer(seconds, action, (code,))
    timer.daemon = True
    timer.start()


def _leave_or_wait(code: int) -> None:
    """The grace of the first signal has passed."""
    if not (_now.saves and _now.is_alone):
        leave(code)
    os.write(2, b"\nswinkit: coming to the end of the step, to save it; the same signal again ends at once, without\n")
    _after(SAVING_SECONDS, leave, code)


def _stop_waking() -> None:
    """In a forked child, whose signals are not its parent's."""
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


def _leave_where_lost(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Python cannot raise in a destructor: it would print a traceback and go on as if no signal had come.
    Destructors of what the signal left half-built fail, too, and that is nothing to report."""

    def leave_or_report(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            leave(unraisable.exc_value.code)
        if _now.number is None:
            hook(unraisable)

    return leave_or_report


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: extension modules make other errors of what is raised meanwhile."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _installed(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """The handlers that were there before; none where this is not the main thread, which alone may change them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in SIGNALS}


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
