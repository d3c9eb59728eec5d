"""A detector as an exported file: the module that is exported, what the file says, and a detector that runs the file.

Shapes: N detections, M side of a mask, h w image, H W original image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Self, cast, get_args

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.detector import DetectorModel, Size, at_original_size
from swinkit.detection.dynamic_masks import OUTPUT_STRIDE, whole_masks
from swinkit.detection.predictor import Detector
from swinkit.detection.result import DetectionResult
from swinkit.errors import InputError
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import Detections, ExportedFile, Instances, Views

DIVISOR = 32
"""Images are padded to multiples of so many pixels, as `swinkit.layers.pixels.pad_batch` does it."""
OUTPUTS = ("boxes", "scores", "labels", "masks")
NO_MASKS = "none"

Run = Callable[[Tensor], tuple[Tensor, ...]]
Fill = Literal["boxes", "image"]


class ExportableDetector(nn.Module):
    """One image (1, 3, h, w), values 0..255, without padding, to its detections, best first: boxes (N, 4) in its
    pixels, scores (N,), labels (N,) and, where there are masks, those of `DetectorModel.deployed`."""

    def __init__(self, model: DetectorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        height, width = images.shape[2:]
        # In this form, and not as -width % DIVISOR, tracers see that every map of the padded image is whole cells.
        right, bottom = ((side + DIVISOR - 1) // DIVISOR * DIVISOR - side for side in (width, height))
        padded = F.pad(images, (0, right, 0, bottom))
        found = self.model.deployed(self.model(padded, [(height, width)]), (height, width))
        return found[:3] if found.masks is None else (*found[:3], found.masks)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return OUTPUTS if self.model.has_masks else OUTPUTS[:3]


def detector_metadata(detector: Detector) -> dict[str, str]:
    """What an exported file says about its detector and how it is used."""
    model = detector.model
    masks = {
        "boxes": "; masks (N, M, M), 0..1, to be stretched over their boxes and cut at 0.5",
        "image": f"; masks (N, ...), 0..1, of the image padded to multiples of {DIVISOR}, a cell every {OUTPUT_STRIDE} "
        "pixels, to be resized to the image and cut at 0.5",
    }
    return {
        "format": "swinkit",
        "task": "detection",
        "architecture": str(detector.description["architecture"]),
        "classes": json.dumps(list(detector.classes), ensure_ascii=False),
        "preprocessing": json.dumps(to_plain(detector.preprocessing)),
        "masks": model.masks_fill if model.has_masks else NO_MASKS,
        "input": "images: one RGB image (1, 3, height, width), float32 values 0..255, resized as preprocessing says",
        "output": "boxes (N, 4) left, top, right, bottom in pixels of the input, best first; scores (N); labels (N)"
        + (masks[model.masks_fill] if model.has_masks else ""),
    }


class FileOutputs(NamedTuple):
    """What a file says of a batch."""

    found: list[tuple[Tensor, ...]]
    """The outputs for each image."""
    sizes: list[Size]
    """Heights and widths of the images without padding."""


class FileDetector(DetectorModel):
    """A detector without weights: a file runs in its place, and one image at a time.

    Args:
        run: the file as a function of an image, as `ExportableDetector` is.
        num_classes: K.
        masks: what the masks of the file fill; None where it finds boxes alone.
    """

    def __init__(self, run: Run, *, num_classes: int, masks: Fill | None) -> None:
        super().__init__()
        self.run = run
        self.num_classes = num_classes
        self.has_masks = masks is not None
        self.masks_fill = masks or "boxes"
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)
        """Says that it runs on the CPU."""

    def forward(self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None) -> FileOutputs:
        """See `DetectorModel.forward`; raises InputError where there are targets."""
        if targets is not None:
            raise InputError("an exported detector does not learn; train the checkpoint that it was made of")
        found = [self.run(x[None, :, :h, :w].float().contiguous()) for x, (h, w) in zip(images, sizes, strict=True)]
        for each in found:
            self._check(each)
        return FileOutputs(found, list(sizes))

    def _check(self, found: tuple[Tensor, ...]) -> None:
        ranks = (2, 1, 1, 3) if self.has_masks else (2, 1, 1)
        count = len(found[0]) if found and found[0].ndim else -1
        fits = tuple(each.ndim for each in found) == ranks and all(len(each) == count for each in found)
        if not fits or found[0].shape[1] != 4 or not ((found[2] >= 0) & (found[2] < self.num_classes)).all():
            raise InputError(
                f"the exported file gives {[tuple(each.shape) for each in found]}, which are no detections of "
                f"{self.num_classes} classes; export the model again"
            )

    def losses(self, outputs: Any, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Raises InputError: there are none."""
        raise InputError("an exported detector does not learn; train the checkpoint that it was made of")

    @torch.no_grad()
    def postprocess(
        self, outputs: FileOutputs, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        """See `DetectorModel.postprocess`."""
        results = []
        for number, (found, shown, size) in enumerate(zip(outputs.found, outputs.sizes, sizes, strict=True)):
            boxes = at_original_size(found[0], shown, size, None if scales is None else scales[number])
            masks = found[3] if self.has_masks else None
            if masks is not None and self.masks_fill == "image":
                masks = whole_masks(masks, shown, size)
            results.append(Detections(boxes, found[1], found[2], masks, size))
        return results


class ExportedDetector(Detector):
    """A detector that runs an exported file; see `Detector`."""

    @classmethod
    def from_exported(cls, file: ExportedFile) -> Self:
        """The detector of a file; raises InputError where that does not say what `detector_metadata` does."""
        told = file.metadata
        resize = from_plain(DetectionResize, told["preprocessing"], where=f"the preprocessing of {file.path}")
        masks = told.get("masks")
        if masks not in (*get_args(Fill), NO_MASKS):
            raise InputError(f"{file.path} has masks of an unknown kind; export the model again")
        model = FileDetector(
            file.run, num_classes=len(file.classes), masks=None if masks == NO_MASKS else cast("Fill", masks)
        )
        description = {"task": file.task, "architecture": told.get("architecture"), "exported": str(file.path)}
        return cls(model.eval(), file.classes, resize, description)

    def _in_views(self, pictures: Sequence[Image.Image], views: Views) -> Iterator[DetectionResult]:
        raise InputError("an exported detector is shown an image once; several views need the checkpoint")
