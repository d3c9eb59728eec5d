"""Pascal VOC: an xml file for every image.

data/Annotations/*.xml  JPEGImages/*  ImageSets/Main/train.txt  val.txt     (official; the lists may be absent)
data/train/*.xml  data/valid/*.xml    with the images beside them, or in images/
data/annotations/*.xml  data/images/*

Folders below these count, too.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swinkit.detection.data.box_statements import turned_box
from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject, find_image
from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.parts import by_folder
from swinkit.detection.data.conversion.xml_files import number_in, parse_xml, root_name
from swinkit.errors import InputError
from swinkit.files import is_file, read_text
from swinkit.images.listing import LeftOut, list_images, walk_files
from swinkit.images.read import read_image_size
from swinkit.training.data.split_names import SPLIT_NAMES, folder_named

IMAGES = ("JPEGImages", "images", "Images", "img", "PNGImages")


@dataclass(frozen=True)
class _Object:
    name: str
    box: tuple[float, float, float, float]
    difficult: bool
    rotation: float


@dataclass(frozen=True)
class _Annotation:
    path: Path
    file_name: str
    size: tuple[int, int] | None
    objects: tuple[_Object, ...]


def find_voc(root: Path) -> dict[str, list[Path]]:
    """The xml files of each part of the data in `root`, sorted; empty where it is no VOC data.

    Raises InputError where a list of a split names an xml that is not there.
    """
    files = _xml_files(root)
    return (_listed(root, files) or by_folder(root, files)) if files else {}


def _xml_files(root: Path) -> list[Path]:
    files = [path for path in walk_files(root) if path.suffix.lower() == ".xml"]
    return [path for path in files if root_name(path) in ("annotation", "")]


def convert_voc(
    root: Path,
    out: Path,
    findings: Findings,
    *,
    classes: Sequence[str] | None = None,
    zero_based: bool = False,
) -> dict[str, CocoBuilder]:
    """The VOC data in `root`, part by part, with file names relative to `out`.

    Objects that are marked difficult are kept as regions to ignore, as VOC's evaluation and the published code do. The
    image of an xml is the one of its own name; what <filename> says counts where there is none.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        findings: gets a sentence for every xml that is broken, its image missing or of another size, a box impossible
            or a class not in `classes`; and counts images without an xml.
        classes: names in the order of their ids. Default: those that occur, sorted.
        zero_based: whether coordinates are edges counted from 0. VOC's own count pixels from 1, and the last one
            belongs to the object: a box from 1 to 10 is 10 pixels wide and begins at the image's edge.

    Raises:
        InputError: where there is no object.
    """
    parts: dict[str, list[_Annotation]] = {}
    found = find_voc(root)
    unlisted = set(_xml_files(root)) - {path for paths in found.values() for path in paths}
    for path in sorted(unlisted):
        findings.leave_out("xml that no list in ImageSets/Main names", path)
    for part, paths in found.items():
        parts[part] = []
        for path in paths:
            with findings.of_one_file():
                parts[part].append(_read(path))
    occurring = {found.name for part in parts.values() for each in part for found in each.objects}
    names = tuple(classes or sorted(occurring))
    if found and not names and not findings.bad:
        raise InputError(f"no xml in {root} has an object; annotate some")
    images = _Images(root)
    for each in (each for part in parts.values() for each in part):
        with findings.of_one_file():
            images.claim(each)
    builders = {}
    for part, read in parts.items():
        builders[part] = CocoBuilder(out, names)
        for each in read:
            with findings.of_one_file():
                _add(builders[part], each, images, names, findings, zero_based=zero_based)
    findings.leave_out_files(images.unclaimed({path.stem for path in unlisted}))
    return builders


def _add(
    builder: CocoBuilder,
    annotation: _Annotation,
    images: _Images,
    names: Sequence[str],
    findings: Findings,
    *,
    zero_based: bool,
) -> None:
    image = images.claimed.get(annotation.path)
    if image is None:
        return  # which `claim` has said
    builder.add(image, _size_of(annotation, image), list(_objects(annotation, names, zero_based=zero_based)))
    if annotation.file_name and Path(annotation.file_name).stem != image.stem:
        what = "<filename> that names another image than the xml's own name, which was taken"
        findings.leave_out(what, annotation.path)
    for found in annotation.objects:
        if min(found.box[:2]) <= 0 and not zero_based:
            what = "boxes that begin at 0, where VOC counts from 1 (if edges are counted from 0, give --zero-based)"
            findings.leave_out(what, annotation.path)
        if found.rotation:
            findings.leave_out("turned boxes, of which the extent was taken", annotation.path)


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
        if found.rotation:
            box = turned_box(box, found.rotation)
        yield FoundObject(labels[found.name], box, ignore=found.difficult)


class _Images:
    """Which image belongs to which xml."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.claimed: dict[Path, Path] = {}
        """The image of every xml that has one to itself."""
        self._owner: dict[Path, Path] = {}
        self._of_stem: dict[str, list[Path]] | None = None

    def claim(self, annotation: _Annotation) -> None:
        """Raises InputError where there is no image, or another xml has it."""
        image = self._find(annotation)
        other = self._owner.setdefault(image.resolve(), annotation.path)
        if other != annotation.path:
            raise InputError(
                f"{annotation.path} and {other} both belong to {image}, by name or <filename>; call each xml as its "
                "image"
            )
        self.claimed[annotation.path] = image

    def unclaimed(self, known: set[str]) -> Iterator[LeftOut]:
        """The images without an xml in the folders of those that have one, and files that are no images; `known` are
        the names of those whose xml is left out."""
        for folder in sorted({path.parent for path in self._owner}):
            there = list_images(folder, beside=(".xml", ".txt", ".json", ".csv", ".md", ".pbtxt"))
            for path in there.images:
                if path.parent == folder and path.resolve() not in self._owner and path.stem not in known:
                    yield LeftOut(path, "that are images without an xml")
            yield from (each for each in there.left_out if each.path.parent == folder)

    def _find(self, annotation: _Annotation) -> Path:
        stem, name = annotation.path.stem, annotation.file_name
        folders = self._folders(annotation.path.parent)
        found = find_image(folders, [f"{stem}.jpg"]) or self._anywhere(stem)
        found = found or find_image(folders, [name]) or (self._anywhere(Path(name).stem) if name else None)
        if found is None:
            shown = name or f"{stem}.jpg"
            raise InputError(
                f"there is no image {shown} for {annotation.path} beside it or in {' '.join(IMAGES[:4])}; add it"
            )
        return found

    def _folders(self, beside: Path) -> list[Path]:
        """Where the image of an xml in the folder `beside` may lie."""
        inside = beside.relative_to(self._root).parts
        below = [Path(*inside[place:]) for place in range(len(inside) + 1)]  # of nested folders
        around = [beside.parent, beside, self._root]
        named = [folder for parent in around if (folder := folder_named(parent, IMAGES)) is not None]
        return [beside, *(folder / sub for folder in named for sub in reversed(below)), beside.parent]

    def _anywhere(self, stem: str) -> Path | None:
        """The only image of this name in the data."""
        if self._of_stem is None:
            self._of_stem = {}
            for path in list_images(self._root).images:
                self._of_stem.setdefault(path.stem, []).append(path)
        found = self._of_stem.get(stem, [])
        return found[0] if len(found) == 1 else None


