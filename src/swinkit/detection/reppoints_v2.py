"""RepPoints v2 (arXiv 2007.08508) as the official code has it with Swin: BiFPN, GIoU and quality focal losses.

Shapes: B images, H W map, M points of all levels, N instances, P positives, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from swinkit.backbone.contract import Backbone
from swinkit.detection.anchors import cell_corners
from swinkit.detection.assigners import assign_atss
from swinkit.detection.dense_detector import Candidates, DenseDetector
from swinkit.detection.dense_maps import as_rows, dense_levels, valid_cells
from swinkit.detection.detector import Size, at_original_size, check_targets
from swinkit.detection.dynamic_masks import MaskOutputs
from swinkit.detection.reppoints_head import PointOutputs, RepPointsHead
from swinkit.detection.reppoints_losses import corner_focal_loss, old_giou_loss, quality_focal_loss, semantic_focal_loss
from swinkit.detection.reppoints_targets import assign_points, box_middles, corner_targets, semantic_targets
from swinkit.detection.soft_nms import Suppression
from swinkit.errors import InputError
from swinkit.layers.bifpn import BiFPN
from swinkit.layers.pixels import PixelNormalisation
from swinkit.ops.boxes import clip_boxes
from swinkit.ops.windows import are_symbols
from swinkit.serialization import check_limits, takes_notes
from swinkit.structures import Instances


@takes_notes
@dataclass(frozen=True)
class RepPointsV2:
    """Every number of a RepPoints v2; the defaults are the released ones. It finds boxes alone."""

    channels: int = 256
    """Width of the feature pyramid and the head."""
    extra_levels: int = 2
    """Coarser levels of the pyramid."""
    neck_layers: int = 2
    """How many times the pyramid is gone through."""
    convs: int = 3
    """3 x 3 convolutions of the class tower and of the point tower."""
    shared_convs: int = 1
    """Behind the point tower, for corners and the semantic map."""
    corner_channels: int = 64
    """Inside the corner pooling."""
    groups: int = 32
    """Of group norm."""
    base_scale: float = 4.0
    """Sides of a typical box, in strides of its level."""
    topk: int = 9
    """Candidates of a level for each ground truth, when refined boxes are matched."""
    first_weight: float = 1.0
    refined_weight: float = 2.0
    corner_weight: float = 0.25
    offset_weight: float = 1.0
    semantic_weight: float = 0.1
    """Of the losses of first boxes, refined boxes, corner heat maps, corner offsets and the semantic map."""
    pre_nms: int = 1000
    """Best points of each level before non-maximum suppression (NMS)."""
    score_threshold: float = 0.05
    nms_iou: float = 0.6
    """Detections of a class that overlap more than this suppress each other."""
    suppression: Suppression = field(default_factory=Suppression)
    """Whether the worse one is left out, or loses score (soft-NMS)."""
    detections: int = 100
    """Detections of an image at most."""

    @property
    def masks(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_limits(self, {"extra_levels": 8, "topk": 1000, "pre_nms": 10_000, "detections": 10_000})
        counts = (self.channels, self.neck_layers, self.corner_channels, self.groups, self.topk, self.detections)
        if min(counts) < 1 or min(self.convs, self.shared_convs) < 0:
            raise InputError(f"widths, layers, groups, candidates and detections must be at least 1: {self}")

    def build(self, backbone: Backbone, num_classes: int) -> RepPointsDetector:
        """The detector around `backbone`, with a fresh head for K classes; raises InputError where K is below 1."""
        if num_classes < 1:
            raise InputError(f"a detector needs at least one class, not {num_classes}")
        channels, strides = dense_levels(backbone, self.extra_levels)
        neck = BiFPN(
            channels,
            self.channels,
            extra_levels=self.extra_levels,
            layers=self.neck_layers,
            groups=self.groups,
        )
        head = self.head(num_classes)
        return self.detector_class(backbone, neck, head, config=self, num_classes=num_classes, strides=strides)

    def head(self, num_classes: int) -> RepPointsHead:
        """A fresh head for K classes."""
        return RepPointsHead(
            self.channels,
            num_classes,
            convs=self.convs,
            shared_convs=self.shared_convs,
            corner_channels=self.corner_channels,
            groups=self.groups,
        )

    @property
    def detector_class(self) -> type[RepPointsDetector]:
        return RepPointsDetector

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The released configuration, in the widths of these weights under official names, and their K."""
        out, inner = (tensors.get(f"bbox_head.{name}.weight") for name in ("reppoints_cls_out", "hem_tl.p1_conv1.conv"))
        if out is None or inner is None or "bbox_head.controller.weight" in tensors:
            return None
        return replace(cls(), channels=out.shape[1], corner_channels=inner.shape[0]), out.shape[0]


