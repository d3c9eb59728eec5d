"""Tiny detectors of every kind, as predictors, and what stands in for their exported files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from small_detectors import BACKBONE, CLASSES, SMALL_CASCADE, SMALL_MASK, small
from torch import nn

from swinkit.detection.architectures import AnyDetector
from swinkit.detection.atss import ATSS
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.exported import ExportableDetector, detector_metadata
from swinkit.detection.htc import HTC
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.soft_nms import Suppression
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.structures import ExportedFile

FROM_STRIDE_8 = replace(BACKBONE, depths=(1, 1, 1), num_heads=(1, 1, 2), out_stages=(1, 2))
SOME = {"score_threshold": 0.1, "detections": 20}
DENSE: dict[str, Any] = {"channels": 8, "groups": 4, "convs": 1, "pre_nms": 60, **SOME}
POINTS = DENSE | {"corner_channels": 4}
KINDS: dict[str, AnyDetector] = {
    "mask_rcnn": replace(SMALL_MASK, **SOME),
    "boxes alone": replace(SMALL_MASK, **SOME, masks=False),
    "soft-NMS": replace(SMALL_MASK, **SOME, suppression=Suppression("gaussian")),
    "cascade_mask_rcnn": replace(SMALL_CASCADE, **SOME),
    "htc": replace(small(HTC()), semantic_classes=5, **SOME),
    "atss": ATSS(**DENSE),
    "sparse_rcnn": SparseRCNN(proposals=6, stages=2, channels=8, heads=2, inner=4, hidden=12),
    "reppoints_v2": RepPointsV2(**POINTS),
    "mask_reppoints_v2": MaskRepPointsV2(**POINTS, mask_channels=4),
}
IS_DENSE = ("atss", "reppoints_v2", "mask_reppoints_v2")


def predictor(name: str) -> Detector:
    """A detector whose weights are large enough for it to find different things."""
    torch.manual_seed(0)
    backbone = FROM_STRIDE_8 if name in IS_DENSE else BACKBONE
    model = KINDS[name].build(backbone.build(), CLASSES).eval()
    for part, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and "head" in part:
            nn.init.normal_(module.weight, std=0.2)
            nn.init.zeros_(module.bias) if module.bias is not None else None
    resize, classes = DetectionResize(64, 96), ("cat", "Hund", "猫")
    return Detector(model, classes, resize, describe_detector(model, classes, resize))


def as_file(detector: Detector) -> ExportedFile:
    """The detector itself where a file would run."""
    module, texts = ExportableDetector(detector.model).eval(), detector_metadata(detector)
    metadata = texts | {name: json.loads(texts[name]) for name in ("classes", "preprocessing")}
    return ExportedFile(Path("a.onnx"), "detection", detector.classes, metadata, module)


def noise(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """Blots of colour."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 6 + 1, width // 6 + 1, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
