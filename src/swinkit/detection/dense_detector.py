"""A detector that looks at every cell of a pyramid: what is found at any cell, and which of it stays.

Shapes: B images, R candidates or detections, M cells of all levels, K classes, H W original image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from swinkit.detection.detector import DetectorConfig, DetectorModel, Size
from swinkit.detection.nms import suppressed
from swinkit.detection.soft_nms import Suppression
from swinkit.detection.views import View, mirrored_boxes
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Detections


class Candidates(NamedTuple):
    """What an image may hold, before suppression, at the size of the original."""

    boxes: Tensor
    """(R, 4)."""
    scores: Tensor
    """(R,), 0..1."""
    labels: Tensor
    """(R,), 0..K-1."""
    cells: Tensor
    """(R,) int64: where each was found, numbers of the cells of all levels."""


class DenseConfig(DetectorConfig, Protocol):
    """What the configuration of such a detector has besides."""

    @property
    def nms_iou(self) -> float: ...

    @property
    def suppression(self) -> Suppression: ...

    @property
    def detections(self) -> int: ...


class DenseDetector(DetectorModel):
    """Subclasses have `candidates` and `cell_logits`, and `masks` and `shares` where they find masks."""

    config: DenseConfig

    @abstractmethod
    def candidates(self, outputs: Any, image: int, size: Size, scale: tuple[float, float] | None) -> Candidates:
        """What image number `image` may hold, above the score threshold.

        Args:
            outputs: what `forward` gave.
            image: its number in the batch.
            size: height and width of the original image.
            scale: see `DetectorModel.postprocess`.
        """

    @abstractmethod
    def cell_logits(self, outputs: Any) -> Tensor:
        """The class logits of all cells, (B, M, K), numbered as `Candidates.cells` are."""

    def masks(self, outputs: Any, image: int, cells: Tensor, size: Size) -> Tensor | None:
        """Masks (R, H, W) bool of what was found at `cells` (R,); None of a detector of boxes alone."""
        return None

    def shares(self, outputs: Any, image: int, cells: Tensor) -> Tensor | None:
        """What `masks` makes whole: probabilities (R, H, W) of the padded batch, see `DetectorModel.deployed`."""
        return None

    @torch.no_grad()
    def deployed(self, outputs: Any, size: Size) -> Detections:
        """See `DetectorModel.deployed`."""
        candidates = self.candidates(outputs, 0, size, (1.0, 1.0))
        kept, scores = self._kept(candidates)
        shares = self.shares(outputs, 0, candidates.cells[kept])
        return Detections(candidates.boxes[kept], scores, candidates.labels[kept], shares, size)

    def class_logits(self, outputs: Any, size: Size, *, scale: tuple[float, float] | None = None) -> Tensor:
        """See `DetectorModel.class_logits`."""
        with torch.no_grad():
            candidates = self.candidates(outputs, 0, size, scale)
            kept, _ = self._kept(candidates)
        return self.cell_logits(outputs)[0, candidates.cells[kept], candidates.labels[kept]]

    @torch.no_grad()
    def postprocess(
        self, outputs: Any, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        """See `DetectorModel.postprocess`: suppression within each class, at the original size."""
        results = []
        for image, size in enumerate(sizes):
            candidates = self.candidates(outputs, image, size, None if scales is None else scales[image])
            kept, scores = self._kept(candidates)
            masks = self.masks(outputs, image, candidates.cells[kept], size)
            results.append(Detections(candidates.boxes[kept], scores, candidates.labels[kept], masks, size))
        return results

    @torch.no_grad()
    def detect_views(self, views: Sequence[View], size: Size) -> Detections:
        """See `DetectorModel.detect_views`: the candidates of all views are suppressed together. A mask is that of the
        view in which its box was found; the network runs on that view once more for it."""
        parts = [self._seen_in(view, size) for view in views]
        candidates = Candidates(*(torch.cat(column) for column in zip(*parts, strict=True)))
        numbers = torch.tensor([len(part.scores) for part in parts], device=candidates.labels.device)
        view_of = torch.arange(len(parts), device=numbers.device).repeat_interleave(numbers)
        kept, scores = self._kept(candidates)
        masks = self._masks_in(views, view_of[kept], candidates.cells[kept], size) if self.has_masks else None
        return Detections(candidates.boxes[kept], scores, candidates.labels[kept], masks, size)

    def _seen_in(self, view: View, size: Size) -> Candidates:
        found = self.candidates(self(*pad_batch([view.image])), 0, size, view.scale)
        if not view.is_mirrored:
            return found
        return found._replace(boxes=mirrored_boxes(found.boxes, view.image.shape[2] / view.scale[0]))

    def _masks_in(self, views: Sequence[View], view_of: Tensor, cells: Tensor, size: Size) -> Tensor:
        masks = torch.zeros(len(cells), *size, dtype=torch.bool, device=cells.device)
        for number in view_of.unique().tolist():
            view, here = views[number], view_of == number
            found = self.masks(self(*pad_batch([view.image])), 0, cells[here], size)
            assert found is not None
            masks[here] = found.flip(2) if view.is_mirrored else found
        return masks

    def _kept(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        config = self.config
        return suppressed(*candidates[:3], suppression=config.suppression, iou=config.nms_iou, limit=config.detections)
