"""The smallest task the loop can train: a two-layer net that learns to add numbers up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from swinkit.training.loop import TrainingResult, TrainingSettings, run_loop
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder, open_run_folder
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.task import Task

BATCH = 8
STEPS = 5
"""Steps in an epoch."""
ONE = Processes(0, 1, torch.device("cpu"))


class ToyTask(Task):
    best_metric = "val/score"
    best_shown = "score"
    pictures = ()

    def __init__(self, scores: list[float] | None = None) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))
        super().__init__(model, batches=ToyBatches(), images=(BATCH * STEPS, BATCH), description={})
        self.scores = scores
        self.evaluations = 0

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        inputs, targets = batch
        error = self.model(inputs)[:, 0] - targets
        return {"square": (error**2).mean(), "absolute": 0.1 * error.abs().mean()}

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        assert not self.model.training
        self.evaluations += 1
        inputs, targets = sums(10**6)
        score = -((self.model(inputs)[:, 0] - targets) ** 2).mean().item()
        step(BATCH)
        return {"val/score": score if self.scores is None else self.scores[self.evaluations - 1]}

    def draw(self, run: RunFolder, step: Callable[[int], object] = lambda done: None) -> tuple[Path, ...]:
        return ()

    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        save_file({name: tensor.clone() for name, tensor in state.items()}, path, {"results": str(dict(results))})


class ToyBatches:
    """Batches that depend on their number alone; those of the steps in `spoiled` hold a NaN in the last part."""

    steps_per_epoch = STEPS

    def __init__(self, *, accumulate: int = 1, spoiled: tuple[int, ...] = ()) -> None:
        self.accumulate = accumulate
        self.batches_per_epoch = STEPS * accumulate
        self.spoiled = spoiled

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        for step in range(start, stop):
            inputs, targets = sums(step)
            if step in self.spoiled:
                inputs[0, 0] = torch.nan
            yield from zip(inputs.chunk(self.accumulate), targets.chunk(self.accumulate), strict=True)


def sums(number: int) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(number))
    return inputs, inputs.sum(1)


def settings(*, optimizer: OptimizerSettings | None = None, **loop: Any) -> TrainingSettings:
    values = {"epochs": 2, "batch_size": BATCH, "log_every": 1, "workers": 0, "device": "cpu"} | loop
    optimizer = optimizer or OptimizerSettings(lr=1e-2, reference_batch=None)
    return TrainingSettings(LoopSettings(**values), optimizer, ScheduleSettings(warmup_steps=2))


def run_toy(
    folder: Path, told: TrainingSettings, *, task: ToyTask | None = None, batches: ToyBatches | None = None
) -> tuple[TrainingResult, RunFolder]:
    """Train, or go on, in `folder`."""
    run = open_run_folder(folder, {"name": "toy"})
    task = task or ToyTask()
    task.batches = batches or ToyBatches(accumulate=told.loop.accumulate)
    return run_loop(task, told, run, ONE), run
