"""What people call the splits of a data set, the same for all tasks and formats; upper and lower case are one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from swinkit.errors import InputError
from swinkit.files import is_folder

Split = Literal["train", "val", "test"]

SPLIT_NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "minival"),
    "test": ("test", "testing"),
}

SHOWN_NAMES = "train or training, val, valid or validation, test or testing"
"""For messages."""


def split_of(name: str) -> Split | None:
    """The split that a folder or list of this name holds, by the whole name: "Valid" is "val"."""
    return next((split for split, names in SPLIT_NAMES.items() if name.lower() in names), None)


def split_within(name: str) -> Split | None:
    """The split that a longer name tells of by one of its words, such as "instances_train2017", "my-Val" or "trainset";
    None where there is none, or words of several splits."""
    words = {split_of(re.sub(r"(?<=.)(set|data|split)$", "", word)) for word in re.findall(r"[a-z]+", name.lower())}
    words -= {None}
    return words.pop() if len(words) == 1 else None


def split_folders(root: Path) -> dict[Split, Path]:
    """The folders directly in `root` that are called after a split.

    Raises InputError where two are called after the same one, or `root` cannot be read.
    """
    found: dict[Split, Path] = {}
    for folder in folders_in(root):
        split = split_of(folder.name)
        if split is not None and split in found:
            raise InputError(
                f"{root} has two folders for {split}, {found[split].name} and {folder.name}; leave one there"
            )
        if split is not None:
            found[split] = folder
    return found


def folder_named(root: Path, names: Iterable[str]) -> Path | None:
    """The folder in `root` of the first of these names, upper and lower case being one; None without any."""
    folders = {folder.name: folder for folder in folders_in(root)}
    lower = {name.lower(): folder for name, folder in folders.items()}
    return next((found for name in names if (found := folders.get(name) or lower.get(name.lower()))), None)


def folders_in(root: Path) -> list[Path]:
    """The folders directly in `root`, sorted, hidden ones left out; none where `root` is no folder.

    Raises InputError where `root` cannot be read.
    """
    if not is_folder(root):
        return []
    try:
        return sorted(path for path in root.iterdir() if is_folder(path) and not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"cannot read the folder {root}: {error.strerror}; check the path and its permissions"
        ) from error
