"""swinkit models, swinkit recipes"""

from __future__ import annotations

from collections.abc import Sequence

import tyro
from rich.table import Column, Table

from swinkit.backbone.architecture import ARCHITECTURES
from swinkit.classification.size import classifier_multiply_adds, classifier_parameters
from swinkit.cli.console import result_console
from swinkit.recipes import RECIPES
from swinkit.weights.catalogue import CATALOGUE


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
        table.add_row(name, entry.task, size, str(entry.classes or "-"), entry.published or "-", entry.licence)
    console.print(table)


def recipes_command(arguments: Sequence[str]) -> None:
    """What can be trained, by swinkit train RECIPE, and the published figures that it aims at."""
    tyro.cli(_nothing, args=list(arguments), prog="swinkit recipes", description=recipes_command.__doc__)
    table = Table(Column("recipe", no_wrap=True), "what it does", "published", box=None)
    for entry in RECIPES.entries():
        table.add_row(entry.name, entry.summary, "" if entry.published is None else entry.published.figures)
    result_console().print(table)


def _nothing() -> None:
    """No options."""
