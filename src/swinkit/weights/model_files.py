"""Which file is meant by what people write where a trained model is asked for, and what it is a model of."""

from __future__ import annotations

from pathlib import Path

from swinkit.errors import InputError
from swinkit.weights.describe import read_description
from swinkit.weights.read import read_weights_file
from swinkit.weights.source import resolve

_HEADS = {"decode_head": "segmentation", "roi_head": "detection", "bbox_head": "detection"}
"""What the official code calls the heads of its models, to their task."""


def model_file(source: str | Path) -> Path:
    """The file of a trained model.

    Args:
        source: a file, the folder of a run or of the hub, a name of the catalogue, an https address or
            hf-hub:owner/name.

    Raises:
        InputError: where there is none.
    """
    return resolve(_in_folder(source))


def task_of(path: Path) -> str:
    """ "classification", "detection" or "segmentation": what a file of `model_file` says it is, or is by the heads in
    it; else "classification". Raises InputError where it is no weights file."""
    description = read_description(path)
    if description is not None:
        return str(description.get("task", "classification"))
    heads = {part for name in read_weights_file(path).tensors for part in name.split(".")[:2]}
    return next((task for head, task in _HEADS.items() if head in heads), "classification")


def _in_folder(source: str | Path) -> str | Path:
    """The model file of a run's or a hub's folder; of anything else, itself."""
    path = Path(source)
    if path.name == "checkpoint.pt" and path.with_name("best.safetensors").exists():
        raise InputError(
            f"{path} is what a training run goes on from; its model is {path.with_name('best.safetensors')}, give that"
        )
    if not path.is_dir():
        return source
    for name in ("best.safetensors", "model.safetensors"):
        if (path / name).exists():
            return path / name
    raise InputError(f"the folder {source} holds no best.safetensors or model.safetensors; give a model file")
