"""Which parts of an image speak for the classes that a segmentor paints.

Shapes: K classes, h w map of logits.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from swinkit.errors import InputError
from swinkit.explanation.activation import Method, activation_map, check_method
from swinkit.explanation.features import PAINTED_CELLS, features_of, level_for, level_of, numbers_of, on_features
from swinkit.explanation.frame import Frame, whole_frame
from swinkit.explanation.result import ClassMap, Explanation
from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import SegmentorModel

MOST_PIXELS = 1024 * 1024
"""Of what the model is shown: gradients need more memory than a prediction, and larger images are made smaller."""


def explain_segments(
    model: SegmentorModel,
    image: Image.Image,
    settings: InferenceSettings,
    classes: Sequence[str],
    *,
    named: Sequence[str] = (),
    top: int = 5,
    stage: int | None = None,
    method: Method = "hirescam",
) -> Explanation:
    """The class activation map of each class that is painted, for the mean of its logit over the cells painted so.

    Args:
        model: in evaluation mode.
        image: upright, in RGB.
        settings: how it is shown; it is shown whole and once, whatever they say of windows and scales.
        classes: names of the model's classes.
        named: which of them, where they are painted at all; empty is the `top` that fill most.
        top: how many.
        stage: which feature of the backbone is looked at, from 0, or from the end, -1; None is the coarsest that is
            `features.PAINTED_CELLS` cells long.
        method: how values and gradients become a map.

    Raises:
        InputError: where there is no such class, feature or method.
    """
    check_method(method)
    if top < 1:
        raise InputError(f"top must be at least 1, not {top}")
    strides = model.backbone.strides
    labels = numbers_of(named, classes)
    batch, frame = shown_to(model, image, settings)
    level = (
        level_for(min(frame.shown), strides, cells=PAINTED_CELLS) if stage is None else level_of(stage, len(strides))
    )
    features, outputs = features_of(model.backbone, lambda: model(batch))  # type: ignore[arg-type]
    painted = outputs.head[0].argmax(0)  # (h, w)
    counts = painted.flatten().bincount(minlength=len(classes)).cpu()
    present = [label for label in counts.argsort(descending=True, stable=True).tolist() if counts[label]]
    maps = []
    for label in [label for label in present if label in labels] if labels else present[:top]:

        def score(given: list[Tensor], label: int = label) -> Tensor:
            return on_features(model, given)(batch).head[0, label][painted == label].mean()

        cells = activation_map(model, features, level, score, method=method)
        share = float(counts[label]) / painted.numel()
        heatmap = frame.heatmap(cells, strides[level])
        maps.append(ClassMap(classes[label], share, heatmap, stage=level, stride=strides[level]))
    return Explanation(image, tuple(maps), method, frame)


def shown_to(model: SegmentorModel, image: Image.Image, settings: InferenceSettings) -> tuple[Tensor, Frame]:
    """The model's input, a batch of one, on its device, and what of the image it shows: all."""
    height, width = resized_shape(image.height, image.width, 1.0, settings.resize)
    if height * width > MOST_PIXELS:
        height, width = resized_shape(height, width, (MOST_PIXELS / (height * width)) ** 0.5, None)
    shown = resized_image(pil_to_tensor(image), (height, width))
    batch = shown[None].to(next(model.parameters()).device)
    return batch, whole_frame((image.height, image.width), (height, width))
