"""Finds out which layout of a classification data set lies in a folder, and opens it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from swinkit.classification.data import json_lists, zip_maps
from swinkit.classification.data.class_folders import (
    class_folder_names,
    open_class_folders,
    read_class_folder,
    train_folder,
    validation_folder,
)
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.errors import InputError
from swinkit.files import exists, is_file, is_folder

Layout = Literal["class_folders", "zip_maps", "json_lists"]

ACCEPTED = (
    "class folders (train/<class>/*.jpg and val/<class>/*.jpg, or just <class>/*.jpg), "
    f"the zipped ImageNet ({', '.join(zip_maps.FILES)}), or the ImageNet-22K lists ({', '.join(json_lists.FILES)})"
)


def open_classification_data(
    root: Path,
    *,
    layout: Layout | None = None,
    on_corrupt: OnCorrupt = "stop",
    validation_fraction: float = 0.2,
    split_seed: int = 0,
) -> tuple[ClassificationImages, ClassificationImages]:
    """Training and validation images of the data set in `root`, whichever layout it has (None: found out).

    `validation_fraction` and `split_seed` count only for class folders without a validation folder.

    Raises InputError with what is wrong, or with the accepted layouts if there is none of them.
    """
    match layout or find_layout(root):
        case "class_folders":
            return open_class_folders(
                root, on_corrupt=on_corrupt, validation_fraction=validation_fraction, split_seed=split_seed
            )
        case "zip_maps":
            return zip_maps.open_zip_maps(root, on_corrupt=on_corrupt)
        case "json_lists":
            return json_lists.open_json_lists(root, on_corrupt=on_corrupt)


def open_evaluation_data(
    root: Path,
    *,
    classes: Sequence[str],
    part: Literal["held_out", "all"] = "held_out",
    on_corrupt: OnCorrupt = "stop",
    validation_fraction: float = 0.2,
    split_seed: int = 0,
) -> ClassificationImages:
    """The images in `root` to measure a trained model on, labelled by `classes` (the model's, in order).

    Class folders: `root/val` if it is there, with or without a `root/train`; else the part that training on `root`
    holds out, or with `part="all"` every image (a folder the model has never seen). They may have only some of the
    classes. The other layouts: their validation list.

    Raises InputError as `open_classification_data` does, and on a class that is not in `classes`.
    """
    if find_layout(root) != "class_folders":
        return _numbered(open_classification_data(root, on_corrupt=on_corrupt)[1], classes)
    folder = validation_folder(root)
    if folder is None and part == "held_out":
        _, held_out = open_class_folders(
            root, on_corrupt=on_corrupt, validation_fraction=validation_fraction, split_seed=split_seed
        )
        return held_out.with_classes(classes)
    return read_class_folder(folder or train_folder(root) or root, classes=classes, on_corrupt=on_corrupt)


def find_layout(root: Path) -> Layout:
    """Which layout lies in `root`. Raises InputError, listing the accepted ones, if none does."""
    if not is_folder(root):
        what = "is a file, not a folder" if exists(root) else "does not exist"
        raise InputError(f"the data folder {root} {what}; give a folder with {ACCEPTED}")
    if any(is_file(root / name) for name in zip_maps.FILES):
        return "zip_maps"
    if any(is_file(root / name) for name in json_lists.FILES):
        return "json_lists"
    if class_folder_names(root):
        return "class_folders"
    raise InputError(f"found no data set in {root}; it must hold {ACCEPTED}")


def _numbered(data: ClassificationImages, classes: Sequence[str]) -> ClassificationImages:
    """By name where the names are the model's, else by number: the lists number classes as the model was trained."""
    if set(data.classes) <= set(classes):
        return data.with_classes(classes)
    if len(data.classes) > len(classes):
        raise InputError(
            f"the data set has {len(data.classes)} classes, the model {len(classes)}; use the data it was trained for"
        )
    return ClassificationImages(data.store, data.names, data.labels, classes, on_corrupt=data.on_corrupt)
