"""A model's backbone features, and the model on other features.

Shapes: B images, H W image, C channels, h w map.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from swinkit.errors import InputError

AnyModel = TypeVar("AnyModel", bound=nn.Module)


@torch.no_grad()
def features_of(backbone: nn.Module, run: Callable[[], Any]) -> tuple[list[Tensor], Any]:
    """What a backbone gives to whatever `run` runs, (B, C_i, h_i, w_i) each, and what `run` gives."""
    kept: list[list[Tensor]] = []
    hook = backbone.register_forward_hook(lambda module, inputs, output: kept.append(list(output)))
    try:
        result = run()
    finally:
        hook.remove()
    return kept[-1], result


def on_features(model: AnyModel, features: Sequence[Tensor]) -> AnyModel:
    """The same model, with the same weights, whose `backbone` gives these features whatever it is shown."""
    twin = copy.copy(model)
    twin.__dict__["_modules"] = dict(model._modules)  # else both would have the new backbone
    twin.backbone = _Given(cast("nn.Module", model.backbone), features)
    return twin


class _Given(nn.Module):
    """A backbone that has looked already."""

    def __init__(self, backbone: Any, features: Sequence[Tensor]) -> None:
        super().__init__()
        self.channels = backbone.channels
        self.strides = backbone.strides
        self.features = list(features)

    def forward(self, images: Tensor) -> list[Tensor]:
        return list(self.features)


def level_of(stage: int, count: int) -> int:
    """Number of a feature, counted from 0 or from the end, -1, as one from 0; raises InputError where there is none."""
    if not -count <= stage < count:
        raise InputError(
            f"the backbone gives {count} features, so stage is 0 to {count - 1}, or -1 for the last, not {stage}"
        )
    return stage % count


BOX_CELLS, IMAGE_CELLS, PAINTED_CELLS = 6, 4, 20
"""A box, an image and one that is painted should be as long as so many cells of the map that is looked at: in a coarser
one the peak of a small thing may lie beside it."""


def level_for(side: float, strides: Sequence[int], *, cells: int) -> int:
    """The coarsest feature in which `side` pixels are as long as so many cells, else the finest."""
    return max((level for level, stride in enumerate(strides) if side >= cells * stride), default=0)


def numbers_of(named: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Numbers of classes by their names; raises InputError where there is no such class."""
    for name in named:
        if name not in classes:
            some = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
            raise InputError(f"the model has no class {name!r}; it has {some}")
    return [list(classes).index(name) for name in named]
