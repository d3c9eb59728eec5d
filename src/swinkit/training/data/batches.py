"""Training batches of one process, over all epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch.utils.data import default_collate

from swinkit.training.data.loading import Collate, load_batches
from swinkit.training.data.sampling import Key
from swinkit.training.data.seeding import SeededSamples


class Sampler(Protocol):
    """Which samples come when; `TrainSampler` is one."""

    steps_per_epoch: int
    batches_per_epoch: int
    batch_size: int

    def batches(self, epoch: int, *, start: int = 0) -> Iterator[list[Key]]: ...


class EpochBatches:
    """Samples of `view` in the order of `sampler` (see `swinkit.training.task.TrainingBatches`)."""

    def __init__(
        self,
        view: SeededSamples,
        sampler: Sampler,
        *,
        workers: int,
        pin_memory: bool,
        collate: Collate = default_collate,
    ) -> None:
        self.view = view
        self.sampler = sampler
        self.workers = workers
        self.pin_memory = pin_memory
        self.collate = collate

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    @property
    def batches_per_epoch(self) -> int:
        return self.sampler.batches_per_epoch

    @property
    def batch_size(self) -> int:
        return self.sampler.batch_size

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        each = self.steps_per_epoch
        keys = (
            batch
            for epoch in range(start // each, -(-stop // each))
            for batch in self.sampler.batches(epoch, start=start % each if epoch == start // each else 0)
        )
        return load_batches(self.view, keys, workers=self.workers, pin_memory=self.pin_memory, collate=self.collate)
