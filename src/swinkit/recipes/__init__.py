"""What can be trained: functions with numbers in them, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from swinkit.recipes.entries import RecipeEntry, recipe_entries

if TYPE_CHECKING:
    from swinkit.classification.recipe import ClassificationRecipe
    from swinkit.detection.recipe import DetectionRecipe
    from swinkit.segmentation.recipe import SegmentationRecipe

    RecipeFunction = Callable[[], ClassificationRecipe | SegmentationRecipe | DetectionRecipe]


class Recipes(Mapping[str, "RecipeFunction"]):
    """Names to functions, in reading order. A function's module is imported where it is asked for."""

    def __getitem__(self, name: str) -> RecipeFunction:
        return getattr(import_module(recipe_entries()[name].module), name)

    def __contains__(self, name: object) -> bool:
        return name in recipe_entries()

    def __iter__(self) -> Iterator[str]:
        return iter(recipe_entries())

    def __len__(self) -> int:
        return len(recipe_entries())

    def entries(self) -> tuple[RecipeEntry, ...]:
        """What is known of each recipe without importing it: task, summary, published figures."""
        return tuple(recipe_entries().values())


RECIPES = Recipes()
