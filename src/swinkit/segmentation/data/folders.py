"""A folder of images and a folder of masks, matched by name: ADE20K's layout, mmsegmentation's, and simpler ones.

    images/training/a.jpg  annotations/training/a.png      (ADE20K; also train, val, valid, validation)
    train/images/a.jpg     train/masks/a.png
    images/a.jpg           masks/a.png                     (no splits: some are held out)

beside a classes.txt with one class name a line, in the order of the masks' values.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swinkit.errors import InputError
from swinkit.files import is_file, is_folder, read_text
from swinkit.images.masks import MASK_SUFFIXES
from swinkit.images.read import is_image_name
from swinkit.ops.labels import IGNORE
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.training.data.splits import stratified_split

IMAGES = ("images", "img_dir", "imgs")
MASKS = ("annotations", "masks", "labels", "ann_dir")
TRAIN = ("training", "train")
VAL = ("validation", "val", "valid")
CLASSES = "classes.txt"
ADE_CLASSES = "objectInfo150.txt"

ACCEPTED = (
    f"images and masks of the same names in images/ and annotations/ (or {', '.join(MASKS[1:])}), each with training/ "
    "and validation/ (or train/ and val/) or without"
)


@dataclass(frozen=True)
class Pairs:
    """Images and masks of one split of a data set, matched by name without the ending."""

    images: tuple[str, ...]
    """Names of the images that have a mask, relative to the data set's folder, sorted."""
    masks: tuple[str, ...]
    """Their masks."""
    images_alone: tuple[str, ...]
    """Images without a mask."""
    masks_alone: tuple[str, ...]
    """Masks without an image."""
    duplicates: tuple[tuple[str, str], ...]
    """Two files of one name with different endings."""


def open_segmentation_folder(
    root: Path, *, classes_file: Path | None = None, reduce_zero_label: bool = False, validation_fraction: float = 0.2
) -> tuple[SegmentationImages, SegmentationImages]:
    """Training and validation images of the data set in `root`.

    Without validation folders, `validation_fraction` of the images is held out, the same ones every time.

    Raises InputError, naming files, where no layout is found, an image lacks its mask or has two, or there is no list
    of classes.
    """
    folders = find_splits(root)
    classes = read_classes(classes_file, root)
    if "train" not in folders:
        raise InputError(f"{root} has masks to validate on, but none to train on; add {ACCEPTED}")
    pairs = {split: _sound(match_pairs(root, *places), root / places[0]) for split, places in folders.items()}
    data = {
        split: SegmentationImages(root, each.images, each.masks, classes, reduce_zero_label=reduce_zero_label)
        for split, each in pairs.items()
    }
    if "val" in data:
        return data["train"], data["val"]
    return hold_out(data["train"], validation_fraction)


def open_validation_split(
    root: Path, *, classes: Sequence[str], reduce_zero_label: bool, validation_fraction: float, whole: bool
) -> SegmentationImages:
    """The images in `root` to measure a model on: the validation folders, else what training holds out, or with
    `whole` all. `classes` are the model's. Raises InputError as `open_segmentation_folder` does."""
    folders = find_splits(root)
    split = "val" if "val" in folders else "train"
    pairs = _sound(match_pairs(root, *folders[split]), root / folders[split][0])
    data = SegmentationImages(root, pairs.images, pairs.masks, classes, reduce_zero_label=reduce_zero_label)
    return data if whole or split == "val" else hold_out(data, validation_fraction)[1]


def hold_out(data: SegmentationImages, fraction: float) -> tuple[SegmentationImages, SegmentationImages]:
    """The images to train on and those held out."""
    if len(data) < 2:
        raise InputError(f"{data.root} holds a single image with a mask; add images, to validate on")
    names = [data.images[index] for index in range(len(data))]
    kept, held_out = stratified_split(np.zeros(len(data), dtype=np.int64), names, fraction=fraction)
    return data.subset(kept), data.subset(held_out)


