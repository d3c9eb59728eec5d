"""Boxes, masks, names and scores drawn over an image.

Shapes: N objects, H W image, h w picture of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from PIL import Image
from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.masks import paste_masks
from swinkit.pictures.figure import clip_name, new_figure
from swinkit.pictures.palette import (
    Colour,
    colours_of,
    colours_of_one_class,
    hex_code,
    instance_colours,
    readable_ink,
)
from swinkit.pictures.thumbnail import thumbnail
from swinkit.structures import Detections, Instances

DPI = 100
OPACITY = 0.4
"""Of masks."""
CONTOUR = 320
"""A mask's contour is as wide as the picture's longer side divided by this, at least a pixel."""
LONGEST_NAME = 24
ROOM = 44
"""Pixels: boxes narrower than this and than their text are labelled with the score alone."""


def check_objects(image: Image.Image, found: Instances | Detections, classes: Sequence[str]) -> None:
    """Raises InputError where `found` belongs to an image of another size or has labels without a name."""
    size = (image.height, image.width)
    other = found.size if isinstance(found, Detections) else None if found.masks is None else found.masks.shape[1:]
    if other is not None and tuple(other) != size:
        raise InputError(f"objects of an image of {tuple(other)} pixels (height, width) do not belong to one of {size}")
    if len(found.labels) and not 0 <= int(found.labels.min()) <= int(found.labels.max()) < len(classes):
        raise InputError(f"label {int(found.labels.max())} has no name: there are {len(classes)} classes")


def draw_objects(
    figure: Figure,
    place: tuple[float, float, float],
    image: Image.Image,
    found: Instances | Detections,
    classes: Sequence[str],
    *,
    font_size: float = 8.5,
    line_width: float = 1.6,
    is_labelled: bool = True,
    is_one_class: bool = False,
    palette: Sequence[Colour] = (),
) -> tuple[float, float]:
    """Draws `image` with its objects into `figure`.

    Args:
        figure: of `DPI` dots an inch.
        place: inches: left, top (from the figure's upper edge), longest side.
        image: any size; tiny ones are enlarged.
        found: objects at the image's size; those with the best scores lie on top.
        classes: names by label.
        font_size: of names and scores, in points; where labels would cover each other the later ones are left out.
        line_width: of boxes, in points.
        is_labelled: whether names and scores are written.
        is_one_class: whether all that is shown is of one class: then every instance has a colour of its own. Otherwise
            boxes and labels have the colour of their class, and masks a shade of it for each instance.
        palette: a colour for each class; empty for swinkit's own.

    Returns:
        Width and height in inches.
    """
    left, top, longest = place
    side = round(longest * DPI)
    picture = thumbnail(image, side, side)
    scale = picture.width / image.width, picture.height / image.height
    named = colours_of(len(classes), palette)
    colours, shades = object_colours(found.labels.tolist(), named, is_one_class=is_one_class)
    painted = _with_masks(picture, found, shades, scale)
    width, height = picture.width / DPI, picture.height / DPI
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_axis_off()
    axes.imshow(painted, interpolation="nearest", aspect="auto", extent=(0, picture.width, picture.height, 0))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    boxes = (found.boxes.detach().cpu().double() * torch.tensor([*scale, *scale], dtype=torch.float64)).tolist()
    for box, colour in reversed(list(zip(boxes, colours, strict=True))):
        _draw_box(axes, box, colour, line_width)
    if is_labelled:
        _write_labels(axes, boxes, found, classes, colours, font_size)
    return width, height


def object_colours(
    labels: Sequence[int], named: Sequence[Colour], *, is_one_class: bool
) -> tuple[list[Colour], list[Colour]]:
    """The colours of boxes and labels, and those of masks, by those of the classes."""
    if is_one_class and labels:
        own = [named[labels[0]], *colours_of_one_class(len(labels), labels[0])[1:]]
        return own, own
    return [named[label] for label in labels], instance_colours(labels, named)


def _with_masks(
    picture: Image.Image, found: Instances | Detections, colours: Sequence[Colour], scale: tuple[float, float]
) -> np.ndarray:
    """(h, w, 3) uint8: the picture under translucent masks with outlines, the first ones on top."""
    values = np.asarray(picture, dtype=np.float32)
    if found.masks is None or not len(found.masks):
        return values.astype(np.uint8)
    values = values.copy()
    masks = list(_shown_masks(found, (picture.height, picture.width), scale))
    for mask, colour in zip(reversed(masks), reversed(colours), strict=True):
        values[mask] = (1 - OPACITY) * values[mask] + OPACITY * np.array(colour, dtype=np.float32)
    width = max(1, round(max(picture.size) / CONTOUR))
    for mask, colour in zip(reversed(masks), reversed(colours), strict=True):
        values[_contour(mask, width)] = colour
    return values.round().astype(np.uint8)


def _shown_masks(found: Instances | Detections, size: tuple[int, int], scale: tuple[float, float]) -> list[np.ndarray]:
    """N masks (h, w) bool."""
    assert found.masks is not None
    if isinstance(found, Detections) and found.masks.dtype != torch.bool:
        boxes = found.boxes * torch.tensor([*scale, *scale], dtype=found.boxes.dtype, device=found.boxes.device)
        return [mask.cpu().numpy() for mask in paste_masks(found.masks.detach(), boxes.detach(), size)]
    rows, columns = (_middles(old, new) for old, new in zip(found.masks.shape[1:], size, strict=True))
    return [mask[rows][:, columns].cpu().numpy() for mask in found.masks]


def _middles(old: int, new: int) -> Tensor:
    """Which of `old` pixels lies at the middle of each of `new` ones."""
    return ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)).long().clamp(max=old - 1)


def _contour(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask (h, w) that are fewer than `width` steps, beside, above or below, from one outside it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return mask
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = mask[part]
    for _ in range(width):
        padded = np.pad(inside, 1)
        inside = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    contour = mask.copy()
    contour[part] &= ~inside
    return contour


def _draw_box(axes: Axes, box: Sequence[float], colour: Colour, line_width: float) -> None:
    left, top, right, bottom = box
    for width, edge in ((line_width + 1.2, (0.0, 0.0, 0.0, 0.45)), (line_width, hex_code(colour))):
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=edge, linewidth=width))


def _write_labels(
    axes: Axes,
    boxes: Sequence[Sequence[float]],
    found: Instances | Detections,
    classes: Sequence[str],
    colours: Sequence[Colour],
    font_size: float,
) -> None:
    """One label, in its own of the `colours`, at each box where there is room: above it, else below, else inside."""
    taken: list[Bbox] = []
    scores: Sequence[float | None] = found.scores.tolist() if isinstance(found, Detections) else [None] * len(boxes)
    for box, label, score, colour in zip(boxes, found.labels.tolist(), scores, colours, strict=True):
        number = "" if score is None else f"{score:.2f}"
        text = number if len(classes) == 1 else f"{clip_name(classes[label], LONGEST_NAME)} {number}".strip()
        width, height = _extent(text, font_size)
        if number and width > max(box[2] - box[0], ROOM):
            width, height = _extent(number, font_size)
            text = number
        if not text:  # the only class goes without saying
            continue
        spot = _free_spot(axes, box, (width, height), taken)
        if spot is not None:
            taken.append(spot)
            _write(axes, spot, text, colour, font_size)


def _free_spot(axes: Axes, box: Sequence[float], size: tuple[float, float], taken: Sequence[Bbox]) -> Bbox | None:
    """Where a label of this size can stand, in the picture and off the other labels."""
    width, height = size
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    left = min(max(0.0, box[0]), max(0.0, right - width))
    for top in (box[1] - height, box[3], box[1], box[3] - height):
        if 0 <= top <= bottom - height or (top == box[1] and height > bottom):
            spot = Bbox.from_bounds(left, top, width, height)
            if not any(_overlap(spot, other) for other in taken):
                return spot
    return None


def _overlap(one: Bbox, other: Bbox) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def _write(axes: Axes, spot: Bbox, text: str, colour: Colour, font_size: float) -> None:
    axes.add_patch(Rectangle((spot.x0, spot.y0), spot.width, spot.height, color=hex_code(colour), linewidth=0))
    ink = readable_ink(colour)
    middle = (spot.y0 + spot.y1) / 2
    axes.text(spot.x0 + 2, middle, text, fontsize=font_size, color=ink, va="center_baseline", ha="left", clip_on=True)


def _extent(text: str, font_size: float) -> tuple[float, float]:
    """Width and height in pixels of a label with this text."""
    measured = _MEASURE.figure.texts[0]
    measured.set_parse_math(False)
    measured.set_text(text)
    measured.set_fontsize(font_size)
    extent = measured.get_window_extent(_MEASURE.get_renderer())
    return float(extent.width) + 4, font_size * DPI / 72 * 1.35


def _measuring_canvas() -> FigureCanvasAgg:
    figure = new_figure(1, 1, dpi=DPI)
    figure.text(0, 0, "")
    return FigureCanvasAgg(figure)


_MEASURE = _measuring_canvas()
