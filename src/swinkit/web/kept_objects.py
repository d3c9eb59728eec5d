"""What is kept of one forward pass of a detector.

Shapes: N instances, M side of a mask that fills its box, H W image, h w image as it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swinkit.detection.pictures.objects import object_colours
from swinkit.detection.predictor import Detector
from swinkit.detection.result import DetectionResult
from swinkit.pictures.palette import colours_of, hex_code, readable_ink
from swinkit.pictures.thumbnail import fitted_size
from swinkit.structures import Detections
from swinkit.web.markup import outline, picture, reduced, text

LEAST_KEPT = 0.05
"""Score; what is below is noise."""
MOST_KEPT = 100
"""Instances, those with the best scores; as many as COCO counts."""
MASK_SIDE = 320
"""Masks of whole images are kept with so many pixels a side."""
STAGE, LETTER, TAG_HEIGHT = 480, 7, 18
"""Pixels on the screen: the width of the picture, a letter's, and a label's height."""
MOST_ENTRIES = 12
"""The legend names so many classes."""


@dataclass(frozen=True)
class Shape:
    """The outline of a mask."""

    path: str
    """SVG, in cells."""
    cells: tuple[int, int]
    """Across and down."""
    place: tuple[float, float, float, float]
    """Left, top, right and bottom of the cells, in pixels of the shown image."""


@dataclass(frozen=True)
class KeptObjects:
    """What was found in an image, best first, from which any number and any threshold are taken later."""

    result: DetectionResult
    """In pixels of the image as it is shown."""
    original: DetectionResult
    """In pixels of the image itself, for `data`; masks that fill their boxes, or none."""
    run_lengths: tuple[dict[str, Any], ...]
    """Of masks of whole images, which take too much room to be kept."""
    shapes: tuple[Shape | None, ...]
    """The outline of each mask."""

    def chosen(self, least: float, top: int) -> DetectionResult:
        """Those with at least the score `least`, 0..1, at most `top`."""
        return self.result.above(least, top=top)

    def html(self, least: float, top: int) -> str:
        """The image with boxes and masks, each of which can be pointed at, and a legend."""
        shown = self.chosen(least, top)
        named = colours_of(len(shown.classes), shown.palette)
        boxes, masks = object_colours(shown.labels.tolist(), named, is_one_class=len(shown.counts()) == 1)
        tags = _tags(shown)
        parts = [
            (
                area,
                self._instance(
                    number,
                    shown,
                    tags[number],
                    f"--colour:{hex_code(box)};--shade:{hex_code(mask)};--ink:{readable_ink(box)}",
                ),
            )
            for number, (area, box, mask) in enumerate(zip(_areas(shown.boxes), boxes, masks, strict=True))
        ]
        # Small ones lie on top, so that each can be pointed at.
        inside = "".join(part for _, part in sorted(parts, key=lambda part: -part[0]))
        width, height = shown.image.size
        seen = picture(shown.image, "the picture")
        stage = f'<div class="stage" style="--ratio:{width / height:.4f}">{seen}{inside}</div>'
        return f"{stage}{_legend(shown)}"

    def _instance(self, number: int, shown: DetectionResult, tag: str, colours: str) -> str:
        left, top, right, bottom = shown.boxes[number].tolist()
        width, height = shown.image.size
        across, down = max(right - left, 1e-3), max(bottom - top, 1e-3)
        name, score = shown.names[number], f"{100 * float(shown.scores[number]):.0f} %"
        place = (
            f"left:{100 * left / width:.3f}%;top:{100 * top / height:.3f}%;"
            f"width:{100 * across / width:.3f}%;height:{100 * down / height:.3f}%"
        )
        return (
            f'<div class="found" tabindex="0" role="img" aria-label="{text(name)}, {score}" style="{place};{colours}">'
            f"{_svg(self.shapes[number], (left, top, across, down))}"
            f'<span class="{tag}">{text(name)} <b>{score}</b></span></div>'
        )

    def picture(self, least: float, top: int) -> Image.Image:
        """The image with boxes, masks and a legend."""
        return self.chosen(least, top).draw()

    def data(self, least: float, top: int) -> Any:
        """Plain data, in pixels of the image itself."""
        rows = self.original.above(least, top=top).to_dict()
        for row, mask in zip(rows, self.run_lengths, strict=False):
            row["mask"] = mask
        return {"objects": rows}


def look_for_objects(detector: Detector, image: Image.Image) -> KeptObjects:
    """One forward pass."""
    result = detector.predict(image, threshold=LEAST_KEPT, top=MOST_KEPT)
    assert isinstance(result, DetectionResult)
    small = reduced(image)
    found = result.detections
    is_whole = found.masks is not None and found.masks.dtype == torch.bool
    run_lengths = tuple(row["mask"] for row in result.to_dict()) if is_whole else ()
    shown = _scaled(found, small)
    original = found._replace(masks=None) if is_whole else found
    return KeptObjects(
        replace(result, detections=shown, image=small),
        replace(result, detections=original, image=small),
        run_lengths,
        tuple(_shapes(shown)),
    )


def _scaled(found: Detections, image: Image.Image) -> Detections:
    """The same in the pixels of a smaller image."""
    height, width = found.size
    scale = torch.tensor([image.width / width, image.height / height] * 2)
    masks = found.masks
    if masks is not None and masks.dtype == torch.bool:
        across, down = fitted_size(image.size, MASK_SIDE, MASK_SIDE)
        rows, columns = (torch.linspace(0, side - 1, count).long() for side, count in ((height, down), (width, across)))
        masks = masks[:, rows][:, :, columns]
    return Detections(found.boxes * scale, found.scores, found.labels, masks, (image.height, image.width))


def _shapes(found: Detections) -> list[Shape | None]:
    if found.masks is None:
        return [None] * len(found.scores)
    height, width = found.size
    if found.masks.dtype != torch.bool:
        return [
            Shape(outline(mask), (mask.shape[1], mask.shape[0]), (box[0], box[1], box[2], box[3]))
            for mask, box in zip(found.masks.numpy(), found.boxes.tolist(), strict=True)
        ]
    return [
        Shape(outline(mask), (mask.shape[1], mask.shape[0]), (0.0, 0.0, float(width), float(height)))
        for mask in found.masks.numpy().astype(np.float32)
    ]


def _svg(shape: Shape | None, box: tuple[float, float, float, float]) -> str:
    """The outline of a mask, placed in its box: left, top, width and height."""
    if shape is None or not shape.path:
        return ""
    left, top, width, height = box
    place = (
        f"left:{100 * (shape.place[0] - left) / width:.2f}%;top:{100 * (shape.place[1] - top) / height:.2f}%;"
        f"width:{100 * (shape.place[2] - shape.place[0]) / width:.2f}%;"
        f"height:{100 * (shape.place[3] - shape.place[1]) / height:.2f}%"
    )
    return (
        f'<svg viewBox="0 0 {shape.cells[0]} {shape.cells[1]}" preserveAspectRatio="none" style="{place}" '
        f'aria-hidden="true"><path d="{shape.path}"/></svg>'
    )


def _tags(shown: DetectionResult) -> list[str]:
    """The classes, of the style sheet, of every label: above its box, or inside where there is no room, and not seen
    where a better one stands. Nobody knows how large the picture is on the screen; half a screen is assumed."""
    width, height = shown.image.size
    high = TAG_HEIGHT / (STAGE / (width / height))
    taken: list[tuple[float, float, float, float]] = []
    tags = []
    for (left, top, right, _), name in zip(shown.boxes.tolist(), shown.names, strict=True):
        wide = (len(name) + 6) * LETTER / STAGE
        is_inside, is_right = top / height < high, left / width + wide > 1
        start = right / width - wide if is_right else left / width
        above = top / height - (0 if is_inside else high)
        spot = (start, above, start + wide, above + high)
        is_taken = any(spot[0] < x1 and x0 < spot[2] and spot[1] < y1 and y0 < spot[3] for x0, y0, x1, y1 in taken)
        if not is_taken:
            taken.append(spot)
        tags.append(f"tag{' in' * is_inside}{' left' * is_right}{' behind-others' * is_taken}")
    return tags


def _areas(boxes: Tensor) -> list[float]:
    areas: list[float] = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).tolist()
    return areas


def _legend(shown: DetectionResult) -> str:
    counts = list(shown.counts().items())
    if not counts:
        return '<p class="hint">Nothing found with so high a score.</p>'
    named = dict(zip(shown.classes, colours_of(len(shown.classes), shown.palette), strict=True))
    # Instances of the only class have colours of their own.
    is_one = len(counts) == 1
    entries = [
        f'<li><i style="background:{"transparent" if is_one else hex_code(named[name])}"></i>{text(name)} '
        f"<b>× {count}</b></li>"
        for name, count in counts[:MOST_ENTRIES]
    ]
    if len(counts) > MOST_ENTRIES:
        entries.append(f"<li>{len(counts) - MOST_ENTRIES} classes more</li>")
    return f'<ul class="legend{" one" if is_one else ""}" aria-label="what was found">{"".join(entries)}</ul>'
