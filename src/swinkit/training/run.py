"""How a recipe of any task is run: processes, task, folder, training, pictures."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from swinkit.serialization import to_plain
from swinkit.training.best_step import best_step
from swinkit.training.interruption import Interrupted
from swinkit.training.loop import TrainingResult, TrainingSettings, run_loop
from swinkit.training.overfitting import ENOUGH, describe_fit
from swinkit.training.processes import Processes, cpu_threads, joined_processes
from swinkit.training.progress import progress_bar
from swinkit.training.run_folder import RunFolder, open_run_folder
from swinkit.training.run_lock import held_run_folder
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.task import Task
from swinkit.training.trackers import check_installed

_log = logging.getLogger(__name__)


class Recipe(Protocol):
    """Everything that decides a run, as a frozen dataclass; each task has one."""

    @property
    def name(self) -> str: ...
    @property
    def loop(self) -> LoopSettings: ...
    @property
    def optimizer(self) -> OptimizerSettings: ...
    @property
    def schedule(self) -> ScheduleSettings: ...
    @property
    def overfit(self) -> int | None: ...

    def build(self, processes: Processes) -> Task:
        """Open the data and build the task; random weights are drawn from torch's global generator.

        Raises InputError where data, weights or values cannot be used.
        """
        ...


@dataclass(frozen=True)
class Run:
    """What a run leaves behind."""

    result: TrainingResult
    folder: RunFolder
    best: str
    """The best validation result as people read it, such as "top-1 98.89 %"."""
    pictures: tuple[Path, ...]
    """And other files about the results, in the run's folder; only the first process draws them."""
    best_step: int | None = None
    """After which step that was; None where it is not known."""
    fit: str | None = None
    """Of a run that learned a few images by heart: a sentence that says whether it did."""


def train(recipe: Recipe, run_dir: str | Path | None = None) -> Run:
    """Train by a recipe of any task, or go on with the run that the same call began before.

    Args:
        recipe: what decides the run.
        run_dir: the run's folder; None is runs/NAME in the current folder.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, another run is training in the folder, or a
            loss is not finite.
        Interrupted: where a signal asked the run to end; it has saved before, and the same call goes on.
    """
    root = Path(run_dir or Path("runs") / recipe.name)
    check_installed(recipe.loop.log)
    with ExitStack() as held:
        with cpu_threads(recipe.loop.threads), joined_processes(recipe.loop.device) as processes:
            torch.manual_seed(recipe.loop.seed)
            is_sharded = recipe.loop.sharding == "fsdp" and processes.count > 1
            task = recipe.build(replace(processes, shares_model=is_sharded))
            with processes.first_before_others():
                if processes.is_first:
                    held.enter_context(held_run_folder(root))
                folder = open_run_folder(root, deciding(recipe))
            _announce(recipe.name, task, folder.root, processes)
            if "recipe" in task.description:
                task.description["recipe"] |= _paths_from(recipe, root)
            loop = replace(recipe.loop, batch_size=task.batches.batch_size)  # no larger than the data
            enough = {} if recipe.overfit is None else dict.fromkeys(task.fit_metrics, ENOUGH)
            settings = TrainingSettings(loop, recipe.optimizer, recipe.schedule, enough)
            result = run_loop(task, settings, folder, processes)
        drawn: tuple[Path, ...] = ()
        if processes.is_first:
            drawn = _drawn_before(folder, task.pictures) if result.steps_now == 0 else ()
            drawn = drawn or _draw(task, folder)
    best = "unknown" if result.best is None else f"{task.best_named} {100 * result.best:.2f} %"
    fit = None if recipe.overfit is None else describe_fit(recipe.overfit, result.results, task.fit_metrics)
    return Run(result, folder, best, drawn, best_step(folder.metrics, task.best_metric), fit)


def deciding(recipe: Any) -> dict[str, Any]:
    """What decides a run's result: all but where and how it is computed. A run may go on with these changed."""
    neutral = replace(recipe.loop, workers=0, threads=None, device=None, log_every=1, log=())
    return to_plain(replace(recipe, loop=neutral))


def _announce(name: str, task: Task, root: Path, processes: Processes) -> None:
    """One line on what begins: images to train and validate on, classes, model, device, folder."""
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    where = str(processes.device) if processes.count == 1 else f"{processes.count} processes"
    _log.info(
        f"{name}: {task.images[0]:,} images to train on, {task.images[1]:,} to validate on, "
        f"{len(task.description['classes']):,} classes; a model of {parameters:,} parameters on {where}; folder {root}"
    )


def _paths_from(recipe: Any, root: Path) -> dict[str, str]:
    """What a model's file says beside the values of its recipe, where that has relative paths: the folder at which they
    begin, seen from the run's folder. So an evaluation finds the data from anywhere, also where run and data were moved
    together."""
    paths = (getattr(recipe, each.name) for each in fields(recipe))
    if all(path.is_absolute() for path in paths if isinstance(path, Path)):
        return {}
    try:
        return {"paths_from": os.path.relpath(Path.cwd(), root.absolute())}
    except ValueError:  # another drive of Windows
        return {"paths_from": str(Path.cwd())}


def _draw(task: Task, folder: RunFolder) -> tuple[Path, ...]:
    try:
        return task.draw(folder, progress_bar(task.images[1], "drawing pictures"))
    except Interrupted as stop:
        saved = f"after the last step, with all but the pictures saved in {folder.root}"
        raise Interrupted(stop.number, saved=saved) from None


def _drawn_before(run: RunFolder, names: Sequence[str]) -> tuple[Path, ...]:
    """The pictures in the folder of a finished run; none where the last one is not there yet, or is that of a time
    before the run was made longer."""
    paths = [run.root / f"{name}.png" for name in names]
    last = paths[-1]
    is_of_now = last.exists() and last.stat().st_mtime_ns >= run.checkpoint.stat().st_mtime_ns
    return tuple(path for path in paths if path.exists()) if is_of_now else ()
