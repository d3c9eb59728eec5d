"""swinkit train RECIPE"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from swinkit.classification.recipe import ClassificationRecipe
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.run import train_detector
from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.segmentation.run import train_segmentor
from swinkit.training.run import Run, train
from swinkit.training.settings import LoopSettings

R = TypeVar("R", ClassificationRecipe, SegmentationRecipe, DetectionRecipe)


@dataclass(frozen=True)
class TrainOptions(Generic[R]):
    recipe: Annotated[R, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """Folder of this run: checkpoint, models, metrics, pictures. Default: runs/RECIPE. The same command with the same
    folder goes on with a run that was stopped."""


def train_command(arguments: Sequence[str]) -> None:
    """Train by a recipe and say what came of it."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: swinkit train RECIPE [--data DIR] [--run-dir DIR] [options]")
        print("\nRecipes (swinkit train RECIPE --help):")
        for name, recipe in RECIPES.items():
            print(f"  {name:36} {summary(recipe)}")
        if not arguments:
            raise InputError("say which recipe to train; a first try without any download: swinkit train digits")
        return
    name, rest = arguments[0], list(arguments[1:])
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; swinkit recipes lists them")
    default: Any = RECIPES[name]()
    # The options of this recipe's own class, known only at run time, which type checkers do not follow.
    kind: Any = TrainOptions[type(default)]  # type: ignore[misc]
    options = tyro.cli(
        kind,
        args=rest,
        default=TrainOptions(default),
        prog=f"swinkit train {name}",
        description=inspect.getdoc(RECIPES[name]),
        config=(tyro.conf.AvoidSubcommands,),
    )
    _check_length(default.loop, options.recipe.loop)
    _train(options.recipe, options.run_dir)


def _check_length(default: LoopSettings, loop: LoopSettings) -> None:
    """Raises InputError where options in epochs would change nothing, as the recipe counts in steps."""
    for epochs, steps in (("epochs", "steps"), ("evaluate_every", "evaluate_every_steps")):
        if getattr(loop, steps) is not None and getattr(loop, epochs) != getattr(default, epochs):
            option, other = (name.replace("_", "-") for name in (epochs, steps))
            raise InputError(
                f"--{option} changes nothing where --{other} is {getattr(loop, steps)}; change that, or add "
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
        classification = train(recipe, run_dir)
        report(classification, recipe.data, f"top-1 {100 * (classification.result.best or 0.0):.2f} %")


def summary(recipe: object) -> str:
    """The first line of a recipe's docstring."""
    return (inspect.getdoc(recipe) or "").partition("\n")[0]


def report(run: Run, data: Path | None, best: str) -> None:
    """Where everything lies, and what to do next; nothing where another process tells it."""
    if not run.pictures:
        return
    model, sample = run.folder.best_model, run.folder.root / "sample.png"
    when = "" if run.result.steps_now else "This run was finished before. "
    print(f"\n{when}Done: best validation {best} after {run.result.steps} steps.")
    print(f"  model        {model}")
    print(f"  checkpoint   {run.folder.checkpoint}")
    print(f"  metrics      {run.folder.metrics}")
    for picture in run.pictures:
        print(f"  {picture.stem:12} {picture}")
    print("\nTry next:")
    data_option = [] if data is None else ["--data", str(data)]
    print(f"  {shlex.join(['swinkit', 'evaluate', str(model), *data_option])}")
    print(f"  {shlex.join(['swinkit', 'predict', str(model), str(sample)])}")
