"""YOLO: a text file for every image, a line for every object, coordinates in parts of the image's size.

    class centre-x centre-y width height        a box
    class x y x y x y ...                       a polygon

Layouts: those that data.yaml names; else images/train with labels/train, train/images with train/labels (also val,
valid, test), or images with labels. Class names: data.yaml, classes.txt or obj.names.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject
from swinkit.errors import InputError, border
from swinkit.files import exists, is_file, is_folder, read_lines, read_text
from swinkit.images.read import is_image_name, read_image_size

PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test",)}
CLASS_FILES = ("classes.txt", "obj.names", "labels/classes.txt")
UNDIVIDED = "objects"
"""The name of the only part of a data set that has no division."""

_LARGEST_YAML = 1_000_000
"""Bytes; the names of a thousand classes have twenty thousand."""

SLACK = 0.01
"""Coordinates may leave 0..1 by so much: roundings, and boxes drawn over the edge."""


def find_yolo(root: Path) -> dict[str, list[Path]]:
    """The images of each part of the data in `root`, sorted; empty where it is no YOLO data."""
    described = _read_yaml(root)
    parts = {part: images for part in PARTS if (images := _listed(root, described, part))}
    if parts:
        return parts
    for part, names in PARTS.items():
        for folder in (
            path for name in names for path in (root / "images" / name, root / name / "images", root / name)
        ):
            images = _images(folder)
            if part not in parts and any(is_file(label_path(image)) for image in images):
                parts[part] = images
    if parts:
        return parts
    for folder in (root / "images", root):
        images = _images(folder)
        if any(is_file(label_path(image)) for image in images):
            return {UNDIVIDED: images}
    return {}


def convert_yolo(root: Path, out: Path, *, classes: Sequence[str] | None = None) -> dict[str, CocoBuilder]:
    """The YOLO data in `root`, part by part, with file names relative to `out`.

    An image without a text file, or with an empty one, has no objects.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        classes: names in the order of their numbers. Default: those of data.yaml, classes.txt or obj.names.

    Raises:
        InputError: naming file and line, where a line is no box and no polygon, a number is not a part of the size or
            a class has no name; where an image cannot be read; where there are no class names.
    """
    names = tuple(classes or read_yolo_classes(root))
    builders = {}
    for part, images in find_yolo(root).items():
        builders[part] = CocoBuilder(out, names)
        for image in images:
            size = read_image_size(image)
            builders[part].add(image, size, list(_objects(label_path(image), size, names)))
    return builders


def label_path(image: Path) -> Path:
    """The text file of an image: in labels/ where the image is in images/, else beside it."""
    parts = list(image.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def read_yolo_classes(root: Path) -> tuple[str, ...]:
    """Names by number. Raises InputError where there are none."""
    names = _read_yaml(root).get("names")
    if isinstance(names, dict):
        if set(names) != set(map(str, range(len(names)))):
            raise InputError(f"the names in the data.yaml of {root} must be numbered 0, 1, 2 and so on")
        names = [names[str(number)] for number in range(len(names))]
    if names is None:
        path = next((root / name for name in CLASS_FILES if is_file(root / name)), None)
        names = read_lines(path) if path else None
    if not isinstance(names, list) or not names:
        raise InputError(f"{root} has no class names; write them into classes.txt, one a line, by their numbers")
    texts = tuple(name for name in names if isinstance(name, str) and name)
    if len(texts) < len(names):
        raise InputError(f"the names in the data.yaml of {root} must be texts, one for every class")
    if len(set(texts)) < len(texts):
        raise InputError(f"{root} gives two classes the same name; rename one of them")
    return texts


def _objects(path: Path, size: tuple[int, int], names: Sequence[str]) -> Iterator[FoundObject]:
    if not is_file(path):
        return
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield _object(f"Line {number} of {path}", line.split(), size, names)


def _object(where: str, words: list[str], size: tuple[int, int], names: Sequence[str]) -> FoundObject:
    try:
        label, values = int(float(words[0])), [float(word) for word in words[1:]]
    except (ValueError, OverflowError):
        raise InputError(f"{where} holds something that is no number: {' '.join(words)[:60]!r}") from None
    if not 0 <= label < len(names):
        raise InputError(f"{where} has the class {label}, but there are names for 0 to {len(names) - 1} alone")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise InputError(f"{where} has {len(values)} numbers after the class: 4 make a box, 6, 8, ... a polygon")
    if not all(math.isfinite(value) and -SLACK <= value <= 1 + SLACK for value in values):
        raise InputError(f"{where} has numbers outside 0..1: YOLO's are parts of the image's width and height")
    width, height = size
    scaled = [value * (height if place % 2 else width) for place, value in enumerate(values)]
    if len(values) == 4:
        x, y, across, down = scaled
        return FoundObject(label, (x - across / 2, y - down / 2, across, down))
    left, top = min(scaled[::2]), min(scaled[1::2])
    return FoundObject(label, (left, top, max(scaled[::2]) - left, max(scaled[1::2]) - top), polygon=tuple(scaled))


def _read_yaml(root: Path) -> dict[str, Any]:
    path = next((root / name for name in ("data.yaml", "data.yml", "dataset.yaml") if is_file(root / name)), None)
    if path is None:
        return {}
    with border(f"{path} is not YAML", "correct it; it holds names, train and val"):
        content = yaml.load(read_text(path, most=_LARGEST_YAML), _Texts)
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold names, train and val")
    return content


class _Texts(yaml.BaseLoader):
    """YAML in which every value is a text, as none of its other types means anything here, and without aliases, by
    which a few lines can stand for any number of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise InputError(f"the alias *{self.peek_event().anchor} is not accepted; write out what it stands for")
        return super().compose_node(parent, index)


def _listed(root: Path, described: dict[str, Any], part: str) -> list[Path]:
    """The images of a part as data.yaml names them: a folder, a list of folders, or a text file of paths."""
    values = described.get(part) or described.get("valid" if part == "val" else part)
    found: list[Path] = []
    for value in values if isinstance(values, list) else [values]:
        place = _place(root, described.get("path"), value) if isinstance(value, str) else None
        if place is not None and is_folder(place):
            found += _images(place) or _images(place / "images")
        elif place is not None:
            lines = read_lines(place)
            found += [image for line in lines if (image := _place(root, described.get("path"), line)) is not None]
    return found


def _place(root: Path, base: object, value: str) -> Path | None:
    """Where a path of data.yaml lies; programs disagree on what it is relative to."""
    bases = [root / base] if isinstance(base, str) else []
    trimmed = value
    while trimmed.startswith(("../", "./")):
        trimmed = trimmed.partition("/")[2]
    candidates = [folder / name for folder in (*bases, root) for name in (value, trimmed)]
    return next((path for path in candidates if exists(path)), None)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image_name(path.name)) if is_folder(folder) else []
