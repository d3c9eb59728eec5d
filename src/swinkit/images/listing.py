"""The image files of a folder, and the files that are none, each with the reason: nothing is passed over in silence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from swinkit.errors import InputError
from swinkit.images.read import HEIC_SUFFIXES, is_image_name

OTHER_IMAGES = frozenset(
    {".jp2", ".j2k", ".jpx", ".jxl", ".psd", ".svg", ".eps", ".ico", ".tga", ".exr", ".hdr", ".dcm", ".pdf", ".npy"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".raw", ".nii", ".mat"}
)
"""Endings of images in formats that are not read."""

_OF_THE_SYSTEM = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used."""

    path: Path
    reason: str
    """Follows the file in a list: "in a sub-folder"."""


@dataclass(frozen=True)
class FolderListing:
    """What a folder holds."""

    images: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


IN_SUBFOLDER = "in sub-folders"


def list_images(folder: Path, *, recursive: bool = True, beside: Iterable[str] = ()) -> FolderListing:
    """The images in `folder`, sorted, and the other files. Hidden files and those of the system (Thumbs.db) are not
    looked at.

    Args:
        folder: where to look.
        recursive: whether images in folders below count; else they are left out.
        beside: endings, such as ".txt", of files that belong there and are not named.

    Raises:
        InputError: where a folder cannot be read.
    """
    images: list[Path] = []
    left_out: list[LeftOut] = []
    expected = frozenset(beside)
    for path in walk_files(folder):
        if path.suffix.lower() in expected:
            continue
        reason = why_left_out(path)
        if reason is None and not recursive and path.parent != folder:
            reason = IN_SUBFOLDER
        if reason is None:
            images.append(path)
        else:
            left_out.append(LeftOut(path, reason))
    return FolderListing(tuple(images), tuple(left_out))


def why_left_out(path: Path) -> str | None:
    """Why a file is not taken for an image, by its name; None for an image."""
    suffix = path.suffix.lower()
    if is_image_name(path.name):
        return None
    if suffix in HEIC_SUFFIXES:
        return "HEIC, which needs pillow-heif (pip install pillow-heif)"
    if suffix in OTHER_IMAGES:
        return "in a format that is not read (convert to JPEG or PNG)"
    return "without an ending" if not suffix else "no images by their ending"


def left_out_lines(left_out: Sequence[LeftOut], *, root: Path | None = None, named: int = 3) -> list[str]:
    """A line for every reason: how many files, and the names of the first, relative to `root`."""
    reasons: dict[str, list[str]] = {}
    for each in left_out:
        inside = root is not None and each.path.is_relative_to(root)
        reasons.setdefault(each.reason, []).append(str(each.path.relative_to(root) if inside and root else each.path))
    return [f"left out, {reason}: {counted(names, named=named)}" for reason, names in reasons.items()]


def counted(names: Sequence[str], *, named: int = 3, what: str = "file") -> str:
    """How many, and the first of them: "12 files (a.txt, b.txt, ...)"."""
    more = ", ..." if len(names) > named else ""
    return f"{len(names):,} {what}{'' if len(names) == 1 else 's'} ({', '.join(names[:named])}{more})"


def walk_files(folder: Path) -> Iterator[Path]:
    """All files in `folder` and below, sorted folder by folder, following links but no link loop; hidden files and
    folders and the system's own left out.

    Raises InputError where a folder cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    for current, subfolders, files in os.walk(folder, onerror=_stop, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        try:
            status = Path(current).stat()
        except OSError as error:
            _stop(error)
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        yield from (
            Path(current, name)
            for name in sorted(files)
            if not name.startswith(".") and name.lower() not in _OF_THE_SYSTEM
        )


def _stop(error: OSError) -> NoReturn:
    raise InputError(f"cannot read the folder {error.filename}: {error.strerror}; check its permissions") from error
