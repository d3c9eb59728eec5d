"""Images with the objects of a COCO json.

What in a json stops the reading, and what is left out with a warning, is said in `coco_json.CONSEQUENCES`.

Shapes: N objects, H W image.
"""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from swinkit.detection.data.coco_json import CocoTable, Problem, read_coco_table
from swinkit.detection.data.coco_masks import decode_masks, run_lengths, sound_segmentation
from swinkit.detection.data.file_names import with_found_names
from swinkit.detection.data.learnable import nothing_to_learn, used_twice
from swinkit.detection.data.semantic import WITHOUT, SemanticFolder, SemanticMaps
from swinkit.errors import InputError
from swinkit.images.read import ImageError, read_image
from swinkit.structures import Instances

_log = logging.getLogger(__name__)


class CocoData:
    """Images of a COCO json; `read_coco` makes it.

    An object is a target, that is, among the Instances, unless it is a crowd (`iscrowd`) or to be ignored (`ignore`,
    as converted VOC data have it for difficult objects), its box is less than one pixel wide or high or outside the
    image (the published code's rule), or, where masks are asked for, it has none or an empty one.

    Args:
        table: the json's content.
        image_root: the folder that file names are relative to.
        classes: names of the classes in the order of their labels; every category that has annotations is among them.
        has_masks: whether objects come with masks.
        images: which of the table's images these are, and in which order. Default: all.
        semantic: the images' semantic maps, which then come with the objects.
    """

    def __init__(
        self,
        table: CocoTable,
        image_root: Path,
        classes: Sequence[str],
        *,
        has_masks: bool,
        images: np.ndarray | None = None,
        semantic: SemanticFolder | None = None,
    ) -> None:
        self.table = table
        self.image_root = image_root
        self.classes = tuple(classes)
        self.has_masks = has_masks
        self.semantic = semantic
        self.images = np.arange(len(table.image_ids)) if images is None else np.asarray(images, dtype=np.int64)
        position = {name: label for label, name in enumerate(classes)}
        self._label_of = np.array([position.get(name, -1) for name in table.category_names], dtype=np.int64)
        self.is_target = is_target(table, has_masks=has_masks)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every image."""
        return [(int(height), int(width)) for height, width in self.table.sizes[self.images]]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of image `index`, as the json has them."""
        height, width = self.table.sizes[self.images[index]]
        return int(height), int(width)

    @property
    def image_ids(self) -> list[int]:
        return [int(number) for number in self.table.image_ids[self.images]]

    @property
    def object_counts(self) -> np.ndarray:
        """(images,) int64: how many targets each image has."""
        totals = np.concatenate([[0], np.cumsum(self.is_target)])
        return totals[self.table.starts[self.images + 1]] - totals[self.table.starts[self.images]]

    @property
    def class_counts(self) -> list[int]:
        """How many targets of each class there are."""
        image_of_row = np.repeat(np.arange(len(self.table.image_ids)), np.diff(self.table.starts))
        chosen = self.is_target & np.isin(image_of_row, self.images)
        counts = np.bincount(self._label_of[self.table.categories[chosen]], minlength=len(self.classes))
        return [int(count) for count in counts]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Image.Image, Instances]:
        """The image, as a viewer shows it, and its targets; ImageError where it has not the size that the json says."""
        image, instances = self.read_image(index), self.instances(index)
        if self.semantic is None:
            return image, instances
        return image, instances._replace(semantic=self.semantic.read(self.file_name(index), self.size(index)))

    def read_image(self, index: int) -> Image.Image:
        path = self.image_path(index)
        image = read_image(path)
        height, width = self.size(index)
        if image.size != (width, height):
            raise ImageError(wrong_size(path, image.size, (width, height), self.table.path))
        return image

    def instances(self, index: int) -> Instances:
        """The targets of image `index` without reading it."""
        table = self.table
        height, width = self.size(index)
        rows = [row for row in self.rows(index) if self.is_target[row]]
        boxes = table.boxes[rows].reshape(-1, 4)
        edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        edges = edges.clip(0, [width, height, width, height])
        found = Instances(
            boxes=torch.from_numpy(edges).float(),
            labels=torch.from_numpy(self._label_of[table.categories[rows]]),
            masks=decode_masks([self.segmentation(row) for row in rows], height, width) if self.has_masks else None,
        )
        if found.masks is None:
            return found
        seen = found.masks.flatten(1).any(1)
        return found if seen.all() else Instances(found.boxes[seen], found.labels[seen], found.masks[seen])

    def file_name(self, index: int) -> str:
        """As the json has it, relative to the folder of the images."""
        return self.table.file_names[int(self.images[index])]

    def image_path(self, index: int) -> Path:
        return self.image_root / self.file_name(index)

    def sample_name(self, index: int) -> str:
        """Path of the file."""
        return str(self.image_path(index))

    def subset(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The images at `indices`, in that order."""
        return self._changed(self.images[np.asarray(indices, dtype=np.int64)], self.semantic)

    def with_semantic(self, maps: SemanticMaps) -> Self:
        """The same images with their semantic maps; raises InputError where their folder or one of them is missing."""
        semantic = maps.of(self.image_root)
        absent = list(absent_files([semantic.path(self.file_name(index)) for index in range(len(self))]))
        if absent:
            more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
            path = semantic.path(self.file_name(absent[0]))
            raise InputError(
                f"image {self.image_ids[absent[0]]} of {self.table.path}{more} has no semantic map: there is no file "
                f"{path}; put it there, give another folder with --semantic, {WITHOUT}"
            )
        return self._changed(self.images, semantic)

    def _changed(self, images: np.ndarray, semantic: SemanticFolder | None) -> Self:
        return type(self)(
            self.table, self.image_root, self.classes, has_masks=self.has_masks, images=images, semantic=semantic
        )

    def with_objects(self) -> Self:
        """The images that have something to learn, as the published training takes them.

        Raises InputError where no image has.
        """
        kept = np.flatnonzero(self.object_counts)
        if not len(kept):
            raise InputError(nothing_to_learn(self.table, has_masks=self.has_masks))
        return self if len(kept) == len(self) else self.subset(kept)

    def coco(self) -> dict[str, Any]:
        """The ground truth as a COCO dict, for pycocotools.

        Boxes and areas are those of the file. Regions to ignore are crowds here: pycocotools knows no other way.
        Objects that lack a mask are left out where masks are asked for. Annotations are numbered from 1 (pycocotools
        takes the id 0 for "not matched"). Classes that the file does not have get ids of their own.
        """
        table = self.table
        ids = dict(zip(table.category_names, table.category_ids, strict=True))
        unused = iter(range(table.category_ids[-1] + 1, table.category_ids[-1] + 1 + len(self.classes)))
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            for row in self.rows(index):
                if not self.has_masks or table.mask_states[row] in ("good", "partly"):
                    annotations.append({"id": len(annotations) + 1, **self._annotation(index, row)})
        return {
            "info": {},
            "images": [
                {"id": number, "file_name": table.file_names[int(image)], "height": height, "width": width}
                for image, number, (height, width) in zip(self.images, self.image_ids, self.sizes, strict=True)
            ],
            "annotations": annotations,
            "categories": [{"id": ids[name] if name in ids else next(unused), "name": name} for name in self.classes],
        }

    def _annotation(self, index: int, row: int) -> dict[str, Any]:
        table = self.table
        area = float(table.areas[row])
        box = table.boxes[row].tolist()
        found: dict[str, Any] = {
            "image_id": int(table.image_ids[self.images[index]]),
            "category_id": table.category_ids[table.categories[row]],
            "bbox": box,
            "area": area if area == area else box[2] * box[3],
            "iscrowd": int(table.is_crowd[row]),
        }
        if self.has_masks:
            found["segmentation"] = self.segmentation(row)
            if area != area:
                height, width = self.size(index)
                found["area"] = float(coco_mask.area(run_lengths(found["segmentation"], height, width)))
        return found

    def rows(self, index: int) -> range:
        """Numbers of the annotations of image `index`."""
        image = self.images[index]
        return range(int(self.table.starts[image]), int(self.table.starts[image + 1]))

    def segmentation(self, row: int) -> Any:
        return sound_segmentation(json.loads(self.table.segmentations[row]))


def read_coco(
    json_path: Path, image_root: Path, *, classes: Sequence[str] | None = None, masks: bool | None = None
) -> CocoData:
    """The images of a COCO json that lie in `image_root`.

    Args:
        json_path: the json; any category ids, polygons, both kinds of RLE, crowds, images without objects.
        image_root: the folder that its file names are relative to.
        classes: names in the order of the labels, a model's say. Default: those of the json by ascending id.
        masks: True: with masks; objects without one are left out. False: without. None: with masks if every object
            has one, else without, and with a warning if only some have.

    Raises:
        InputError: naming file and id, where the json is none of COCO's, where a problem of its items stops (see
            `coco_json.CONSEQUENCES`), an image file is missing, no image has an object, or an annotated category is
            not in `classes`. Problems that do not stop are logged. Image sizes are compared when images are read;
            `detection_check` does it for all.
    """
    return coco_data(read_coco_table(json_path), image_root, classes=classes, masks=masks)


def coco_data(
    table: CocoTable, image_root: Path, *, classes: Sequence[str] | None = None, masks: bool | None = None
) -> CocoData:
    """As `read_coco`, of a table that was read."""
    json_path = table.path
    if not table.is_annotated:
        raise InputError(
            f"{json_path} has no annotations, so that there are no objects to learn; its images are for swinkit "
            "evaluate, which writes the files for COCO's server, and swinkit predict"
        )
    table = with_found_names(table, image_root)
    _raise_first([problem for problem in (*table.problems, *used_twice(table)) if problem.stops], json_path)
    _raise_first(list(missing_files(table, image_root)), json_path)
    has_masks = all_have_masks(table) if masks is None else masks
    data = CocoData(table, image_root, _class_order(table, classes), has_masks=has_masks)
    lacking = [] if masks is False else list(without_mask(table))
    _warn([*table.problems, *lacking], json_path, has_masks=has_masks)
    if not data.is_target.any():
        raise InputError(nothing_to_learn(table, has_masks=data.has_masks))
    return data


def coco_images(table: CocoTable, image_root: Path, *, classes: Sequence[str]) -> CocoData:
    """The images of a json without annotations, as of COCO's test sets, to find objects of a model's `classes` in.

    Raises InputError where an image file is missing, or the json has not all of the classes.
    """
    table = with_found_names(table, image_root)
    _raise_first(list(missing_files(table, image_root)), table.path)
    for name in classes:
        if name not in table.category_names:
            raise InputError(
                f"{table.path} has no category {name!r}, which the model finds: its detections would have no id there; "
                "take a model of these categories"
            )
    return CocoData(table, image_root, classes, has_masks=False)


def is_target(table: CocoTable, *, has_masks: bool) -> np.ndarray:
    """(A,) bool: which annotations are learned."""
    targets = ~table.is_crowd & table.has_extent
    return targets & np.isin(table.mask_states, ("good", "partly")) if has_masks else targets


def all_have_masks(table: CocoTable) -> bool:
    """Whether there are objects and every one has a segmentation, be it a bad one."""
    states = table.mask_states[~table.is_crowd]
    return bool(len(states)) and not (states == "absent").any()


def without_mask(table: CocoTable) -> Iterator[Problem]:
    """The objects that have no mask although others have."""
    states = np.where(table.is_crowd, "good", table.mask_states)
    if not (table.mask_states[~table.is_crowd] == "absent").all():
        for row in np.flatnonzero(states == "absent"):
            yield Problem("no mask", table.describe(int(row)), "has no mask, but others have")


def missing_files(table: CocoTable, image_root: Path) -> Iterator[Problem]:
    """The images of which there is no file."""
    paths = [image_root / table.file_names[image] for image in range(len(table.image_ids))]
    for image in absent_files(paths):
        where = f"image {table.image_ids[image]} of {table.path}"
        what = f"is missing: there is no file {paths[image]}, nor one file of that last part below {image_root}"
        yield Problem("missing file", where, what)


def absent_files(paths: Sequence[Path]) -> Iterator[int]:
    """The numbers of the paths at which there is nothing. Every folder is listed once, instead of looking for each."""
    folders: defaultdict[Path, list[int]] = defaultdict(list)
    for number, path in enumerate(paths):
        folders[path.parent].append(number)
    for folder, numbers in folders.items():
        try:
            with os.scandir(folder) as entries:
                present = {entry.name for entry in entries}
        except OSError:
            present = set()
        yield from (number for number in numbers if paths[number].name not in present)


def wrong_size(path: Path, found: tuple[int, int], expected: tuple[int, int], json_path: Path) -> str:
    """The sentence for an image whose (width, height) is not what the json says."""
    turned = " (is it stored turned, by EXIF?)" if found == expected[::-1] and found != expected else ""
    return (
        f"{path} has {found[0]} x {found[1]} pixels (width x height), but {json_path} says {expected[0]} x "
        f"{expected[1]}{turned}: correct the one or the other, boxes refer to the size."
    )


def _class_order(table: CocoTable, classes: Sequence[str] | None) -> Sequence[str]:
    if classes is None:
        return table.category_names
    for number in np.unique(table.categories):
        if table.category_names[number] not in classes:
            raise InputError(
                f"the category {table.category_names[number]!r} of {table.path} is none of the {len(classes)} classes "
                f"asked for ({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}); rename or remove it"
            )
    return classes


def _raise_first(problems: Sequence[Problem], json_path: Path) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more in {json_path.name})" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{more}; correct it or take it out of the json")


def _warn(problems: Sequence[Problem], json_path: Path, *, has_masks: bool) -> None:
    """One line for each kind, with the first of it."""
    kinds: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.kind].append(problem)
    for kind, found in kinds.items():
        more = f", and {len(found) - 1} more like it in {json_path.name}" if len(found) > 1 else ""
        _log.warning("%s%s: %s.", found[0], more, _consequence(kind, has_masks=has_masks))


def _consequence(kind: str, *, has_masks: bool) -> str:
    if kind == "box beyond the image":
        return "cut off at the image's edge"
    if kind == "rotated box":
        return "its extent is taken; save the data with boxes as they lie in the image"
    if kind == "mask outside its box":
        return "the object is left out; correct box or mask" if has_masks else "the box is used; correct box or mask"
    if kind == "bad polygon" and has_masks:
        return "that polygon is left out, and the object too if it has no other"
    if kind in ("bad polygon", "no mask") and not has_masks:
        return "boxes alone are used" if kind == "no mask" else "masks are not used"
    return "left out of what is learned"
