"""CVAT for images 1.1: one xml for all images, with boxes, polygons, ellipses and masks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from swinkit.detection.data.box_statements import turned_box
from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject
from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.parts import UNDIVIDED
from swinkit.detection.data.conversion.shapes import Points, ellipse, mask_object, polygons_object
from swinkit.detection.data.conversion.xml_files import number_in, parse_xml, root_name
from swinkit.detection.data.file_names import found_names
from swinkit.errors import InputError
from swinkit.files import is_file
from swinkit.images.listing import list_images, walk_files
from swinkit.images.read import read_image_size
from swinkit.training.data.split_names import split_of

WITH_AREA = ("box", "polygon", "ellipse", "mask")


def find_cvat(root: Path) -> list[Path]:
    """The xml files in `root` that CVAT wrote for images."""
    files = [path for path in walk_files(root) if path.suffix.lower() == ".xml"]
    return [path for path in files if root_name(path) == "annotations"]


def convert_cvat(
    root: Path, out: Path, findings: Findings, *, classes: Sequence[str] | None = None
) -> dict[str, CocoBuilder]:
    """CVAT's images in `root`, by their subsets, with file names relative to `out`.

    Of turned boxes the extent is taken. Polygons of one group and label are one object. Points, lines, cuboids, tags
    and tracks of videos are left out and counted.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        findings: gets a sentence for every image that is missing or of another size and every shape that is broken, and
            counts what is left out.
        classes: names in the order of their ids. Default: those of the task, else those that occur, sorted.
    """
    trees = [(path, parse_xml(path)) for path in find_cvat(root)]
    names = tuple(classes or _classes([tree for _, tree in trees]))
    builders: dict[str, CocoBuilder] = {}
    used: set[Path] = set()
    for path, tree in trees:
        for track in tree.iter("track"):
            findings.leave_out(
                "tracks of a video, which are not read (export as CVAT for images)", _described(track, path)
            )
        items = list(tree.iter("image"))
        written = [item.get("name") or "" for item in items]
        for item, name in zip(items, found_names(written, root), strict=True):
            part = split_of(item.get("subset") or "") or UNDIVIDED
            with findings.of_one_file():
                image = root / name
                size = _size(item, image, path)
                found = list(_objects(item, path, names, findings))
                builders.setdefault(part, CocoBuilder(out, names)).add(image, size, found)
                used.add(image.resolve())
    for image in list_images(root).images:
        if image.resolve() not in used:
            findings.leave_out("images that the xml does not name", image)
    return builders


def _classes(trees: Sequence[ET.Element]) -> list[str]:
    listed = [label.findtext("name") or "" for tree in trees for label in tree.iter("label")]
    names = [name.strip() for name in listed if name.strip()]
    return list(dict.fromkeys(names)) or sorted(
        {shape.get("label") or "" for tree in trees for image in tree.iter("image") for shape in image} - {""}
    )


def _size(item: ET.Element, image: Path, path: Path) -> tuple[int, int]:
    if not is_file(image):
        raise InputError(f"{path} names {item.get('name')}, but there is no such image below its folder; add it")
    size = read_image_size(image)
    said = tuple(int(number_in(path, item.get(side), side, default=0.0)) for side in ("width", "height"))
    if min(said) > 0 and said != size:
        raise InputError(
            f"{image} has {size[0]} x {size[1]} pixels (width x height), but {path} says {said[0]} x {said[1]}; "
            "correct the one or the other, boxes refer to the size"
        )
    return size


def _objects(item: ET.Element, path: Path, names: Sequence[str], findings: Findings) -> Iterator[FoundObject]:
    groups: dict[tuple[str, str], list[Points]] = {}
    labels = {name: label for label, name in enumerate(names)}
    for number, shape in enumerate(item):
        where = f"{shape.tag} of {item.get('name')} in {path}"
        if shape.tag not in WITH_AREA:
            findings.leave_out(f"{shape.tag}, which has no area", where)
            continue
        name = (shape.get("label") or "").strip()
        if name not in labels:
            raise InputError(f"a {where} has the class {name!r}, which is not in the list of classes")
        label = labels[name]
        if shape.tag == "box":
            yield _box(shape, path, label, findings, where)
        elif shape.tag == "mask":
            found = mask_object(label, _mask(shape, path, item, where))
            if found is not None:
                yield found
        else:
            group = shape.get("group_id") or "0"
            key = (name, f"group {group}" if group != "0" else f"shape {number}")
            groups.setdefault(key, []).append(_points(shape, path, where))
    yield from (polygons_object(labels[name], polygons) for (name, _), polygons in groups.items())


def _box(shape: ET.Element, path: Path, label: int, findings: Findings, where: str) -> FoundObject:
    left, top, right, bottom = (number_in(path, shape.get(side), side) for side in ("xtl", "ytl", "xbr", "ybr"))
    if right < left or bottom < top:
        raise InputError(f"a {where} has a negative size ({left:g} to {right:g}, {top:g} to {bottom:g})")
    degrees = number_in(path, shape.get("rotation"), "rotation", default=0.0) % 360
    box = (left, top, right - left, bottom - top)
    if degrees:
        findings.leave_out("turned boxes, of which the extent was taken", where)
        box = turned_box(box, degrees)
    return FoundObject(label, box)


def _points(shape: ET.Element, path: Path, where: str) -> Points:
    if shape.tag == "ellipse":
        x, y, across, down = (number_in(path, shape.get(name), name) for name in ("cx", "cy", "rx", "ry"))
        return ellipse(x, y, across, down, number_in(path, shape.get("rotation"), "rotation", default=0.0))
    pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";") if pair.strip()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise InputError(f"a {where} has fewer than three corners, or such as are no pairs of numbers")
    return [(number_in(path, x, "points"), number_in(path, y, "points")) for x, y in pairs]


def _mask(shape: ET.Element, path: Path, item: ET.Element, where: str) -> np.ndarray:
    """(H, W) bool of run lengths along the rows of a part of the image, off first."""
    names = ("left", "top", "width", "height")
    left, top, across, down = (int(number_in(path, shape.get(name), name)) for name in names)
    width, height = (int(number_in(path, item.get(name), name)) for name in ("width", "height"))
    lengths = [int(number_in(path, each, "rle")) for each in (shape.get("rle") or "").split(",") if each.strip()]
    inside = min(left, top) >= 0 and min(across, down) >= 1 and left + across <= width and top + down <= height
    if not inside or min(lengths, default=-1) < 0 or sum(lengths) != across * down or height * width > 10**9:
        raise InputError(f"a {where} has run lengths that do not fill its {across} x {down} pixels in the image")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    whole = np.zeros((height, width), dtype=bool)
    whole[top : top + down, left : left + across] = values.reshape(down, across)
    return whole


def _described(track: ET.Element, path: Path) -> str:
    return f"track {track.get('id')} of {path}"
