"""What a COCO json says, checked item by item, as flat arrays.

Shapes: I images, A annotations.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np

from swinkit.detection.data.coco_masks import State, judge_segmentation
from swinkit.errors import InputError, border, one_line
from swinkit.files import read_json
from swinkit.images.names import NameTable
from swinkit.images.read import MAX_PIXELS

ProblemKind = Literal[
    "broken item",
    "id used twice",
    "unknown image",
    "unknown category",
    "negative box",
    "degenerate box",
    "box outside the image",
    "box beyond the image",
    "bad polygon",
    "no mask",
    "impossible mask",
    "missing file",
    "unreadable image",
    "image of another size",
    "bad semantic map",
]

CONSEQUENCES: dict[ProblemKind, Literal["stops", "left out", "corrected"]] = {
    "broken item": "stops",
    "id used twice": "stops",
    "unknown image": "stops",
    "unknown category": "stops",
    "negative box": "stops",
    "degenerate box": "left out",
    "box outside the image": "left out",
    "box beyond the image": "corrected",
    "bad polygon": "left out",
    "no mask": "left out",
    "impossible mask": "stops",
    "missing file": "stops",
    "unreadable image": "stops",
    "image of another size": "stops",
    "bad semantic map": "stops",
}
"""What each kind of problem does to a run: what shows that the json is not what it says stops it; an object without
pixels is left out of what is learned, with a warning, as in the published code; a box beyond the image is cut off at
its edge."""

FAR = 1.0
"""Boxes may reach so many pixels beyond their image without a word: roundings of who drew them."""


@dataclass(frozen=True)
class Problem:
    """Something in a data set that is not as it should be."""

    kind: ProblemKind
    where: str
    """File and id."""
    what: str
    """Follows `where` in a sentence: "has a box of ..."."""

    @property
    def stops(self) -> bool:
        return CONSEQUENCES[self.kind] == "stops"

    def __str__(self) -> str:
        return one_line(f"{self.where} {self.what}")


@dataclass(frozen=True)
class CocoTable:
    """A COCO json as arrays, which worker processes can share. Broken items are not in it."""

    path: Path
    category_ids: tuple[int, ...]
    """Ascending, however sparse."""
    category_names: tuple[str, ...]
    image_ids: np.ndarray
    """(I,) int64."""
    file_names: NameTable
    sizes: np.ndarray
    """(I, 2) int64: height, width."""
    starts: np.ndarray
    """(I + 1,) int64: the annotations of image i are numbers starts[i] to starts[i + 1]."""
    annotation_ids: NameTable
    """For messages: they may be absent or used twice."""
    boxes: np.ndarray
    """(A, 4) float64: left, top, width, height as they stand in the file."""
    areas: np.ndarray
    """(A,) float64; NaN where the file has none."""
    categories: np.ndarray
    """(A,) int64: index into category_ids."""
    is_crowd: np.ndarray
    """(A,) bool: a crowd, or a region to ignore."""
    has_extent: np.ndarray
    """(A,) bool: the box covers something of the image."""
    mask_states: np.ndarray
    """(A,) of `State`."""
    segmentations: NameTable
    """JSON texts, empty where there is none."""
    problems: tuple[Problem, ...]
    is_annotated: bool
    """Whether the file has annotations at all: those of COCO's test sets are secret."""

    def describe(self, annotation: int) -> str:
        """How messages call the annotation of this number."""
        image = int(np.searchsorted(self.starts, annotation, side="right")) - 1
        return _annotation_name(self.path, self.annotation_ids[annotation], self.image_name(image))

    def image_name(self, image: int) -> str:
        return f"image {self.image_ids[image]} ({self.file_names[image]})"


def read_coco_table(path: Path) -> CocoTable:
    """Read and check a COCO json of objects, or of images alone; `problems` lists what is wrong with its items.

    Raises InputError, naming the file, where it cannot be read or is no COCO json at all.
    """
    with border(f"{path} is no COCO json of objects", "correct it, or export it again"):
        return _table(path)


