"""The file of a trained model, read once: its weights under official names and what it says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from swinkit.errors import InputError
from swinkit.files import exists, is_folder
from swinkit.weights.formats import Recognised, recognise
from swinkit.weights.load import load_recognised
from swinkit.weights.old_versions import VERSION, upgraded
from swinkit.weights.read import read_weights_file
from swinkit.weights.source import resolve

_HEADS = {"decode_head": "segmentation", "roi_head": "detection", "bbox_head": "detection"}
"""What the official code calls the heads of its models, to their task."""


@dataclass(frozen=True)
class ModelFile:
    """What a model's file holds."""

    path: Path
    weights: Recognised
    """Under official names, on the CPU."""
    classes: tuple[str, ...]
    """Class names that files of the official detection and segmentation code carry; empty where there are none."""
    description: dict[str, Any] | None
    """What swinkit's own files say about themselves, in the form of this version; None for other code bases' files."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The weights by name."""
        return self.weights.tensors

    @property
    def task(self) -> str:
        """ "classification", "detection" or "segmentation": what the file says it is, or is by the heads in it."""
        if self.description is not None:
            return str(self.description["task"])
        return next((_HEADS[part] for name in self.tensors if (part := name.partition(".")[0]) in _HEADS), _NO_HEADS)

    @property
    def backbone(self) -> dict[str, Tensor]:
        """The backbone's part of the weights, without `backbone.` before the names."""
        return {name.removeprefix("backbone."): t for name, t in self.tensors.items() if name.startswith("backbone.")}

    def load_into(self, model: nn.Module) -> None:
        """Fill a model with the weights; raises InputError where they do not fit."""
        load_recognised(model, self.weights, str(self.path))

    def known_classes(self, count: int) -> tuple[str, ...]:
        """The file's class names where it has `count` of them, else numbers."""
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))


_NO_HEADS = "classification"


def read_model_file(source: str | Path) -> ModelFile:
    """Read the file of a trained model.

    Args:
        source: a file, the folder of a run or of the hub, a name of the catalogue, an https address or
            hf-hub:owner/name.

    Raises:
        InputError: where there is none, or it is damaged.
    """
    file = read_weights_file(resolve(_in_folder(source)))
    recognised = recognise(file.tensors, file.metadata)
    description = _description(file.metadata, file.path)
    return ModelFile(file.path, recognised, file.classes, description)


def write_description(description: Mapping[str, Any]) -> dict[str, str]:
    """The header of a swinkit file that says this about its model, see `weights.save.save_weights`."""
    return {"format": "swinkit", "description": json.dumps({"version": VERSION, **description})}


def _description(metadata: Mapping[str, str], path: Path) -> dict[str, Any] | None:
    text = metadata.get("description")
    if text is None or metadata.get("format") != "swinkit":
        return None
    try:
        description = json.loads(text)
    except ValueError as error:
        raise InputError(f"the description in {path} is damaged ({error}); save the model again") from None
    if not isinstance(description, dict) or "task" not in description:
        raise InputError(f"the description in {path} does not say what it is a model of; save the model again")
    return upgraded(description, str(path))


def _in_folder(source: str | Path) -> str | Path:
    """The model file of a run's or a hub's folder; of anything else, itself."""
    path = Path(source)
    if path.name == "checkpoint.pt" and exists(path.with_name("best.safetensors")):
        raise InputError(
            f"{path} is what a training run goes on from; its model is {path.with_name('best.safetensors')}, give that"
        )
    if not is_folder(path):
        return source
    for name in ("best.safetensors", "model.safetensors"):
        if exists(path / name):
            return path / name
    raise InputError(f"the folder {source} holds no best.safetensors or model.safetensors; give a model file")
