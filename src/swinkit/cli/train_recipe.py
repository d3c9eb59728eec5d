"""What swinkit train RECIPE runs, once the recipe is known; with it comes PyTorch."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from swinkit.classification.recipe import ClassificationRecipe
from swinkit.classification.run import train_classifier
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.run import train_detector
from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.segmentation.run import train_segmentor
from swinkit.training.run import Run
from swinkit.training.settings import LoopSettings

R = TypeVar("R", ClassificationRecipe, SegmentationRecipe, DetectionRecipe)


@dataclass(frozen=True)
class TrainOptions(Generic[R]):
    recipe: Annotated[R, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """Folder of this run: checkpoint, models, metrics, pictures. Default: runs/RECIPE. The same command with the same
    folder goes on with a run that was stopped."""


def train_recipe(name: str, arguments: Sequence[str]) -> None:
    """Train by the recipe `name`, changed by the options in `arguments`, and say what came of it."""
    default: Any = RECIPES[name]()
    # The options of this recipe's own class, known only at run time, which type checkers do not follow.
    kind: Any = TrainOptions[type(default)]  # type: ignore[misc]
    options = tyro.cli(
        kind,
        args=list(arguments),
        default=TrainOptions(default),
        prog=f"swinkit train {name}",
        description=inspect.getdoc(RECIPES[name]),
        config=(tyro.conf.AvoidSubcommands,),
    )
    _check_length(default.loop, options.recipe.loop)
    _train(options.recipe, options.run_dir)


def _check_length(default: LoopSettings, loop: LoopSettings) -> None:
    """Raises InputError where options in epochs would change nothing, as the recipe counts in updates."""
    for epochs, updates in (("epochs", "updates"), ("evaluate_every", "evaluate_every_updates")):
        if getattr(loop, updates) is not None and getattr(loop, epochs) != getattr(default, epochs):
            option, other = (name.replace("_", "-") for name in (epochs, updates))
            raise InputError(
                f"--{option} changes nothing where --{other} is {getattr(loop, updates)}; change that, or add "
                f"--{other} None"
            )


def _train(recipe: ClassificationRecipe | SegmentationRecipe | DetectionRecipe, run_dir: Path | None) -> None:
    if isinstance(recipe, DetectionRecipe):
        detection = train_detector(recipe, run_dir)
        report(detection, recipe.data, f"box AP {detection.result.best:.4f}")
    elif isinstance(recipe, SegmentationRecipe):
        segmentation = train_segmentor(recipe, run_dir)
        report(segmentation, recipe.data, f"mIoU {segmentation.result.best:.4f}")
    else:
        classification = train_classifier(recipe, run_dir)
        report(classification, recipe.data, f"top-1 {classification.result.best:.2f} %")


def report(run: Run, data: Path | None, best: str) -> None:
    """Where everything lies, and what to do next; nothing where another process tells it."""
    if not run.pictures:
        return
    model, sample = run.folder.best_model, run.folder.root / "sample.png"
    when = "" if run.result.updates_now else "This run was finished before. "
    print(f"\n{when}Done: best validation {best} after {run.result.updates} updates.")
    print(f"  model        {model}")
    print(f"  checkpoint   {run.folder.checkpoint}")
    print(f"  metrics      {run.folder.metrics}")
    for picture in run.pictures:
        print(f"  {picture.stem:12} {picture}")
    print("\nTry next:")
    data_option = [] if data is None else ["--data", str(data)]
    print(f"  {shlex.join(['swinkit', 'evaluate', str(model), *data_option])}")
    print(f"  {shlex.join(['swinkit', 'predict', str(model), str(sample)])}")
