"""Parts of a model that keep their weights, and rates that fall towards the input: what `--freeze` and `--layer-decay`
ask.

A model here is a backbone with heads around it (`model.backbone`, and of detectors `model.neck`), or one that is its
own backbone with a head (`model.head`), as a classifier is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from swinkit.errors import InputError
from swinkit.training.settings import Freeze

_BEFORE_HEADS = ("backbone", "neck")
_HEAD = "head"


class Frozen:
    """What does not learn: its parameters take no gradient, and it is in evaluation mode while the rest trains, so that
    norms keep their statistics and nothing in it is dropped.

    Raises InputError where the model has no such parts.
    """

    def __init__(self, model: nn.Module, freeze: Freeze | None) -> None:
        self._modules: list[nn.Module] = []
        for name in () if freeze is None else _names(model, freeze):
            parent, _, last = name.rpartition(".")
            part = getattr(model.get_submodule(parent), last)
            part.requires_grad_(False)
            if isinstance(part, nn.Module):
                self._modules.append(part)
        parameters = list(model.parameters())
        self.learning = sum(each.numel() for each in parameters if each.requires_grad)
        """How many numbers learn."""
        self.all = sum(each.numel() for each in parameters)
        """How many there are."""
        if parameters and not self.learning:
            raise InputError("everything would be frozen, and nothing learn; freeze less")

    def hold(self) -> None:
        """To be called after `model.train()`."""
        for module in self._modules:
            module.eval()


def rate_scales(model: nn.Module, decay: float) -> dict[str, float]:
    """What the learning rate of each parameter is multiplied with: `decay` for each layer between it and the heads, as
    in timm's `layer_decay`; 1 for heads and necks.

    Raises InputError where the backbone does not tell its layers.
    """
    prefix, backbone = _backbone(model)
    if not hasattr(backbone, "layer_depths"):
        raise InputError(f"the backbone {type(backbone).__name__} does not tell its layers; leave layer_decay out")
    depths: Mapping[str, int] = backbone.layer_depths()
    heads = 1 + max(depths.values())
    names = (name for name, _ in model.named_parameters())
    return {
        name: decay ** (heads - depths.get(name.removeprefix(prefix), heads)) if name.startswith(prefix) else 1.0
        for name in names
    }


def _backbone(model: nn.Module) -> tuple[str, Any]:
    """What its parameters' names begin with, and the backbone itself."""
    own = getattr(model, "backbone", None)
    return ("", model) if own is None else ("backbone.", own)


def _names(model: nn.Module, freeze: Freeze) -> list[str]:
    """Names of modules and parameters."""
    prefix, backbone = _backbone(model)
    if isinstance(freeze, tuple):
        if not hasattr(backbone, "first_stages"):
            raise InputError(f"the backbone {type(backbone).__name__} has no stages to freeze; give --freeze backbone")
        return [prefix + name for name in backbone.first_stages(freeze[1])]
    children = [name for name, _ in model.named_children()]
    if prefix:
        return [name for name in children if name in _BEFORE_HEADS[: 1 + (freeze == "all-but-head")]]
    own = [name for name, _ in model.named_parameters(recurse=False)]
    return [name for name in (*own, *children) if name != _HEAD]
