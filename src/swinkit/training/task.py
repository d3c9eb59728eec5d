"""What the loop sees of a task: a module that turns a batch into losses, its batches, and its validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from swinkit.training.run_folder import RunFolder
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights


class TrainingBatches(Protocol):
    """Training data, cut into the shares of this process."""

    @property
    def steps_per_epoch(self) -> int: ...

    @property
    def batches_per_epoch(self) -> int:
        """With those left over where they fill no last step; a step takes `LoopSettings.accumulate` of them."""
        ...

    @property
    def batch_size(self) -> int:
        """Images of one step, over all processes and accumulated parts together."""
        ...

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        """The batches of the steps `start` to `stop` - 1 of the run, counted over epochs; each step has as many as
        `LoopSettings.accumulate` says. They depend on the step alone, not on where the run began."""
        ...


class Task(nn.Module, ABC):
    """A model together with its losses, its training batches and its validation data, as a recipe builds it.

    The loop wraps it for many processes. Only `model.forward` may use the model's weights.

    Args:
        model: what is trained and saved.
        batches: what it is trained on.
        images: how many images there are to train and to validate on.
        description: what a saved model says about itself besides its results: plain data, among it `classes`.
    """

    best_metric: ClassVar[str]
    """The name, such as "val/top1", of the result by which the best weights are kept; higher is better."""
    best_shown: ClassVar[str]
    """What people call it, such as "top-1"; it is a share, 0..1."""
    fit_metrics: ClassVar[Mapping[str, str]]
    """The names of the results that say whether a few images are learned by heart, and what people call them: shares,
    0..1, of which those that there are count."""
    pictures: ClassVar[tuple[str, ...]]
    """Names, without ending, of the pictures that a finished run has, in the order they are drawn in."""

    def __init__(
        self, model: nn.Module, *, batches: TrainingBatches, images: tuple[int, int], description: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.model = model
        self.batches = batches
        self.images = images
        self.description = dict(description)
        self.coverage: tuple[int, int] | None = None
        """How many classes the last evaluation measured, and how many there are."""

    @abstractmethod
    def forward(self, batch: Any) -> dict[str, Tensor]:
        """A batch, already on the device, to its losses by name: scalars, whose sum is minimised."""

    @abstractmethod
    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        """Results on the validation data by name ("val/..."), 0..1 where they are shares, the same on every process;
        `step` is called with how many images of this process's share are done."""

    @abstractmethod
    def draw(self, run: RunFolder, step: Callable[[int], object] = lambda done: None) -> tuple[Path, ...]:
        """Draw the `pictures` of the finished run into its folder, and give their paths and those of other files;
        `step` is called with how many validation images are done."""

    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        """Write a file that describes itself: `state` is that of `model`, `results` those of its evaluation."""
        save_weights(path, state, write_description(self.description | {"results": dict(results)}))

    @property
    def best_named(self) -> str:
        """What the best result is called, with what it covers: "mIoU of 10 of 11 classes"."""
        if self.coverage is None or self.coverage[0] == self.coverage[1]:
            return self.best_shown
        return f"{self.best_shown} of {self.coverage[0]} of {self.coverage[1]} classes"

    def blocks(self) -> list[nn.Module]:
        """The parts that FSDP gathers one at a time."""
        stages: Any = getattr(getattr(self.model, "backbone", self.model), "stages", [])
        return [block for stage in stages for block in stage.blocks]
