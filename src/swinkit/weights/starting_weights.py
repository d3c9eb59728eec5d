"""Weights of any kind as the start of a detector or segmentor."""

from __future__ import annotations

from torch import nn

from swinkit.errors import InputError
from swinkit.weights.formats import recognise
from swinkit.weights.load import LoadReport, load_weights
from swinkit.weights.read import read_weights_file
from swinkit.weights.source import resolve


def load_starting_weights(model: nn.Module, source: str) -> LoadReport:
    """Fill `model.backbone` with the weights of a backbone or classifier, or `model` with those of a whole model of its
    kind, whose heads for another number of classes are left out.

    Raises InputError where they cannot be found, read or used.
    """
    path = resolve(source)
    file = read_weights_file(path)
    backbone = model.get_submodule("backbone")
    names = recognise(file.tensors, file.metadata).tensors
    if not any(name.startswith("backbone.") for name in names):
        return load_weights(backbone, path)
    own = {name.partition(".")[0] for name in model.state_dict()}
    if own <= {name.partition(".")[0] for name in names}:
        return load_weights(model, path, replace_head=True)
    if hasattr(backbone, "stages"):
        return load_weights(backbone, path)
    raise InputError(f"{path} holds another kind of model; give weights of a backbone or of this kind of model")
