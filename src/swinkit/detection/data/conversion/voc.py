"""Pascal VOC: an xml file for every image.

data/Annotations/*.xml  JPEGImages/*  ImageSets/Main/train.txt  val.txt     (official; the lists may be absent)
data/train/*.xml  data/valid/*.xml    with the images beside them, or in images/
data/annotations/*.xml  data/images/*
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject, find_image
from swinkit.errors import InputError, border
from swinkit.files import is_file, is_folder, read_bytes, read_text
from swinkit.images.read import read_image_size

PARTS = {"train": ("train", "trainval"), "val": ("val", "valid", "validation"), "test": ("test",)}
ANNOTATIONS = ("Annotations", "annotations", "labels", "xml")
IMAGES = ("JPEGImages", "images", "Images", "img")
UNDIVIDED = "objects"
"""The name of the only part of a data set that has no division."""

_LARGEST_FILE = 50_000_000
"""Bytes; an annotation of one image has a few thousand."""


@dataclass(frozen=True)
class _Object:
    name: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class _Annotation:
    path: Path
    file_name: str
    size: tuple[int, int] | None
    objects: tuple[_Object, ...]


def find_voc(root: Path) -> dict[str, list[Path]]:
    """The xml files of each part of the data in `root`, sorted; empty where it is no VOC data."""
    for folder in (root / name for name in ANNOTATIONS):
        files = _xml_files(folder)
        if files:
            return _divided(root, files) or {UNDIVIDED: files}
    parts = {}
    for part, names in PARTS.items():
        for folder in (root / name / sub for name in names for sub in ("", *ANNOTATIONS)):
            if part not in parts and (files := _xml_files(folder)):
                parts[part] = files
    files = [] if parts else _xml_files(root)
    return {UNDIVIDED: files} if files else parts


def convert_voc(
    root: Path, out: Path, *, classes: Sequence[str] | None = None, zero_based: bool = False
) -> dict[str, CocoBuilder]:
    """The VOC data in `root`, part by part, with file names relative to `out`.

    Objects that are marked difficult are kept as regions to ignore, as VOC's evaluation and the published code do.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        classes: names in the order of their ids. Default: those that occur, sorted.
        zero_based: whether coordinates are edges counted from 0. VOC's own count pixels from 1, and the last one
            belongs to the object: a box from 1 to 10 is 10 pixels wide and begins at the image's edge.

    Raises:
        InputError: naming the file, where an xml is broken, its image missing or of another size, a box impossible,
            or a class not in `classes`.
    """
    parts = {part: [_read(path) for path in paths] for part, paths in find_voc(root).items()}
    occurring = {found.name for part in parts.values() for each in part for found in each.objects}
    names = tuple(classes or sorted(occurring))
    if not names:
        raise InputError(f"no xml in {root} has an object; annotate some")
    builders = {}
    for part, annotations in parts.items():
        builders[part] = CocoBuilder(out, names)
        for each in annotations:
            image = _image_of(each, root)
            builders[part].add(image, _size_of(each, image), list(_objects(each, names, zero_based=zero_based)))
    return builders


def _objects(annotation: _Annotation, names: Sequence[str], *, zero_based: bool) -> Iterator[FoundObject]:
    first = 0 if zero_based else 1
    labels = {name: label for label, name in enumerate(names)}
    for found in annotation.objects:
        if found.name not in labels:
            raise InputError(f"{annotation.path} has the class {found.name!r}, which is not in the list of classes")
        left, top, right, bottom = found.box
        if right < left or bottom < top:
            raise InputError(
                f"{annotation.path} has a box of negative size ({left:g} to {right:g}, {top:g} to {bottom:g})"
            )
        box = (left - first, top - first, right - left + first, bottom - top + first)
        yield FoundObject(labels[found.name], box, ignore=found.difficult)


def _read(path: Path) -> _Annotation:
    root = _parsed(path)
    size = root.find("size")
    lengths = (
        [_number(path, size, name, default=0.0) for name in ("width", "height")] if size is not None else [0.0, 0.0]
    )
    return _Annotation(
        path=path,
        file_name=(root.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2],
        size=(int(lengths[0]), int(lengths[1])) if min(lengths) >= 1 else None,
        objects=tuple(_read_object(path, item) for item in root.iter("object")),
    )


def _read_object(path: Path, item: ET.Element) -> _Object:
    name, box = (item.findtext("name") or "").strip(), item.find("bndbox")
    if not name or box is None:
        raise InputError(f"{path} has an object without a {'box (bndbox)' if name else 'name'}")
    left, top, right, bottom = (_number(path, box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    return _Object(name, (left, top, right, bottom), (item.findtext("difficult") or "0").strip() in ("1", "true"))


def _number(path: Path, parent: ET.Element, name: str, *, default: float | None = None) -> float:
    text = (parent.findtext(name) or "").strip()
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9:
        raise InputError(f"{path} has {text!r} for {name}; a number is needed")
    return value


def _parsed(path: Path) -> ET.Element:
    """The root element. No document type is accepted, so that no entity can be expanded or fetched."""
    content = read_bytes(path, most=_LARGEST_FILE)
    with border(f"{path} is no complete xml", "correct it, or export it again"):
        scout = expat.ParserCreate()
        scout.StartDoctypeDeclHandler = _refuse_doctype
        try:
            scout.Parse(content, True)
        except _DoctypeError:
            raise InputError(
                f"{path} declares a document type, which annotations do not need; remove the DOCTYPE"
            ) from None
        return ET.fromstring(content)


class _DoctypeError(Exception):
    """The file has a document type declaration."""


def _refuse_doctype(*declaration: object) -> None:
    raise _DoctypeError


def _image_of(annotation: _Annotation, root: Path) -> Path:
    beside = annotation.path.parent
    folders = [beside, *(parent / name for parent in (beside.parent, beside, root) for name in IMAGES), beside.parent]
    found = find_image(folders, [annotation.file_name, f"{annotation.path.stem}.jpg"])
    if found is None:
        shown = annotation.file_name or f"{annotation.path.stem}.jpg"
        raise InputError(f"there is no image {shown} for {annotation.path} beside it or in {' '.join(IMAGES)}; add it")
    return found


def _size_of(annotation: _Annotation, image: Path) -> tuple[int, int]:
    size = read_image_size(image)
    if annotation.size is not None and annotation.size != size:
        raise InputError(
            f"{image} has {size[0]} x {size[1]} pixels (width x height), but {annotation.path} says "
            f"{annotation.size[0]} x {annotation.size[1]}; correct the one or the other, boxes refer to the size"
        )
    return size


def _xml_files(folder: Path) -> list[Path]:
    if not is_folder(folder):
        return []
    return sorted(path for path in folder.glob("*.xml") if not path.name.startswith("."))


def _divided(root: Path, files: list[Path]) -> dict[str, list[Path]]:
    """By the lists in ImageSets/Main: train.txt (or trainval.txt), val.txt, test.txt."""
    by_stem = {path.stem: path for path in files}
    parts: dict[str, list[Path]] = {}
    for part, names in PARTS.items():
        for name in names:
            listing = root / "ImageSets" / "Main" / f"{name}.txt"
            if part not in parts and is_file(listing):
                stems = [line.split()[0] for line in read_text(listing).splitlines() if line.strip()]
                lacking = next((stem for stem in stems if stem not in by_stem), None)
                if lacking is not None and part != "test":  # VOC's test annotations are not public
                    raise InputError(f"{listing} names {lacking}, but there is no {lacking}.xml in {files[0].parent}")
                parts[part] = [by_stem[stem] for stem in stems if stem in by_stem]
    return {part: paths for part, paths in parts.items() if paths}