def read_classes(path: Path | None, root: Path) -> tuple[str, ...]:
    """Class names, one a line: from `path`, or from classes.txt or ADE20K's objectInfo150.txt in `root`.

    Raises InputError where there is no such file, or it is empty, or names a class twice or more than 255.
    """
    path = path or next((root / name for name in (CLASSES, ADE_CLASSES) if is_file(root / name)), None)
    if path is None:
        raise InputError(
            f"{root} has no {CLASSES}; write the class names into it, one a line, in the order of the masks' values, "
            "or name such a file with --classes-file"
        )
    lines = [line.strip() for line in read_text(path).splitlines()]
    if path.name == ADE_CLASSES:
        lines = [line.rpartition("\t")[2].strip() for line in lines[1:] if line]
    names = [line for line in lines if line]
    if not names:
        raise InputError(f"{path} names no class; write one class name a line")
    if len(names) > IGNORE:
        raise InputError(
            f"{path} names {len(names)} classes, but masks have room for {IGNORE} (the value {IGNORE} is ignored): "
            "merge or leave out some"
        )
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise InputError(f"{path} names the class {twice!r} twice; give every class a name of its own")
    return tuple(names)


def find_splits(root: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of images and of masks, relative to `root`, for "train" and, where it is there, "val".

    Raises InputError, listing the accepted layouts, where none is found.
    """
    if not is_folder(root):
        raise InputError(f"the data folder {root} does not exist or is no folder; give one with {ACCEPTED}")
    found: dict[str, tuple[Path, Path]] = {}
    for split, names in (("train", TRAIN), ("val", VAL)):
        for name in names:
            for images, masks in ((i, m) for i in IMAGES for m in MASKS):
                for places in ((Path(images, name), Path(masks, name)), (Path(name, images), Path(name, masks))):
                    if split not in found and all(is_folder(root / place) for place in places):
                        found[split] = places
    if found:
        return found
    for places in ((Path(images), Path(masks)) for images in IMAGES for masks in MASKS):
        if all(is_folder(root / place) for place in places):
            return {"train": places}
    raise InputError(f"found no images with masks in {root}; it must hold {ACCEPTED}")


def unlabelled_images(root: Path) -> tuple[Path, ...]:
    """All images below a folder that has no masks, as of a test set, sorted; none where it has masks or no images."""
    if not is_folder(root) or any(is_folder(root / name) or any(root.glob(f"*/{name}")) for name in MASKS):
        return ()
    return tuple(sorted(path for path in _files(root) if is_image_name(path.name)))


def match_pairs(root: Path, images: Path, masks: Path) -> Pairs:
    """Match the images below root/images with the masks below root/masks."""
    duplicates: list[tuple[str, str]] = []
    pictures = _by_stem(root, images, is_image_name, duplicates)
    labels = _by_stem(root, masks, _is_mask_name, duplicates)
    both = sorted(pictures.keys() & labels.keys())
    return Pairs(
        images=tuple(pictures[stem] for stem in both),
        masks=tuple(labels[stem] for stem in both),
        images_alone=tuple(pictures[stem] for stem in sorted(pictures.keys() - labels.keys())),
        masks_alone=tuple(labels[stem] for stem in sorted(labels.keys() - pictures.keys())),
        duplicates=tuple(duplicates),
    )


def _sound(pairs: Pairs, folder: Path) -> Pairs:
    if pairs.duplicates:
        one, other = pairs.duplicates[0]
        raise InputError(f"{one} and {other} in {folder} have the same name; remove or rename one of them")
    if pairs.images_alone:
        more = f" (and {len(pairs.images_alone) - 1} more)" if len(pairs.images_alone) > 1 else ""
        raise InputError(
            f"the image {pairs.images_alone[0]}{more} has no mask of the same name; add the mask or remove the image; "
            "swinkit check-data lists all"
        )
    if not pairs.images:
        raise InputError(f"{folder} holds no image with a mask of the same name; it must hold {ACCEPTED}")
    return pairs


def _by_stem(
    root: Path, folder: Path, is_meant: Callable[[str], bool], duplicates: list[tuple[str, str]]
) -> dict[str, str]:
    """Files below root/folder by their path in it without the ending."""
    found: dict[str, str] = {}
    for path in _files(root / folder):
        if is_meant(path.name):
            stem = str(path.relative_to(root / folder).with_suffix(""))
            name = str(path.relative_to(root))
            if stem in found:
                duplicates.append((found[stem], name))
            found.setdefault(stem, name)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for current, subfolders, files in os.walk(folder, onerror=_stop):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(current, name) for name in sorted(files))


def _stop(error: OSError) -> None:
    raise InputError(f"cannot read the folder {error.filename}: {error.strerror}; check its permissions") from error


def _is_mask_name(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in MASK_SUFFIXES and not path.name.startswith(".")
