"""Published figures: against those of the released weights, and in all that is made from them."""

import inspect
import re
from dataclasses import fields

import pytest

from swinkit.recipes import RECIPES
from swinkit.recipes.published import Launch, Published
from swinkit.weights.catalogue import CATALOGUE

PUBLISHED = {entry.name: entry.published for entry in RECIPES.entries() if entry.published is not None}

RELEASED = {
    "imagenet1k_swin_t": "swin_tiny_patch4_window7_224",
    "imagenet1k_swin_s": "swin_small_patch4_window7_224",
    "imagenet1k_swin_b": "swin_base_patch4_window7_224",
    "imagenet1k_swin_b_384_finetune": "swin_base_patch4_window12_384",
    "imagenet22k_to_1k_swin_t": "swin_tiny_patch4_window7_224_22kto1k_finetune",
    "imagenet22k_to_1k_swin_s": "swin_small_patch4_window7_224_22kto1k_finetune",
    "imagenet22k_to_1k_swin_b": "swin_base_patch4_window7_224_22kto1k",
    "imagenet22k_to_1k_swin_l": "swin_large_patch4_window7_224_22kto1k",
    "imagenet22k_to_1k_swin_b_384": "swin_base_patch4_window12_384_22kto1k",
    "imagenet22k_to_1k_swin_l_384": "swin_large_patch4_window12_384_22kto1k",
    "coco_mask_rcnn_swin_t_1x": "mask_rcnn_swin_tiny_patch4_window7_1x",
    "coco_mask_rcnn_swin_t_3x": "mask_rcnn_swin_tiny_patch4_window7",
    "coco_mask_rcnn_swin_s_3x": "mask_rcnn_swin_small_patch4_window7",
    "coco_cascade_swin_t_1x": "cascade_mask_rcnn_swin_tiny_patch4_window7_1x",
    "coco_cascade_swin_t_3x": "cascade_mask_rcnn_swin_tiny_patch4_window7",
    "coco_cascade_swin_s_3x": "cascade_mask_rcnn_swin_small_patch4_window7",
    "coco_cascade_swin_b_3x": "cascade_mask_rcnn_swin_base_patch4_window7",
    "coco_mask_reppoints_v2_swin_t_3x": "mask_reppointsv2_swin_tiny_patch4_window7_3x",
    "coco_reppoints_v2_swin_t_3x": "reppointsv2_swin_tiny_patch4_window7_3x",
    "ade20k_swin_t": "upernet_swin_tiny_patch4_window7_512x512",
    "ade20k_swin_s": "upernet_swin_small_patch4_window7_512x512",
    "ade20k_swin_b": "upernet_swin_base_patch4_window7_512x512",
}
"""Recipes and the official weights that came of them."""


@pytest.mark.parametrize("name", RELEASED)
def test_figures_are_those_of_the_released_weights(name):
    published = PUBLISHED[name]
    assert published.source == "official README"
    figures = published.figures.partition(", ")[0] if published.top5 else published.figures
    assert figures == CATALOGUE[RELEASED[name]].published


def test_what_is_published_has_figures_and_a_source():
    ours = {name for name in RECIPES if name.startswith(("finetune", "digit"))} | {"coco_htc_swin_t_3x"}
    assert set(RECIPES) - set(PUBLISHED) == ours
    for name, published in PUBLISHED.items():
        if published.after is None:
            assert published.figures and published.source.startswith("paper" if "_paper" in name else ("off", "paper"))
        else:
            assert name.startswith("imagenet22k_swin") and PUBLISHED[published.after].top1


@pytest.mark.parametrize("name", PUBLISHED)
def test_help_is_made_from_the_figures(name):
    text = inspect.getdoc(RECIPES[name])
    published = PUBLISHED[name]
    assert f"Expected: {published.expectation}" in text
    values = [getattr(published, field.name) for field in fields(Published)]
    assert all(str(value) in text for value in values if isinstance(value, float))
    assert published.after is None or published.after in text


@pytest.mark.parametrize("name", PUBLISHED)
def test_command_and_hardware_make_the_batch_of_the_recipe(name):
    text = inspect.getdoc(RECIPES[name])
    machines, gpus, accumulate = (
        int((re.search(rf"Command: .*--{option} (\d+)", text) or ["", "1"])[1])
        for option in ("nnodes", "nproc-per-node", "accumulate")
    )
    hardware = re.search(r"Hardware: (\d+) GPUs with (?:(\d+) x )?(\d+) images each", text)
    assert (int(hardware[1]), int(hardware[2] or 1)) == (machines * gpus, accumulate)
    assert machines * gpus * accumulate * int(hardware[3]) == RECIPES[name]().loop.batch_size


def test_words():
    launch = Launch(data="D", images=32, gpus=4, machines=2, accumulate=3, options="--class-map F", source="page 3")
    assert launch.command("r") == (
        "torchrun --nnodes 2 --nproc-per-node 4 -m swinkit train r --data D --accumulate 3 --class-map F"
    )
    assert launch.hardware.startswith("8 GPUs with 3 x 32 images each (page 3); on fewer")
    assert Launch(data="D", images=2).command("r") == "torchrun --nproc-per-node 8 -m swinkit train r --data D"
    assert Published(miou_multi_scale=46.1, source="s").expectation == "46.1 mIoU multi-scale (s)."
    assert Published(top1=98.0, top5=99.5, source="s").figures == "98.0 % top-1, 99.5 % top-5"
