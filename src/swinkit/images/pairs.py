"""Images matched with the files that belong to them, masks say, by name: a.jpg with a.png, a_mask.png, mask_a.png."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SUFFIXES = (
    "masks",
    "mask",
    "labelids",
    "labeltrainids",
    "labels",
    "label",
    "segmentation",
    "seg",
    "annotation",
    "gt",
    "l",
)
"""What tools put behind an image's name, after a separator, to make its mask's."""

PREFIXES = ("mask", "label", "seg", "gt")
"""And before it."""

_BEHIND = re.compile(rf"[_\-. ](?:gtfine[_\-])?(?:{'|'.join(SUFFIXES)})$", re.IGNORECASE)
_BEFORE = re.compile(rf"^(?:{'|'.join(PREFIXES)})[_\-. ]", re.IGNORECASE)
_OF_IMAGES = re.compile(r"[_\-](?:leftImg8bit|image|img)$", re.IGNORECASE)


@dataclass(frozen=True)
class Matched:
    """Files by their path without the ending."""

    pairs: tuple[tuple[str, str], ...]
    """Image and mask."""
    images_alone: tuple[str, ...]
    masks_alone: tuple[str, ...]
    several: tuple[tuple[str, str], ...]
    """Two masks that would both belong to one image."""


def match_names(images: Iterable[str], masks: Iterable[str]) -> Matched:
    """Match paths without ending, relative to their folders, by the whole name, and what is left by the name without
    what tools add to it."""
    images, masks = sorted(images), sorted(masks)
    found: dict[str, str] = {name: name for name in sorted(set(images) & set(masks))}
    left = {core(name, of_image=True): name for name in images if name not in found}
    taken = {core(name, of_image=True): name for name in found}
    alone: list[str] = []
    several: list[tuple[str, str]] = []
    for mask in (name for name in masks if name not in found):
        plain = core(mask)
        image = left.get(plain) or (taken.get(plain) if plain != mask else None)
        if image is None:
            alone.append(mask)
        elif image in found:
            several.append((found[image], mask))
        else:
            found[image] = mask
    pairs = tuple((image, found[image]) for image in images if image in found)
    return Matched(pairs, tuple(name for name in images if name not in found), tuple(alone), tuple(several))


def core(name: str, *, of_image: bool = False) -> str:
    """A path without what marks it as a mask (or, `of_image`, as an image): "day/a_mask" is "day/a"."""
    folder, slash, stem = name.rpartition("/")
    if of_image:
        return folder + slash + (_OF_IMAGES.sub("", stem) or stem)
    return folder + slash + (_BEFORE.sub("", _BEHIND.sub("", stem)) or stem)


def common_ending(names: Sequence[str]) -> str:
    """What is put behind most of these masks' names, such as "_mask"; empty where nothing is."""
    endings = [found[0] for name in names if (found := _BEHIND.search(name))]
    return max(set(endings), key=endings.count) if endings else ""
