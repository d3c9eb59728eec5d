"""swinkit models, swinkit recipes"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tyro
from rich.table import Column, Table

from swinkit.backbone.architecture import ARCHITECTURES
from swinkit.classification.size import classifier_multiply_adds, classifier_parameters
from swinkit.cli.console import result_console
from swinkit.recipes import RECIPES
from swinkit.weights.catalogue import CATALOGUE

HEADINGS = {
    "own": "Your own data: swinkit train RECIPE --data FOLDER",
    "embedded": "Embedded data, without any download: swinkit train RECIPE",
    "published": "Published runs of ImageNet, COCO and ADE20K",
}
"""By `RecipeEntry.data`, in the order they are listed."""
TASKS = ("classification", "detection", "segmentation")
USES = {"backbone": "backbone, for --weights alone"}
"""What weights are good for, where their task does not say it."""


def models_command(arguments: Sequence[str]) -> None:
    """Architectures with their size, and the published weights."""
    tyro.cli(_nothing, args=list(arguments), prog="swinkit models", description=models_command.__doc__)
    console = result_console()
    table = Table("architecture", "parameters", "multiply-adds", "image", "window", title="Classifiers, 1000 classes")
    for name, config in ARCHITECTURES.items():
        parameters, operations = classifier_parameters(config), classifier_multiply_adds(config)
        size = " x ".join(str(side) for side in config.image_size)
        table.add_row(name, f"{parameters:,}", f"{operations / 1e9:.1f} G", size, str(config.window_size))
    console.print(table)
    table = Table(
        Column("weights", no_wrap=True), "task", "image", "classes", "published", "licence", title="Published weights"
    )
    for name, entry in CATALOGUE.items():
        size = " x ".join(str(side) for side in entry.input_size)
        use, published = USES.get(entry.task, entry.task), entry.published or "-"
        table.add_row(name, use, size, str(entry.classes or "-"), published, entry.licence)
    console.print(table)


@dataclass(frozen=True)
class RecipesOptions:
    published: bool = False
    """List the published runs, too."""


def recipes_command(arguments: Sequence[str]) -> None:
    """What can be trained, by swinkit train RECIPE: on your own data, on embedded data, and the published runs with the
    figures that they aim at."""
    options = tyro.cli(
        RecipesOptions, args=list(arguments), prog="swinkit recipes", description=recipes_command.__doc__
    )
    console = result_console()
    for line in recipe_lists(published=options.published):
        console.print(line)


def recipe_lists(*, published: bool = False) -> Iterator[Table | str]:
    """Headings and tables of the recipes, by their data and task; without `published`, a line says how many more there
    are."""
    for kind, heading in HEADINGS.items():
        entries = [entry for entry in RECIPES.entries() if entry.data == kind]
        if kind == "published" and not published:
            yield f"\n{heading}: {len(entries)} recipes, which swinkit recipes --published lists"
            continue
        yield f"\n{heading}"
        table = Table(Column("", no_wrap=True), Column("", no_wrap=True), "", "", box=None, show_header=False)
        for task in TASKS:
            of_task = [entry for entry in entries if entry.task == task]
            for place, entry in enumerate(of_task):
                figures = "" if entry.published is None else entry.published.figures
                table.add_row("" if place else task, entry.name, entry.summary, figures)
        yield table


def _nothing() -> None:
    """No options."""
