"""Weights of any kind as the start of a detector or segmentor."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from swinkit.errors import InputError
from swinkit.tasks.classification_recipe import ClassificationRecipe
from swinkit.tasks.classification_run import train_classifier
from swinkit.weights import LoadReport, load_weights, read_weights_file, recognise, resolve


def pretrained(recipe: ClassificationRecipe | None, root: Path) -> str | None:
    """Train the classifier of `recipe`, or go on with it, in root/pretraining; the path of its weights. They are those
    of its last epoch, which a run that goes on finds again as they were."""
    if recipe is None:
        return None
    return str(train_classifier(recipe, root / "pretraining").folder.last_model)


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
