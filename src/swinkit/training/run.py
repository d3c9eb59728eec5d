"""How a recipe of any task is run: processes, folder, training, pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from swinkit.training.loop import TrainingResult, TrainingSettings, train
from swinkit.training.processes import Processes, cpu_threads, joined_processes
from swinkit.training.run_facts import announce, deciding
from swinkit.training.run_folder import RunFolder, open_run_folder
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.task import Task, TrainingBatches


class Recipe(Protocol):
    """What the recipes of all tasks have."""

    @property
    def name(self) -> str: ...
    @property
    def loop(self) -> LoopSettings: ...
    @property
    def optimizer(self) -> OptimizerSettings: ...
    @property
    def schedule(self) -> ScheduleSettings: ...


@dataclass(frozen=True)
class Prepared:
    """A recipe's task and data, ready to be trained."""

    batches: TrainingBatches
    task: Task
    images: tuple[int, int]
    """How many there are to train and to validate on."""
    classes: Sequence[str]
    draw: Callable[[RunFolder], tuple[Path, ...]]
    """Draws the pictures of the finished run and gives their paths."""


@dataclass(frozen=True)
class Run:
    """What a run leaves behind."""

    result: TrainingResult
    folder: RunFolder
    pictures: tuple[Path, ...]
    """And other files about the results, in the run's folder; only the first process draws them."""


def run_recipe(
    recipe: Recipe, run_dir: Path | None, prepare: Callable[[Processes], Prepared], *, pictures: Sequence[str]
) -> Run:
    """Train by a recipe, or go on with the run that the same call began before.

    Args:
        recipe: what decides the run.
        run_dir: the run's folder; None is runs/NAME in the current folder.
        prepare: opens the data and builds the task; random weights are those of the recipe's seed.
        pictures: names, without ending, of the pictures that a finished run has, in the order they are drawn in.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, or a loss is not finite.
    """
    with cpu_threads(recipe.loop.threads), joined_processes(recipe.loop.device) as processes:
        torch.manual_seed(recipe.loop.seed)
        ready = prepare(processes)
        with processes.first_before_others():
            folder = open_run_folder(run_dir or Path("runs") / recipe.name, deciding(recipe))
        announce(
            recipe.name, ready.task.model, images=ready.images, classes=ready.classes, root=folder.root, to=processes
        )
        settings = TrainingSettings(recipe.loop, recipe.optimizer, recipe.schedule)
        result = train(ready.task, ready.batches, settings, folder, processes)
    drawn: tuple[Path, ...] = ()
    if processes.is_first:
        drawn = _drawn_before(folder, pictures) if result.updates_now == 0 else ()
        drawn = drawn or ready.draw(folder)
    return Run(result, folder, drawn)


def _drawn_before(run: RunFolder, names: Sequence[str]) -> tuple[Path, ...]:
    """The pictures in the folder of a finished run; none where the last one is not there yet."""
    paths = [run.root / f"{name}.png" for name in names]
    return tuple(path for path in paths if path.exists()) if paths[-1].exists() else ()
