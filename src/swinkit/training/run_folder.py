"""One run, one folder: what lies where in it, and whose run it is."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from swinkit.errors import InputError
from swinkit.files import parse_json, read_bytes, read_text, write_text

VERSION = 2
"""Of what `recipe.json` says; that of swinkit 0.1 had no number."""
CLOSE_SECONDS = 3.0
"""So long the end of a run waits for what TensorBoard has still to write."""
GITIGNORE = """\
# What is large, or can be made again. Recipe, metrics and pictures are not: they say what the run was.
checkpoint.pt
*.safetensors
*.onnx
*.onnx.data
*.pt2
tensorboard/
predictions/
evaluation/
"""
"""Of a run's folder: what `swinkit predict`, `evaluate` and `export` put there is in it."""
_ADVICE = "free some space or choose another --run-dir"


class RunFolder:
    """The files of one run. Use `open_run_folder` to make or reopen one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = root / "recipe.json"
        self.checkpoint = root / "checkpoint.pt"
        self.best_model = root / "best.safetensors"
        self.last_model = root / "last.safetensors"
        self.metrics = root / "metrics.jsonl"
        self.tensorboard = root / "tensorboard"


def open_run_folder(root: Path, recipe: Mapping[str, Any]) -> RunFolder:
    """Make the folder of a run, or reopen the folder that the same command made before.

    Of several processes, let the first come here before the others; it holds the folder, see `held_run_folder`.

    Args:
        root: the folder.
        recipe: everything that decides the result, as plain data.

    Raises:
        InputError: where the folder belongs to another run, or cannot be written.
    """
    run = RunFolder(root)
    text = json.dumps({**recipe, "version": VERSION}, indent=2, sort_keys=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not run.checkpoint.exists() and not run.best_model.exists():  # whatever was tried here came to nothing
            write_text(root / ".gitignore", GITIGNORE, advice=_ADVICE)
            write_text(run.recipe, text, advice=_ADVICE)
        before = read_text(run.recipe)
    except OSError as error:
        raise InputError(
            f"cannot use {root} as run folder ({error.strerror}: {error.filename}); choose another --run-dir"
        ) from None
    known = _parsed(before, run)
    if not isinstance(known, dict) or known.get("version") != VERSION:
        raise InputError(
            f"{root} holds a run of another version of swinkit; go on with that version, or choose another --run-dir"
        )
    changed = _differences(known, json.loads(text))
    if changed:
        raise InputError(
            f"{root} holds a run with other values ({'; '.join(changed[:3])}); choose another --run-dir or delete it"
        )
    return run


def _parsed(text: str, run: RunFolder) -> Any:
    return parse_json(text, f"{run.recipe} is damaged: it", advice=f"choose another --run-dir or delete {run.root}")


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        return [
            line
            for key in keys
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if before == now else [f"{name} was {str(before)[:80]}, now {str(now)[:80]}"]


class MetricsLog:
    """metrics.jsonl, one object a line, and the same for TensorBoard.

    A run that goes on from step `step` drops the lines after it: they will be written again.
    """

    def __init__(self, run: RunFolder, *, step: int) -> None:
        kept = [line for line in _lines(run.metrics) if line["step"] <= step]
        write_text(run.metrics, "".join(json.dumps(line) + "\n" for line in kept), advice=_ADVICE)
        self._root = run.root
        self._outer_hook = threading.excepthook
        threading.excepthook = self._report_failed_thread
        with self._explained():
            self._file = run.metrics.open("a", encoding="utf-8")
            self._board = SummaryWriter(str(run.tensorboard), purge_step=step + 1)

    def write(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Add one line of results after step `step`, in epoch `epoch`; both count from 1.

        Values that are not finite become null in metrics.jsonl: JSON has no word for them.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self._explained():
            self._file.write(json.dumps({"step": step, "epoch": epoch, **finite}) + "\n")
            self._file.flush()
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """End both files. Values for TensorBoard that find no room on the disk any more are lost."""
        with suppress(OSError):
            self._file.close()
        # TensorBoard waits for its thread without a limit, which an interruption may have left without its queue.
        closing = threading.Thread(target=self._close_board, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        threading.excepthook = self._outer_hook

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


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for line in read_bytes(path).decode(errors="replace").split("\n"):
        with suppress(ValueError, RecursionError):
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]
