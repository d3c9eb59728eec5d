"""Folders of images and the folders of what belongs to them, masks say, with splits inside or around them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from swinkit.images.listing import walk_files
from swinkit.training.data.split_names import Split, folders_in, split_folders


def find_folder_pairs(
    root: Path, images: Sequence[str], masks: Sequence[str], *, is_mask: Callable[[str], bool]
) -> dict[Split, tuple[Path, Path]]:
    """For each split the folders of images and of masks, relative to `root`; undivided data are "train".

    Args:
        root: the data's folder.
        images: what folders of images are called, in any case, the likeliest first.
        masks: what folders of masks are called.
        is_mask: whether a file of this name may be a mask; folders that hold such come first.

    Raises:
        InputError: where two folders are called after one split.
    """
    names = (images, masks, is_mask)
    found = _splits_outside(root, *names) | _splits_inside(root, *names)
    undivided = next(_pairs(root, *names), None) if not found else None
    return found if undivided is None else {"train": undivided}


def _splits_inside(
    root: Path, images: Sequence[str], masks: Sequence[str], is_mask: Callable[[str], bool]
) -> dict[Split, tuple[Path, Path]]:
    """images/train with masks/train."""
    found: dict[Split, tuple[Path, Path]] = {}
    for one, other in _pairs(root, images, masks, is_mask):
        inside = split_folders(root / one), split_folders(root / other)
        for split in inside[0].keys() & inside[1].keys() - found.keys():
            found[split] = one / inside[0][split].name, other / inside[1][split].name
    return found


def _splits_outside(
    root: Path, images: Sequence[str], masks: Sequence[str], is_mask: Callable[[str], bool]
) -> dict[Split, tuple[Path, Path]]:
    """train/images with train/masks."""
    found: dict[Split, tuple[Path, Path]] = {}
    for split, folder in split_folders(root).items():
        pair = next(_pairs(folder, images, masks, is_mask), None)
        if pair is not None:
            found[split] = Path(folder.name) / pair[0], Path(folder.name) / pair[1]
    return found


def _pairs(
    root: Path, images: Sequence[str], masks: Sequence[str], is_mask: Callable[[str], bool]
) -> Iterator[tuple[Path, Path]]:
    """Names of a folder of images and one of masks in `root`; those that hold files like masks come first."""
    names = {folder.name.lower(): folder.name for folder in folders_in(root)}
    of_images = [names[name.lower()] for name in images if name.lower() in names]
    of_masks = [names[name.lower()] for name in masks if name.lower() in names]
    of_masks.sort(key=lambda name: not any(is_mask(path.name) for path in walk_files(root / name)))
    yield from ((Path(one), Path(other)) for one in of_images for other in of_masks)
