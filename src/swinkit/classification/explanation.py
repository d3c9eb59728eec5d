"""Which parts of an image speak for a classifier's classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from swinkit.classification.data.preprocessing import EvalTransform
from swinkit.classification.model import SwinClassifier
from swinkit.errors import InputError
from swinkit.explanation.activation import Method, activation_map, check_method
from swinkit.explanation.features import IMAGE_CELLS, level_for, level_of, numbers_of
from swinkit.explanation.frame import Frame
from swinkit.explanation.result import ClassMap, Explanation


def explain_classes(
    model: SwinClassifier,
    image: Image.Image,
    pixels: Tensor,
    frame: Frame,
    classes: Sequence[str],
    *,
    named: Sequence[str] = (),
    top: int = 1,
    stage: int | None = None,
    method: Method = "hirescam",
) -> Explanation:
    """The class activation map of each of some classes, for its logit.

    Of the last stage the map is taken behind its norm, where hirescam is the plain class activation map (arXiv
    1512.04150): its mean over the places, before what is negative is cut off, is the logit less its bias. Values of
    earlier maps count as differences from their mean over the map.

    Args:
        model: in evaluation mode.
        image: upright, in RGB.
        pixels: what the model is shown, (1, 3, h, w), normalised.
        frame: which part of the image that is.
        classes: names of the model's classes.
        named: which of them; empty is the `top` most probable.
        top: how many.
        stage: whose map is looked at, from 0, or from the end, -1; None is the last that is `features.IMAGE_CELLS`
            cells long.
        method: how values and gradients become a map.

    Raises:
        InputError: where there is no such class, stage or method.
    """
    check_method(method)
    strides = model.config.strides
    level = level_for(min(frame.shown), strides, cells=IMAGE_CELLS) if stage is None else level_of(stage, len(strides))
    if top < 1:
        raise InputError(f"top must be at least 1, not {top}")
    with torch.no_grad():
        x = _map_of(model, pixels, level)
        probabilities = _logits(model, x, level)[0].float().softmax(-1)
    labels = numbers_of(named, classes) or probabilities.topk(min(top, len(classes))).indices.tolist()
    stride = strides[level]
    maps = []
    for label in labels:

        def score(given: list[Tensor], label: int = label) -> Tensor:
            return _logits(model, given[0].permute(0, 2, 3, 1), level)[0, label]

        is_last = level == len(model.stages) - 1
        cells = activation_map(model, [x.permute(0, 3, 1, 2)], 0, score, method=method, centred=not is_last)
        heatmap = frame.heatmap(cells, stride)
        maps.append(ClassMap(classes[label], float(probabilities[label]), heatmap, stage=level, stride=stride))
    return Explanation(image, tuple(maps), method, frame)


def frame_of(transform: EvalTransform, image: Image.Image, shown: Tensor) -> Frame:
    """Which part of an image was shown as (..., h, w)."""
    return Frame((image.height, image.width), transform.seen(*image.size), (shown.shape[-2], shown.shape[-1]))


def _map_of(model: SwinClassifier, pixels: Tensor, level: int) -> Tensor:
    """The map of a stage, (1, h, w, C), that of the last one normalised."""
    x = next(islice(model.stage_maps(pixels), level, None))
    return model.norm(x) if level == len(model.stages) - 1 else x


def _logits(model: SwinClassifier, x: Tensor, level: int) -> Tensor:
    """What the rest of the model makes of the map of a stage: (1, K)."""
    later = model.stages[level + 1 :]
    if not later:
        return model.forward_head(x)
    for before, stage in zip(model.stages[level:], later, strict=False):
        assert before.downsample is not None
        x = stage(before.downsample(x))
    return model.forward_head(model.norm(x))
