"""Finds the COCO json files of a data set and the folders of their images.

data/annotations/train.json  val.json  (test.json)   with data/train/  data/val/
data/annotations/instances_train2017.json  ...       with data/train2017/  data/val2017/
data/annotations/image_info_test-dev2017.json        given itself, with data/test2017/ (images alone, to evaluate)
data/annotations/anything.json                       with data/images/, or data/ (no division: a part is held out)
data/train/_annotations.coco.json  data/valid/...    with the images beside them
data.json                                            with an image folder given, or found in the same way
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swinkit.detection.data.coco import CocoData, coco_data, coco_images, read_coco
from swinkit.detection.data.coco_json import read_coco_table
from swinkit.detection.data.semantic import SemanticMaps
from swinkit.errors import InputError
from swinkit.files import is_file, is_folder, read_text
from swinkit.training.data.splits import stratified_split

TRAIN = ("train", "training")
VAL = ("val", "valid", "validation", "minival")
TEST = ("test",)
NOT_OBJECTS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")
"""Beginnings of other files that the official COCO folder holds."""

_FILE_NAME = re.compile(r'"file_name"\s*:\s*("(?:[^"\\\x00-\x1f]|\\["\\/bfnrtu])*")')

ACCEPTED = (
    "COCO json files in annotations/ (train.json and val.json with train/ and val/, instances_train2017.json with "
    "train2017/, or one json with images/), or a json beside the images in train/ and valid/"
)


@dataclass(frozen=True)
class DetectionFiles:
    """A json and the folder that its file names are relative to."""

    json_path: Path
    image_root: Path


def open_detection_data(
    source: Path,
    *,
    image_root: Path | None = None,
    masks: bool | None = None,
    validation_fraction: float = 0.2,
    semantic: SemanticMaps | None = None,
) -> tuple[CocoData, CocoData]:
    """Training and validation images of a data set.

    Args:
        source: a folder with one of the layouts above, or a json.
        image_root: the folder of the images, where `source` is a json and they do not lie in one of the usual places.
        masks: see `read_coco`; decided by the training part for both where it is None.
        validation_fraction: how much is held out where there is no validation json, the same images every time.
        semantic: the semantic maps that the training images come with; none are needed to validate.

    Raises:
        InputError: as `read_coco` and `CocoData.with_semantic` do, or listing the accepted layouts where none is found.
    """
    parts = find_detection_files(source, image_root=image_root)
    if "train" not in parts:
        raise InputError(f"{source} has a json to validate on, but none to train on; it must hold {ACCEPTED}")
    train = read_coco(parts["train"].json_path, parts["train"].image_root, masks=masks)
    if "val" in parts:
        files = parts["val"]
        val = read_coco(files.json_path, files.image_root, classes=train.classes, masks=train.has_masks)
    else:
        train, val = hold_out(train, validation_fraction)
    return (train if semantic is None else train.with_semantic(semantic)), val


def open_detection_evaluation(
    source: Path,
    *,
    classes: Sequence[str],
    image_root: Path | None = None,
    masks: bool | None = None,
    validation_fraction: float = 0.2,
    whole: bool = False,
) -> CocoData:
    """The images of a data set to measure a model on: its validation json, else what training holds out, or with
    `whole` all of the only json, and all of a json without annotations (`table.is_annotated` tells). `classes` are the
    model's. Raises InputError as `open_detection_data` and `coco_images` do."""
    parts = find_detection_files(source, image_root=image_root)
    files = parts.get("val") or parts["train"]
    table = read_coco_table(files.json_path)
    if not table.is_annotated:
        return coco_images(table, files.image_root, classes=classes)
    data = coco_data(table, files.image_root, classes=classes, masks=masks)
    return data if whole or "val" in parts else hold_out(data, validation_fraction)[1]


def hold_out(data: CocoData, fraction: float) -> tuple[CocoData, CocoData]:
    """The images to train on and those held out; images without objects are divided for themselves."""
    names = [data.table.file_names[int(image)] for image in data.images]
    has_objects = (data.object_counts > 0).astype(np.int64)
    if has_objects.sum() < 2:
        raise InputError(f"{data.table.path} has a single image with objects; annotate more, to validate on")
    kept, held_out = stratified_split(has_objects, names, fraction=fraction)
    return data.subset(kept), data.subset(held_out)


