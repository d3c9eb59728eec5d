"""What a COCO json, its images and their semantic maps hold, and what is wrong with them, found before training.

Shapes: K classes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from swinkit.detection.data.coco import CocoData, all_have_masks, missing_files, without_mask, wrong_size
from swinkit.detection.data.coco_json import CONSEQUENCES, Problem, read_coco_table
from swinkit.detection.data.coco_masks import run_lengths
from swinkit.detection.data.file_names import with_found_names
from swinkit.detection.data.learnable import used_twice
from swinkit.detection.data.semantic import SemanticFolder
from swinkit.errors import InputError
from swinkit.images.masks import MaskError
from swinkit.images.read import ImageError, read_image, read_image_size
from swinkit.ops.labels import IGNORE
from swinkit.training.progress import watched

SMALL, LARGE = 32**2, 96**2
"""COCO's borders of small and large objects, in pixels of area."""


@dataclass(frozen=True)
class SemanticReport:
    """The semantic maps beside a json's images."""

    root: Path
    maps: int
    """Those that can be read."""
    pixels: tuple[int, ...]
    """(256,) how many have each value; 255 is unknown."""


@dataclass(frozen=True)
class DetectionReport:
    """One json of a data set."""

    json_path: Path
    image_root: Path
    classes: tuple[str, ...]
    has_masks: bool
    images: int
    images_without_objects: int
    objects: int
    """What is learned: neither crowds nor what the problems leave out."""
    crowds: int
    """Crowds and regions to ignore."""
    objects_of_class: tuple[int, ...]
    """(K,)"""
    images_of_class: tuple[int, ...]
    """(K,) how many images have an object of the class."""
    image_sizes: tuple[tuple[tuple[int, int], int], ...]
    """Height and width, and how many images have them; most frequent first."""
    box_sizes: tuple[int, int, int]
    """Objects with a box below 32 x 32 pixels, between, and above 96 x 96."""
    box_sides: tuple[float, float, float]
    """Smallest, median and largest square root of a box's area, in pixels; NaN without objects."""
    objects_per_image: tuple[int, float, int]
    """Fewest, median, most."""
    problems: tuple[Problem, ...]
    """By file and id; `Problem.stops` tells those at which a run stops."""
    semantic: SemanticReport | None = None
    """Of data with semantic maps."""

    @property
    def unused_classes(self) -> tuple[str, ...]:
        return tuple(name for name, count in zip(self.classes, self.objects_of_class, strict=True) if not count)

    @property
    def stopping(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.stops)


