"""What swinkit train RECIPE runs, once the recipe is known; with it comes PyTorch."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from swinkit.backbone.table import named_backbone
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.cli.console import program
from swinkit.cli.first_options import short_help
from swinkit.cli.renamed_options import refuse_old_names
from swinkit.detection.architectures import DETECTORS
from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.training.run import Run, train
from swinkit.training.settings import LoopSettings

R = TypeVar("R")

CHOICES = """
--backbone NAME takes another backbone than the recipe's: swin_t, swin_s, swin_b, swin_l, swin_b_384, swin_l_384,
deit_s_pyramid or timm:NAME of the timm library, such as timm:resnet50. Options below --backbone change its values.
"""
DETECTOR_CHOICES = f"--detector NAME takes another detector: {', '.join(DETECTORS)}.\n"


@dataclass(frozen=True)
class TrainOptions(Generic[R]):
    recipe: Annotated[R, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """Folder of this run: checkpoint, models, metrics, pictures. Default: runs/RECIPE. The same command with the same
    folder goes on with a run that was stopped, and with a larger --epochs or --steps makes it longer."""


def train_recipe(name: str, arguments: Sequence[str]) -> None:
    """Train by the recipe `name`, changed by the options in `arguments`, and say what came of it."""
    refuse_old_names(arguments)
    published: Any = RECIPES[name]()
    default, rest = _with_parts(published, list(arguments))
    if "-h" in rest or "--help" in rest:
        shown = default.sized() if isinstance(default, ClassificationRecipe) else default
        print(short_help(name, _task(name), shown, inspect.getdoc(RECIPES[name]) or ""))
        return
    rest = ["--help" if argument == "--help-all" else argument for argument in rest]
    # The options of this recipe's own class, known only at run time, which type checkers do not follow.
    kind: Any = TrainOptions[type(default)]  # type: ignore[misc]
    options = tyro.cli(
        kind,
        args=rest,
        default=TrainOptions(default),
        prog=f"swinkit train {name}",
        description=_description(name, published),
        config=(tyro.conf.AvoidSubcommands,),
    )
    _check_length(default.loop, options.recipe.loop)
    report(train(options.recipe, options.run_dir), options.recipe.data)


def _task(name: str) -> str:
    return next(entry.task for entry in RECIPES.entries() if entry.name == name)


def _with_parts(recipe: Any, arguments: list[str]) -> tuple[Any, list[str]]:
    """The recipe with what --backbone, --detector and --overfit make of it, and the other arguments."""
    name, arguments = _taken("--backbone", arguments)
    if name is not None:
        recipe = _with_backbone(recipe, name)
    if hasattr(recipe, "detector"):
        name, arguments = _taken("--detector", arguments)
        if name is not None:
            if name not in DETECTORS:
                raise InputError(f"there is no detector {name!r}; there are {', '.join(DETECTORS)}")
            recipe = replace(recipe, detector=DETECTORS[name]())
    images, arguments = _taken("--overfit", arguments)
    if images is not None:
        if not images.isdecimal():
            raise InputError(f"--overfit takes the number of images to learn by heart, such as 8, not {images}")
        recipe = recipe.overfitting(int(images))
    return recipe, arguments


def _with_backbone(recipe: Any, name: str) -> Any:
    if isinstance(recipe, ClassificationRecipe):
        return recipe.with_backbone(name)  # which brings its image size
    backbone: Any = named_backbone(name, recipe.backbone)
    return replace(recipe, backbone=backbone)


def _taken(option: str, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of an option, None where it is not given, and the arguments without it."""
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2], arguments[:place] + arguments[place + 1 :]
        if argument == option:
            if place + 1 == len(arguments):
                raise InputError(f"say which: {option} {'N' if option == '--overfit' else 'NAME'}")
            return arguments[place + 1], arguments[:place] + arguments[place + 2 :]
    return None, arguments


def _description(name: str, recipe: Any) -> str:
    choices = CHOICES + (DETECTOR_CHOICES if hasattr(recipe, "detector") else "")
    return f"{inspect.getdoc(RECIPES[name])}\n{choices}"


def _check_length(default: LoopSettings, loop: LoopSettings) -> None:
    """Raises InputError where options in epochs would change nothing, as the recipe counts in steps."""
    for epochs, steps in (("epochs", "steps"), ("evaluate_every", "evaluate_every_steps")):
        if getattr(loop, steps) is not None and getattr(loop, epochs) != getattr(default, epochs):
            option, other = (name.replace("_", "-") for name in (epochs, steps))
            raise InputError(
                f"--{option} changes nothing where --{other} is {getattr(loop, steps)}; change that, or add "
                f"--{other} None"
            )


def report(run: Run, data: Path | None) -> None:
    """Where everything lies, and what to do next; nothing where another process tells it."""
    if not run.pictures:
        return
    model, sample = run.folder.best_model, run.folder.root / "sample.png"
    when = "" if run.result.steps_now else "This run was finished before. "
    at = "after" if run.best_step is None else f"at step {run.best_step} of"
    print(f"\n{when}Done: best validation {run.best} {at} {run.result.steps} steps.")
    if run.result.stopped is not None:
        print(run.result.stopped)
    print(f"  model        {model}")
    print(f"  checkpoint   {run.folder.checkpoint}")
    print(f"  metrics      {run.folder.metrics}")
    for picture in run.pictures:
        print(f"  {picture.stem:12} {picture}")
    if run.fit is not None:
        print(f"\n{run.fit}")
        return
    print("\nTry next:")
    data_option = [] if data is None else ["--data", str(data)]
    print(f"  {shlex.join([*program(), 'evaluate', str(model), *data_option])}")
    print(f"  {shlex.join([*program(), 'predict', str(model), str(sample)])}")
