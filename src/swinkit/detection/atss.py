"""ATSS (arXiv 1912.02424): one anchor a cell, and positives chosen by the statistics of each ground truth's candidates.

Shapes: B images, C channels, H W map, M anchors of all levels, N instances, P positives, R detections, K classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from swinkit.backbone.contract import Backbone
from swinkit.detection.anchors import level_anchors
from swinkit.detection.assigners import assign_atss
from swinkit.detection.box_losses import giou_loss
from swinkit.detection.dense_detector import Candidates, DenseDetector
from swinkit.detection.dense_maps import as_rows, dense_levels, valid_cells
from swinkit.detection.detector import Size, at_original_size, check_targets
from swinkit.detection.soft_nms import Suppression
from swinkit.errors import InputError
from swinkit.layers.conv import ConvGroupNorm
from swinkit.layers.fpn import FPN
from swinkit.layers.pixels import PixelNormalisation
from swinkit.ops.boxes import Stds, decode_boxes
from swinkit.ops.distributed import mean_over_processes
from swinkit.serialization import check_limits, takes_notes
from swinkit.structures import Instances

EPS = torch.finfo(torch.float32).eps


@takes_notes
@dataclass(frozen=True)
class ATSS:
    """Every number of an ATSS detector; the defaults are the published ones. It finds boxes alone."""

    channels: int = 256
    """Width of the feature pyramid and the head."""
    extra_levels: int = 2
    """Coarser levels of the pyramid, by convolutions of stride 2."""
    convs: int = 4
    """3 x 3 convolutions of the class tower and of the box tower."""
    groups: int = 32
    """Of group norm."""
    anchor: float = 8.0
    """Sides of the square anchors, in strides of their level."""
    stds: Stds = (0.1, 0.1, 0.2, 0.2)
    topk: int = 9
    """Candidates of a level for each ground truth."""
    box_weight: float = 2.0
    """What the box loss is multiplied with."""
    pre_nms: int = 1000
    """Best scores of each level before non-maximum suppression (NMS)."""
    score_threshold: float = 0.05
    """Class scores must be above it, before they are multiplied with centreness."""
    nms_iou: float = 0.6
    """Detections of a class that overlap more than this suppress each other."""
    suppression: Suppression = field(default_factory=Suppression)
    """Whether the worse one is left out, or loses score (soft-NMS)."""
    detections: int = 100
    """Detections of an image at most."""
    root_scores: bool = False
    """Scores are the root of class score times centreness, as in the authors' code: the same order, other values."""

    @property
    def masks(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_limits(self, {"extra_levels": 8, "topk": 1000, "pre_nms": 10_000, "detections": 10_000})
        if min(self.channels, self.convs, self.groups, self.topk, self.pre_nms, self.detections) < 1:
            raise InputError(f"widths, convolutions, groups, candidates and detections must be at least 1: {self}")

    def build(self, backbone: Backbone, num_classes: int) -> ATSSDetector:
        """The detector around `backbone`, with a fresh head for K classes; raises InputError where K is below 1."""
        if num_classes < 1:
            raise InputError(f"a detector needs at least one class, not {num_classes}")
        channels, strides = dense_levels(backbone, self.extra_levels)
        neck = FPN(channels, self.channels, extra_levels=self.extra_levels, extra_convs=True)
        head = ATSSHead(self.channels, num_classes, len(strides), convs=self.convs, groups=self.groups)
        return ATSSDetector(backbone, neck, head, config=self, num_classes=num_classes, strides=strides)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The published configuration, in the width of these weights under official names, and their K."""
        out = tensors.get("bbox_head.atss_cls.weight")
        if out is None:
            return None
        return replace(cls(), channels=out.shape[1]), out.shape[0]


class Scale(nn.Module):
    """A learned factor of a level's boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class ATSSHead(nn.Module):
    """Maps (B, C, H, W) to class logits (B, K, H, W), encoded boxes (B, 4, H, W) and centreness (B, 1, H, W) of each.

    Parameter names are those of the official `bbox_head`; weights are drawn as there.
    """

    def __init__(self, channels: int, num_classes: int, levels: int, *, convs: int, groups: int) -> None:
        super().__init__()
        self.cls_convs = nn.ModuleList(ConvGroupNorm(channels, channels, 3, groups=groups) for _ in range(convs))
        self.reg_convs = nn.ModuleList(ConvGroupNorm(channels, channels, 3, groups=groups) for _ in range(convs))
        self.atss_cls = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.atss_reg = nn.Conv2d(channels, 4, 3, padding=1)
        self.atss_centerness = nn.Conv2d(channels, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in range(levels))
        for layer, bias in ((self.atss_cls, -4.59512), (self.atss_reg, 0.0), (self.atss_centerness, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias) if layer.bias is not None else None

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        logits, deltas, centreness = [], [], []
        for x, scale in zip(maps, self.scales, strict=True):
            classes, boxes = x, x
            for convolve in self.cls_convs:
                classes = convolve(classes)
            for convolve in self.reg_convs:
                boxes = convolve(boxes)
            logits.append(self.atss_cls(classes))
            deltas.append(scale(self.atss_reg(boxes)).float())
            centreness.append(self.atss_centerness(boxes))
        return logits, deltas, centreness


class ATSSOutputs(NamedTuple):
    """What the network says of a batch, for each level."""

    maps: list[Tensor]
    """The pyramid."""
    logits: list[Tensor]
    """(B, K, H, W)."""
    deltas: list[Tensor]
    """Encoded boxes (B, 4, H, W)."""
    centreness: list[Tensor]
    """Logits (B, 1, H, W)."""
    sizes: list[Size]


class ATSSDetector(DenseDetector):
    """A dense detector, from its parts; `ATSS().build(...)` puts them together."""

    config: ATSS
    takes_class_weights = True

    def __init__(
        self,
        backbone: Backbone,
        neck: FPN,
        bbox_head: ATSSHead,
        *,
        config: ATSS,
        num_classes: int,
        strides: Sequence[int],
    ) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.strides = tuple(strides)
        self.normalise = PixelNormalisation()
        self.backbone = backbone
        self.neck = neck
        self.bbox_head = bbox_head

    def forward(self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None) -> ATSSOutputs:
        """See `DetectorModel.forward`; targets change nothing. Raises InputError where they do not fit."""
        if targets is not None:
            check_targets(targets, sizes, num_classes=self.num_classes, masks=False)
        features = self.backbone(self.normalise(images, sizes))
        maps = self.neck(features[-self.neck.levels :])
        logits, deltas, centreness = self.bbox_head(maps)
        return ATSSOutputs(maps, logits, deltas, centreness, [(h, w) for h, w in sizes])

    def losses(self, outputs: ATSSOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """`loss_cls` (focal), `loss_bbox` (GIoU, weighted by centreness) and `loss_centerness`."""
        logits, deltas, centreness = (as_rows(x) for x in (outputs.logits, outputs.deltas, outputs.centreness))
        anchors, sides = self._anchors(outputs)
        flat, centres = torch.cat(anchors), torch.cat(sides)
        classes = torch.zeros_like(logits)  # (B, M, K): one-hot
        is_valid = torch.stack([valid_cells(outputs.logits, self.strides, size) for size in outputs.sizes])  # (B, M)
        found, wanted, said, matches, total = [], [], [], [], 0
        for image, truth in enumerate(targets):
            numbers, matched = self._assigned(truth.boxes.float(), flat, centres, anchors, is_valid[image])
            classes[image, numbers, truth.labels[matched]] = 1
            found.append(decode_boxes(flat[numbers], deltas[image, numbers], self.config.stds))
            wanted.append(torch.cat([truth.boxes[matched].float(), centres[numbers]], 1))
            said.append(centreness[image, numbers, 0])
            matches.append((numbers, matched))
            total += max(1, len(numbers))
        count = mean_over_processes(logits.new_tensor(float(total)))
        boxes, truth_boxes, spots = torch.cat(found), torch.cat(wanted)[:, :4], torch.cat(wanted)[:, 4:]
        near = _centreness(spots, truth_boxes)
        share = mean_over_processes(near.sum()).clamp(min=1.0)
        cost = sigmoid_focal_loss(logits, classes, alpha=0.25, gamma=2.0, reduction="none")
        weights = self.weights_of_cells(is_valid, matches, targets)
        nothing = deltas.sum() * 0 + centreness.sum() * 0
        spoken = F.binary_cross_entropy_with_logits(torch.cat(said), near, reduction="sum")
        return {
            "loss_cls": (cost * weights[..., None]).sum() / (count + EPS),
            "loss_bbox": self.config.box_weight * giou_loss(boxes, truth_boxes, near) / (share + EPS) + nothing,
            "loss_centerness": spoken / (count + EPS) + nothing,
        }

    @torch.no_grad()
    def _assigned(
        self, truth: Tensor, flat: Tensor, centres: Tensor, anchors: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Numbers of the positive anchors of one image, (P,), and their ground truth, (P,)."""
        ends = list(itertools.accumulate(len(level) for level in anchors))
        counts = [int(valid[end - len(level) : end].sum()) for level, end in zip(anchors, ends, strict=True)]
        numbers = valid.nonzero()[:, 0]
        matches = assign_atss(truth, flat[numbers], centres[numbers], counts, topk=self.config.topk)
        return numbers[matches >= 0], matches[matches >= 0]

    def _anchors(self, outputs: ATSSOutputs) -> tuple[list[Tensor], list[Tensor]]:
        """The anchors of each level, (H * W, 4), and their centres, (H * W, 2)."""
        anchors = [
            level_anchors(x.shape[2], x.shape[3], stride, (self.config.anchor,), (1.0,), x.device)
            for x, stride in zip(outputs.logits, self.strides, strict=True)
        ]
        return anchors, [(level[:, :2] + level[:, 2:]) / 2 for level in anchors]

    def cell_logits(self, outputs: ATSSOutputs) -> Tensor:
        """See `DenseDetector.cell_logits`."""
        return as_rows(outputs.logits)

    def candidates(self, outputs: ATSSOutputs, image: int, size: Size, scale: tuple[float, float] | None) -> Candidates:
        """See `DenseDetector.candidates`."""
        anchors, _ = self._anchors(outputs)
        shown, parts, start = outputs.sizes[image], [], 0
        for x, d, c, base in zip(outputs.logits, outputs.deltas, outputs.centreness, anchors, strict=True):
            boxes, scores, labels, cells = self._best(x[image], d[image], c[image], base, shown)
            parts.append((boxes, scores, labels, cells + start))
            start += base.shape[0]
        boxes, *rest = (torch.cat(column) for column in zip(*parts, strict=True))
        boxes = at_original_size(boxes, shown, size, scale)
        large = torch.nonzero((boxes[:, 2:] > boxes[:, :2]).all(1))[:, 0]
        return Candidates(boxes[large], *(each[large] for each in rest))

    def _best(
        self, logits: Tensor, deltas: Tensor, centreness: Tensor, anchors: Tensor, size: Size
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes, scores, labels and cells of a level's best (anchor, class) pairs in one image."""
        classes = logits.permute(1, 2, 0).flatten(0, 1).float().sigmoid()  # (H * W, K)
        places, labels = torch.nonzero(classes > self.config.score_threshold, as_tuple=True)
        score, order = classes[places, labels].sort(descending=True)
        order = order[: self.config.pre_nms]
        score, places, labels = score[: self.config.pre_nms], places[order], labels[order]
        boxes = decode_boxes(anchors[places], deltas.permute(1, 2, 0).flatten(0, 1)[places], self.config.stds, size)
        product = score * centreness.flatten().float().sigmoid()[places]
        return boxes, product.sqrt() if self.config.root_scores else product, labels, places


def _centreness(spots: Tensor, boxes: Tensor) -> Tensor:
    """How central points (P, 2) lie in boxes (P, 4), 0..1: (P,)."""
    before, after = spots - boxes[:, :2], boxes[:, 2:] - spots  # left and top, right and bottom
    ratio = torch.minimum(before, after) / torch.maximum(before, after)
    return ratio.prod(1).sqrt()
