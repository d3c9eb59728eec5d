"""What a person sees of long work: of a run a bar in a terminal and a line every few seconds elsewhere, of all else a
bar in a terminal alone."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, track
from rich.table import Column

T = TypeVar("T")

LR = "train/lr"
SECONDS_BETWEEN_LINES = 5.0
MEAN_STEPS = 50
"""Losses are shown as their mean over the last steps, at most so many."""


def watched(items: Sequence[T], description: str) -> Iterable[T]:
    """The items one by one, under a bar where stderr is a terminal; of several processes the first shows it."""
    console = Console(stderr=True)
    is_shown = console.is_terminal and os.environ.get("RANK", "0") == "0"
    return track(items, description=description, transient=True, disable=not is_shown, console=console)


def progress_bar(count: int, description: str) -> Callable[[int], object]:
    """A bar as `watched` has, to be called with the number done until all are."""
    steps = iter(watched(range(count), description))
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        for _ in range(shown, done):
            next(steps, None)
        shown = done
        if done >= count:
            next(steps, None)  # which takes the bar away

    return show


class TrainingProgress:
    """Progress of a run from step `start` to `total`, with images a second, losses as means of the last steps, the most
    memory used and the time still to go."""

    def __init__(self, *, start: int, total: int, epoch_steps: int, images: int, device: torch.device) -> None:
        self.console = Console(highlight=False, markup=False, emoji=False)
        self._start, self._total, self._epoch_steps = start, total, epoch_steps
        self._images = images
        self._device = device
        self._began = self._printed = time.perf_counter()
        self._training = 0.0
        self._mark = self._began
        self._recent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MEAN_STEPS))
        self._bar: Progress | None = None
        self._validating: TaskID | None = None
        if self.console.is_terminal:
            bar = BarColumn(bar_width=12, table_column=Column(width=12))
            text = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True))
            self._bar = Progress(bar, text, console=self.console, expand=True)
            self._row = self._bar.add_task("", total=total, completed=start)
            self._bar.start()

    def step(self, done: int, values: Mapping[str, float]) -> None:
        """After step number `done`, counted from 1."""
        now = time.perf_counter()
        self._training += now - self._mark
        self._mark = now
        for name, value in values.items():
            self._recent[name].append(value)
        text = self._text(done, values)
        if self._bar is not None:
            self._bar.update(self._row, completed=done, description=text)
        elif now - self._printed >= SECONDS_BETWEEN_LINES or done == self._total:
            self._printed = now
            self.console.print(text, soft_wrap=True)

    def validate(self, done: int, total: int) -> None:
        """After image number `done` of the `total` that are validated on."""
        text = f"validating  image {done}/{total}"
        if self._bar is not None:
            if self._validating is None:
                self._validating = self._bar.add_task("", total=total)
            self._bar.update(self._validating, completed=done, description=text)
        elif (now := time.perf_counter()) - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            self.console.print(text, soft_wrap=True)

    def resume_clock(self) -> None:
        """Call when training goes on after something else, such as an evaluation: its time is not training time."""
        self._mark = time.perf_counter()
        if self._bar is not None and self._validating is not None:
            self._bar.remove_task(self._validating)
            self._validating = None

    def say(self, text: str) -> None:
        """One line above the bar."""
        self.console.print(text, soft_wrap=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def images_per_second(self, done: int) -> float:
        return (done - self._start) * self._images / max(self._training, 1e-9)

    def place(self, done: int) -> str:
        """The epoch of step number `done`, and how many there are; the last one may be cut short."""
        return f"epoch {-(-done // self._epoch_steps)}/{-(-self._total // self._epoch_steps)}"

    def _text(self, done: int, values: Mapping[str, float]) -> str:
        elapsed = time.perf_counter() - self._began
        left = elapsed / max(1, done - self._start) * (self._total - done)
        # What a narrow terminal may cut off comes last.
        return (
            f"{self.place(done)}  step {done}/{self._total}  {duration(left)} to go  "
            f"{rounded(self.images_per_second(done))} images/s  {self._shown(values)}  "
            f"{memory_named(self._device)} {memory_gib(self._device):.1f} GiB"
        )

    def _shown(self, values: Mapping[str, float]) -> str:
        """Losses and the gradient's norm as means, and the rate as it is."""
        means = {name: sum(recent) / len(recent) for name, recent in self._recent.items()}
        shown = "  ".join(f"{name.removeprefix('train/')} {means[name]:.4g}" for name in values if name != LR)
        over = max((len(self._recent[name]) for name in values), default=0)
        rate = f"  lr {values[LR]:.4g}" if LR in values else ""
        return f"{shown} (mean of {over} step{'' if over == 1 else 's'}){rate}" if shown else rate.strip()


def rounded(rate: float) -> str:
    """A rate a second: from 10 on a whole number, below with a digit, below 1 with two that count."""
    if rate >= 9.95:
        return f"{rate:.0f}"
    return f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"


def memory_named(device: torch.device) -> str:
    """What `memory_gib` is called on the screen."""
    return "peak GPU memory" if device.type == "cuda" else "peak memory"


def memory_gib(device: torch.device) -> float:
    """Largest memory used so far: of the GPU, or of this process, in GiB; 0 on Windows, which does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**30
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def duration(seconds: float) -> str:
    """3725 as "1h 02m", 65 as "1m 05s", 5 as "5s"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 60}m {whole % 60:02d}s" if whole >= 60 else f"{whole}s"
