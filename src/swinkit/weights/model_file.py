"""The file of a trained model, read once: its weights under official names and what it says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from swinkit.errors import InputError, border
from swinkit.files import exists, is_folder, parse_json
from swinkit.weights.bounds import bounded_build, check_size
from swinkit.weights.class_names import Colour, as_palette
from swinkit.weights.formats import Recognised, recognise
from swinkit.weights.load import load_recognised
from swinkit.weights.old_versions import VERSION, upgraded
from swinkit.weights.read import read_weights_file
from swinkit.weights.source import resolve

T = TypeVar("T")

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
    palette: tuple[Colour, ...]
    """Their colours, of OpenMMLab's files; empty where there are none."""
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

    def filled(self, build: Callable[[], T], model_of: Callable[[T], nn.Module]) -> T:
        """What `build` makes of this file, its model filled with the weights.

        It is built twice: first without memory, to see that the weights fit, so that no number in the file makes a
        model that is larger than the file.

        Raises InputError where it cannot be built, or the weights do not fit.
        """
        advice = "save the model again, or give another file"
        with border(f"{self.path} holds no model that can be built", advice):
            try:
                with bounded_build(self.tensors):
                    trial = build()
                check_size(model_of(trial), self.tensors)
            except InputError as error:
                raise error if str(self.path) in str(error) else InputError(f"{self.path}: {error}; {advice}") from None
            load_recognised(model_of(trial), self.weights, str(self.path))
            whole = build()
            load_recognised(model_of(whole), self.weights, str(self.path))
            return whole

    def known_classes(self, count: int) -> tuple[str, ...]:
        """The file's class names where it has `count` of them, else numbers."""
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))

    def known_palette(self, count: int) -> dict[str, Any]:
        """For a description: the file's colours where it has `count` of them, else nothing."""
        return {"palette": [list(colour) for colour in self.palette]} if len(self.palette) == count else {}


_NO_HEADS = "classification"
MOST = 1_000_000
"""Widths, sizes and counts of a model: some of them decide how much memory is taken before a weight is seen."""


def read_model_file(source: str | Path) -> ModelFile:
    """Read the file of a trained model.

    Args:
        source: a file, the folder of a run or of the hub, a name of the catalogue, an https address or
            hf-hub:owner/name.

    Raises:
        InputError: where there is none, or it is damaged.
    """
    file = read_weights_file(resolve(_in_folder(source)))
    with border(f"{file.path} holds no weights that swinkit knows", "give another file"):
        recognised = recognise(file.tensors, file.metadata)
        description = _description(file.metadata, file.path)
        _check_classes(description, recognised.tensors, file.path)
    return ModelFile(file.path, recognised, file.classes, file.palette, description)


def described_palette(description: Mapping[str, Any], count: int) -> tuple[Colour, ...]:
    """The colours of `count` classes in a description; empty where there are none, or another number."""
    palette = as_palette(description.get("palette"))
    return palette if len(palette) == count else ()


def write_description(description: Mapping[str, Any]) -> dict[str, str]:
    """The header of a swinkit file that says this about its model, see `weights.save.save_weights`."""
    return {"format": "swinkit", "description": json.dumps({"version": VERSION, **description})}


def _description(metadata: Mapping[str, str], path: Path) -> dict[str, Any] | None:
    text = metadata.get("description")
    if text is None or metadata.get("format") != "swinkit":
        return None
    description = parse_json(text, f"the description in {path} is damaged: it", advice="save the model again")
    if not isinstance(description, dict) or not isinstance(description.get("task"), str):
        raise InputError(f"the description in {path} does not say what it is a model of; save the model again")
    for name in ("recipe", "results"):
        if not isinstance(description.get(name, {}), (dict, type(None))):
            raise InputError(f"the {name} in {path} are no values by name; save the model again")
    for name, value in description.items():
        if name not in ("recipe", "results", "classes") and _largest(value) > MOST:
            raise InputError(f"the {name} in {path} has a number above {MOST:,}, which no model has; save it again")
    return upgraded(description, str(path))


def _largest(value: Any) -> int:
    """The largest whole number, or its opposite, in plain data."""
    if isinstance(value, (dict, list)):
        return max(map(_largest, value.values() if isinstance(value, dict) else value), default=0)
    return abs(value) if isinstance(value, int) else 0


def _check_classes(description: Mapping[str, Any] | None, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Each class has weights of its own."""
    count = 0 if description is None else description.get("num_classes", 0)
    if isinstance(count, int) and count > sum(tensor.numel() for tensor in tensors.values()):
        raise InputError(f"{path} says that it has {count} classes, more than its weights can tell; save it again")


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