def check_detection(
    json_path: Path,
    image_root: Path,
    *,
    masks: bool | None = None,
    maps: Path | None = None,
    read_pixels: bool = True,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[DetectionReport, CocoData]:
    """Look at every image and annotation.

    Args:
        json_path: the COCO json.
        image_root: the folder of its images.
        masks: see `read_coco`.
        maps: folder of the images' semantic maps, to be read, too.
        read_pixels: decode every image, which finds damaged files; else only their headers are read.
        step: called with the number of images done.

    Returns:
        The report, and the data without what is broken, to show samples of: those images that can be read.

    Raises:
        InputError: where the json cannot be read or is no COCO json at all.
    """
    table = with_found_names(read_coco_table(json_path), image_root)
    has_masks = all_have_masks(table) if masks is None else masks
    data = CocoData(table, image_root, table.category_names, has_masks=has_masks)
    problems = [*table.problems, *used_twice(table), *(without_mask(table) if masks is not False else [])]
    absent = list(missing_files(table, image_root))
    problems += absent
    missing = {problem.where for problem in absent}
    readable: list[int] = []
    semantic = None if maps is None else _MapReader(SemanticFolder(maps, IGNORE))
    for index in range(len(data)):
        if f"image {data.image_ids[index]} of {json_path}" not in missing:
            found = _image_problem(data, index, read_pixels=read_pixels)
            problems += [found] if found else []
            if found is None:  # masks are made at the size that the json claims, which is the image's now
                readable.append(index)
                problems += _empty_masks(data, index) if has_masks else []
                problems += semantic.problems(data, index) if semantic else []
        step(index + 1)
    report = _report(data, problems)
    return replace(report, semantic=semantic.report if semantic else None), data.subset(readable)


def require_sound(data: CocoData) -> None:
    """Raises InputError at the first image whose header, or that of its semantic map, shows that training would stop at
    it."""
    for index in watched(range(len(data)), "reading headers"):
        found = _image_problem(data, index, read_pixels=False)
        if found is None and data.semantic is not None:
            found = _map_problem(data, index, data.semantic.check_header)
        if found is not None:
            raise InputError(f"{str(found)[0].upper()}{str(found)[1:]}")


def sample_indices(data: CocoData, count: int) -> list[int]:
    """Up to `count` images with objects (or without, if none has), evenly spread over the data."""
    candidates = np.flatnonzero(data.object_counts) if data.object_counts.any() else np.arange(len(data))
    places = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(int)
    return [int(candidates[place]) for place in places]


def summary_lines(report: DetectionReport) -> list[str]:
    """The report's figures, a line each."""
    kind = "boxes and masks" if report.has_masks else "boxes"
    lines = [
        f"{report.json_path}: {report.images:,} images in {report.image_root}, {report.objects:,} objects with {kind} "
        f"of {len(report.classes)} classes, {report.crowds:,} crowds or ignored regions",
        f"images without objects: {report.images_without_objects:,}; objects in an image: "
        "{} to {}, median {:g}".format(
            report.objects_per_image[0], report.objects_per_image[2], report.objects_per_image[1]
        ),
    ]
    if report.image_sizes:
        (height, width), count = report.image_sizes[0]
        others = len(report.image_sizes) - 1
        lines.append(f"images of {width} x {height} pixels (width x height): {count:,}; other sizes: {others:,}")
    if report.objects:
        small, medium, large = report.box_sizes
        smallest, median, largest = report.box_sides
        lines.append(
            f"boxes: {small:,} small (below 32 x 32 pixels), {medium:,} medium, {large:,} large (above 96 x 96); side "
            f"{smallest:.0f} to {largest:.0f} pixels, median {median:.0f}"
        )
    if report.unused_classes:
        names = ", ".join(report.unused_classes[:10]) + (", ..." if len(report.unused_classes) > 10 else "")
        lines.append(f"classes without objects: {len(report.unused_classes)} ({names})")
    return lines + ([] if report.semantic is None else [_semantic_line(report.semantic)])


def _semantic_line(report: SemanticReport) -> str:
    *classes, unknown = report.pixels
    present = [value for value, count in enumerate(classes) if count]
    values = f"{len(present)} classes from {present[0]} to {present[-1]}" if present else "no class"
    share = 100 * unknown / max(1, sum(report.pixels))
    return f"semantic maps: {report.maps:,} in {report.root}, {values}, {share:.1f} % of the pixels unknown ({IGNORE})"


def problem_lines(report: DetectionReport, *, most: int = 10) -> list[str]:
    """The problems by kind, those that stop a run first: a headline, and up to `most` of each kind."""
    kinds: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in sorted(report.problems, key=lambda problem: not problem.stops):
        kinds[problem.kind].append(problem)
    lines = []
    for kind, found in kinds.items():
        lines.append(f"{kind}: {len(found)} ({CONSEQUENCES[found[0].kind]})")
        lines += [f"  {problem}" for problem in found[:most]]
        lines += [f"  ... and {len(found) - most} more"] if len(found) > most else []
    return lines


def _image_problem(data: CocoData, index: int, *, read_pixels: bool) -> Problem | None:
    path, (height, width) = data.image_path(index), data.sizes[index]
    where = f"image {data.image_ids[index]} of {data.table.path}"
    try:
        size = read_image(path).size if read_pixels else read_image_size(path)
    except ImageError as error:
        return Problem("unreadable image", where, f"cannot be read: {error}")
    if size == (width, height):
        return None
    sentence = wrong_size(path, size, (width, height), data.table.path)
    return Problem("image of another size", where, f"is of another size: {sentence}")


def _map_problem(data: CocoData, index: int, look: Callable[[str, tuple[int, int]], object]) -> Problem | None:
    """What `look` at the semantic map of an image says."""
    try:
        look(data.file_name(index), data.size(index))
    except MaskError as error:
        where = f"image {data.image_ids[index]} of {data.table.path}"
        return Problem("bad semantic map", where, f"has a semantic map that cannot be learned from: {error}")
    return None


class _MapReader:
    """Reads the maps one by one and counts their values."""

    def __init__(self, folder: SemanticFolder) -> None:
        self._folder = folder
        self._maps, self._pixels = 0, np.zeros(IGNORE + 1, dtype=np.int64)

    def problems(self, data: CocoData, index: int) -> Iterator[Problem]:
        found = _map_problem(data, index, self._count)
        if found is not None:
            yield found

    def _count(self, image_name: str, size: tuple[int, int]) -> None:
        self._pixels += np.bincount(self._folder.read(image_name, size).flatten(), minlength=IGNORE + 1)
        self._maps += 1

    @property
    def report(self) -> SemanticReport:
        return SemanticReport(self._folder.root, self._maps, tuple(self._pixels.tolist()))


def _empty_masks(data: CocoData, index: int) -> Iterator[Problem]:
    height, width = data.sizes[index]
    for row in data.rows(index):
        if data.is_target[row] and not coco_mask.area(run_lengths(data.segmentation(row), height, width)):
            yield Problem("bad polygon", data.table.describe(row), "has a mask without a pixel")


def _report(data: CocoData, problems: Sequence[Problem]) -> DetectionReport:
    table, targets = data.table, data.is_target
    boxes = table.boxes[targets]
    areas = boxes[:, 2] * boxes[:, 3]
    sides = np.sqrt(areas) if len(areas) else np.array([np.nan])
    counts = data.object_counts
    return DetectionReport(
        json_path=table.path,
        image_root=data.image_root,
        classes=data.classes,
        has_masks=data.has_masks,
        images=len(data),
        images_without_objects=int((counts == 0).sum()),
        objects=int(targets.sum()),
        crowds=int(table.is_crowd.sum()),
        objects_of_class=tuple(np.bincount(table.categories[targets], minlength=len(data.classes)).tolist()),
        images_of_class=_images_of_class(data),
        image_sizes=tuple(Counter(data.sizes).most_common()),
        box_sizes=(
            int((areas < SMALL).sum()),
            int(((areas >= SMALL) & (areas <= LARGE)).sum()),
            int((areas > LARGE).sum()),
        ),
        box_sides=(float(sides.min()), float(np.median(sides)), float(sides.max())),
        objects_per_image=(int(counts.min()), float(np.median(counts)), int(counts.max()))
        if len(counts)
        else (0, 0.0, 0),
        problems=tuple(problems),
    )


def _images_of_class(data: CocoData) -> tuple[int, ...]:
    table: Any = data.table
    images = np.repeat(np.arange(len(table.image_ids)), np.diff(table.starts))
    pairs = np.unique(np.stack([images[data.is_target], table.categories[data.is_target]]), axis=1)
    return tuple(np.bincount(pairs[1], minlength=len(data.classes)).tolist())
