"""A small predictor of each task, whose weights are random, and which counts how often it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import small_segmentation
import torch
from PIL import Image
from small_exports import noise
from small_exports import predictor as small_detector

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.detection.predictor import Detector
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor

CLASSES = ("red", "<b>Grün</b>", "{{蓝}} ${x}")


def classifier() -> Classifier:
    torch.manual_seed(0)
    config = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, patch_size=2)
    model = SwinClassifier(config, num_classes=len(CLASSES))
    torch.nn.init.normal_(model.head.weight, std=0.5)
    return Classifier(model, classes=CLASSES, preprocessing=EvalPreprocessing((16, 16)))


def detector(kind: str = "mask_rcnn") -> Detector:
    """See `small_exports.KINDS`."""
    return small_detector(kind)


def segmentor() -> Segmentor:
    model, names, settings = small_segmentation.segmentor(), ("road", "sky", "a<i>", "tree", "car"), InferenceSettings()
    return Segmentor(model, names, settings, describe_segmentor(model, names, settings))


OF_TASKS: dict[str, Callable[[], Any]] = {
    "classification": classifier,
    "detection": detector,
    "segmentation": segmentor,
}


def counted(predictor: Any) -> list[int]:
    """Grows by one with every forward pass of the predictor's model."""
    calls: list[int] = []
    predictor.model.register_forward_hook(lambda *_: calls.append(len(calls)))
    return calls


def image(width: int = 96, height: int = 64, *, seed: int = 0) -> Image.Image:
    return noise(width, height, seed=seed)
