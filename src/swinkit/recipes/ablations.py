"""Recipes of the rows of tables 4, 6 and 8, made from the base recipe and the row (`swinkit.recipes.rows`).

Ablations are trained as the paper trains Swin-T (`imagenet1k_swin_t_paper`, `coco_cascade_swin_t_3x_paper`,
`ade20k_swin_t_paper`). No weights of them were released: those of COCO and ADE20K start from what the same variant's
ImageNet recipe has left in runs/, which is inferred, as the paper does not say it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes import ade20k, coco, imagenet1k
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe
from swinkit.recipes.rows import PREFIXES, RESOLUTIONS, VARIANTS, Resolution, Variant, described_rows
from swinkit.segmentation.recipe import SegmentationRecipe

Recipe = ClassificationRecipe | DetectionRecipe | SegmentationRecipe

BASES: dict[str, tuple[Callable[[], Any], Launch]] = {
    "imagenet1k": (imagenet1k.imagenet1k_swin_t_paper, imagenet1k.LAUNCH),
    "coco": (coco.coco_cascade_swin_t_3x_paper, coco.LAUNCH),
    "ade20k": (ade20k.ade20k_swin_t_paper, ade20k.LAUNCH),
}
"""Recipe and launch of Swin-T itself, by data set."""

STARTS = {
    "t": (imagenet1k.imagenet1k_swin_t_paper, "swin_tiny_patch4_window7_224"),
    "s": (imagenet1k.imagenet1k_swin_s_paper, "swin_small_patch4_window7_224"),
    "b": (imagenet1k.imagenet1k_swin_b_paper, "swin_base_patch4_window7_224"),
}
"""Recipe and released weights at 224 pixels."""


def variant_recipe(data: str, name: str, variant: Variant) -> Recipe:
    """The recipe of Swin-T on a data set with what the variant changes."""
    recipe = BASES[data][0]()
    assert isinstance(recipe.backbone, SwinConfig)
    recipe = replace(recipe, backbone=replace(recipe.backbone, **variant.changes))
    if data == "imagenet1k":
        return recipe
    return replace(recipe, weights=f"runs/{PREFIXES['imagenet1k']}_{name}/best.safetensors")


def resolution_recipe(row: Resolution) -> ClassificationRecipe:
    """Fine-tuned from 224 pixels as the text has it (A2.1): 30 epochs of 1e-5, stochastic depth 0.1; windows grow,
    and their bias tables resized. Evaluated on the whole image squeezed, as the released model of 384 pixels."""
    base, weights = STARTS[row.model]
    recipe = imagenet1k.constant_rate(imagenet1k.with_training(base(), imagenet1k.TUNING, processes=8))
    size, window = row.size, row.size // 32
    return replace(
        recipe,
        weights=weights,
        backbone=replace(recipe.backbone, window_size=window, image_size=(size, size), drop_path_rate=0.1),
        augmentation=replace(recipe.augmentation, image_size=size),
        preprocessing=published_preprocessing(size, crop=False),
    )


def _named(name: str, summary: str, published: Published, launch: Launch, make: Callable[[], Any]) -> Callable[[], Any]:
    def function() -> Any:
        return make()

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}\n\n{resolution_recipe.__doc__ if '_finetune' in name else __doc__}"
    return published_recipe(published, launch)(function)


def _recipes() -> dict[str, Callable[[], Any]]:
    makers: dict[str, tuple[Launch, Callable[[], Any]]] = {}
    for row in RESOLUTIONS:
        makers[row.name] = imagenet1k.LAUNCH_IN_TWO, partial(resolution_recipe, row)
    for data, (_, launch) in BASES.items():
        for name, variant in VARIANTS.items():
            key = f"{PREFIXES[data]}_{name}"
            makers[key] = launch, partial(variant_recipe, data, name, variant)
    return {name: _named(name, summary, published, *makers[name]) for name, _, summary, published in described_rows()}


_RECIPES = _recipes()


def __getattr__(name: str) -> Callable[[], Recipe]:
    """The recipe function of a row, by its name."""
    if name in _RECIPES:
        return _RECIPES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
