"""LabelMe: a json for every image, with polygons, rectangles, circles or masks."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject, find_image
from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.parts import by_folder
from swinkit.detection.data.conversion.places import find_place
from swinkit.detection.data.conversion.shapes import Points, box_object, ellipse, mask_object, polygons_object
from swinkit.errors import InputError, border
from swinkit.files import MOST_TEXT, BoundedFile, read_json
from swinkit.images.listing import list_images, walk_files
from swinkit.images.read import read_image_size

NO_OBJECTS = ("__ignore__", "_background_", "__background__")
"""What LabelMe calls regions that are no objects."""


@dataclass(frozen=True)
class _Shape:
    label: str
    kind: str
    points: Points
    group: Any
    mask: str | None


@dataclass(frozen=True)
class _File:
    path: Path
    image: Path
    size: tuple[int, int]
    shapes: tuple[_Shape, ...]


def find_labelme(root: Path) -> list[Path]:
    """The json files in `root` that LabelMe wrote, by their beginning."""
    return [path for path in walk_files(root) if path.suffix.lower() == ".json" and _is_labelme(path)]


def convert_labelme(
    root: Path, out: Path, findings: Findings, *, classes: Sequence[str] | None = None
) -> dict[str, CocoBuilder]:
    """LabelMe's files in `root`, part by part, with file names relative to `out`.

    Shapes of one group and label are one object. Points and lines are left out and counted.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        findings: gets a sentence for every json that is broken, its image missing or of another size, and counts
            what is left out.
        classes: names in the order of their ids. Default: those that occur, sorted.
    """
    parts: dict[str, list[_File]] = {}
    for part, paths in by_folder(root, find_labelme(root)).items():
        parts[part] = []
        for path in paths:
            with findings.of_one_file():
                parts[part].append(_read(root, path, findings))
    shapes = [shape for part in parts.values() for file in part for shape in file.shapes]
    names = tuple(classes or sorted({shape.label for shape in shapes} - set(NO_OBJECTS)))
    builders = {}
    for part, files in parts.items():
        builders[part] = CocoBuilder(out, names)
        for file in files:
            with findings.of_one_file():
                builders[part].add(file.image, file.size, list(_objects(file, names, findings)))
    used = {file.image.resolve() for part in parts.values() for file in part}
    for image in list_images(root).images:
        if image.resolve() not in used:
            findings.leave_out("images without a json", image)
    return builders


def _is_labelme(path: Path) -> bool:
    try:
        with BoundedFile(path) as file:
            start = file.read(200_000)
            return b'"shapes"' in start or (b'"imageData"' in start and b'"shapes"' in start + file.read(MOST_TEXT))
    except (OSError, InputError):
        return False


def _read(root: Path, path: Path, findings: Findings) -> _File:
    content = read_json(path, advice="correct it, or save it again")
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise InputError(f"{path} has no list of shapes, so it is none of LabelMe's files")
    written = content.get("imagePath")
    image = _image(root, path, written if isinstance(written, str) else "", has_data=bool(content.get("imageData")))
    if isinstance(written, str) and Path(written.replace("\\", "/")).stem != image.stem:
        findings.leave_out("imagePath that names another image than the json's own name, which was taken", path)
    size = read_image_size(image)
    said = (content.get("imageWidth"), content.get("imageHeight"))
    if None not in said and said != size:
        raise InputError(
            f"{image} has {size[0]} x {size[1]} pixels (width x height), but {path} says {said[0]} x {said[1]}; "
            "correct the one or the other, shapes refer to the size"
        )
    return _File(path, image, size, tuple(_shape(path, number, each) for number, each in enumerate(shapes, 1)))


def _image(root: Path, path: Path, written: str, *, has_data: bool) -> Path:
    found = find_image([path.parent, path.parent.parent / "images", root / "images", root], [f"{path.stem}.jpg"])
    found = found or (find_place([path.parent, root, root / "images"], written) if written else None)
    if found is None:
        inside = "; it is stored in the json (imageData) alone: save it as a file beside it" if has_data else ""
        raise InputError(f"there is no image {written or path.stem} for {path}{inside or '; add it'}")
    return found


def _shape(path: Path, number: int, item: Any) -> _Shape:
    label, points = (item.get("label"), item.get("points")) if isinstance(item, dict) else (None, None)
    if not isinstance(label, str) or not label.strip() or not isinstance(points, list):
        raise InputError(f"shape {number} of {path} has no label or no points")
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"shape {number} of {path} has points that are no pairs of numbers") from None
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        raise InputError(f"shape {number} of {path} has points that are no finite numbers")
    return _Shape(
        label.strip(), str(item.get("shape_type") or "polygon"), pairs, item.get("group_id"), item.get("mask")
    )


def _objects(file: _File, names: Sequence[str], findings: Findings) -> Iterator[FoundObject]:
    groups: dict[tuple[str, str], list[Points]] = {}
    labels = {name: label for label, name in enumerate(names)}
    for number, shape in enumerate(file.shapes, 1):
        where = f"shape {number} of {file.path}"
        if shape.label in NO_OBJECTS:
            findings.leave_out("shapes that are no objects by their label", where)
            continue
        if shape.label not in labels:
            raise InputError(f"{where} has the class {shape.label!r}, which is not in the list of classes")
        label = labels[shape.label]
        if shape.kind == "polygon" and len(shape.points) >= 3:
            key = (shape.label, f"group {shape.group}" if shape.group is not None else f"shape {number}")
            groups.setdefault(key, []).append(shape.points)
        elif shape.kind == "rectangle" and len(shape.points) >= 2:
            yield box_object(label, shape.points)
        elif shape.kind == "circle" and len(shape.points) == 2:
            (x, y), edge = shape.points
            radius = math.dist((x, y), edge)
            yield polygons_object(label, [ellipse(x, y, radius, radius)])
        elif shape.kind == "mask" and len(shape.points) >= 2:
            found = mask_object(label, _whole_mask(where, shape, file.size))
            if found is not None:
                yield found
        else:
            findings.leave_out(f"shapes of the kind {shape.kind} (or too few points), which has no area", where)
    yield from (polygons_object(labels[label], polygons) for (label, _), polygons in groups.items())


def _whole_mask(where: str, shape: _Shape, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of a mask that is stored as a small PNG at its place."""
    with (
        border(f"{where} has a mask that cannot be read", "draw it anew"),
        Image.open(io.BytesIO(base64.b64decode(shape.mask or "")), formats=("PNG",)) as small,
    ):
        values = np.asarray(small.convert("L")) > 0
    width, height = size
    left, top = (max(0, round(min(point[axis] for point in shape.points))) for axis in (0, 1))
    whole = np.zeros((height, width), dtype=bool)
    part = values[: max(0, height - top), : max(0, width - left)]
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole
