"""swinkit models, swinkit recipes"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import tyro
from rich.table import Column, Table
from torch.utils.flop_counter import FlopCounterMode

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import VARIANTS
from swinkit.classification.model import SwinClassifier
from swinkit.cli.console import result_console
from swinkit.cli.train import summary
from swinkit.recipes import RECIPES
from swinkit.weights.catalogue import CATALOGUE


def models_command(arguments: Sequence[str]) -> None:
    """Architectures with their size, and the published weights."""
    tyro.cli(_nothing, args=list(arguments), prog="swinkit models", description=models_command.__doc__)
    console = result_console()
    table = Table("architecture", "parameters", "multiply-adds", "image", "window", title="Classifiers, 1000 classes")
    for name, config in VARIANTS.items():
        parameters, operations = measure(config)
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
    """What can be trained, by swinkit train RECIPE."""
    tyro.cli(_nothing, args=list(arguments), prog="swinkit recipes", description=recipes_command.__doc__)
    table = Table(Column("recipe", no_wrap=True), "what it does", box=None)
    for name, recipe in RECIPES.items():
        table.add_row(name, summary(recipe))
    result_console().print(table)


def measure(config: SwinConfig) -> tuple[int, int]:
    """Parameters of a 1000-class classifier, and multiply-adds of its matrix products and convolution for one image."""
    with torch.device("meta"):
        model = SwinClassifier(config).eval()
        image = torch.empty(1, config.in_channels, *config.image_size)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(image)
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2


def _nothing() -> None:
    """No options."""
