"""Which images are meant on the command line, and what the files made of them are called."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import exists, is_file, is_folder
from swinkit.images.listing import LeftOut, left_out_lines, list_images, why_left_out
from swinkit.images.read import is_image_name
from swinkit.images.video import is_video_name


def image_paths(given: Sequence[Path], *, recursive: bool = False) -> tuple[list[Path], list[LeftOut]]:
    """The files meant, where folders stand for the images in them (and below them, if `recursive`), and the other files
    of the folders; videos count where they are named."""
    if not given:
        raise InputError("name at least one image or folder of images")
    paths: list[Path] = []
    left_out: list[LeftOut] = []
    for path in given:
        if not is_folder(path):
            matching = _matching(path)
            for each in matching:
                why = None if len(matching) == 1 or is_video_name(each.name) else why_left_out(each)
                if why is None:
                    paths.append(each)
                else:
                    left_out.append(LeftOut(each, why))
            continue
        listing = list_images(path, recursive=recursive)
        if not listing.images:
            there = "; ".join(left_out_lines(listing.left_out, root=path))
            raise InputError(
                f"the folder {path} holds no image{f' ({there})' if there else ''}; name files or another folder, or "
                "give --recursive for those below it"
            )
        paths += listing.images
        left_out += listing.left_out
    return paths, left_out


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


def run_folder(checkpoint: str) -> Path | None:
    """The folder of the run that a checkpoint is of; None where it is of none, or no file."""
    path = Path(checkpoint)
    folder = path if is_folder(path) else path.parent
    return folder if exists(path) and is_file(folder / "recipe.json") else None


def _matching(path: Path) -> list[Path]:
    """The files that a pattern such as *.jpg stands for, where a shell has not replaced it already; else the path."""
    if exists(path) or not glob.has_magic(str(path)):
        return [path]
    pattern = path.relative_to(path.anchor)
    found = sorted(file for file in Path(path.anchor or ".").glob(str(pattern)) if is_file(file))
    return found if any(is_image_name(file.name) or is_video_name(file.name) for file in found) else [path]
