"""Object detection and instance segmentation: Mask R-CNN and Cascade Mask R-CNN on any backbone, part by part."""

from swinkit.detection.config import (
    CASCADE_MASK_RCNN,
    MASK_RCNN,
    DetectorConfig,
    MatcherConfig,
    ProposalConfig,
    RPNConfig,
    SamplerConfig,
    StageConfig,
)
from swinkit.detection.model import RCNN, DetectorOutputs

__all__ = [
    "CASCADE_MASK_RCNN",
    "MASK_RCNN",
    "RCNN",
    "DetectorConfig",
    "DetectorOutputs",
    "MatcherConfig",
    "ProposalConfig",
    "RPNConfig",
    "SamplerConfig",
    "StageConfig",
]
