"""What is to be said of a run that starts without weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from swinkit.training.settings import OptimizerSettings


class StartingPoint(Protocol):
    """What decides where a run starts; each task's recipe has it."""

    @property
    def name(self) -> str: ...
    @property
    def weights(self) -> str | None: ...
    @property
    def usual_weights(self) -> str | None: ...
    @property
    def optimizer(self) -> OptimizerSettings: ...
    @property
    def backbone(self) -> Any: ...


def remarks_without_weights(recipe: StartingPoint) -> Iterator[str]:
    """A sentence where a recipe that is made for published weights has none, and one where what would be frozen has
    none."""
    if recipe.weights is not None or getattr(recipe.backbone, "pretrained", False):
        return
    if recipe.usual_weights is not None:
        yield (
            f"{recipe.name} starts from nothing, as no --weights are given: a model of this size then wants thousands "
            f"of images and hundreds of epochs, and on less is far worse than with --weights {recipe.usual_weights}; "
            f"made for starting from nothing is {recipe.name}_small."
        )
    if recipe.optimizer.freeze is not None:
        yield "What --freeze keeps is random, as no --weights are given: give the weights that are to be kept."
