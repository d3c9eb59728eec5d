"""What a person sees while a run trains: a bar in a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

SECONDS_BETWEEN_LINES = 5.0


class TrainingProgress:
    """Progress of a run from step `start` to `total`, with images a second, memory and the time still to go."""

    def __init__(self, *, start: int, total: int, epoch_steps: int, images: int, device: torch.device) -> None:
        self.console = Console(highlight=False, markup=False, emoji=False)
        self._start, self._total, self._epoch_steps = start, total, epoch_steps
        self._images = images
        self._device = device
        self._began = self._printed = time.perf_counter()
        self._training = 0.0
        self._mark = self._began
        self._bar: Progress | None = None
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
        text = self._text(done, values)
        if self._bar is not None:
            self._bar.update(self._row, completed=done, description=text)
        elif now - self._printed >= SECONDS_BETWEEN_LINES or done == self._total:
            self._printed = now
            self.console.print(text, soft_wrap=True)

    def resume_clock(self) -> None:
        """Call when training goes on after something else, such as an evaluation: its time is not training time."""
        self._mark = time.perf_counter()

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
        shown = "  ".join(f"{name.removeprefix('train/')} {value:.4g}" for name, value in values.items())
        # What a narrow terminal may cut off comes last.
        return (
            f"{self.place(done)}  step {done}/{self._total}  {duration(left)} to go  "
            f"{self.images_per_second(done):.0f} images/s  {shown}  {memory_gib(self._device):.1f} GiB"
        )


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
