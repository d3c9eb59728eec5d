"""A folder for every class: `root/train/<class>/*.jpg` and `root/val/...`, or just `root/<class>/*.jpg`."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.classification.data.image_stores import FolderStore
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.errors import InputError
from swinkit.files import is_file
from swinkit.images.listing import LeftOut, left_out_lines, list_images
from swinkit.images.read import IMAGE_SUFFIXES, is_image_name
from swinkit.training.data.split_names import folders_in, split_folders, split_of
from swinkit.training.data.splits import stratified_split

_log = logging.getLogger(__name__)


def read_class_folder(
    root: Path, *, classes: Sequence[str] | None = None, on_corrupt: OnCorrupt = "stop"
) -> ClassificationImages:
    """Every image below `root`, its class the name of the folder directly below `root`.

    Classes are sorted by name (as torchvision's ImageFolder and the official code number them); images in deeper
    folders count, hidden files and folders do not. With `classes`, labels follow that list instead, which may name
    classes that do not occur here.

    Raises InputError, naming the folder, if `root` or a folder below it cannot be read, if `root` has no class
    folders, if a class folder holds no image, or if a class is not in `classes`.
    """
    folders = class_folder_names(root)
    if not folders:
        raise InputError(f"{root} has no class folders; put the images of every class into a folder of its own there")
    names: list[str] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        found = sorted(_image_names(root, folder))
        if not found:
            there = "; ".join(left_out_lines(list_images(root / folder).left_out, root=root))
            raise InputError(
                f"the class folder {root / folder} holds no image ({' '.join(sorted(IMAGE_SUFFIXES))}): "
                f"fill it or remove it{f' ({there})' if there else ''}"
            )
        names += found
        labels += [label] * len(found)
    data = ClassificationImages(FolderStore(root), names, labels, folders, on_corrupt=on_corrupt)
    return data if classes is None else data.with_classes(classes)


def open_class_folders(
    root: Path, *, on_corrupt: OnCorrupt = "stop", validation_fraction: float = 0.2, split_seed: int = 0
) -> tuple[ClassificationImages, ClassificationImages]:
    """Training and validation images from `root/train` and `root/val` (or `valid`, `validation`).

    Without a validation folder, `validation_fraction` of every class is held out (`splits.stratified_split`); without
    a `train` folder the class folders lie directly in `root`. A validation class without images is allowed, one that
    training lacks is not.

    Raises InputError as `read_class_folder` does, and on a class in validation that training lacks.
    """
    train_root = train_folder(root)
    _refuse_splits_as_classes(train_root or root)
    train = read_class_folder(train_root or root, on_corrupt=on_corrupt)
    val_root = validation_folder(root) if train_root else None
    if val_root is None:
        _log.info("No validation folder in %s: holding out %g of every class.", root, validation_fraction)
        names = [train.names[index] for index in range(len(train))]
        kept, held_out = stratified_split(train.labels, names, fraction=validation_fraction, seed=split_seed)
        if not len(held_out):
            raise InputError(f"no class folder in {train_root or root} holds two images; add images to validate on")
        return train.subset(kept), train.subset(held_out)
    for name in class_folder_names(val_root):
        if name not in train.classes:
            raise InputError(
                f"the class folder {val_root / name} has no counterpart in {train_root}; add training images for "
                f"{name!r} there or remove it"
            )
    return train, read_class_folder(val_root, classes=train.classes, on_corrupt=on_corrupt)


def train_folder(root: Path) -> Path | None:
    """The folder with the training classes in `root`, train or training in upper or lower case; a class that is called
    "train" holds images instead."""
    return next(
        (path for split, path in split_folders(root).items() if split == "train" and class_folder_names(path)), None
    )


def validation_folder(root: Path) -> Path | None:
    """The folder with the validation classes in `root`, if there is one."""
    return next((path for split, path in split_folders(root).items() if split == "val"), None)


def unused_files(root: Path) -> list[LeftOut]:
    """The files in `root` that training does not use, the split test aside: no images by their ending, or in none of
    the class folders."""
    train_root, val_root = train_folder(root), validation_folder(root)
    left_out: list[LeftOut] = []
    if train_root is None:
        return _beside_classes(root)
    used = {train_root, val_root or train_root}
    for folder in folders_in(root):
        if folder in used:
            left_out += _beside_classes(folder)
        elif split_of(folder.name) is None:
            reason = f"in the folder {folder.name}, which is neither train nor val"
            left_out += [LeftOut(path, reason) for path in list_images(folder).images]
    return left_out + [LeftOut(path, NO_CLASS) for path in list_images(root).images if path.parent == root]


NO_CLASS = "in no class folder"


def _beside_classes(root: Path) -> list[LeftOut]:
    there = list_images(root)
    return [LeftOut(path, NO_CLASS) for path in there.images if path.parent == root] + [*there.left_out]


def _refuse_splits_as_classes(root: Path) -> None:
    """Raises InputError where class folders hold nothing but folders, the same ones: those are the classes."""
    inside = {folder: frozenset(class_folder_names(folder)) for folder in folders_in(root)}
    if not inside or any(not names or _has_images(folder) for folder, names in inside.items()):
        return
    if len(inside) == 1:
        ((folder, names),) = inside.items()
        raise InputError(
            f"{root} has the single class folder {folder.name}, which holds class folders itself "
            f"({_some(sorted(names))}): give {folder}"
        )
    shared = frozenset.intersection(*inside.values())
    if len(shared) >= 2 and 2 * len(shared) >= len(frozenset.union(*inside.values())):
        raise InputError(
            f"the folders {_some([folder.name for folder in inside])} of {root} hold the same folders "
            f"({_some(sorted(shared))}): if they are splits, call them train and val; classes lie directly in {root}"
        )


def _has_images(folder: Path) -> bool:
    return any(is_image_name(path.name) for path in folder.iterdir() if is_file(path))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def class_folder_names(root: Path) -> list[str]:
    """Names of the folders in `root`, sorted; hidden ones left out. Raises InputError if `root` cannot be read."""
    try:
        return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _unreadable(error) from error


def _image_names(root: Path, folder: str) -> Iterator[str]:
    """Image files below root/folder, relative to root."""
    return (str(path.relative_to(root)) for path in list_images(root / folder).images)


def _unreadable(error: OSError) -> InputError:
    return InputError(f"cannot read the folder {error.filename}: {error.strerror}; check the path and its permissions")
