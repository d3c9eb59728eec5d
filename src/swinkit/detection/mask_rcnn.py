"""Mask R-CNN (arXiv 1703.06870) with a feature pyramid: one stage of heads."""

from __future__ import annotations

from dataclasses import dataclass

from swinkit.detection.rcnn import RCNNConfig
from swinkit.errors import InputError
from swinkit.serialization import takes_notes


@takes_notes
@dataclass(frozen=True)
class MaskRCNN(RCNNConfig):
    """Every number of a Mask R-CNN; the defaults are the published ones (configs/swin/mask_rcnn_swin_*)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.stages) != 1:
            raise InputError(f"Mask R-CNN has one stage, not {len(self.stages)}; CascadeMaskRCNN has several")
