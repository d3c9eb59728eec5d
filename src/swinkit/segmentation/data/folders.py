"""A folder of images and a folder of masks, matched by name: ADE20K's layout, mmsegmentation's, and simpler ones.

    images/training/a.jpg  annotations/training/a.png      (ADE20K; also train, val, valid, validation)
    train/images/a.jpg     train/masks/a.png
    images/a.jpg           masks/a.png                     (no splits: some are held out)

beside a classes.txt with one class name a line, in the order of the masks' values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swinkit.errors import InputError
from swinkit.files import is_file, is_folder, read_text
from swinkit.images.folder_pairs import find_folder_pairs
from swinkit.images.listing import LeftOut, walk_files, why_left_out
from swinkit.images.masks import MASK_SUFFIXES
from swinkit.images.pairs import common_ending, core, match_names
from swinkit.images.read import is_image_name
from swinkit.ops.labels import IGNORE
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.training.data.splits import stratified_split

IMAGES = ("images", "img_dir", "imgs", "image", "img", "JPEGImages", "leftImg8bit")
MASKS = ("annotations", "masks", "labels", "ann_dir", "mask", "label", "SegmentationClass", "gtFine", "gt")
CLASSES = "classes.txt"
ADE_CLASSES = "objectInfo150.txt"

ACCEPTED = (
    f"images and masks of the same names in images/ and annotations/ (or {', '.join(MASKS[1:4])}), each with training/ "
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
    """Two files that would both belong to one name."""
    refused: tuple[LeftOut, ...] = ()
    """Files that would be masks of images but are of a kind that cannot be one."""
    left_out: tuple[LeftOut, ...] = ()
    """Other files in the two folders."""


def open_segmentation_folder(
    root: Path,
    *,
    classes_file: Path | None = None,
    reduce_zero_label: bool = False,
    mask_values: Sequence[int] | None = None,
    validation_fraction: float = 0.2,
) -> tuple[SegmentationImages, SegmentationImages]:
    """Training and validation images of the data set in `root`.

    Without validation folders, `validation_fraction` of the images is held out, the same ones every time.

    Raises InputError as `open_splits` does.
    """
    data = open_splits(root, classes_file=classes_file, reduce_zero_label=reduce_zero_label, mask_values=mask_values)
    return divided(data, validation_fraction)


def divided(data: dict[str, SegmentationImages], fraction: float) -> tuple[SegmentationImages, SegmentationImages]:
    """Training and validation images of splits: where there is none to validate on, `fraction` is held out."""
    return (data["train"], data["val"]) if "val" in data else hold_out(data["train"], fraction)


def open_splits(
    root: Path,
    *,
    classes_file: Path | None = None,
    reduce_zero_label: bool = False,
    mask_values: Sequence[int] | None = None,
) -> dict[str, SegmentationImages]:
    """The images of "train" and, where it is there, "val".

    Raises InputError, naming files, where no layout is found, an image lacks its mask or has two, or there is no list
    of classes.
    """
    folders = find_splits(root)
    classes = read_classes(classes_file, root)
    if "train" not in folders:
        raise InputError(f"{root} has masks to validate on, but none to train on; add {ACCEPTED}")
    pairs = {split: _sound(match_pairs(root, *places), root / places[0]) for split, places in folders.items()}
    return {
        split: SegmentationImages(
            root, each.images, each.masks, classes, reduce_zero_label=reduce_zero_label, mask_values=mask_values
        )
        for split, each in pairs.items()
    }


def open_validation_split(
    root: Path,
    *,
    classes: Sequence[str],
    reduce_zero_label: bool,
    validation_fraction: float,
    whole: bool,
    mask_values: Sequence[int] | None = None,
) -> SegmentationImages:
    """The images in `root` to measure a model on: the validation folders, else what training holds out, or with
    `whole` all. `classes` are the model's. Raises InputError as `open_segmentation_folder` does."""
    folders = find_splits(root)
    split = "val" if "val" in folders else "train"
    pairs = _sound(match_pairs(root, *folders[split]), root / folders[split][0])
    data = SegmentationImages(
        root, pairs.images, pairs.masks, classes, reduce_zero_label=reduce_zero_label, mask_values=mask_values
    )
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
    found = find_folder_pairs(root, IMAGES, MASKS, is_mask=_is_mask_name)
    if not found:
        raise InputError(f"found no images with masks in {root}; it must hold {ACCEPTED}{_beside_each_other(root)}")
    return {split: found[split] for split in ("train", "val") if split in found}


