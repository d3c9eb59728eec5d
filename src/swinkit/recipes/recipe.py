"""What makes a function a recipe: what it returns bears its name, and a published one says what to expect of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TypeVar

from swinkit.classification.recipe import ClassificationRecipe
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes.published import Launch, Published
from swinkit.segmentation.recipe import SegmentationRecipe

R = TypeVar("R", ClassificationRecipe, SegmentationRecipe, DetectionRecipe)


def recipe(function: Callable[[], R]) -> Callable[[], R]:
    """A recipe of our own, whose docstring says command, hardware, time and expected result."""

    @wraps(function)
    def named() -> R:
        return replace(function(), name=function.__name__)

    return named


def published_recipe(published: Published, launch: Launch) -> Callable[[Callable[[], R]], Callable[[], R]]:
    """A recipe that reproduces a published run; command, hardware and expected result are added to its docstring.

    Args:
        published: its figures. Written out in the decorator, as `swinkit recipes` reads them off the source.
        launch: how it was run.
    """

    def decorate(function: Callable[[], R]) -> Callable[[], R]:
        named = recipe(function)
        named.__doc__ = f"""{inspect.getdoc(function)}

Command: {launch.command(function.__name__)}

Hardware: {launch.hardware} Time: not measured.

Expected: {published.expectation}
"""
        return named

    return decorate
