"""From images of any size to the class of every pixel: whole or in sliding windows, at one scale or many.

Nothing of the size of all logits is kept but where probabilities themselves are asked for: logits come in bands of
rows, are resized, and end as classes or in the running sum of probabilities.

Shapes: B images of one size, H W image, h w resized image, K classes, R rows of a band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from swinkit.errors import InputError
from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.segmentation.bands import resized_bands
from swinkit.segmentation.model import SegmentorModel
from swinkit.structures import ONE_VIEW, Views

MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
"""The scales of the paper's results (section A2.3), each with and without flip."""


MOST_WHOLE = 2048 * 2048
"""Pixels of an image that is shown as it is; a larger one goes in tiles."""
TILE, MARGIN = 768, 128
"""Sides of what is kept of a tile, and pixels that it sees around that."""
MOST_VALUES = 2**29
"""Numbers, of 4 bytes, that are held for one image: all its probabilities, or a row of windows."""
MOST_SIDE, MOST_SCALES, MOST_SCALE, MOST_OVERLAP = 16_384, 32, 8.0, 32
"""What settings, which may come from a file, can ask for at most."""


@dataclass(frozen=True)
class InferenceSettings:
    """How an image is shown to the model. The default is once, whole, as large as it is.

    Raises InputError where the values do not fit together.
    """

    resize: tuple[int, int] | None = None
    """Shorter and longer side: the image is resized, keeping its proportions, to the largest size within both; of the
    published ADE20K results (512, 2048). None leaves it as it is."""
    scales: tuple[float, ...] = (1.0,)
    """What both sides of `resize`, or of the image, are multiplied with; the probabilities of all are averaged."""
    flip: bool = False
    """Show every scale mirrored, too."""
    crop: tuple[int, int] | None = None
    """Height and width of sliding windows; None shows the whole image at once."""
    stride: tuple[int, int] | None = None
    """Rows and columns between windows; None is two thirds of the crop."""
    windows_at_once: int = 1
    """Windows of an image in a batch: more are faster on a GPU and take more memory."""

    def __post_init__(self) -> None:
        positive = (*self.scales, *(self.resize or ()), *(self.crop or ()), *(self.stride or ()), self.windows_at_once)
        if len(self.scales) > MOST_SCALES or max(positive) > MOST_SIDE or max(self.scales, default=0) > MOST_SCALE:
            raise InputError(
                f"sides go up to {MOST_SIDE} pixels, and there can be {MOST_SCALES} scales of up to {MOST_SCALE}, not "
                f"{str(self)[:200]}"
            )
        if not self.scales or min(positive) <= 0:
            raise InputError(f"sides, scales, strides and windows_at_once must be above 0: {self}")
        if self.stride is not None and self.crop is None:
            raise InputError(f"a stride of {self.stride} needs a crop; without one the image is shown whole")
        if self.crop is not None and any(
            side > MOST_OVERLAP * step for step, side in zip(self.step, self.crop, strict=True)
        ):
            raise InputError(f"windows of {self.crop} need strides of a {MOST_OVERLAP}th or more, not {self.step}")
        if self.crop is not None and any(step > side for step, side in zip(self.step, self.crop, strict=True)):
            raise InputError(f"windows of {self.crop} every {self.step} pixels leave gaps; lower the stride")

    @property
    def step(self) -> tuple[int, int]:
        """Rows and columns between windows."""
        if self.stride is not None or self.crop is None:
            return self.stride or (1, 1)
        return max(1, self.crop[0] * 2 // 3), max(1, self.crop[1] * 2 // 3)

    def ways(self, views: Views) -> list[Way]:
        """Every time that an image is shown; scales of `views` take the place of these.

        Raises InputError where `views` has a longest side without scales, and images keep their size.
        """
        mirrored = (False, True) if self.flip or views.flip else (False,)
        return [Way(*limits, flip) for limits in self._limits(views) for flip in mirrored]

    def _limits(self, views: Views) -> list[tuple[tuple[int, int] | None, float]]:
        if not views.scales and views.longest_side is None:
            return [(self.resize, scale) for scale in self.scales]
        if self.resize is not None:
            shorter, longest = sorted(self.resize)
            return [(limits, 1.0) for limits in views.limits((shorter, longest))]
        if not views.scales:
            raise InputError("images keep their size here; a longest side needs scales beside it")
        return [((side, views.longest_side or UNLIMITED), 1.0) for side in views.scales]


class Way(NamedTuple):
    """One way in which an image is shown."""

    resize: tuple[int, int] | None
    """Shorter and longer side at most, before it is multiplied."""
    scale: float
    """What these, or the image's, are multiplied with."""
    is_mirrored: bool


UNLIMITED = 10**9
"""Pixels that no image has."""

WHOLE = InferenceSettings()


@torch.inference_mode()
def predict_classes(
    model: SegmentorModel, images: Tensor, settings: InferenceSettings = WHOLE, views: Views = ONE_VIEW
) -> Tensor:
    """The class of every pixel, (B, H, W) uint8 on the model's device, or int16 of more than 256 classes.

    An image that would be shown once and whole with more than `MOST_WHOLE` pixels is shown in tiles, each of which sees
    its surroundings of `MARGIN` pixels, so that memory does not grow with the image.

    Args:
        model: in evaluation mode.
        images: RGB (B, 3, H, W), values 0..255 of any number type, on any device.
        settings: how they are shown.
        views: the scales at which they are shown instead, and whether mirrored, too.

    Raises:
        InputError: where the images have another shape, the model is in training mode, or several views of so large
            an image, or windows of one so wide, would take more than `MOST_VALUES` of memory.
    """
    _check(model, images)
    ways = settings.ways(views)
    if len(ways) > 1:
        return class_probabilities(model, images, settings, views).argmax(1).to(_class_dtype(model))
    is_whole = settings.crop is None and settings.resize is None and views == ONE_VIEW
    if is_whole and images.shape[2] * images.shape[3] > MOST_WHOLE:
        return _tiled_classes(model, images, settings)
    bands = _bands(model, images, settings, ways[0])
    return torch.cat([band.argmax(1).to(_class_dtype(model)) for band in bands], 1)


@torch.inference_mode()
def class_probabilities(
    model: SegmentorModel, images: Tensor, settings: InferenceSettings = WHOLE, views: Views = ONE_VIEW
) -> Tensor:
    """The mean over all views of the softmax, (B, K, H, W) float32: the published code's rule. Arguments and errors are
    those of `predict_classes`."""
    _check(model, images)
    batch, _, height, width = images.shape
    if batch * model.num_classes * height * width > MOST_VALUES:
        raise InputError(
            f"the probabilities of {model.num_classes} classes for {batch} image(s) of {width} x {height} pixels take "
            "too much memory; show them once, without --scales and --flip, or scale them down"
        )
    total = torch.zeros(batch, model.num_classes, height, width, device=_device(model))
    ways = settings.ways(views)
    for way in ways:
        top = 0
        for band in _bands(model, images, settings, way):
            rows = total[:, :, top : top + band.shape[2]]
            rows += band.softmax(1)
            top += band.shape[2]
    return total.div_(len(ways))


def _tiled_classes(model: SegmentorModel, images: Tensor, settings: InferenceSettings) -> Tensor:
    """`predict_classes` tile by tile; what is kept of each is its middle, or what lies at the image's edge."""
    batch, _, height, width = images.shape
    found = torch.empty(batch, height, width, dtype=_class_dtype(model), device=_device(model))
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
            shown = images[:, :, first_row : top + TILE + MARGIN, first_column : left + TILE + MARGIN]
            tile = predict_classes(model, shown, settings)[:, top - first_row :, left - first_column :]
            found[:, top : top + TILE, left : left + TILE] = tile[:, :TILE, :TILE]
    return found


def _class_dtype(model: SegmentorModel) -> torch.dtype:
    return torch.uint8 if model.num_classes <= 256 else torch.int16


def sliding_bands(model: SegmentorModel, images: Tensor, settings: InferenceSettings) -> Iterator[Tensor]:
    """Mean logits of all windows over each pixel, in bands (B, K, R, w) of rows that no later window reaches.

    Args:
        model: in evaluation mode.
        images: RGB (B, 3, h, w), values 0..255.
        settings: with a crop.
    """
    if settings.crop is None:
        raise InputError("sliding windows need a crop: a height and width in pixels")
    batch, _, height, width = images.shape
    crop = (min(settings.crop[0], height), min(settings.crop[1], width))
    if batch * model.num_classes * crop[0] * width > MOST_VALUES:
        raise InputError(
            f"windows {crop[0]} pixels high over an image {width} pixels wide take too much memory for "
            f"{model.num_classes} classes; take lower windows, or show it with --mode whole, which goes in tiles"
        )
    tops = window_starts(height, settings.crop[0], settings.step[0])
    lefts = window_starts(width, settings.crop[1], settings.step[1])
    # Windows over a pixel: those over its row times those over its column.
    over_row, over_column = (_windows_over(*line) for line in ((height, crop[0], tops), (width, crop[1], lefts)))
    sums = torch.zeros(batch, model.num_classes, 0, width, device=_device(model))
    for top, finished in zip(tops, [*tops[1:], height], strict=True):
        fresh = sums.new_zeros(batch, model.num_classes, crop[0] - sums.shape[2], width)
        sums = torch.cat([sums, fresh], 2)  # from row `top` on
        _add_windows(sums, model, images[:, :, top : top + crop[0]], lefts, crop[1], settings.windows_at_once)
        counts = over_row[top:finished, None] * over_column
        yield sums[:, :, : finished - top].div_(counts.to(sums))
        sums = sums[:, :, finished - top :]


def window_starts(length: int, crop: int, step: int) -> list[int]:
    """Where windows begin along one side: every `step` pixels, the last one moved back so that it ends at the edge.

    The published code's rule. A side no longer than the crop has one window, at 0.
    """
    count = max(length - crop + step - 1, 0) // step + 1
    return [max(min(index * step, length - crop), 0) for index in range(count)]


def _bands(model: SegmentorModel, images: Tensor, settings: InferenceSettings, way: Way) -> Iterator[Tensor]:
    """Logits of one view at the images' own size and the right way round, in bands (B, K, R, W)."""
    batch, _, height, width = images.shape
    size = resized_shape(height, width, way.scale, way.resize)
    shown = resized_image(images.flatten(0, 1), size).unflatten(0, (batch, 3))
    if way.is_mirrored:
        shown = shown.flip(3)
    bands = _whole_bands(model, shown) if settings.crop is None else sliding_bands(model, shown, settings)
    for band in resized_bands(bands, size, (height, width)):
        yield band.flip(3) if way.is_mirrored else band


def _whole_bands(model: SegmentorModel, images: Tensor) -> Iterator[Tensor]:
    logits = _logits(model, images)
    yield from resized_bands([logits], (logits.shape[2], logits.shape[3]), (images.shape[2], images.shape[3]))


def _add_windows(
    sums: Tensor, model: SegmentorModel, strip: Tensor, lefts: list[int], width: int, at_once: int
) -> None:
    """Add the logits of one row of windows, cut from `strip` (B, 3, R, w), to the first R rows of `sums`."""
    rows = strip.shape[2]
    for start in range(0, len(lefts), at_once):
        group = lefts[start : start + at_once]
        windows = torch.cat([strip[..., left : left + width] for left in group])
        for left, each in zip(group, _logits(model, windows).split(len(strip)), strict=True):
            full = F.interpolate(each, size=windows.shape[2:], mode="bilinear", align_corners=False)
            sums[:, :, :rows, left : left + width] += full


def _logits(model: SegmentorModel, images: Tensor) -> Tensor:
    """Values 0..255 (B, 3, h, w) to float32 logits of the head, on the model's device and in its precision."""
    return model(images.to(_device(model))).head.float()


def _windows_over(length: int, crop: int, starts: list[int]) -> Tensor:
    """How many windows lie over each pixel of a side: (length,)."""
    counts = torch.zeros(length)
    for start in starts:
        counts[start : start + crop] += 1
    return counts


def _device(model: SegmentorModel) -> torch.device:
    return next(model.parameters()).device


def _check(model: SegmentorModel, images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape) < 1:
        raise InputError(f"images should be RGB (B, 3, H, W) with values 0..255, not {tuple(images.shape)}")
    if model.training:
        raise InputError(
            "the model is in training mode, where dropout and batch norm change it; call model.eval() first"
        )
