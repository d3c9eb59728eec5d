"""From proposals to detections: box heads and mask heads, in one stage or a cascade (arXiv 1712.00726).

Shapes: B images, R regions, N instances, P proposals, K classes, M side of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.box_head import BoxHead, BoxOutputs, deltas_of, sample_labels, top_classes
from swinkit.detection.detector import Size
from swinkit.detection.inference import Found, detect
from swinkit.detection.mask_head import MaskHead
from swinkit.detection.roi_align import align_regions
from swinkit.detection.samplers import SamplerConfig, Samples, sample_proposals
from swinkit.ops.boxes import Stds, decode_boxes
from swinkit.structures import Instances


@dataclass(frozen=True)
class StageConfig:
    """One stage of box heads; Mask R-CNN has one, a cascade (arXiv 1712.00726) several."""

    stds: Stds = (0.1, 0.1, 0.2, 0.2)
    """Units of the encoded boxes."""
    matcher: MatcherConfig = field(default_factory=lambda: MatcherConfig(0.5, 0.5, low_quality_iou=0.5))
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    weight: float = 1.0
    """What the stage's losses are multiplied with."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are read off the pyramid, and which become detections."""

    roi_size: int = 7
    """Side of what the box heads see of each region, in cells."""
    mask_roi_size: int = 14
    """Side of what the mask head sees of each region, in cells; masks have twice that."""
    finest_scale: float = 56.0
    """Regions up to twice this square root of their area, in pixels, are read off the finest level; each doubling goes
    a level up."""
    score_threshold: float = 0.05
    """Detections below this score are left out."""
    nms_iou: float = 0.5
    """Of two detections of a class that overlap more than this, the worse one is left out."""
    detections: int = 100
    """Detections of an image at most."""


class StageOutputs(NamedTuple):
    """What one stage read and said."""

    regions: list[Tensor]
    """Boxes (R_b, 4) of each image that its box head read."""
    box_outputs: BoxOutputs
    """Classes and encoded boxes of all regions, one image after the other."""
    masks: Tensor | None
    """Mask logits (R, K, M, M) of the positives, where there are targets, else of the detections; None without mask
    heads."""
    samples: list[Samples] | None
    """What each image's regions are, where there are targets."""


class RoIHead(nn.Module):
    """The heads of all stages. Names are those of the official code's `roi_head`, of one stage as a list of one.

    Args:
        bbox_head: a box head for each stage.
        mask_head: a mask head for each stage, or none.
        stages: boxes' units, matching and sampling of each stage.
        strides: of the pyramid's levels that regions are read off.
        settings: how they are read, and what becomes a detection.
    """

    def __init__(
        self,
        bbox_head: Sequence[BoxHead],
        mask_head: Sequence[MaskHead],
        *,
        stages: Sequence[StageConfig],
        strides: Sequence[int],
        settings: RegionSettings,
    ) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.strides = tuple(strides)
        self.settings = settings
        self.bbox_head = nn.ModuleList(bbox_head)
        self.mask_head = nn.ModuleList(mask_head)

    def forward(
        self,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Sequence[Size],
        targets: Sequence[Instances] | None,
    ) -> tuple[list[StageOutputs], list[Found] | None]:
        """Every stage, and without targets the detections in the padded image's pixels.

        Args:
            maps: the pyramid, (B, C, H_i, W_i) each.
            proposals: boxes (P, 4) of each image.
            sizes: height and width of each image without padding.
            targets: ground truth; each stage then reads samples instead of all boxes.
        """
        outputs: list[StageOutputs] = []
        boxes = list(proposals)
        for number, stage in enumerate(self.stages):
            samples = None if targets is None else self._sampled(boxes, targets, stage)
            regions = boxes if samples is None else [s.boxes for s in samples]
            found = cast("BoxOutputs", self.bbox_head[number](self._read(maps, regions, self.settings.roi_size)))
            masks = None if samples is None else self._masks(number, maps, [s.positives for s in samples])
            outputs.append(StageOutputs(regions, found, masks, samples))
            if number + 1 < len(self.stages):
                boxes = refined_boxes(outputs[-1], stage.stds, sizes, targets)
        return (outputs, None) if targets is not None else self._with_detections(maps, outputs, sizes)

    def _with_detections(
        self, maps: Sequence[Tensor], outputs: list[StageOutputs], sizes: Sequence[Size]
    ) -> tuple[list[StageOutputs], list[Found]]:
        """Detections by the last stage's boxes and the class scores of all stages' mean logits, and their masks."""
        regions, settings = outputs[-1].regions, self.settings
        logits = torch.stack([each.box_outputs.logits for each in outputs]).mean(0)
        parts = split_images(BoxOutputs(logits, outputs[-1].box_outputs.deltas), regions)
        found = [
            detect(
                *each,
                stds=self.stages[-1].stds,
                score_threshold=settings.score_threshold,
                nms_iou=settings.nms_iou,
                detections=settings.detections,
            )
            for each in zip(regions, parts, sizes, strict=True)
        ]
        boxes = [each.boxes for each in found]
        return [each._replace(masks=self._masks(number, maps, boxes)) for number, each in enumerate(outputs)], found

    def _sampled(self, boxes: Sequence[Tensor], targets: Sequence[Instances], stage: StageConfig) -> list[Samples]:
        pairs = zip(boxes, targets, strict=True)
        return [sample_proposals(each, truth.boxes, stage.matcher, stage.sampler) for each, truth in pairs]

    def _masks(self, number: int, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor | None:
        if not len(self.mask_head):
            return None
        return cast("Tensor", self.mask_head[number](self._read(maps, boxes, self.settings.mask_roi_size)))

    def _read(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], size: int) -> Tensor:
        return align_regions(maps[: len(self.strides)], self.strides, boxes, size, self.settings.finest_scale)


@torch.no_grad()
def refined_boxes(
    stage: StageOutputs, stds: Stds, sizes: Sequence[Size], targets: Sequence[Instances] | None
) -> list[Tensor]:
    """The regions of each image as this stage corrects them, for the next one. Of samples, each takes the box of its
    true class, and the ground truth's own boxes are left out."""
    refined = []
    for number, (boxes, part, size) in enumerate(
        zip(stage.regions, split_images(stage.box_outputs, stage.regions), sizes, strict=True)
    ):
        labels = top_classes(part.logits)
        if targets is None or stage.samples is None:
            refined.append(decode_boxes(boxes, deltas_of(part, labels), stds, size))
            continue
        background = part.logits.shape[1] - 1
        truth = sample_labels(stage.samples[number], targets[number].labels, background)
        labels = torch.where(truth == background, labels, truth)
        decoded = decode_boxes(boxes, deltas_of(part, labels), stds, size)
        refined.append(decoded[~stage.samples[number].are_gt])
    return refined


def split_images(outputs: BoxOutputs, regions: Sequence[Tensor]) -> list[BoxOutputs]:
    """Each image's part of the outputs for all regions."""
    counts = [boxes.shape[0] for boxes in regions]
    parts = zip(outputs.logits.split(counts), outputs.deltas.split(counts), strict=True)
    return [BoxOutputs(logits, deltas) for logits, deltas in parts]
