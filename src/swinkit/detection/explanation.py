"""Which parts of an image speak for single detections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize
from swinkit.detection.detector import DetectorModel
from swinkit.errors import InputError
from swinkit.explanation.activation import Method, activation_map, check_method
from swinkit.explanation.features import BOX_CELLS, features_of, level_for, level_of, numbers_of, on_features
from swinkit.explanation.frame import Frame, whole_frame
from swinkit.explanation.result import ClassMap, Explanation
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Detections, Instances

NOTHING = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), None)


def explain_detections(
    model: DetectorModel,
    image: Image.Image,
    resize: DetectionResize,
    classes: Sequence[str],
    *,
    named: Sequence[str] = (),
    top: int = 5,
    threshold: float = 0.3,
    stage: int | None = None,
    method: Method = "hirescam",
) -> Explanation:
    """The class activation map of each of the best detections of an image, for the logit that its score was made from.

    Args:
        model: in evaluation mode.
        image: upright, in RGB.
        resize: how it is shown.
        classes: names of the model's classes.
        named: detections of these classes alone; empty is all.
        top: at most so many detections, the best.
        threshold: least score, 0..1.
        stage: which feature of the backbone is looked at, from 0, or from the end, -1; None is for each detection the
            coarsest in which its box is `features.BOX_CELLS` cells long.
        method: how values and gradients become a map.

    Raises:
        InputError: where there is no such class, feature or method, or the detector does not say where its scores come
            from.
    """
    check_method(method)
    strides = model.backbone.strides
    level = None if stage is None else level_of(stage, len(strides))
    labels = numbers_of(named, classes)
    batch, frame = shown_to(model, image, resize)
    features, outputs = features_of(model.backbone, lambda: model(batch, [frame.shown]))  # type: ignore[arg-type]
    with torch.no_grad():
        (found,) = model.postprocess(outputs, [frame.size])
    maps = []
    for number in _chosen(found.cpu(), labels, top, threshold):

        def score(given: list[Tensor], number: int = number) -> Tensor:
            outputs = on_features(model, given)(batch, [frame.shown])
            return model.class_logits(outputs, frame.size)[number]

        left, upper, right, lower = found.boxes[number].tolist()
        corners = (*frame.to_shown(left, upper), *frame.to_shown(right, lower))
        side = max(0.0, (corners[2] - corners[0]) * (corners[3] - corners[1])) ** 0.5
        chosen = level_for(side, strides, cells=BOX_CELLS) if level is None else level
        cells = activation_map(model, features, chosen, score, method=method)
        maps.append(
            ClassMap(
                classes[int(found.labels[number])],
                float(found.scores[number]),
                frame.heatmap(cells, strides[chosen]),
                stage=chosen,
                stride=strides[chosen],
                box=(left, upper, right, lower),
            )
        )
    return Explanation(image, tuple(maps), method, frame)


def shown_to(model: DetectorModel, image: Image.Image, resize: DetectionResize) -> tuple[Tensor, Frame]:
    """The model's input, a batch of one, on its device, and what of the image it shows: all."""
    shown, _ = DetectionEvaluation(resize)(image, NOTHING)
    batch, sizes = pad_batch([shown.to(next(model.parameters()).device)])
    return batch, whole_frame((image.height, image.width), sizes[0])


def _chosen(found: Detections, labels: Sequence[int], top: int, threshold: float) -> list[int]:
    """Numbers of the detections that are explained, best first."""
    if top < 1 or not 0 <= threshold <= 1:
        raise InputError(f"top must be at least 1 and the threshold within 0..1, not {top} and {threshold}")
    wanted = found.scores >= threshold
    if labels:
        wanted &= torch.isin(found.labels, torch.tensor(labels))
    return wanted.nonzero()[:top, 0].tolist()
