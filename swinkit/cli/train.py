"""swinkit train RECIPE"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.tasks import ClassificationRecipe, ClassificationRun, train_classifier


@dataclass(frozen=True)
class TrainOptions:
    recipe: Annotated[ClassificationRecipe, tyro.conf.arg(name="")]
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
    options = tyro.cli(
        TrainOptions,
        args=rest,
        default=TrainOptions(RECIPES[name]()),
        prog=f"swinkit train {name}",
        description=inspect.getdoc(RECIPES[name]),
        config=(tyro.conf.AvoidSubcommands,),
    )
    run = train_classifier(options.recipe, options.run_dir)
    if run.pictures:
        report(run, options.recipe)


def summary(recipe: object) -> str:
    """The first line of a recipe's docstring."""
    return (inspect.getdoc(recipe) or "").partition("\n")[0]


def report(run: ClassificationRun, recipe: ClassificationRecipe) -> None:
    """Where everything lies, and what to do next."""
    model, sample = run.folder.best_model, run.folder.root / "sample.png"
    when = "" if run.result.updates_now else "This run was finished before. "
    print(f"\n{when}Done: best validation top-1 {run.result.best:.2f} % after {run.result.updates} updates.")
    print(f"  model        {model}")
    print(f"  checkpoint   {run.folder.checkpoint}")
    print(f"  metrics      {run.folder.metrics}")
    for picture in run.pictures:
        print(f"  {picture.stem:12} {picture}")
    print("\nTry next:")
    data = [] if recipe.data is None else ["--data", str(recipe.data)]
    print(f"  {shlex.join(['swinkit', 'evaluate', str(model), *data])}")
    print(f"  {shlex.join(['swinkit', 'predict', str(model), str(sample)])}")
