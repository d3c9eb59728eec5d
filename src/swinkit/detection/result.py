"""What a detector finds in one image, as something to look at, to count and to write down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swinkit.detection.pictures.detections import draw_detections, picture_of_detections, picture_of_the_size
from swinkit.detection.scores import encode_mask
from swinkit.errors import InputError
from swinkit.ops.masks import paste_masks
from swinkit.pictures.figure import png_of
from swinkit.structures import Detections


@dataclass(frozen=True, eq=False, repr=False)
class DetectionResult:
    """The instances of one image, best first."""

    detections: Detections
    classes: tuple[str, ...]
    """Names; label i is classes[i]."""
    image: Image.Image
    palette: tuple[tuple[int, int, int], ...] = ()
    """A colour for each class; empty for swinkit's own."""

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

    def __getitem__(self, which: int | slice | Sequence[int] | Sequence[bool] | np.ndarray | Tensor) -> DetectionResult:
        """Some of the instances, as tensors are indexed: by number, slice, numbers, or a boolean for each.

        Raises IndexError where there is no such instance.
        """
        index = which if isinstance(which, (int, slice)) else torch.as_tensor(which, device=self.scores.device)
        if isinstance(index, Tensor) and index.numel() == 0:
            index = index.long()  # an empty list has no type of its own
        numbers = torch.arange(len(self), device=self.scores.device)[index].reshape(-1)
        return replace(self, detections=self.detections.chosen(numbers))

    def to(self, device: str | torch.device) -> DetectionResult:
        """The same with its tensors on a device, such as "cpu"."""
        return replace(self, detections=self.detections.moved(device))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"DetectionResult({counts or 'nothing found'})"

    def counts(self) -> dict[str, int]:
        """How many instances of each class there are, most frequent first."""
        return dict(Counter(self.names).most_common())

    def above(self, threshold: float, *, top: int | None = None) -> DetectionResult:
        """The instances with at least this score, 0..1, and of them the `top` best."""
        return replace(self, detections=self.detections.above(threshold, top=top))

    def draw(self) -> Image.Image:
        """The image with boxes, masks, names and scores, and a legend below."""
        return picture_of_detections(self.image, self.detections, self.classes, palette=self.palette)

    def on_image(self) -> Image.Image:
        """The image at its own size, with boxes, masks, names and scores: a frame of a video."""
        return picture_of_the_size(self.image, self.detections, self.classes, palette=self.palette)

    def save(self, path: str | Path) -> None:
        """Write what `draw` gives as PNG; raises InputError where it cannot be written."""
        draw_detections(self.image, self.detections, self.classes, Path(path), palette=self.palette)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return png_of(self.draw())

    def to_supervision(self) -> Any:
        """As `supervision.Detections`, with the names as its data "class_name"; raises InputError where that library
        is not installed."""
        try:
            import supervision
        except ImportError:
            raise InputError("supervision is not installed; install it with pip install supervision") from None
        masks = None if self.masks is None else np.zeros((0, *self.detections.size), dtype=bool)
        if self.masks:
            masks = torch.stack(self.masks).cpu().numpy()
        return supervision.Detections(
            xyxy=self.boxes.cpu().numpy(),
            mask=masks,
            confidence=self.scores.cpu().numpy(),
            class_id=self.labels.cpu().numpy(),
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Rows of a COCO result file, which pycocotools' `loadRes` reads: boxes are left, top, width, height.

        Args:
            image_id: the image's number in the ground truth.
            category_ids: the number of each class there; by default 1, 2, ...

        Raises:
            InputError: where these are not as many numbers as classes.
        """
        ids = range(1, len(self.classes) + 1) if category_ids is None else category_ids
        if len(ids) != len(self.classes):
            raise InputError(f"category_ids names {len(ids)} classes, but there are {len(self.classes)}; give one each")
        rows: list[dict[str, Any]] = []
        for row, label in zip(self.to_dict(), self.labels.tolist(), strict=True):
            left, top, right, bottom = row["box"]
            box = [left, top, right - left, bottom - top]
            found = {"image_id": image_id, "category_id": ids[label], "bbox": box, "score": row["score"]}
            rows.append(found | ({"segmentation": row["mask"]} if "mask" in row else {}))
        return rows

    def to_dict(self) -> list[dict[str, Any]]:
        """As plain data for JSON: class, score, box, and the mask in COCO's run lengths where there is one."""
        rows: list[dict[str, Any]] = [
            {"class": name, "score": score, "box": box}
            for name, score, box in zip(self.names, self.scores.tolist(), self.boxes.tolist(), strict=True)
        ]
        for row, mask in zip(rows, self.masks or [], strict=False):
            row["mask"] = encode_mask(mask.cpu().numpy())
        return rows