def find_detection_files(source: Path, *, image_root: Path | None = None) -> dict[str, DetectionFiles]:
    """Of each part of a data set ("train", and "val" and "test" where they are there) the json and the image folder.

    Raises InputError where there is no json, several could be meant, or the folder of the images is not found.
    """
    if is_file(source):
        return {"train": DetectionFiles(source, image_root or _find_images(source))}
    if not is_folder(source):
        raise InputError(f"the data {source} does not exist; give a COCO json, or a folder with {ACCEPTED}")
    candidates = _annotation_files(source) or _files_beside_images(source)
    parts = {name: found for name in ("train", "val", "test") if (found := _of_part(candidates, name, source))}
    if not parts:
        if len(candidates) > 1:
            names = ", ".join(path.name for path, _ in candidates[:5])
            raise InputError(
                f"{source} has several json files ({names}); name them train.json and val.json, or give one"
            )
        if not candidates:
            raise InputError(f"found no COCO json in {source}; it must hold {ACCEPTED}.{_hint(source)}")
        parts = {"train": candidates[0][0]}
    return {part: DetectionFiles(path, image_root or _find_images(path)) for part, path in parts.items()}


def _annotation_files(root: Path) -> list[tuple[Path, str]]:
    """The json files of root/annotations, or of root itself, with what their names say."""
    for folder in (root / "annotations", root):
        found = [(path, path.stem.removeprefix("instances_")) for path in _json_files(folder)]
        if found:
            return found
    return []


def _files_beside_images(root: Path) -> list[tuple[Path, str]]:
    """The only json file of each folder train/, val/, ... with the folder's name."""
    found = []
    for name in (*TRAIN, *VAL, *TEST):
        paths = list(_json_files(root / name))
        if len(paths) == 1:
            found.append((paths[0], name))
    return found


def _json_files(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.glob("*.json")) if is_folder(folder) else []
    instances = [path for path in paths if path.name.startswith("instances_")]
    yield from instances or [path for path in paths if not path.name.startswith(NOT_OBJECTS)]


def _of_part(candidates: list[tuple[Path, str]], part: str, source: Path) -> Path | None:
    names = {"train": TRAIN, "val": VAL, "test": TEST}[part]
    found = [path for path, name in candidates if name.lower().startswith(names)]
    if len(found) > 1:
        listed = " and ".join(path.name for path in found[:3])
        raise InputError(f"{source} has several json files for {part} ({listed}); leave one there, or give the json")
    return found[0] if found else None


def _find_images(json_path: Path) -> Path:
    """The usual folder in which the json's first images lie."""
    names = _first_file_names(json_path)
    name = json_path.stem.removeprefix("instances_").removeprefix("image_info_")
    roots = (
        [json_path.parent, json_path.parent.parent] if json_path.parent.name == "annotations" else [json_path.parent]
    )
    roots.reverse()
    usual = (name, name.replace("-dev", ""), Path("images", name), "images", "JPEGImages", "")  # test-dev2017: test2017
    candidates = [root / sub for root in roots for sub in usual]
    for folder in candidates:
        if any(is_file(folder / each) for each in names):
            return folder
    first = names[0] if names else "the images"
    tried = ", ".join(str(folder) for folder in candidates[:3])
    raise InputError(f"found no folder with {first} of {json_path} (tried {tried} and others); give the image folder")


def _first_file_names(json_path: Path) -> list[str]:
    """Up to ten of them, found without parsing what may be half a gigabyte."""
    found = itertools.islice(_FILE_NAME.finditer(read_text(json_path)), 10)
    return [str(json.loads(match[1])) for match in found if "\\u0000" not in match[1]]


def _hint(source: Path) -> str:
    """Whether this looks like another format."""
    is_other = next(source.glob("**/*.xml"), None) or next(source.glob("**/labels"), None)
    return f" To turn Pascal VOC or YOLO data into COCO json: swinkit convert-data {source}" if is_other else ""
