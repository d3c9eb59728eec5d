"""The region proposal network: where something could be (arXiv 1506.01497).

Shapes: B images, C channels, H W map, A anchors of a cell, M anchors of all levels, P proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.detection.anchors import boxes_inside, cells_inside, level_anchors
from swinkit.detection.assigners import MatcherConfig, match_boxes
from swinkit.detection.box_losses import box_distance
from swinkit.detection.detector import Size
from swinkit.detection.nms import nms_within
from swinkit.detection.samplers import SamplerConfig, choose
from swinkit.ops.boxes import UNIT, Stds, decode_boxes, encode_boxes
from swinkit.serialization import check_limits


@dataclass(frozen=True)
class ProposalConfig:
    """Which of the anchors' boxes become proposals."""

    pre_nms: int = 2000
    """Best boxes of each level before non-maximum suppression (NMS)."""
    post_nms: int = 1000
    """Proposals of an image after it."""
    nms_iou: float = 0.7
    min_size: float = 0.0
    """Sides must be longer than this, in pixels."""

    def __post_init__(self) -> None:
        check_limits(self, {"pre_nms": 20_000, "post_nms": 10_000})


@dataclass(frozen=True)
class RPNConfig:
    """Every number of a region proposal network; the defaults are the published Mask R-CNN's."""

    scales: tuple[float, ...] = (8.0,)
    """Anchors' sides, in strides of their level."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Anchors' heights over their widths, at the same area."""
    stds: Stds = UNIT
    beta: float = 0.0
    """Below this difference the box loss is a parabola (smooth L1); 0 is L1."""
    border: float | None = None
    """Only anchors that reach less than this many pixels out of the image are learned from; None learns from all."""
    matcher: MatcherConfig = field(default_factory=lambda: MatcherConfig(0.7, 0.3, low_quality_iou=0.3))
    sampler: SamplerConfig = field(
        default_factory=lambda: SamplerConfig(count=256, positive_fraction=0.5, add_gt_proposals=False)
    )
    training: ProposalConfig = ProposalConfig(pre_nms=2000, post_nms=1000)
    inference: ProposalConfig = ProposalConfig(pre_nms=1000, post_nms=1000)


class RPNOutputs(NamedTuple):
    """What the network says of every anchor, for each level."""

    objectness: list[Tensor]
    """Logits (B, A, H, W)."""
    deltas: list[Tensor]
    """Encoded boxes (B, 4 A, H, W)."""


class AnchorSamples(NamedTuple):
    """Anchors of one image to learn from, as numbers over all levels."""

    positives: Tensor
    """(P,)."""
    negatives: Tensor
    """(Q,)."""
    matched: Tensor
    """(P,) int64: the ground truth of each positive."""


class Proposals(NamedTuple):
    """Boxes of one image that may hold something, best first."""

    boxes: Tensor
    """(P, 4), within the image."""
    scores: Tensor
    """(P,), 0..1."""


