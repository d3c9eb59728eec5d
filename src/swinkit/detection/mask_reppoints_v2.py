"""Mask RepPoints v2: RepPoints v2 whose instances bring the layers that make their masks, as the official code has it.

Shapes: B images, C channels, D features, H W map, M points of all levels, N instances, P positives, R detections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.detection.anchors import cell_corners
from swinkit.detection.detector import Size
from swinkit.detection.dynamic_masks import (
    OUTPUT_STRIDE,
    PARAMETERS,
    Instance,
    MaskBranch,
    MaskOutputs,
    dice_loss,
    mask_logits,
    whole_masks,
)
from swinkit.detection.reppoints_head import POINTS, PointOutputs, RepPointsHead
from swinkit.detection.reppoints_targets import mask_middles
from swinkit.detection.reppoints_v2 import RepPointsDetector, RepPointsOutputs, RepPointsV2
from swinkit.errors import InputError
from swinkit.serialization import check_limits, takes_notes
from swinkit.structures import Instances

MASK_LEVELS = 3
"""The finest levels of the pyramid, which the features of masks are made of."""


@takes_notes
@dataclass(frozen=True)
class MaskRepPointsV2(RepPointsV2):
    """Every number of a Mask RepPoints v2; the defaults are the released ones."""

    mask_channels: int = 128
    """Width of the mask branch."""
    mask_count: int = 500
    """Positives of a batch whose masks are learned, at most; drawn at random where there are more."""
    mask_weights: tuple[float, float, float] = (0.0, 0.6, 1.0)
    """Of the losses of the side output of the input, that of the first hidden layer, and of the mask itself."""
    mask_reach: float = 8.0
    """What distances from an instance's centre are divided by, in strides of its level."""

    @property
    def masks(self) -> bool:
        return True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, {"mask_count": 10_000})
        if min(self.mask_channels, self.mask_count, self.mask_reach) <= 0:
            raise InputError(f"mask_channels, mask_count and mask_reach must be above 0: {self}")

    def build(self, backbone: Backbone, num_classes: int) -> RepPointsDetector:
        """See `RepPointsV2.build`; raises InputError where the pyramid has too few levels for masks, too."""
        detector = super().build(backbone, num_classes)
        if len(detector.strides) < MASK_LEVELS:
            raise InputError(
                f"masks are made of {MASK_LEVELS} levels, and the pyramid has {len(detector.strides)}; give "
                "--detector.extra-levels or a backbone with more features"
            )
        return detector

    def head(self, num_classes: int) -> MaskRepPointsHead:
        """A fresh head for K classes."""
        return MaskRepPointsHead(
            self.channels,
            num_classes,
            convs=self.convs,
            shared_convs=self.shared_convs,
            corner_channels=self.corner_channels,
            groups=self.groups,
            mask_channels=self.mask_channels,
        )

    @property
    def detector_class(self) -> type[RepPointsDetector]:
        return MaskRepPointsDetector

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The released configuration, in the widths of these weights under official names, and their K."""
        names = ("reppoints_cls_out", "hem_tl.p1_conv1.conv", "mask_head.branch.refine.0.conv", "controller")
        out, inner, branch, controller = (tensors.get(f"bbox_head.{name}.weight") for name in names)
        if out is None or inner is None or branch is None or controller is None:
            return None
        found = replace(cls(), channels=out.shape[1], corner_channels=inner.shape[0], mask_channels=branch.shape[0])
        return found, out.shape[0]


class MaskRepPointsHead(RepPointsHead):
    """As `RepPointsHead`, and what masks are made of."""

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        convs: int,
        shared_convs: int,
        corner_channels: int,
        groups: int,
        mask_channels: int,
    ) -> None:
        super().__init__(
            channels,
            num_classes,
            convs=convs,
            shared_convs=shared_convs,
            corner_channels=corner_channels,
            groups=groups,
        )
        self.controller = nn.Conv2d(channels, PARAMETERS, 3, padding=1)
        nn.init.normal_(self.controller.weight, std=0.01)
        if self.controller.bias is not None:
            nn.init.zeros_(self.controller.bias)
        self.mask_head = _MaskHead(channels, mask_channels)

    def masks(self, maps: Sequence[Tensor], levels: Sequence[PointOutputs]) -> MaskOutputs:
        features = self.mask_head.branch(maps[:MASK_LEVELS])
        return MaskOutputs(features, [self.controller(level.tower) for level in levels])


class _MaskHead(nn.Module):
    """The branch, under its official name; `head` holds a table that official files have, and nothing reads."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.branch = MaskBranch(channels, dim, levels=MASK_LEVELS)
        self.head = nn.Module()
        self.head.register_buffer("sizes_of_interest", torch.tensor([64, 128, 256, 512, 1024]))


