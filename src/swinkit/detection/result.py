"""What a detector finds in one image, as something to look at, to count and to write down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from swinkit.detection.pictures.detections import draw_detections, picture_of_detections
from swinkit.detection.scores import encode_mask
from swinkit.ops.masks import paste_masks
from swinkit.structures import Detections


@dataclass(frozen=True, eq=False, repr=False)
class DetectionResult:
    """The instances of one image, best first."""

    detections: Detections
    classes: tuple[str, ...]
    """Names; label i is classes[i]."""
    image: Image.Image

    @property
    def boxes(self) -> Tensor:
        """(N, 4): left, top, right, bottom in pixels of the image."""
        return self.detections.boxes

    @property
    def scores(self) -> Tensor:
        """(N,), 0..1, descending."""
        return self.detections.scores

    @property
    def labels(self) -> Tensor:
        """(N,), 0..K-1."""
        return self.detections.labels

    @property
    def names(self) -> list[str]:
        """The class name of each instance."""
        return [self.classes[label] for label in self.labels.tolist()]

    @property
    def masks(self) -> list[Tensor] | None:
        """(H, W) bool of each instance at the image's size; None where the detector finds boxes alone."""
        if self.detections.masks is None:
            return None
        return list(paste_masks(self.detections.masks, self.boxes, self.detections.size))

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"DetectionResult({counts or 'nothing found'})"

    def counts(self) -> dict[str, int]:
        """How many instances of each class there are, most frequent first."""
        return dict(Counter(self.names).most_common())

    def above(self, threshold: float, *, top: int | None = None) -> DetectionResult:
        """The instances with at least this score, 0..1, and of them the `top` best."""
        return DetectionResult(self.detections.above(threshold, top=top), self.classes, self.image)

    def draw(self) -> Image.Image:
        """The image with boxes, masks, names and scores, and a legend below."""
        return picture_of_detections(self.image, self.detections, self.classes)

    def save(self, path: str | Path) -> None:
        """Write what `draw` gives as PNG; raises InputError where it cannot be written."""
        draw_detections(self.image, self.detections, self.classes, Path(path))

    def to_dict(self) -> list[dict[str, Any]]:
        """As plain data for JSON: class, score, box, and the mask in COCO's run lengths where there is one."""
        rows: list[dict[str, Any]] = [
            {"class": name, "score": score, "box": box}
            for name, score, box in zip(self.names, self.scores.tolist(), self.boxes.tolist(), strict=True)
        ]
        for row, mask in zip(rows, self.masks or [], strict=False):
            row["mask"] = encode_mask(mask.cpu().numpy())
        return rows