class RPNHead(nn.Module):
    """Levels of a pyramid to objectness and boxes of their anchors, and from these to losses and proposals.

    Parameter names are those of the official code's `rpn_head`; weights are drawn as there (normal of 0.01).

    Args:
        channels: C.
        strides: of the levels, in pixels.
        config: anchors, matching, sampling, proposals.
    """

    def __init__(self, channels: int, strides: Sequence[int], config: RPNConfig) -> None:
        super().__init__()
        self.config = config
        self.strides = tuple(strides)
        self.anchors_of_cell = len(config.scales) * len(config.ratios)
        self.rpn_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.rpn_cls = nn.Conv2d(channels, self.anchors_of_cell, 1)
        self.rpn_reg = nn.Conv2d(channels, 4 * self.anchors_of_cell, 1)
        for layer in (self.rpn_conv, self.rpn_cls, self.rpn_reg):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias) if layer.bias is not None else None

    def forward(self, maps: Sequence[Tensor]) -> RPNOutputs:
        hidden = [F.relu(self.rpn_conv(x)) for x in maps]
        return RPNOutputs([self.rpn_cls(x) for x in hidden], [self.rpn_reg(x) for x in hidden])

    def anchors(self, outputs: RPNOutputs) -> list[Tensor]:
        """The anchors of each level, (H * W * A, 4)."""
        scales, ratios = tuple(self.config.scales), tuple(self.config.ratios)
        return [
            level_anchors(x.shape[2], x.shape[3], stride, scales, ratios, x.device)
            for x, stride in zip(outputs.objectness, self.strides, strict=True)
        ]

    @torch.no_grad()
    def proposals(self, outputs: RPNOutputs, sizes: Sequence[Size], config: ProposalConfig) -> list[Proposals]:
        """Proposals of every image; `sizes` are the images' heights and widths without padding."""
        anchors = self.anchors(outputs)
        levels = [
            (logits.permute(0, 2, 3, 1).flatten(1).float().sigmoid(), _as_rows(deltas))
            for logits, deltas in zip(outputs.objectness, outputs.deltas, strict=True)
        ]
        return [
            self._proposals_of_image([(s[image], d[image]) for s, d in levels], anchors, size, config)
            for image, size in enumerate(sizes)
        ]

    def _proposals_of_image(
        self, levels: list[tuple[Tensor, Tensor]], anchors: list[Tensor], size: Size, config: ProposalConfig
    ) -> Proposals:
        boxes, scores, numbers = [], [], []
        for place, ((score, deltas), level) in enumerate(zip(levels, anchors, strict=True)):
            best, order = score.topk(torch.sym_min(config.pre_nms, score.shape[0]))
            boxes.append(decode_boxes(level[order], deltas[order], self.config.stds, size))
            scores.append(best)
            numbers.append(torch.full_like(order, place))
        flat, score, number = torch.cat(boxes), torch.cat(scores), torch.cat(numbers)
        large = torch.nonzero((flat[:, 2:] - flat[:, :2] > config.min_size).all(1))[:, 0]
        flat, score, number = flat[large], score[large], number[large]
        kept = nms_within(flat, score, number, config.nms_iou)[: config.post_nms]
        return Proposals(flat[kept], score[kept])

    @torch.no_grad()
    def sample(self, outputs: RPNOutputs, truth: Sequence[Tensor], sizes: Sequence[Size]) -> list[AnchorSamples]:
        """Anchors of each image to learn from.

        Args:
            outputs: of `forward`, for their sizes alone.
            truth: boxes (N, 4) of each image.
            sizes: the images' heights and widths without padding.
        """
        anchors = torch.cat(self.anchors(outputs))
        return [self._sample(outputs, anchors, *each) for each in zip(truth, sizes, strict=True)]

    def _sample(self, outputs: RPNOutputs, anchors: Tensor, truth: Tensor, size: Size) -> AnchorSamples:
        inside = torch.cat(
            [
                cells_inside((x.shape[2], x.shape[3]), stride, size, self.anchors_of_cell, anchors)
                for x, stride in zip(outputs.objectness, self.strides, strict=True)
            ]
        )
        if self.config.border is not None:
            inside &= boxes_inside(anchors, size, self.config.border)
        numbers = torch.nonzero(inside)[:, 0]
        matches = match_boxes(truth, anchors[numbers], self.config.matcher)
        positives, negatives = choose(matches, self.config.sampler)
        return AnchorSamples(numbers[positives], numbers[negatives], matches[positives])

    def losses(
        self, outputs: RPNOutputs, samples: Sequence[AnchorSamples], truth: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Objectness (binary cross entropy) and box loss over the sampled anchors, both divided by their number.

        Args:
            outputs: of `forward`.
            samples: of `sample`, for the same ground truth.
            truth: boxes (N, 4) of each image.
        """
        anchors = torch.cat(self.anchors(outputs))
        logits = torch.cat([x.permute(0, 2, 3, 1).flatten(1) for x in outputs.objectness], 1).float()  # (B, M)
        deltas = torch.cat([_as_rows(x) for x in outputs.deltas], 1).float()  # (B, M, 4)
        objectness, box, count = logits.sum() * 0, deltas.sum() * 0, 0
        for image, (positives, negatives, matched) in enumerate(samples):
            wanted = logits.new_zeros(len(positives) + len(negatives))
            wanted[: len(positives)] = 1
            chosen = torch.cat([positives, negatives])
            objectness = objectness + F.binary_cross_entropy_with_logits(logits[image, chosen], wanted, reduction="sum")
            encoded = encode_boxes(anchors[positives], truth[image][matched], self.config.stds)
            box = box + box_distance(deltas[image, positives], encoded, self.config.beta)
            count += max(1, len(positives)) + max(1, len(negatives))
        return {"loss_rpn_cls": objectness / count, "loss_rpn_bbox": box / count}


def _as_rows(deltas: Tensor) -> Tensor:
    """(B, 4 A, H, W) to (B, H * W * A, 4), in the order of the anchors."""
    return deltas.permute(0, 2, 3, 1).reshape(deltas.shape[0], -1, 4)
