"""From an image with labels to the tensors a segmentor is trained on, by random draws; and as they are, to evaluate.

All draws come from torch's global generator (`seeding.SeededSamples` seeds it per sample).

Shapes: B images, H W image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as V

from swinkit.errors import InputError
from swinkit.ops.labels import IGNORE
from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.segmentation.data.photometric import distort

_TRIES = 10
"""How often a crop with too much of one class is drawn again; the last one is taken whatever it holds."""


@dataclass(frozen=True)
class SegmentationAugmentation:
    """Resize, crop, flip, distort, pad; the defaults are the published ADE20K values.

    Raises InputError where a value is out of its range.
    """

    crop_size: tuple[int, int] = (512, 512)
    """Height and width of the training crops; smaller images are padded, at the right and bottom, with pixels that
    are zero after normalisation and ignored."""
    resize: tuple[int, int] | None = (512, 2048)
    """Shorter and longer side: the image is resized, keeping its proportions, to the largest size within both, times a
    random `ratio`. None takes the image's own size instead."""
    ratio: tuple[float, float] = (0.5, 2.0)
    """Between which numbers the random ratio is drawn."""
    most_of_one_class: float = 0.75
    """Crops in which one class has at least this share of the labelled pixels are drawn again, up to ten times; 1
    takes the first."""
    horizontal_flip: float = 0.5
    """Probability of mirroring."""
    photometric: bool = True
    """Random brightness, contrast, saturation and hue, see `swinkit.segmentation.data.photometric`."""

    def __post_init__(self) -> None:
        sides = (*self.crop_size, *(self.resize or ()))
        if min(sides) < 1 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"the crop, the resized sides and the ascending ratios must be above 0: {self}")
        if not (0 <= self.horizontal_flip <= 1 and 0 < self.most_of_one_class <= 1):
            raise InputError(f"the probability of flips and the most of one class must lie in 0..1: {self}")


class SegmentationBatch(NamedTuple):
    """Training crops."""

    images: Tensor
    """(B, 3, *crop) uint8, RGB."""
    labels: Tensor
    """(B, *crop) int64, 0..K-1 or 255 for pixels to ignore, the padding among them."""
    sizes: list[tuple[int, int]] | None
    """Height and width of each image without its padding; None where no crop has any."""


Crop = tuple[Tensor, Tensor, tuple[int, int]]
"""Image (3, *crop) uint8, labels (*crop) int64, height and width without the padding."""


class SegmentationTransform:
    """(RGB image, labels (H, W) uint8) to a `Crop`, by random draws."""

    def __init__(self, augmentation: SegmentationAugmentation) -> None:
        self.augmentation = augmentation

    def __call__(self, image: Image.Image, labels: np.ndarray) -> Crop:
        augmentation = self.augmentation
        pixels, truth = self._resized(V.pil_to_tensor(image), torch.from_numpy(labels))
        rows, columns = self._crop(truth)
        pixels, truth = pixels[:, rows, columns], truth[rows, columns]
        if torch.rand(()) < augmentation.horizontal_flip:
            pixels, truth = pixels.flip(2), truth.flip(1)
        if augmentation.photometric:
            pixels = V.pil_to_tensor(distort(V.to_pil_image(pixels)))
        return self._padded(pixels, truth.long())

    def _resized(self, pixels: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.augmentation.ratio
        scale = low + (high - low) * float(torch.rand(()))
        size = resized_shape(pixels.shape[1], pixels.shape[2], scale, self.augmentation.resize)
        return resized_image(pixels, size), F.interpolate(truth[None, None], size=size, mode="nearest")[0, 0]

    def _crop(self, truth: Tensor) -> tuple[slice, slice]:
        """Where to cut."""
        for _ in range(1 + _TRIES):
            places = tuple(
                _random_part(length, crop)
                for length, crop in zip(truth.shape, self.augmentation.crop_size, strict=True)
            )
            if self.augmentation.most_of_one_class == 1:
                break
            counts = torch.bincount(truth[places].flatten(), minlength=IGNORE + 1)[:IGNORE]
            if counts.count_nonzero() > 1 and counts.max() < self.augmentation.most_of_one_class * counts.sum():
                break
        rows, columns = places
        return rows, columns

    def _padded(self, pixels: Tensor, truth: Tensor) -> Crop:
        height, width = self.augmentation.crop_size
        size = (truth.shape[0], truth.shape[1])
        missing = (0, width - size[1], 0, height - size[0])
        return F.pad(pixels, missing), F.pad(truth, missing, value=IGNORE), size


def collate_crops(crops: Sequence[Crop]) -> SegmentationBatch:
    """Crops of one size as a batch."""
    images, labels, sizes = zip(*crops, strict=True)
    is_full = all(size == tuple(label.shape) for size, label in zip(sizes, labels, strict=True))
    return SegmentationBatch(torch.stack(images), torch.stack(labels), None if is_full else list(sizes))


class SegmentationEvaluation:
    """(RGB image, labels (H, W) uint8) to (uint8 (3, H, W), int64 (H, W)): as they are, without a draw."""

    def __call__(self, image: Image.Image, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        return V.pil_to_tensor(image), torch.from_numpy(labels).long()


def _random_part(length: int, crop: int) -> slice:
    start = int(torch.randint(max(length - crop, 0) + 1, ()))
    return slice(start, start + crop)
