"""Recipes that are made from rows: what they change of their base, and nothing else; figures as in the paper."""

from dataclasses import asdict, replace

import pytest
import torch

from swinkit.backbone.swin import SwinConfig
from swinkit.recipes import RECIPES
from swinkit.recipes.rows import VARIANTS, described_rows

# Tables 4 and 6, typed a second time: changes; ImageNet top-1 and top-5, COCO box and mask AP, ADE20K mIoU.
NO_BIAS = {"relative_position_bias": False}
ROWS = {
    "unshifted": ({"attention": "unshifted"}, 80.2, 95.1, 47.7, 41.5, 43.3),
    "no_position": (NO_BIAS, 80.1, 94.9, 49.2, 42.6, 43.8),
    "absolute": ({**NO_BIAS, "absolute_position_embedding": True}, 80.5, 95.2, 49.0, 42.4, 43.2),
    "absolute_relative": ({"absolute_position_embedding": True}, 81.3, 95.6, 50.2, 43.4, 44.0),
    "without_appearance": ({"qk_scale": 0.0}, 79.3, 94.7, 48.2, 41.9, 44.1),
    "sliding": ({"attention": "sliding"}, 81.4, 95.6, 50.2, 43.5, 45.8),
    "performer": ({**NO_BIAS, "attention": "performer"}, 79.0, 94.2, None, None, None),
}
BASES = {
    "imagenet1k_swin_t": "imagenet1k_swin_t_paper",
    "coco_cascade_swin_t": "coco_cascade_swin_t_3x_paper",
    "ade20k_swin_t": "ade20k_swin_t_paper",
}
PUBLISHED = {entry.name: entry.published for entry in RECIPES.entries()}


def test_all_rows_are_there() -> None:
    assert set(VARIANTS) == set(ROWS)
    assert {name for name, *_ in described_rows()} < set(RECIPES)
    assert "coco_cascade_swin_t_performer" not in RECIPES  # the paper has no figure


@pytest.mark.parametrize("prefix", BASES)
@pytest.mark.parametrize("variant", ROWS)
def test_a_variant_changes_its_fields_and_no_other(prefix: str, variant: str) -> None:
    name = f"{prefix}_{variant}"
    changes, top1, top5, box, mask, miou = ROWS[variant]
    if variant == "performer" and prefix != "imagenet1k_swin_t":
        return
    base, recipe, published = RECIPES[BASES[prefix]](), RECIPES[name](), PUBLISHED[name]
    assert isinstance(base.backbone, SwinConfig) and published is not None
    assert recipe.name == name
    is_imagenet = prefix.startswith("imagenet")
    weights = None if is_imagenet else f"runs/imagenet1k_swin_t_{variant}/best.safetensors"
    assert recipe == replace(base, name=name, weights=weights, backbone=replace(base.backbone, **changes))
    assert {
        key: value for key, value in asdict(recipe.backbone).items() if value != asdict(base.backbone)[key]
    } == changes
    figures = (published.top1, published.top5, published.box_ap, published.mask_ap, published.miou_multi_scale)
    expected = (top1, top5, None, None, None) if is_imagenet else (None, None, box, mask, None)
    assert figures == ((None, None, None, None, miou) if prefix.startswith("ade") else expected)


@pytest.mark.parametrize("variant", [name for name in ROWS if name != "performer"])
def test_the_backbone_of_a_detector_is_that_of_the_classifier(variant: str) -> None:
    """So that the weights fit: all but stochastic depth."""
    one, two = (RECIPES[f"{prefix}_{variant}"]().backbone for prefix in ("imagenet1k_swin_t", "coco_cascade_swin_t"))
    assert one == replace(two, drop_path_rate=one.drop_path_rate)
    with torch.device("meta"):
        assert len(list(two.build().parameters())) > 100
