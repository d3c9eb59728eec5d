"""Weights of any kind as the start of a detector or segmentor."""

from __future__ import annotations

from torch import nn

from swinkit.errors import InputError, border
from swinkit.weights.formats import recognise
from swinkit.weights.load import LoadReport, load_recognised
from swinkit.weights.read import WeightsFile, read_weights_file
from swinkit.weights.source import resolve


def load_starting_weights(model: nn.Module, source: str) -> LoadReport:
    """Fill `model.backbone` with the weights of a backbone or classifier, or `model` with those of a whole model of its
    kind, whose heads for another number of classes are left out.

    Raises InputError where they cannot be found, read or used.
    """
    file = read_weights_file(resolve(source))
    with border(f"{file.path} holds no weights that fit the model", "give others"):
        return _load(model, file)


def _load(model: nn.Module, file: WeightsFile) -> LoadReport:
    label, backbone = str(file.path), model.get_submodule("backbone")
    recognised = recognise(file.tensors, file.metadata)
    if not recognised.is_whole_model:
        return load_recognised(backbone, recognised, label)
    own = {name.partition(".")[0] for name in model.state_dict()}
    if own <= {name.partition(".")[0] for name in recognised.tensors}:
        return load_recognised(model, recognised, label, replace_head=True)
    if hasattr(backbone, "stages"):
        return load_recognised(backbone, recognised, label)
    raise InputError(f"{label} holds another kind of model; give weights of a backbone or of this kind of model")
