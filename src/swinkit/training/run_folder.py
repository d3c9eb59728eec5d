"""One run, one folder: what lies where in it, and whose run it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swinkit.errors import InputError
from swinkit.files import parse_json, read_text, write_text
from swinkit.serialization import from_plain
from swinkit.training.settings import LoopSettings

VERSION = 2
"""Of what `recipe.json` says; that of swinkit 0.1 had no number."""
LENGTH = ("loop.epochs", "loop.steps", "loop.patience")
"""What decides how long a run is, and may be another when it goes on."""
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
explanations/
"""
"""Of a run's folder: what `swinkit predict`, `evaluate` and `export` put there is in it."""
ADVICE = "free some space or choose another --run-dir"


class RunFolder:
    """The files of one run. Use `open_run_folder` to make or reopen one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = root / "recipe.json"
        self.checkpoint = root / "checkpoint.pt"
        self.best_model = root / "best.safetensors"
        self.last_model = root / "last.safetensors"
        self.metrics = root / "metrics.jsonl"
        self.metrics_csv = root / "metrics.csv"
        self.tensorboard = root / "tensorboard"
        self.loop_before: LoopSettings | None = None
        """Of a run that goes on with another length: what it was told before."""
        self.told: dict[str, Any] = {}
        """Everything that decides the result, as plain data."""

    def keep_recipe(self) -> None:
        """Write down what the run is told."""
        write_text(self.recipe, json.dumps(self.told, indent=2, sort_keys=True), advice=ADVICE)


def open_run_folder(root: Path, recipe: Mapping[str, Any]) -> RunFolder:
    """Make the folder of a run, or reopen the folder that the same command made before.

    Of several processes, let the first come here before the others; it holds the folder, see `held_run_folder`. A run
    may go on with another length (`LENGTH`), which the folder then says in `loop_before` until `keep_recipe`.

    Args:
        root: the folder.
        recipe: everything that decides the result, as plain data.

    Raises:
        InputError: where the folder belongs to another run, or cannot be written.
    """
    run = RunFolder(root)
    run.told = {**recipe, "version": VERSION}
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not run.checkpoint.exists() and not run.best_model.exists():  # whatever was tried here came to nothing
            write_text(root / ".gitignore", GITIGNORE, advice=ADVICE)
            run.keep_recipe()
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
    changed = _differences(known, json.loads(json.dumps(run.told)))
    others = [line for name, line in changed.items() if name not in LENGTH]
    if others:
        raise InputError(
            f"{root} holds a run with other values ({'; '.join(others[:3])}); choose another --run-dir or delete it"
        )
    if changed:
        run.loop_before = from_plain(LoopSettings, known["loop"], where=f"the loop in {run.recipe}")
    return run


def _parsed(text: str, run: RunFolder) -> Any:
    return parse_json(text, f"{run.recipe} is damaged: it", advice=f"choose another --run-dir or delete {run.root}")


def _differences(before: Any, now: Any, name: str = "") -> dict[str, str]:
    """What differs, by its name, each in a clause."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        parts = [_differences(before.get(key), now.get(key), f"{name}.{key}" if name else key) for key in keys]
        return {key: line for part in parts for key, line in part.items()}
    return {} if before == now else {name: f"{name} was {str(before)[:80]}, now {str(now)[:80]}"}