def _table(path: Path) -> CocoTable:
    images, annotations, categories = _top_level(path)
    problems: list[Problem] = []
    category_ids, category_names = _read_categories(path, categories)
    sound_images = list(_read_images(path, images, problems))
    numbers = {image.id: number for number, image in enumerate(sound_images)}
    reader = _AnnotationReader(
        path, sound_images, numbers, dict(zip(category_ids, range(len(category_ids)), strict=True))
    )
    rows = [row for number, item in enumerate(annotations) if (row := reader.read(number, item, problems)) is not None]
    rows.sort(key=lambda row: row.image)  # stable: within an image the order of the file
    counts = np.bincount([row.image for row in rows], minlength=len(sound_images))
    return CocoTable(
        path=path,
        category_ids=category_ids,
        category_names=category_names,
        image_ids=np.array([image.id for image in sound_images], dtype=np.int64),
        file_names=NameTable(image.file_name for image in sound_images),
        sizes=np.array([image.size for image in sound_images], dtype=np.int64).reshape(-1, 2),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        annotation_ids=NameTable(row.id for row in rows),
        boxes=np.array([row.box for row in rows], dtype=np.float64).reshape(-1, 4),
        areas=np.array([row.area for row in rows], dtype=np.float64),
        categories=np.array([row.category for row in rows], dtype=np.int64),
        is_crowd=np.array([row.is_crowd for row in rows], dtype=bool),
        has_extent=np.array([row.has_extent for row in rows], dtype=bool),
        mask_states=np.array([row.mask_state for row in rows], dtype="U10"),
        segmentations=NameTable(row.segmentation for row in rows),
        problems=tuple(problems),
        is_annotated=bool(annotations),
    )


@dataclass(frozen=True, slots=True)
class _Image:
    id: int
    file_name: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    image: int
    category: int
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool
    has_extent: bool
    mask_state: State
    segmentation: str