class RepPointsOutputs(NamedTuple):
    """What the network says of a batch."""

    maps: list[Tensor]
    """The pyramid."""
    levels: list[PointOutputs]
    sizes: list[Size]
    masks: MaskOutputs | None = None
    """Of Mask RepPoints v2."""


class RepPointsDetector(DenseDetector):
    """The detector, from its parts; `RepPointsV2().build(...)` puts them together."""

    config: RepPointsV2
    takes_class_weights = True

    def __init__(
        self,
        backbone: Backbone,
        neck: BiFPN,
        bbox_head: RepPointsHead,
        *,
        config: RepPointsV2,
        num_classes: int,
        strides: Sequence[int],
    ) -> None:
        super().__init__()
        self.config = config
        self.has_masks = config.masks
        self.num_classes = num_classes
        self.strides = tuple(strides)
        self.normalise = PixelNormalisation()
        self.backbone = backbone
        self.neck = neck
        self.bbox_head = bbox_head

    def forward(
        self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None
    ) -> RepPointsOutputs:
        """See `DetectorModel.forward`; targets change nothing. Raises InputError where they do not fit."""
        if targets is not None:
            check_targets(targets, sizes, num_classes=self.num_classes, masks=self.has_masks)
        features = self.backbone(self.normalise(images, sizes))
        maps = self.neck(features[-self.neck.levels :])
        return RepPointsOutputs(maps, self.bbox_head(maps), [(h, w) for h, w in sizes])

    def losses(self, outputs: RepPointsOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """`loss_cls`, `loss_pts_init`, `loss_pts_refine`, `loss_heatmap`, `loss_offset` and `loss_sem`, weighted."""
        config = self.config
        points = self._points(outputs)
        first, refined = (torch.cat(self._boxes(outputs, kind), 1) for kind in ("first", "refined"))  # (B, M, 4)
        levels = [level.logits for level in outputs.levels]
        valid = torch.stack([valid_cells(levels, self.strides, size) for size in outputs.sizes])  # (B, M)
        units = torch.cat(
            [first.new_full((len(p),), config.base_scale * s) for p, s in zip(points, self.strides, strict=True)]
        )
        matches = [self._first(t, points, v) for t, v in zip(targets, valid, strict=True)]
        init, init_count = _box_loss(first, units, matches, targets)
        found = [self._refined(t, boxes, points, v) for t, boxes, v in zip(targets, first.detach(), valid, strict=True)]
        refine, count = _box_loss(refined, units, found, targets)
        logits = as_rows(levels)
        weights = self.weights_of_cells(valid, found, targets)
        quality = quality_focal_loss(logits, refined.detach(), found, targets, weights)
        heat, offset = self._corner_losses(outputs, points, targets, valid)
        return {
            "loss_cls": quality / count,
            "loss_pts_init": config.first_weight * init / init_count,
            "loss_pts_refine": config.refined_weight * refine / count,
            "loss_heatmap": config.corner_weight * heat,
            "loss_offset": config.offset_weight * offset,
            "loss_sem": config.semantic_weight * self._semantic_loss(outputs, targets),
            **self.mask_losses(outputs, found, targets),
        }

    def middles(self, truth: Instances) -> Tensor:
        """Where N ground truths are, (N, 2) x, y."""
        return box_middles(truth)

    def mask_losses(
        self, outputs: RepPointsOutputs, matches: Sequence[tuple[Tensor, Tensor]], targets: Sequence[Instances]
    ) -> dict[str, Tensor]:
        """Of every image's positive points, (P,), and their ground truth, (P,); nothing, as this finds boxes alone."""
        return {}

    @torch.no_grad()
    def _first(self, truth: Instances, points: Sequence[Tensor], valid: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the positive points for first boxes, (P,), and their ground truth, (P,)."""
        parts = valid.split([len(level) for level in points])
        kept = [level[part] for level, part in zip(points, parts, strict=True)]
        boxes = truth.boxes.float()
        matches = assign_points(boxes, self.middles(truth), kept, self.strides, scale=self.config.base_scale)
        return valid.nonzero()[matches >= 0, 0], matches[matches >= 0]

    @torch.no_grad()
    def _refined(
        self, truth: Instances, boxes: Tensor, points: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same for refined boxes: first boxes (M, 4) are matched as anchors are in ATSS."""
        counts = [int(part.sum()) for part in valid.split([len(level) for level in points])]
        numbers = valid.nonzero()[:, 0]
        chosen = boxes[numbers]
        centres = (chosen[:, :2] + chosen[:, 2:]) / 2
        matches = assign_atss(
            truth.boxes.float(),
            chosen,
            centres,
            counts,
            topk=self.config.topk,
            fill=True,
            middles=self.middles(truth),
        )
        return numbers[matches >= 0], matches[matches >= 0]

    def _corner_losses(
        self, outputs: RepPointsOutputs, points: Sequence[Tensor], targets: Sequence[Instances], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of heat maps and of offsets, each the mean over the two kinds of corners."""
        corners = as_rows([level.corners for level in outputs.levels])  # (B, M, 2)
        offsets = as_rows([level.offsets for level in outputs.levels])  # (B, M, 4)
        heats, moved = [], []
        for kind in (0, 1):
            heat_loss, offset_loss, count = corners.sum() * 0, offsets.sum() * 0, 0
            for image, truth in enumerate(targets):
                boxes = truth.boxes.float()
                parts = [
                    corner_targets(boxes, boxes[:, 2 * kind : 2 * kind + 2], level, stride)
                    for level, stride in zip(points, self.strides, strict=True)
                ]
                heat, wanted = (torch.cat(column) for column in zip(*parts, strict=True))
                heat = heat * valid[image]
                heat_loss = heat_loss + corner_focal_loss(corners[image, :, kind], heat, valid[image])
                here = heat == 1
                said = offsets[image, here, 2 * kind : 2 * kind + 2]
                offset_loss = offset_loss + F.smooth_l1_loss(said, wanted[here], beta=1 / 9, reduction="sum")
                count += max(1, int(here.sum()))
            heats.append(heat_loss / count)
            moved.append(offset_loss / count)
        return torch.stack(heats).mean(), torch.stack(moved).mean()

    def _semantic_loss(self, outputs: RepPointsOutputs, targets: Sequence[Instances]) -> Tensor:
        logits = [level.semantic for level in outputs.levels]
        finest = (logits[0].shape[2], logits[0].shape[3])
        pairs = [semantic_targets(truth, self.num_classes, finest, self.strides[0]) for truth in targets]
        painted, weights = (torch.stack(column) for column in zip(*pairs, strict=True))  # (B, K, H, W)
        rows = []
        for x in logits:
            size = x.shape[2:]
            rows.append(
                [part.flatten() for part in (x.float(), F.interpolate(painted, size), F.interpolate(weights, size))]
            )
        return semantic_focal_loss(*(torch.cat(column) for column in zip(*rows, strict=True)))

    def cell_logits(self, outputs: RepPointsOutputs) -> Tensor:
        """See `DenseDetector.cell_logits`."""
        return as_rows([level.logits for level in outputs.levels])

    def candidates(
        self, outputs: RepPointsOutputs, image: int, size: Size, scale: tuple[float, float] | None
    ) -> Candidates:
        """See `DenseDetector.candidates`: corners are moved to their heat maps' peaks."""
        boxes = self._boxes(outputs, "refined")
        shown, parts, start = outputs.sizes[image], [], 0
        for level, of_level in enumerate(boxes):
            best, scores, order = self._best(outputs, level, of_level[image], image, shown)
            parts.append((best, scores, order + start))
            start += of_level.shape[1]
        found, scores, points = (torch.cat(column) for column in zip(*parts, strict=True))
        found = at_original_size(found, shown, size, scale)
        places, labels = torch.nonzero(scores > self.config.score_threshold, as_tuple=True)
        return Candidates(found[places], scores[places, labels], labels, points[places])

    def _best(
        self, outputs: RepPointsOutputs, level: int, boxes: Tensor, image: int, size: Size
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes and class scores (P, K) of a level's best points in one image, and the points' numbers, (P,)."""
        scores = outputs.levels[level].logits[image].flatten(1).t().float().sigmoid()
        order = scores.amax(1).topk(torch.sym_min(self.config.pre_nms, scores.shape[0])).indices
        boxes = clip_boxes(boxes[order], size)
        if level:  # of the finest level corners are as fine already
            source = min(level - 1, 2) // 2 if level < 3 else 1
            boxes = self._with_corners(outputs.levels[source], image, boxes, self.strides[source], size)
        return boxes, scores[order], order

    def _with_corners(self, maps: PointOutputs, image: int, boxes: Tensor, stride: int, size: Size) -> Tensor:
        """Boxes whose corners go to the likeliest of the four nearest places of a corner heat map."""
        heat, offsets = maps.corners[image].float().sigmoid(), maps.offsets[image].float()
        height, width = heat.shape[1:]
        if not are_symbols(height, width) and min(height, width) < 2:
            return boxes
        four = [heat[:, :-1, :-1], heat[:, :-1, 1:], heat[:, 1:, :-1], heat[:, 1:, 1:]]
        peaks = torch.stack(four).argmax(0)  # (2, H - 1, W - 1): which of the four, the first of equal ones
        moved = []
        for kind in (0, 1):
            x, y = (boxes[:, 2 * kind : 2 * kind + 2] / stride).unbind(1)
            x, y = x.clamp(0, width - 2).floor().long(), y.clamp(0, height - 2).floor().long()
            peak = peaks[kind, y, x]
            x, y = x + peak % 2, y + peak // 2
            shift = offsets[2 * kind : 2 * kind + 2, y, x].t()
            moved.append((torch.stack([x, y], 1) + shift) * stride)
        return clip_boxes(torch.cat(moved, 1), size)

    def _points(self, outputs: RepPointsOutputs) -> list[Tensor]:
        """x, y of the points of each level, (H * W, 2), in pixels: the upper left corner of their cells."""
        points = []
        for level, stride in zip(outputs.levels, self.strides, strict=True):
            height, width = level.logits.shape[2:]
            points.append(cell_corners(height, width, stride, level.logits.device))
        return points

    def _boxes(self, outputs: RepPointsOutputs, kind: str) -> list[Tensor]:
        """The boxes of "first" or "refined" points of each level, (B, H * W, 4): the first two are the corners."""
        found = []
        for level, points, stride in zip(outputs.levels, self._points(outputs), self.strides, strict=True):
            pairs = getattr(level, kind).float()[:, [1, 0, 3, 2]].flatten(2).transpose(1, 2)  # x, y, x, y
            found.append(pairs * stride + points.repeat(1, 2))
        return found


def _box_loss(
    boxes: Tensor, units: Tensor, matches: Sequence[tuple[Tensor, Tensor]], targets: Sequence[Instances]
) -> tuple[Tensor, int]:
    """The summed GIoU loss of the positives among boxes (B, M, 4), in `units` (M,) of their level, and how many there
    are, at least 1 an image."""
    total, count = boxes.sum() * 0, 0
    for image, ((numbers, matched), truth) in enumerate(zip(matches, targets, strict=True)):
        unit = units[numbers, None]
        total = total + old_giou_loss(boxes[image, numbers] / unit, truth.boxes[matched].float() / unit)
        count += max(1, len(numbers))
    return total, count
