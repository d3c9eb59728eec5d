"""HTC, the hybrid task cascade (arXiv 1901.07518), and with its options HTC++ of the paper (section 4.2, table 2c).

A cascade whose mask heads see what the stage before saw, on boxes that the same stage has corrected, and whose regions
see the features of a semantic branch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from torch import Tensor

from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.detector import Size
from swinkit.detection.mask_head import MaskHead
from swinkit.detection.rcnn import RCNN, RCNNConfig, RCNNOutputs
from swinkit.detection.roi_head import StageConfig
from swinkit.detection.rpn import ProposalConfig, RPNConfig
from swinkit.detection.samplers import SamplerConfig
from swinkit.detection.semantic_head import SemanticHead, semantic_loss
from swinkit.errors import InputError
from swinkit.ops.boxes import Stds
from swinkit.ops.labels import IGNORE
from swinkit.serialization import takes_notes
from swinkit.structures import Instances

FUSION_LEVEL = 1
"""The level of the pyramid at which the semantic branch works: the second finest, of stride 8 as published."""


def _stage(iou: float, stds: Stds, weight: float) -> StageConfig:
    return StageConfig(stds, MatcherConfig(iou, iou, low_quality_iou=iou), SamplerConfig(), weight)


@takes_notes
@dataclass(frozen=True)
class HTC(RCNNConfig):
    """Every number of an HTC; the defaults are the published ones (mmdetection's htc_r50_fpn_1x).

    HTC++ has `shared_convs=4, shared_fcs=1, conv_norm=False` besides, and `global_block` in its backbone: inferred from
    the paper's parameter and operation counts, as it was never released.
    """

    rpn: RPNConfig = field(
        default_factory=lambda: RPNConfig(beta=1 / 9, border=0.0, training=ProposalConfig(pre_nms=2000, post_nms=2000))
    )
    stages: tuple[StageConfig, ...] = (
        _stage(0.5, (0.1, 0.1, 0.2, 0.2), 1.0),
        _stage(0.6, (0.05, 0.05, 0.1, 0.1), 0.5),
        _stage(0.7, (0.033, 0.033, 0.067, 0.067), 0.25),
    )
    class_agnostic: bool = True
    box_beta: float = 1.0
    score_threshold: float = 0.001
    interleaved: bool = True
    mask_flow: bool = True
    """Each stage's mask head sees the features of the one before."""
    mask_ensemble: Literal["mean", "last"] = "mean"
    """Masks are the mean over the stages, as published, or the last stage's, as mmdetection 3.3 computes them."""
    semantic_classes: int = 183
    """Classes of the semantic branch, the published ones are COCO-stuff's; 0 leaves the branch out."""
    semantic_convs: int = 4
    semantic_weight: float = 0.2
    """What the semantic loss is multiplied with."""
    semantic_mean: Literal["valid", "all"] = "valid"
    """The semantic loss is the mean over cells that have a class, as in mmdetection 2, or over all, as in 3."""
    semantic_padding: int = IGNORE
    """The class of padding in the semantic loss: ignored, as in mmdetection 3; mmdetection 2 has class 0."""

    names_stages: ClassVar[bool] = True
    is_hybrid: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.semantic_classes <= IGNORE or self.semantic_convs < 0:
            raise InputError(f"semantic classes must be 0 to {IGNORE}, and layers not below 0: {self}")

    @property
    def detector_class(self) -> type[RCNN]:
        return HTCDetector

    def _mask_heads(self, num_classes: int) -> list[MaskHead]:
        return [
            MaskHead(self.channels, num_classes, convs=self.mask_convs, takes_previous=self.mask_flow and number > 0)
            for number in range(len(self.stages))
        ]

    def _semantic_head(self, strides: Sequence[int]) -> SemanticHead | None:
        if not self.semantic_classes:
            return None
        if len(strides) - self.extra_levels <= FUSION_LEVEL:
            raise InputError(
                f"the semantic branch works at the backbone's second level, and there is one alone: {tuple(strides)}; "
                "semantic_classes=0 does without"
            )
        return SemanticHead(
            self.channels,
            self.semantic_classes,
            levels=len(strides),
            fusion_level=FUSION_LEVEL,
            convs=self.semantic_convs,
        )

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The published configuration, in the widths of these weights under official names, and their K."""
        found = super().recognise(tensors)
        if found is None:
            return None
        config, classes = found
        box_head, semantic = "roi_head.bbox_head.0", tensors.get("roi_head.semantic_head.conv_logits.weight")
        return replace(
            config,
            shared_convs=sum(
                name.startswith(f"{box_head}.shared_convs.") and name.endswith("conv.weight") for name in tensors
            ),
            conv_norm=f"{box_head}.shared_convs.0.bn.weight" in tensors,
            shared_fcs=sum(name.startswith(f"{box_head}.shared_fcs.") and name.endswith("weight") for name in tensors),
            class_agnostic=tensors[f"{box_head}.fc_reg.weight"].shape[0] == 4,
            mask_flow="roi_head.mask_head.1.conv_res.conv.weight" in tensors,
            semantic_classes=0 if semantic is None else semantic.shape[0],
        ), classes


class HTCDetector(RCNN):
    """An HTC from its parts; `HTC().build(...)` puts them together."""

    config: HTC

    def losses(self, outputs: RCNNOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Those of a cascade, and `loss_semantic_seg` of the semantic branch."""
        losses = super().losses(outputs, targets)
        if outputs.semantic is not None:
            config = self.config
            _check_maps(targets, outputs.sizes)
            losses["loss_semantic_seg"] = config.semantic_weight * semantic_loss(
                outputs.semantic,
                targets,
                stride=self.roi_head.strides[FUSION_LEVEL],
                padding=config.semantic_padding,
                mean=config.semantic_mean,
            )
        return losses

    def chosen_masks(self, logits: list[Tensor]) -> list[Tensor]:
        """Of each stage's mask logits, those whose probabilities are averaged."""
        return logits if self.config.mask_ensemble == "mean" else logits[-1:]


def _check_maps(targets: Sequence[Instances], sizes: Sequence[Size]) -> None:
    """Raises InputError where an image has no semantic map, or one of another size."""
    for number, (target, size) in enumerate(zip(targets, sizes, strict=True)):
        if target.semantic is None or tuple(target.semantic.shape) != tuple(size):
            found = "no semantic map" if target.semantic is None else f"one of {tuple(target.semantic.shape)} pixels"
            raise InputError(
                f"this detector learns from a semantic map of {tuple(size)} pixels of image {number} of the batch, "
                f"which has {found}; semantic_classes=0 does without"
            )
