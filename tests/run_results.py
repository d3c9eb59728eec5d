"""What a finished run left in its folder, compared bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from swinkit.training.checkpoints import load_checkpoint


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, optimizer, average and evaluation, the best and the last model, and every line of the metrics."""
    state, other_state = load_checkpoint(one / "checkpoint.pt"), load_checkpoint(other / "checkpoint.pt")
    assert state is not None and other_state is not None
    assert [
        name for name in state.keys() | other_state.keys() if not equal(state.get(name), other_state.get(name))
    ] == []
    for name in ("best.safetensors", "last.safetensors"):
        assert equal(load_file(one / name), load_file(other / name)), name
    assert metrics(one) == metrics(other), "metrics.jsonl"


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without the one value that tells of the machine and not of the run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "train/images_per_second"} for line in lines]


def losses(folder: Path) -> list[float]:
    """The training loss of every line that has one."""
    return [line["train/loss"] for line in metrics(folder) if "train/loss" in line]


def equal(one: Any, other: Any) -> bool:
    """Whether two nests of tensors and values agree in every bit, also of NaN and -0."""
    if isinstance(one, Tensor):
        if not isinstance(other, Tensor) or (one.dtype, one.shape) != (other.dtype, other.shape):
            return False
        return one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
