"""The data of a run, judged before it begins: what `swinkit train` and `swinkit check-data` both ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.detection.data.check import require_sound
from swinkit.detection.data.coco import CocoData
from swinkit.detection.data.learnable import USUAL_LIMIT, class_remarks, dense_remarks
from swinkit.detection.data.semantic import SemanticMaps
from swinkit.detection.data.sources import find_detection_files, listed_names, open_detection_data
from swinkit.files import is_folder
from swinkit.images.duplicates import same_bytes
from swinkit.images.listing import LeftOut, list_images

_BESIDE = (".json", ".txt", ".xml", ".csv", ".md", ".yaml", ".yml", ".html")


def open_training_data(
    source: Path,
    *,
    image_root: Path | None = None,
    masks: bool | None = None,
    validation_fraction: float = 0.2,
    semantic: SemanticMaps | None = None,
) -> tuple[CocoData, CocoData]:
    """Training and validation images that a run can begin with; see `open_detection_data` for the arguments.

    Raises InputError where it cannot: also where the header of an image, or of its semantic map, shows that reading it
    would stop the run, or there is nothing to learn.
    """
    train, val = open_detection_data(
        source, image_root=image_root, masks=masks, validation_fraction=validation_fraction, semantic=semantic
    )
    for split in (train, val):
        require_sound(split)
        split.with_objects()
    return train, val


def remarks(train: CocoData, val: CocoData, *, detections: int = USUAL_LIMIT) -> Iterator[str]:
    """What a run should not pass over in silence, a sentence each: classes that cannot be learned or measured, and
    images with more objects than the `detections` that count."""
    yield from class_remarks(_class_counts(train), train.classes, where="the training data")
    yield from class_remarks(_class_counts(val), val.classes, where="the validation data")
    yield from dense_remarks(val.object_counts, where="the validation data", limit=detections)


def dense_lines(data: CocoData) -> Iterator[str]:
    """A line where images hold more objects than COCO counts detections."""
    return dense_remarks(data.object_counts, where=str(data.table.path))


def repeated_images(train: Sequence[Path], val: Sequence[Path]) -> Iterator[str]:
    """A line where files to validate on are byte for byte files to train on, under other names."""
    validated = {path for path in val if path not in set(train)}
    groups = [
        group for group in same_bytes([*train, *validated]) if 0 < sum(path in validated for path in group) < len(group)
    ]
    if groups:
        pair = " and ".join(
            str(next(path for path in groups[0] if (path in validated) is side)) for side in (True, False)
        )
        yield f"{len(groups):,} images to validate on are in the training data, too: {pair}"


def unlisted_files(source: Path, *, image_root: Path | None = None) -> list[LeftOut]:
    """The files in the folders of the images that no json of the data set names, and why they are not used."""
    listed: set[Path] = set()
    for files in find_detection_files(source, image_root=image_root).values():
        listed |= {(files.image_root / name).resolve() for name in listed_names(files.json_path, files.image_root)}
    left_out: list[LeftOut] = []
    for folder in sorted({path.parent for path in listed if is_folder(path.parent)}):
        there = list_images(folder, beside=_BESIDE)
        unnamed = [path for path in there.images if path.parent == folder and path not in listed]
        left_out += [LeftOut(path, "images that no json names") for path in unnamed]
        left_out += [each for each in there.left_out if each.path.parent == folder]
    return left_out


def _class_counts(data: CocoData) -> list[int]:
    counts = Counter(
        data.table.category_names[data.table.categories[row]]
        for index in range(len(data))
        for row in data.rows(index)
        if data.is_target[row]
    )
    return [counts[name] for name in data.classes]