class MaskRepPointsDetector(RepPointsDetector):
    """The detector, from its parts; `MaskRepPointsV2().build(...)` puts them together."""

    config: MaskRepPointsV2
    bbox_head: MaskRepPointsHead
    masks_fill = "image"

    def forward(
        self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None
    ) -> RepPointsOutputs:
        """See `DetectorModel.forward`; targets change nothing. Raises InputError where they do not fit."""
        outputs = super().forward(images, sizes, targets)
        return outputs._replace(masks=self.bbox_head.masks(outputs.maps, outputs.levels))

    def middles(self, truth: Instances) -> Tensor:
        """Mean places of the masks, (N, 2) x, y."""
        return mask_middles(truth)

    def mask_losses(
        self, outputs: RepPointsOutputs, matches: Sequence[tuple[Tensor, Tensor]], targets: Sequence[Instances]
    ) -> dict[str, Tensor]:
        """`loss_mask_0`, `loss_mask_1` and `loss_mask_2`, weighted: of the two side outputs and of the masks."""
        assert outputs.masks is not None
        features = outputs.masks.features
        kept = self._chosen([len(points) for points, _ in matches], features.device)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        wanted: list[Tensor] = []
        parts = [features, *outputs.masks.parameters]
        nothing = torch.stack([x.float().sum() for x in parts]).sum() * 0  # in half precision a sum may be infinite
        for image, ((points, matched), chosen, truth) in enumerate(zip(matches, kept, targets, strict=True)):
            assert truth.masks is not None
            found.append(self._logits(outputs, image, points[chosen]))
            full = truth.masks.new_zeros(len(truth.masks), *(OUTPUT_STRIDE * n for n in found[-1][0].shape[1:]))
            full[:, : truth.masks.shape[1], : truth.masks.shape[2]] = truth.masks
            half = OUTPUT_STRIDE // 2
            wanted.append(full[matched[chosen], half::OUTPUT_STRIDE, half::OUTPUT_STRIDE])
        masks = torch.cat(wanted)
        return {
            f"loss_mask_{number}": weight * dice_loss(torch.cat(column), masks) + nothing
            for number, (weight, column) in enumerate(
                zip(self.config.mask_weights, zip(*found, strict=True), strict=True)
            )
        }

    def _chosen(self, counts: Sequence[int], device: torch.device) -> list[Tensor]:
        """Of each image's positives which learn masks, (P,) bool."""
        total = sum(counts)
        chosen = torch.ones(total, dtype=torch.bool, device=device)
        if total > self.config.mask_count:
            chosen[torch.randperm(total, device=device)[self.config.mask_count :]] = False
        return list(chosen.split(list(counts)))

    def masks(self, outputs: RepPointsOutputs, image: int, cells: Tensor, size: Size) -> Tensor:
        """(R, height, width) bool."""
        return whole_masks(self.shares(outputs, image, cells), outputs.sizes[image], size)

    def shares(self, outputs: RepPointsOutputs, image: int, cells: Tensor) -> Tensor:
        """See `DenseDetector.shares`."""
        return self._logits(outputs, image, cells)[2].float().sigmoid()

    def _logits(self, outputs: RepPointsOutputs, image: int, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `mask_logits`."""
        assert outputs.masks is not None
        instances = self.instances(outputs, image, points)
        return mask_logits(outputs.masks.features[image], instances, stride=self.strides[0])

    def instances(self, outputs: RepPointsOutputs, image: int, points: Tensor) -> Instance:
        """What is at `points` (R,) of an image, numbers among those of all levels."""
        assert outputs.masks is not None
        parameters, centres, reach = [], [], []
        for level, cells, stride in zip(outputs.levels, outputs.masks.parameters, self.strides, strict=True):
            height, width = cells.shape[2:]
            parameters.append(cells[image].flatten(1).t())
            middle = cell_corners(height, width, stride, cells.device) + stride // 2
            moved = level.first[image].float().view(POINTS, 2, -1).mean(0).t().flip(1) * stride  # x, y
            centres.append(middle + moved)
            reach.append(moved.new_full((height * width,), self.config.mask_reach * stride))
        return Instance(*(torch.cat(part)[points] for part in (parameters, centres, reach)))
