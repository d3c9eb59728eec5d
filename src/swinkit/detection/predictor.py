"""A trained detector, ready for images: model, class names and how images are shown to it, from one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from swinkit.backbone.swin import SwinTransformer
from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN
from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize
from swinkit.detection.model import RCNN
from swinkit.detection.task import detect_in
from swinkit.errors import InputError
from swinkit.structures import Detections, Instances
from swinkit.training.run_facts import from_plain
from swinkit.weights.describe import read_description
from swinkit.weights.formats import recognise
from swinkit.weights.infer import infer_config
from swinkit.weights.load import load_weights
from swinkit.weights.model_files import model_file
from swinkit.weights.read import read_weights_file


@dataclass(frozen=True)
class Detector:
    """What is needed to find objects in an image."""

    model: RCNN
    classes: tuple[str, ...]
    resize: DetectionResize
    """The size at which images are shown to the model."""
    description: dict[str, Any]
    """What the file says about itself; empty for files of other code bases."""

    @property
    def device(self) -> torch.device:
        return self.model.rpn_head.rpn_cls.weight.device

    def predict(self, image: Image.Image) -> Detections:
        """The objects of an RGB image, on the CPU."""
        nothing = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), None)
        shown, _ = DetectionEvaluation(self.resize)(image, nothing)
        return detect_in(self.model, shown.to(self.device), (image.height, image.width))


def open_detector(source: str | Path, *, device: torch.device | None = None) -> Detector:
    """A detector from a file, in evaluation mode.

    swinkit's own files describe themselves. Of files of the official code the architecture is read off the weights,
    classes are those of the file's `meta` or numbers, and images are shown as published: within 800 x 1333.

    Args:
        source: a file, a run's folder, a name of the catalogue, an https address or hf-hub:owner/name.
        device: where the model goes; None is the CPU.

    Raises:
        InputError: where there is no such file or it holds no detector that swinkit has.
    """
    path = model_file(source)
    description = read_description(path)
    detector = _foreign(path) if description is None else _own(path, description)
    detector.model.to(device or torch.device("cpu")).eval()
    return detector


def _own(path: Path, description: dict[str, Any]) -> Detector:
    model = RCNN.from_description(description)
    load_weights(model, path)
    try:
        resize = from_plain(DetectionResize, description["resize"])
        classes = tuple(description["classes"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the description in {path} is damaged or from another version ({error})") from None
    if len(classes) != model.num_classes:
        raise InputError(f"{path} names {len(classes)} classes, but its model has {model.num_classes}; save it again")
    return Detector(model, classes, resize, description)


def _foreign(path: Path) -> Detector:
    file = read_weights_file(path)
    tensors = recognise(file.tensors, file.metadata).tensors
    model = _model_of(tensors)
    if model is None:
        raise InputError(
            f"{path} holds no Mask R-CNN or Cascade Mask R-CNN, the detectors that swinkit has; give a file of one"
        )
    load_weights(model, path)
    count = model.num_classes
    classes = file.classes if len(file.classes) == count else tuple(str(number) for number in range(count))
    return Detector(model, classes, DetectionResize(), {})


def _model_of(tensors: Mapping[str, Tensor]) -> RCNN | None:
    """The published detector with weights of these shapes; None where there is none."""
    is_cascade = "roi_head.bbox_head.0.fc_cls.weight" in tensors
    head = "roi_head.bbox_head.0" if is_cascade else "roi_head.bbox_head"
    if f"{head}.fc_cls.weight" not in tensors or "neck.lateral_convs.0.conv.weight" not in tensors:
        return None
    swin = {name.removeprefix("backbone."): t for name, t in tensors.items() if name.startswith("backbone.")}
    stages = [stage for stage in range(9) if f"norm{stage}.weight" in swin]
    classes, width = tensors[f"{head}.fc_cls.weight"].shape
    config = replace(
        CASCADE_MASK_RCNN if is_cascade else MASK_RCNN,
        channels=tensors["neck.lateral_convs.0.conv.weight"].shape[0],
        fc_channels=width,
    )
    has_masks = any(name.startswith("roi_head.mask_head.") for name in tensors)
    backbone = SwinTransformer(infer_config(swin), out_stages=stages)
    return RCNN(backbone, config, num_classes=classes - 1, has_masks=has_masks)
