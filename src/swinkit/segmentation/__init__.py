"""Semantic segmentation: UperNet on any backbone, its losses, and ways to show it an image."""

from swinkit.ops.labels import IGNORE
from swinkit.segmentation.inference import (
    MULTI_SCALE,
    InferenceSettings,
    class_probabilities,
    predict_classes,
    sliding_bands,
)
from swinkit.segmentation.losses import pixel_accuracy, segmentation_cross_entropy
from swinkit.segmentation.model import SegmentationOutputs, UperNet, UperNetConfig

__all__ = [
    "IGNORE",
    "MULTI_SCALE",
    "InferenceSettings",
    "SegmentationOutputs",
    "UperNet",
    "UperNetConfig",
    "class_probabilities",
    "pixel_accuracy",
    "predict_classes",
    "segmentation_cross_entropy",
    "sliding_bands",
]
