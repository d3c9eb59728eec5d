"""A segmentor as an exported file: the module that is exported, what the file says, and a segmentor that runs the file.

Shapes: B images, H W image, h w map of logits, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from swinkit.errors import InputError
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import SegmentationOutputs, SegmentorModel
from swinkit.segmentation.predictor import Segmentor
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import ExportedFile

OUTPUTS = ("logits",)


class ExportableSegmentor(nn.Module):
    """Images (B, 3, H, W), values 0..255, to logits (B, K, h, w) at the size of the finest feature."""

    def __init__(self, model: SegmentorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).head
        return logits


def segmentor_metadata(segmentor: Segmentor) -> dict[str, str]:
    """What an exported file says about its segmentor and how it is used."""
    return {
        "format": "swinkit",
        "task": "segmentation",
        "architecture": str(segmentor.description["architecture"]),
        "classes": json.dumps(list(segmentor.classes), ensure_ascii=False),
        "preprocessing": json.dumps(to_plain(segmentor.preprocessing)),
        "input": "images: RGB (batch, 3, height, width), float32 values 0..255",
        "output": "logits (batch, classes, ...) of fewer pixels, to be resized to the image bilinearly; the largest is "
        "the pixel's class",
    }


class FileSegmentor(SegmentorModel):
    """A segmentor without weights: a file runs in its place.

    Args:
        run: the file as a function of images, as `ExportableSegmentor` is.
        num_classes: K.
    """

    def __init__(self, run: Callable[[Tensor], tuple[Tensor, ...]], *, num_classes: int) -> None:
        super().__init__()
        self.run = run
        self.num_classes = num_classes
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)
        """Says that it runs on the CPU."""

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> SegmentationOutputs:
        """See `UperNet.forward`; raises InputError where images are padded."""
        if sizes is not None and any(size != tuple(images.shape[2:]) for size in sizes):
            raise InputError("an exported segmentor is shown images without padding")
        logits = self.run(images.float().contiguous())[0]
        if logits.ndim != 4 or logits.shape[:2] != (len(images), self.num_classes):
            raise InputError(
                f"the exported file gives {tuple(logits.shape)}, which are no logits of {self.num_classes} classes;"
                " export the model again"
            )
        return SegmentationOutputs(logits)


class ExportedSegmentor(Segmentor):
    """A segmentor that runs an exported file; see `Segmentor`."""

    @classmethod
    def from_exported(cls, file: ExportedFile) -> Self:
        """The segmentor of a file; raises InputError where that does not say what `segmentor_metadata` does."""
        told = file.metadata
        settings = from_plain(InferenceSettings, told["preprocessing"], where=f"the preprocessing of {file.path}")
        description = {"task": file.task, "architecture": told.get("architecture"), "exported": str(file.path)}
        return cls(FileSegmentor(file.run, num_classes=len(file.classes)).eval(), file.classes, settings, description)
