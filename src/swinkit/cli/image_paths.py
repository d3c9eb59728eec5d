"""Which images are meant on the command line, and what the files made of them are called."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import exists, is_file, is_folder
from swinkit.images.read import is_image_name


def image_paths(given: Sequence[Path]) -> Iterator[Path]:
    """The files meant: folders stand for the images in them."""
    if not given:
        raise InputError("name at least one image or folder of images")
    for path in given:
        if not is_folder(path):
            yield from _matching(path)
            continue
        try:
            found = sorted(file for file in path.iterdir() if is_file(file) and is_image_name(file.name))
        except OSError as error:
            raise InputError(f"cannot read the folder {path} ({error.strerror}); check its permissions") from None
        if not found:
            raise InputError(f"the folder {path} holds no image; name files or another folder")
        yield from found


def picture_paths(paths: Sequence[Path], folder: Path, *, endings: Sequence[str] = ("",)) -> list[Path]:
    """For every image a picture of its own in `folder`, called after the image and its folder.

    With several `endings`, such as "_mask", all files NAME + ending + .png are the image's own.
    """
    pictures: list[Path] = []
    taken: set[str] = set()
    for path in paths:
        whole = "_".join([*path.parent.parts[-1:], path.stem]).replace("/", "")
        name, number = whole, 1
        while any(name + ending in taken for ending in endings):
            number += 1
            name = f"{whole}_{number}"
        taken |= {name + ending for ending in endings}
        pictures.append(folder / f"{name}.png")
    return pictures


def run_name(checkpoint: str) -> str:
    """What a checkpoint is called in the names of folders: after its run, or its file."""
    path = Path(checkpoint)
    return path.parent.name or path.stem if path.name in ("best.safetensors", "last.safetensors") else path.stem


def _matching(path: Path) -> list[Path]:
    """The files that a pattern such as *.jpg stands for, where a shell has not replaced it already; else the path."""
    if exists(path) or not glob.has_magic(str(path)):
        return [path]
    pattern = path.relative_to(path.anchor)
    found = sorted(file for file in Path(path.anchor or ".").glob(str(pattern)) if is_image_name(file.name))
    return found or [path]
