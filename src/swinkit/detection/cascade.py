"""Cascade Mask R-CNN (arXiv 1712.00726): stages of heads, each trained on boxes that the one before has corrected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.rcnn import RCNNConfig
from swinkit.detection.roi_head import StageConfig
from swinkit.detection.rpn import ProposalConfig, RPNConfig
from swinkit.detection.samplers import SamplerConfig
from swinkit.ops.boxes import Stds
from swinkit.serialization import takes_notes


def _stage(iou: float, stds: Stds, weight: float) -> StageConfig:
    return StageConfig(stds, MatcherConfig(positive_iou=iou, negative_iou=iou), SamplerConfig(), weight)


@takes_notes
@dataclass(frozen=True)
class CascadeMaskRCNN(RCNNConfig):
    """Every number of a Cascade Mask R-CNN; the defaults are the published ones
    (configs/swin/cascade_mask_rcnn_swin_*)."""

    rpn: RPNConfig = field(
        default_factory=lambda: RPNConfig(beta=1 / 9, border=0.0, training=ProposalConfig(pre_nms=2000, post_nms=2000))
    )
    stages: tuple[StageConfig, ...] = (
        _stage(0.5, (0.1, 0.1, 0.2, 0.2), 1.0),
        _stage(0.6, (0.05, 0.05, 0.1, 0.1), 0.5),
        _stage(0.7, (0.033, 0.033, 0.067, 0.067), 0.25),
    )
    shared_convs: int = 4
    shared_fcs: int = 1
    decoded_regression: bool = True
    box_weight: float = 10.0

    names_stages: ClassVar[bool] = True
