"""What swinkit says to each row of the paper: parameters, multiply-adds, recipe, notes, and speeds where measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes import RECIPES
from swinkit.tables.counting import ModelSize, recipe_size, timm_size
from swinkit.tables.paper import SPEED, PaperRow, PaperTable

DEVIATIONS: dict[tuple[str, str, str], str] = {
    ("1a", "Swin-T", "params"): "28,288,354, which the paper writes as 29 M.",
    ("1a", "ViT-B/16", "params"): "timm's has 86.9 M with its positions at 384; the paper has the 86 M of 224.",
    ("1b", "ViT-B/16", "params"): "timm's has 86.9 M with its positions at 384; the paper has the 86 M of 224.",
    ("1a", "DeiT-B", "params"): "86.6 M, which its authors and the paper write as 86 M.",
    ("1a", "DeiT-B at 384", "params"): "timm's has 86.9 M with its positions at 384; the paper has the 86 M of 224.",
    ("1a", "ViT-L/16", "params"): "304.7 M with ImageNet-1K's head; ViT's authors write 307 M.",
    ("1b", "ViT-L/16", "params"): "304.7 M with ImageNet-1K's head; ViT's authors write 307 M.",
    ("1a", "EffNet-B4", "FLOPs"): "The paper cites EfficientNet's authors, who count 5 % less than convolutions have.",
    ("1a", "EffNet-B5", "FLOPs"): "The paper cites EfficientNet's authors, who count 4 % less than convolutions have.",
    ("1a", "EffNet-B7", "FLOPs"): "The paper cites EfficientNet's authors, who count 2 % less than convolutions have.",
    ("3", "UperNet, Swin-L", "FLOPs"): "3230 G cannot be right: by the rule that gives all other rows it is 2482 G.",
}
"""Counts of ours that differ from the paper's by more than its rounding and one percent, and why: all there are, by
table, row and column."""

NOTES: dict[tuple[str, str], str] = {
    ("1a", "Swin-B"): "Table 8 of the paper has 83.3 for the same model.",
    ("8", "Swin-B at 224"): "Table 1 of the paper has 83.5 for the same model.",
    ("2b", "DeiT-S"): "The pyramid is inferred from the counts, as it was never released.",
    ("3", "UperNet, DeiT-S"): "The pyramid is inferred from the counts, as it was never released.",
    ("5", "Performer"): "Inferred, as the paper does not describe it: FAVOR+ over whole maps.",
    ("6", "Performer"): "Inferred, as the paper does not describe it: FAVOR+ over whole maps.",
    ("2c", "Swin-B (HTC++)"): "Never released; in parts inferred from the counts.",
    ("2c", "Swin-L (HTC++)"): "Never released; in parts inferred from the counts.",
}


@dataclass(frozen=True)
class Speed:
    """What was measured of a row."""

    images_per_second: float
    """Median over the rounds."""
    milliseconds: float
    """Of one image, likewise."""


@dataclass(frozen=True)
class Row:
    """A row of the paper and what swinkit says to it."""

    paper: PaperRow
    size: ModelSize | None
    """None where there is no model to count."""
    notes: tuple[str, ...]
    paper_ratio: float | None
    """Its speed over that of the row that the paper compares with."""
    measured: dict[str, Speed]
    """By column of speed: "img/s", or the columns of table 5. Empty where nothing was measured."""
    ratio: dict[str, float]
    """Measured speeds over those of the row that the paper compares with."""


def table_rows(table: PaperTable, speeds: dict[str, dict[str, Speed]] | None = None) -> list[Row]:
    """Every row of a table; `speeds` are what was measured, by row and column."""
    speeds = speeds or {}
    base = next((row for row in table.rows if row.name == table.against), None)
    return [
        Row(
            paper=row,
            size=row_size(table, row),
            notes=notes_of(table, row),
            paper_ratio=_paper_ratio(row, base),
            measured=speeds.get(row.name, {}),
            ratio={
                column: speed.images_per_second / speeds[base.name][column].images_per_second
                for column, speed in speeds.get(row.name, {}).items()
                if base is not None and column in speeds.get(base.name, {})
            },
        )
        for row in table.rows
    ]


def row_size(table: PaperTable, row: PaperRow) -> ModelSize | None:
    """Counted from the model; None where there is none, or where timm is needed and not installed."""
    if row.recipe is not None:
        return _recipe_size(row.recipe, table.name == "5" and "padding" in row.name)
    if row.timm is None:
        return None
    try:
        return _timm_size(row.timm, row.side)
    except ImportError:
        return None


def notes_of(table: PaperTable, row: PaperRow) -> tuple[str, ...]:
    """Deviations of its counts, and what else must be said."""
    deviations = [text for (name, label, _), text in DEVIATIONS.items() if (name, label) == (table.name, row.name)]
    note = NOTES.get((table.name, row.name))
    return (*deviations, *([] if note is None else [note]))


@cache
def _recipe_size(name: str, is_padded: bool) -> ModelSize:
    recipe = RECIPES[name]()
    if is_padded and isinstance(recipe, ClassificationRecipe):
        recipe = replace(recipe, backbone=replace(recipe.backbone, attention="padded_shift"))
    return recipe_size(recipe)


@cache
def _timm_size(name: str, side: int) -> ModelSize:
    return timm_size(name, side)


def _paper_ratio(row: PaperRow, base: PaperRow | None) -> float | None:
    if base is None or SPEED not in row.figures or SPEED not in base.figures:
        return None
    return float(row.figures[SPEED]) / float(base.figures[SPEED])