def _read(path: Path) -> _Annotation:
    root = parse_xml(path)
    size = root.find("size")
    lengths = [0.0, 0.0]
    if size is not None:
        lengths = [number_in(path, size.findtext(name), name, default=0.0) for name in ("width", "height")]
    return _Annotation(
        path=path,
        file_name=(root.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2],
        size=(int(lengths[0]), int(lengths[1])) if min(lengths) >= 1 else None,
        objects=tuple(_read_object(path, item) for item in root.iter("object")),
    )


def _read_object(path: Path, item: ET.Element) -> _Object:
    name, box, turned = (item.findtext("name") or "").strip(), item.find("bndbox"), item.find("robndbox")
    if not name or (box is None and turned is None):
        raise InputError(f"{path} has an object without a {'box (bndbox)' if name else 'name'}")
    difficult = (item.findtext("difficult") or "0").strip() in ("1", "true")
    if box is None and turned is not None:  # roLabelImg: middle, size and angle in radians
        x, y, across, down, angle = (
            number_in(path, turned.findtext(side), side) for side in ("cx", "cy", "w", "h", "angle")
        )
        edges = (x - across / 2 + 1, y - down / 2 + 1, x + across / 2, y + down / 2)
        return _Object(name, edges, difficult, math.degrees(angle))
    assert box is not None
    left, top, right, bottom = (number_in(path, box.findtext(side), side) for side in ("xmin", "ymin", "xmax", "ymax"))
    return _Object(name, (left, top, right, bottom), difficult, _rotation(path, item))


def _rotation(path: Path, item: ET.Element) -> float:
    """CVAT's attribute, in degrees."""
    for attribute in item.iter("attribute"):
        if (attribute.findtext("name") or "").strip() == "rotation":
            return number_in(path, attribute.findtext("value"), "rotation", default=0.0) % 360
    return 0.0


def _size_of(annotation: _Annotation, image: Path) -> tuple[int, int]:
    size = read_image_size(image)
    if annotation.size is not None and annotation.size != size:
        raise InputError(
            f"{image} has {size[0]} x {size[1]} pixels (width x height), but {annotation.path} says "
            f"{annotation.size[0]} x {annotation.size[1]}; correct the one or the other, boxes refer to the size"
        )
    return size


def _listed(root: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """By the lists in ImageSets/Main: train.txt (or trainval.txt), val.txt, test.txt."""
    by_stem = {path.stem: path for path in files}
    parts: dict[str, list[Path]] = {}
    for split, known in SPLIT_NAMES.items():
        for name in (*known, *(("trainval",) if split == "train" else ())):
            listing = root / "ImageSets" / "Main" / f"{name}.txt"
            if split not in parts and is_file(listing):
                stems = [line.split()[0] for line in read_text(listing).splitlines() if line.strip()]
                lacking = next((stem for stem in stems if stem not in by_stem), None)
                if lacking is not None and split != "test":  # VOC's test annotations are not public
                    raise InputError(f"{listing} names {lacking}, but there is no {lacking}.xml in {files[0].parent}")
                parts[split] = [by_stem[stem] for stem in stems if stem in by_stem]
    return {split: paths for split, paths in parts.items() if paths}
