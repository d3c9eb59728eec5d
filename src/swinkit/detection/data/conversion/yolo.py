"""YOLO: a text file for every image, a line for every object, coordinates in parts of the image's size.

    class centre-x centre-y width height                       a box
    class x y x y x y ...                                      a polygon
    class centre-x centre-y width height x y [v] x y [v] ...   a box with key points, where data.yaml has kpt_shape

`yolo_layout` says where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject
from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.yolo_layout import (
    find_yolo,
    label_path,
    label_places,
    read_description,
    read_yolo_classes,
    unused_files,
    whole_number,
)
from swinkit.errors import InputError
from swinkit.files import read_text
from swinkit.images.read import read_image_size

SLACK = 0.01
"""Coordinates may leave 0..1 by so much: roundings, and boxes drawn over the edge."""


def convert_yolo(
    root: Path, out: Path, findings: Findings, *, classes: Sequence[str] | None = None
) -> dict[str, CocoBuilder]:
    """The YOLO data in `root`, part by part, with file names relative to `out`.

    An image without a text file, or with an empty one, has no objects. Of lines with key points the box is taken.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        findings: gets a sentence for every text file with a line that is no box and no polygon, a number that is not a
            part of the size or a class that has no name, and every image that cannot be read; and counts images without
            text files, text files without images and the like.
        classes: names in the order of their numbers. Default: those of data.yaml, classes.txt or obj.names.

    Raises:
        InputError: where there are no class names, or no image has a text file.
    """
    key_points = _key_points(root)
    parts = find_yolo(root, findings)
    names = tuple(classes or read_yolo_classes(root))
    labels = {image: label_path(image) for images in parts.values() for image in images}
    _require_labels(root, labels)
    builders = {}
    for part, images in parts.items():
        builders[part] = CocoBuilder(out, names)
        for image in images:
            with findings.of_one_file():
                size, label = read_image_size(image), labels[image]
                found = [] if label is None else list(_objects(label, size, names, key_points))
                builders[part].add(image, size, found)
            if labels[image] is None:
                findings.leave_out("images without a text file, taken as background", image)
            if key_points and labels[image] is not None:
                findings.leave_out("files with key points, of which the boxes were taken", labels[image] or image)
    for reason, path in unused_files(root, list(labels), [path for path in labels.values() if path is not None]):
        findings.leave_out(reason, path)
    return builders


def _require_labels(root: Path, labels: dict[Path, Path | None]) -> None:
    """Raises InputError where no image has a text file."""
    if labels and not any(labels.values()):
        looked = label_places(next(iter(labels)))[0]
        raise InputError(
            f"none of the {len(labels)} images of {root} has a text file; looked for {looked} and the like"
        )


def _key_points(root: Path) -> int:
    """How many numbers of key points follow each box, by the description's kpt_shape; 0 where it has none."""
    shape = read_description(root).get("kpt_shape")
    if shape is None:
        return 0
    numbers = [whole_number(each) or 0 for each in shape] if isinstance(shape, list) else []
    if len(numbers) != 2 or not all(numbers):
        raise InputError(f"kpt_shape of {root} is {shape!r}; it must be the number of key points and 2 or 3")
    return numbers[0] * numbers[1]


def _objects(path: Path, size: tuple[int, int], names: Sequence[str], key_points: int) -> Iterator[FoundObject]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield _object(f"Line {number} of {path}", line.split(), size, names, key_points)


def _object(where: str, words: list[str], size: tuple[int, int], names: Sequence[str], key_points: int) -> FoundObject:
    try:
        label, values = float(words[0]), [float(word) for word in words[1:]]
    except (ValueError, OverflowError):
        raise InputError(f"{where} holds something that is no number: {' '.join(words)[:60]!r}") from None
    if not math.isfinite(label) or label != int(label):
        raise InputError(f"{where} holds something that is no number of a class: {words[0]!r}")
    if not 0 <= label < len(names):
        raise InputError(f"{where} has the class {label:g}, but there are names for 0 to {len(names) - 1} alone")
    values = _without_key_points(where, values, key_points)
    if not all(math.isfinite(value) and -SLACK <= value <= 1 + SLACK for value in values):
        raise InputError(f"{where} has numbers outside 0..1: YOLO's are parts of the image's width and height")
    width, height = size
    scaled = [value * (height if place % 2 else width) for place, value in enumerate(values)]
    if len(values) == 4:
        x, y, across, down = scaled
        return FoundObject(int(label), (x - across / 2, y - down / 2, across, down))
    left, top = min(scaled[::2]), min(scaled[1::2])
    box = (left, top, max(scaled[::2]) - left, max(scaled[1::2]) - top)
    return FoundObject(int(label), box, segmentation=[scaled])


def _without_key_points(where: str, values: list[float], key_points: int) -> list[float]:
    """The numbers of the box or polygon."""
    if key_points:
        if len(values) not in (4, 4 + key_points):
            raise InputError(
                f"{where} has {len(values)} numbers after the class, but by kpt_shape a box and its key points have "
                f"{4 + key_points}"
            )
        return values[:4]
    if len(values) == 5:
        raise InputError(f"{where} has 5 numbers after the class: are these predictions, with a score? Give labels")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise InputError(f"{where} has {len(values)} numbers after the class: 4 make a box, 6, 8, ... a polygon")
    return values
