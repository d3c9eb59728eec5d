"""What a detector of regions finds in several views of an image, merged as the official code does for cascades: one set
of proposals, whose boxes and scores are averaged over the views, and so are the masks of what comes of them.

The network runs three times on every view, for proposals, boxes and masks, and nothing but their results is held from
one view to the next: the memory is that of the largest view.

Shapes: P proposals, R detections, K classes, M side of a mask, h w view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torchvision.ops import nms

from swinkit.detection.detector import Size
from swinkit.detection.inference import Found, detect_scored
from swinkit.detection.roi_head import RegionSettings
from swinkit.detection.rpn import ProposalConfig, Proposals
from swinkit.detection.views import View
from swinkit.structures import Detections


class ScoredBoxes(NamedTuple):
    """What becomes of P proposals."""

    boxes: Tensor
    """(P, K, 4), or (P, 1, 4) where boxes do not depend on the class."""
    scores: Tensor
    """(P, K + 1), 0..1, background last."""


class RegionDetector(Protocol):
    """The parts of a detector of regions that are asked one by one, of an image (3, h, w) of values 0..255."""

    def proposals_of(self, image: Tensor) -> Proposals:
        """Where something could be."""
        ...

    def scores_of(self, image: Tensor, proposals: Tensor) -> ScoredBoxes:
        """What proposals (P, 4) are, and where."""
        ...

    def masks_of(self, image: Tensor, boxes: Tensor, labels: Tensor) -> Tensor | None:
        """Masks (R, M, M), 0..1, of boxes (R, 4) of these classes (R,); None of a detector that has none."""
        ...


@torch.no_grad()
def detect_in_views(
    detector: RegionDetector, views: Sequence[View], size: Size, *, proposals: ProposalConfig, settings: RegionSettings
) -> Detections:
    """The detections of one image, best first, in its own pixels.

    Args:
        detector: in evaluation mode.
        views: how the image is shown.
        size: the image's height and width.
        proposals: which proposals stay.
        settings: what becomes a detection.
    """
    regions = merged_proposals([_upright(view, detector.proposals_of(view.image)) for view in views], proposals)
    scored = mean_scores(detector, views, regions.boxes)
    found = detect_scored(
        *scored,
        score_threshold=settings.score_threshold,
        nms_iou=settings.nms_iou,
        suppression=settings.suppression,
        detections=settings.detections,
    )
    return Detections(*found, mean_masks(detector, views, found), size)


def merged_proposals(parts: Sequence[Proposals], config: ProposalConfig) -> Proposals:
    """The best proposals of all views, at the original's size: what is left after NMS over all of them."""
    boxes, scores = (torch.cat(column) for column in zip(*parts, strict=True))
    kept = nms(boxes, scores, config.nms_iou)[: config.post_nms]
    return Proposals(boxes[kept], scores[kept])


def mean_scores(detector: RegionDetector, views: Sequence[View], regions: Tensor) -> ScoredBoxes:
    """Boxes and scores of regions (P, 4) of the original, the mean over the views."""
    boxes, scores = [], []
    for view in views:
        scored = detector.scores_of(view.image, view.shown(regions))
        boxes.append(view.original(scored.boxes))
        scores.append(scored.scores)
    return ScoredBoxes(torch.stack(boxes).mean(0), torch.stack(scores).mean(0))


def mean_masks(detector: RegionDetector, views: Sequence[View], found: Found) -> Tensor | None:
    """Masks (R, M, M) of detections at the original's size, the mean over the views."""
    total = None
    for view in views:
        masks = detector.masks_of(view.image, view.shown(found.boxes), found.labels)
        if masks is None:
            return None
        masks = masks.flip(2) if view.is_mirrored else masks
        total = masks if total is None else total + masks
    return None if total is None else total / len(views)


def _upright(view: View, proposals: Proposals) -> Proposals:
    return proposals._replace(boxes=view.original(proposals.boxes))
