"""A folder for every class: `root/train/<class>/*.jpg` and `root/val/...`, or just `root/<class>/*.jpg`."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.classification.data.image_stores import FolderStore
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.errors import InputError
from swinkit.files import is_folder
from swinkit.images.read import IMAGE_SUFFIXES, is_image_name
from swinkit.training.data.splits import stratified_split

VALIDATION_NAMES = ("val", "validation", "valid")

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
            raise InputError(
                f"the class folder {root / folder} holds no image ({' '.join(sorted(IMAGE_SUFFIXES))}): "
                "fill it or remove it"
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
    """`root/train` if it holds class folders; a class that is called "train" holds images instead."""
    folder = root / "train"
    return folder if is_folder(folder) and class_folder_names(folder) else None


def validation_folder(root: Path) -> Path | None:
    """The folder with the validation classes in `root`, if there is one."""
    return next((root / name for name in VALIDATION_NAMES if is_folder(root / name)), None)


def class_folder_names(root: Path) -> list[str]:
    """Names of the folders in `root`, sorted; hidden ones left out. Raises InputError if `root` cannot be read."""
    try:
        return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _unreadable(error) from error


def _image_names(root: Path, folder: str) -> Iterator[str]:
    """Image files below root/folder, relative to root, following links as torchvision does but no link loop."""
    seen: set[tuple[int, int]] = set()
    for current, subfolders, files in os.walk(root / folder, onerror=_stop, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        status = Path(current).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        relative = Path(current).relative_to(root)
        yield from (str(relative / name) for name in files if is_image_name(name))


def _stop(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> InputError:
    return InputError(f"cannot read the folder {error.filename}: {error.strerror}; check the path and its permissions")
