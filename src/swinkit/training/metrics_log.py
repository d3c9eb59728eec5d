"""What a run writes down while it trains: metrics.jsonl, the same as a table and for TensorBoard, and for services."""

from __future__ import annotations

import csv
import io
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from swinkit.errors import InputError
from swinkit.files import read_bytes, write_text
from swinkit.training.run_folder import ADVICE, RunFolder
from swinkit.training.trackers import Tracker

CLOSE_SECONDS = 3.0
"""So long the end of a run waits for what TensorBoard has still to write."""


class MetricsLog:
    """metrics.jsonl, one object a line; metrics.csv, with a row for each of them; and the same for TensorBoard and for
    `trackers`.

    A run that goes on from step `step` drops the lines after it: they will be written again.
    """

    def __init__(self, run: RunFolder, *, step: int, trackers: Sequence[Tracker] = ()) -> None:
        kept = [line for line in _lines(run.metrics) if line["step"] <= step]
        write_text(run.metrics, "".join(json.dumps(line) + "\n" for line in kept), advice=ADVICE)
        self._root = run.root
        self._trackers = tuple(trackers)
        self._outer_hook = threading.excepthook
        threading.excepthook = self._report_failed_thread
        with self._explained():
            self._table = MetricsTable(run.metrics_csv, kept)
            self._file = run.metrics.open("a", encoding="utf-8")
            self._board = SummaryWriter(str(run.tensorboard), purge_step=step + 1)

    def write(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Add one line of results after step `step`, in epoch `epoch`; both count from 1.

        Values that are not finite become null in metrics.jsonl, for which JSON has no word, and empty in metrics.csv.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = {"step": step, "epoch": epoch, **finite}
        with self._explained():
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            self._table.add(line)
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        for tracker in self._trackers:
            tracker.write(step, epoch, values)

    def close(self) -> None:
        """End all files. Values for TensorBoard that find no room on the disk any more are lost."""
        for ending in (self._file.close, self._table.close):
            with suppress(OSError):
                ending()
        # TensorBoard waits for its thread without a limit, which an interruption may have left without its queue.
        closing = threading.Thread(target=self._close_board, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        threading.excepthook = self._outer_hook
        for tracker in self._trackers:
            tracker.close()

    def _close_board(self) -> None:
        with suppress(OSError):
            self._board.close()

    def _report_failed_thread(self, failure: threading.ExceptHookArgs) -> None:
        """TensorBoard's thread raises a failure to write again in the next `add_scalar`: once is enough."""
        if not isinstance(failure.exc_value, OSError):
            self._outer_hook(failure)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write the metrics in {self._root} ({error.strerror}); free some space and start the same "
                "command again, which goes on from the last checkpoint"
            ) from None


class MetricsTable:
    """metrics.csv: a row for each of `lines`, a column for each name in them. A name that was not there before is a
    further column, for which the file is written anew."""

    def __init__(self, path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
        self._path = path
        self._lines = list(lines)
        self._columns: dict[str, None] = {"step": None, "epoch": None}
        self._write_all()

    def add(self, line: Mapping[str, Any]) -> None:
        """One more row."""
        self._lines.append(line)
        if line.keys() <= self._columns.keys():
            self._file.write(self._rows([line]))
            self._file.flush()
        else:
            self._file.close()
            self._write_all()

    def close(self) -> None:
        self._file.close()

    def _write_all(self) -> None:
        self._columns |= dict.fromkeys(name for line in self._lines for name in line)
        write_text(self._path, self._rows(self._lines, header=True), advice=ADVICE)
        self._file = self._path.open("a", encoding="utf-8", newline="")

    def _rows(self, lines: Sequence[Mapping[str, Any]], *, header: bool = False) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self._columns), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for line in read_bytes(path).decode(errors="replace").split("\n"):
        with suppress(ValueError, RecursionError):
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]
