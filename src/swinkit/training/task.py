"""What the loop sees of a task: a module that turns a batch into losses, and data into results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn


class Task(nn.Module, ABC):
    """A model together with its losses and its validation data. The loop wraps it for many processes."""

    model: nn.Module
    """What is trained and saved."""

    best_metric: str
    """The name, such as "val/top1", of the result by which the best weights are kept; higher is better."""

    model_methods: tuple[str, ...] = ()
    """Methods of `model`, besides forward, that use its weights: FSDP gathers them for these, too."""

    @abstractmethod
    def forward(self, batch: Any) -> dict[str, Tensor]:
        """A batch, already on the device, to its losses by name: scalars, whose sum is minimised."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Results on the validation data by name ("val/..."), the same on every process."""

    @abstractmethod
    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        """Write a file that describes itself: `state` is that of `model`, `results` those of its evaluation."""

    def blocks(self) -> list[nn.Module]:
        """The parts that FSDP gathers one at a time."""
        return []


class TrainingBatches(Protocol):
    """Training data, cut into the shares of this process."""

    @property
    def updates_per_epoch(self) -> int: ...

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        """The batches of the updates `start` to `stop` - 1 of the run, counted over epochs; each update has as many
        as `LoopSettings.accumulate` says. They depend on the update alone, not on where the run began."""
        ...