def _top_level(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """The lists of images, annotations and categories."""
    content = read_json(path, advice="give a COCO json of objects")
    parts = content if isinstance(content, dict) else {}
    images, annotations, categories = (parts.get(name, []) for name in ("images", "annotations", "categories"))
    lacking = [name for name, part in (("images", images), ("categories", categories)) if not part]
    if lacking or not all(isinstance(part, list) for part in (images, annotations, categories)):
        names = " and ".join(lacking) or "lists of images, annotations and categories"
        raise InputError(
            f"{path} has no {names}: a COCO json of objects is one JSON object with the lists images, annotations and "
            "categories, none of them empty"
        )
    return images, annotations, categories


def _read_categories(path: Path, items: Sequence[Any]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    names: dict[int, str] = {}
    known: set[str] = set()
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not _is_id(item.get("id")) or not _is_name(item.get("name")):
            raise InputError(f"category number {number} of {path} must have a whole number as id and a name")
        if item["id"] in names:
            raise InputError(f"{path} uses the category id {item['id']} twice; give every category an id of its own")
        if item["name"] in known:
            raise InputError(f"{path} uses the category name {item['name']!r} twice; rename or merge the two")
        names[item["id"]] = item["name"]
        known.add(item["name"])
    ids = tuple(sorted(names))
    return ids, tuple(names[one] for one in ids)


def _read_images(path: Path, items: Sequence[Any], problems: list[Problem]) -> Iterator[_Image]:
    seen: set[int] = set()
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not _is_id(item.get("id")):
            problems.append(Problem("broken item", f"image number {number} of {path}", "has no whole number as its id"))
            continue
        where = f"image {item['id']} of {path}"
        name, height, width = item.get("file_name"), item.get("height"), item.get("width")
        if item["id"] in seen:
            problems.append(Problem("id used twice", where, "is there twice: give every image an id of its own"))
        elif not _is_name(name):
            problems.append(Problem("broken item", where, f"has the file_name {name!r}, which names no file"))
        elif not _is_length(height) or not _is_length(width):
            what = f"({name}) has the height {height} and the width {width}: whole numbers above 0 are needed"
            problems.append(Problem("broken item", where, what))
        elif height * width > MAX_PIXELS:
            what = f"({name}) has a size of {width} x {height} pixels, more than the {MAX_PIXELS} that can be read"
            problems.append(Problem("broken item", where, what))
        else:
            seen.add(item["id"])
            yield _Image(item["id"], name, (int(height), int(width)))


class _AnnotationReader:
    """Reads annotations one by one."""

    def __init__(self, path: Path, images: list[_Image], numbers: dict[int, int], categories: dict[int, int]) -> None:
        self._path, self._images = path, images
        self._numbers, self._categories = numbers, categories

    def read(self, number: int, item: Any, problems: list[Problem]) -> _Row | None:
        """The annotation as a row, or None where it refers to nothing or is none."""
        if not isinstance(item, dict):
            problems.append(Problem("broken item", f"annotation number {number} of {self._path}", "is no JSON object"))
            return None
        shown = str(item["id"]) if _is_id(item.get("id")) else f"number {number}"
        image = self._numbers.get(item["image_id"]) if _is_id(item.get("image_id")) else None
        category = self._categories.get(item["category_id"]) if _is_id(item.get("category_id")) else None
        name = f"image {item.get('image_id')}" + (f" ({self._images[image].file_name})" if image is not None else "")
        where = _annotation_name(self._path, shown, name)
        if image is None:
            problems.append(Problem("unknown image", where, "refers to an image that is not in the file"))
        elif category is None:
            what = f"has the category {item.get('category_id')}, which is not in the file"
            problems.append(Problem("unknown category", where, what))
        elif not _is_box(item.get("bbox")):
            what = f"has the bbox {str(item.get('bbox'))[:60]}: four numbers are needed, left, top, width, height"
            problems.append(Problem("broken item", where, what))
        else:
            return self._row(item, shown, where, image, category, problems)
        return None

    def _row(
        self, item: dict[str, Any], shown: str, where: str, image: int, category: int, problems: list[Problem]
    ) -> _Row:
        height, width = self._images[image].size
        left, top, across, down = (float(value) for value in item["bbox"])
        is_crowd = bool(item.get("iscrowd")) or bool(item.get("ignore"))
        found = _box_problem((left, top, across, down), height, width)
        if found is not None and (not is_crowd or found[0] == "negative box"):
            problems.append(Problem(found[0], where, found[1]))
        verdict = judge_segmentation(item.get("segmentation"), height, width)
        if verdict.state == "impossible":
            problems.append(Problem("impossible mask", where, verdict.reason))
        elif verdict.state in ("bad", "partly"):
            problems.append(Problem("bad polygon", where, verdict.reason))
        area = item.get("area")
        return _Row(
            id=shown,
            image=image,
            category=category,
            box=(left, top, across, down),
            area=float(area) if _is_number(area) else math.nan,
            is_crowd=is_crowd,
            has_extent=found is None or found[0] == "box beyond the image",
            mask_state=verdict.state,
            segmentation="" if verdict.state == "absent" else json.dumps(item["segmentation"], separators=(",", ":")),
        )


def _box_problem(box: tuple[float, float, float, float], height: int, width: int) -> tuple[ProblemKind, str] | None:
    left, top, across, down = box
    text = f"[{left:g}, {top:g}, {across:g}, {down:g}]"
    if across < 0 or down < 0:
        return "negative box", f"has a box of negative size, {text}: left, top, width, height are needed"
    if across < 1 or down < 1:
        return "degenerate box", f"has a box less than one pixel wide or high, {text}"
    if min(left + across, width) <= max(left, 0) or min(top + down, height) <= max(top, 0):
        return "box outside the image", f"has a box outside its image of {width} x {height} pixels, {text}"
    if min(left, top) < -FAR or left + across > width + FAR or top + down > height + FAR:
        return "box beyond the image", f"has a box that reaches beyond its image of {width} x {height} pixels, {text}"
    return None


def _annotation_name(path: Path, annotation: str, image: str) -> str:
    return f"annotation {annotation} of {image} in {path}"


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_name(value: object) -> TypeGuard[str]:
    """Whether this is a text that can name a file or a class: UTF-8 can write it."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)


def _is_length(value: object) -> TypeGuard[int | float]:
    return _is_number(value) and 1 <= value < 2**31 and int(value) == value


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a number that 64 bits hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(_is_number(number) for number in value)