def _beside_each_other(root: Path) -> str:
    """A sentence where images and masks lie in one folder."""
    there = [path for path in walk_files(root) if path.suffix.lower() in MASK_SUFFIXES]
    ending = common_ending([path.stem for path in there])
    is_of_another = ending and any(is_image_name(path.name) and path not in there for path in walk_files(root))
    return f"; there are files called *{ending}: put them into masks/, apart from the images" if is_of_another else ""


def unlabelled_images(root: Path) -> tuple[Path, ...]:
    """All images below a folder that has no masks, as of a test set, sorted; none where it has masks or no images."""
    if not is_folder(root) or any(is_folder(root / name) or any(root.glob(f"*/{name}")) for name in MASKS):
        return ()
    return tuple(sorted(path for path in walk_files(root) if is_image_name(path.name)))


def match_pairs(root: Path, images: Path, masks: Path) -> Pairs:
    """Match the images below root/images with the masks below root/masks, by name without the ending; what is left, by
    name without what tools add to masks' names (`images.pairs`)."""
    duplicates: list[tuple[str, str]] = []
    left_out: list[LeftOut] = []
    pictures = _by_stem(root, images, why_left_out, duplicates, left_out)
    of_masks: list[LeftOut] = []
    labels = _by_stem(root, masks, why_no_mask, duplicates, of_masks)
    matched = match_names(pictures, labels)
    duplicates += [(labels[one], labels[other]) for one, other in matched.several]
    waiting = {core(name, of_image=True): name for name in matched.images_alone}
    others = {core(_stem(root / masks, each.path)): each for each in of_masks}
    refused = {waiting[name]: each for name, each in others.items() if name in waiting}
    return Pairs(
        images=tuple(pictures[image] for image, _ in matched.pairs),
        masks=tuple(labels[mask] for _, mask in matched.pairs),
        images_alone=tuple(pictures[name] for name in matched.images_alone if name not in refused),
        masks_alone=tuple(labels[name] for name in matched.masks_alone),
        duplicates=tuple(duplicates),
        refused=tuple(refused.values()),
        left_out=(*left_out, *(each for each in of_masks if each not in refused.values())),
    )


def mismatches(pairs: Pairs) -> list[str]:
    """Why the files of a split cannot be used, a sentence each."""
    found = [f"{one} and {other} have the same name" for one, other in pairs.duplicates]
    reasons = dict.fromkeys(each.reason for each in pairs.refused)
    for reason in reasons:
        names = [str(each.path) for each in pairs.refused if each.reason == reason]
        found.append(f"{names[0]}{_and_more(names)} {reason}")
    return found + [f"the image {name} has no mask" for name in pairs.images_alone]


def _and_more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _sound(pairs: Pairs, folder: Path) -> Pairs:
    if pairs.duplicates:
        one, other = pairs.duplicates[0]
        raise InputError(f"{one} and {other} in {folder} have the same name; remove or rename one of them")
    if pairs.refused:
        raise InputError(f"{mismatches(pairs)[0]}; swinkit check-data lists all")
    if pairs.images_alone:
        raise InputError(
            f"the image {pairs.images_alone[0]}{_and_more(pairs.images_alone)} has no mask of the same name; add the "
            "mask or remove the image; swinkit check-data lists all"
        )
    if not pairs.images:
        raise InputError(f"{folder} holds no image with a mask of the same name; it must hold {ACCEPTED}")
    return pairs


def _by_stem(
    root: Path,
    folder: Path,
    reason: Callable[[Path], str | None],
    duplicates: list[tuple[str, str]],
    left_out: list[LeftOut],
) -> dict[str, str]:
    """Files below root/folder by their path in it without the ending."""
    found: dict[str, str] = {}
    for path in walk_files(root / folder):
        why = reason(path)
        if why is not None:
            left_out.append(LeftOut(path, why))
            continue
        stem, name = _stem(root / folder, path), str(path.relative_to(root))
        if stem in found:
            duplicates.append((found[stem], name))
        found.setdefault(stem, name)
    return found


def _stem(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def why_no_mask(path: Path) -> str | None:
    """Why a file cannot be a mask, by its name; None where it can."""
    if _is_mask_name(path.name):
        return None
    if path.suffix.lower() in (".jpg", ".jpeg", ".jfif"):
        return "is a JPEG, which changes values: save masks as PNG"
    if is_image_name(path.name):
        return f"is a {path.suffix.lower().removeprefix('.')} file, which is not read as a mask: save masks as PNG"
    return "is no mask that can be read: save masks as PNG"


def _is_mask_name(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in MASK_SUFFIXES and not path.name.startswith(".")
