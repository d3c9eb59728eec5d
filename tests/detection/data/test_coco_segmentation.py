"""Polygons and both kinds of run lengths become the pixels that pycocotools says, and broken ones are told apart."""

import re

import numpy as np
import pytest
import torch
from coco_files import square
from pycocotools import mask as coco_mask

from swinkit.detection.data import coco_masks as coco_segmentation
from swinkit.detection.data.coco_masks import decode_masks, judge_segmentation, sound_segmentation


def compressed(mask: np.ndarray) -> dict:
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict:
    flat = mask.flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, len(flat)]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def blob(seed: int, height: int = 37, width: int = 53) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) < 0.3


def test_all_forms_decode_to_the_same_pixels():
    mask = np.zeros((20, 30), dtype=bool)
    mask[4:9, 6:11] = True
    forms = [square(6, 4, 5), uncompressed(mask), compressed(mask)]
    assert all(judge_segmentation(form, 20, 30).state == "good" for form in forms)
    decoded = decode_masks(forms, 20, 30)
    assert decoded.dtype == torch.bool and decoded.shape == (3, 20, 30)
    assert all((each.numpy() == mask).all() for each in decoded)
    assert decode_masks([], 20, 30).shape == (0, 20, 30)


@pytest.mark.parametrize("seed", range(8))
def test_compressed_counts_are_read_as_pycocotools_reads_them(seed):
    mask = blob(seed) if seed else np.ones((1000, 1000), dtype=bool)
    form = compressed(mask)
    assert judge_segmentation(form, *mask.shape).state == "good"
    counts = coco_segmentation._decompressed(form["counts"])
    assert counts.tolist() == uncompressed(mask)["counts"]


def test_several_polygons_make_one_object():
    decoded = decode_masks([square(1, 1, 4) + square(10, 10, 3)], 20, 20)
    assert decoded.sum() == 16 + 9


POINT = [1.0, 2.0, 3.0, 4.0]

BAD = [
    (None, "absent", ""),
    ([], "absent", ""),
    ([POINT], "bad", "polygon of 4 numbers; 3 points"),
    ([[1, 2, 3, 4, 5, 6, 7]], "bad", "polygon of 7 numbers"),
    ([[], *square(1, 1, 3)], "partly", "polygon of 0 numbers"),
    ("abc", "impossible", "neither polygons nor run lengths"),
    ([1, 2, 3, 4, 5, 6], "impossible", "list of lists"),
    ([["a"] * 6], "impossible", "flat list of numbers"),
    ([[[1, 2], [3, 4], [5, 6]]], "impossible", "flat list of numbers"),
    ([[1, 2, 3, 4, float("nan"), 6]], "impossible", "far outside"),
    ([[1, 2, 3, 4, 1e9, 6]], "impossible", "far outside"),
    ({"size": [30, 20], "counts": [600]}, "impossible", r"size \[30, 20\], but its image \[20, 30\]"),
    ({"counts": [600]}, "impossible", "size None"),
    ({"size": [20, 30], "counts": [599]}, "impossible", "599 pixels, but its image has 600"),
    ({"size": [20, 30], "counts": [700, -100]}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": [1.5]}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": []}, "impossible", "counts are none"),
    ({"size": [20, 30]}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": ""}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": "ooo"}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": "\x01"}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": "é"}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": "oooooooooooo0"}, "impossible", "counts are none"),
    ({"size": [20, 30], "counts": "11"}, "impossible", "2 pixels"),
]


@pytest.mark.parametrize(("form", "state", "reason"), BAD)
def test_what_is_no_mask_is_told(form, state, reason):
    verdict = judge_segmentation(form, 20, 30)
    assert verdict.state == state
    assert re.search(reason, verdict.reason) and bool(reason) == bool(verdict.reason)


def test_broken_polygons_are_left_out():
    assert sound_segmentation([POINT, *square(1, 1, 3), [1, 2, 3]]) == square(1, 1, 3)
