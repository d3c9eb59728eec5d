"""Masks of instances: a mask for every image with one value for each instance, or a file for every instance.

images/a.png  masks/a.png                   one value for each instance, 0 is none (Penn-Fudan: PNGImages, PedMasks)
a/images/a.png  a/masks/1.png  2.png        one file for each instance
images/a.png  masks/a/1.png  2.png
images/a.png  masks/a_1.png  a_2.png

Splits lie inside or around them, as train and val.

Shapes: H W image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from swinkit.detection.data.conversion.coco_writing import CocoBuilder, FoundObject
from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.parts import UNDIVIDED, by_folder
from swinkit.detection.data.conversion.shapes import mask_object
from swinkit.errors import InputError, border
from swinkit.files import BoundedFile, is_file
from swinkit.images.folder_pairs import find_folder_pairs
from swinkit.images.listing import list_images
from swinkit.images.masks import MASK_SUFFIXES
from swinkit.images.pairs import core, match_names
from swinkit.images.read import MAX_PIXELS, read_image_size
from swinkit.training.data.split_names import folder_named

IMAGES = ("images", "PNGImages", "JPEGImages", "imgs", "img", "image")
MASKS = ("masks", "PedMasks", "instance_masks", "instances", "mask", "labels", "annotations", "gt")
_FORMATS = ("PNG", "BMP", "TIFF", "GIF")
CLASS = "object"
"""The only class, where no other name is given."""

MOST_INSTANCES = 20_000
"""In one mask; more are values of something else."""

Files = dict[str, dict[Path, list[Path]]]
"""Of every part, images with their masks."""


def find_instance_masks(root: Path) -> Files:
    """Images with the one mask that each has, or none where there is no such layout."""
    if is_file(root / "classes.txt"):  # masks of classes, which need no conversion
        return {}
    found: Files = {}
    for split, (images, masks) in _folders(root).items():
        pictures, labels = _by_stem(root / images, ""), _by_stem(root / masks, "masks")
        matched = match_names(pictures, labels)
        if matched.pairs:
            found[split] = {pictures[image]: [labels[mask]] for image, mask in matched.pairs}
            found[split].update((pictures[name], []) for name in matched.images_alone)
    return found


def find_instance_files(root: Path) -> Files:
    """Images with the masks of their instances, one file each; none where there is no such layout."""
    found = _folder_an_image(root)
    if found:
        return found
    for split, (images, masks) in _folders(root).items():
        pictures = list_images(root / images).images
        labels = [path for path in list_images(root / masks).images if path.suffix.lower() in MASK_SUFFIXES]
        groups = _grouped(pictures, labels, root / masks)
        if any(len(each) > 1 for each in groups.values()):
            found[split] = groups
    return found


def convert_instance_masks(
    root: Path, out: Path, findings: Findings, *, classes: Sequence[str] | None = None
) -> dict[str, CocoBuilder]:
    """Masks with one value for each instance, 0 being none; see `convert_instance_files` for the arguments.

    Raises InputError where the masks look like those of classes: one value each, in several pieces.
    """
    files = find_instance_masks(root)
    masks = [mask for part in files.values() for each in part.values() for mask in each]
    if masks and all(_is_one_value_in_pieces(mask) for mask in masks):
        raise InputError(
            f"every mask in {root} has one value beside 0, in several pieces: if the values are classes, write their "
            "names into classes.txt and train a segmentation; for instances, give each a value of its own"
        )
    return _built(root, out, files, findings, classes, _instances_of_values)


def convert_instance_files(
    root: Path, out: Path, findings: Findings, *, classes: Sequence[str] | None = None
) -> dict[str, CocoBuilder]:
    """Masks of one instance each: what is not 0 is the instance.

    Args:
        root: the data's folder.
        out: the folder in whose annotations/ the json is to be written.
        findings: gets a sentence for every mask that cannot be read or is of another size than its image, and counts
            images without masks and masks without images.
        classes: the name of the only class. Default: object.
    """
    return _built(root, out, find_instance_files(root), findings, classes, _instances_of_files)


def _built(
    root: Path,
    out: Path,
    files: Files,
    findings: Findings,
    classes: Sequence[str] | None,
    instances: Callable[[Sequence[Path], tuple[int, int]], list[FoundObject]],
) -> dict[str, CocoBuilder]:
    names = tuple(classes or (CLASS,))
    if len(names) > 1:
        raise InputError(f"masks of instances do not say their class: give the name of one, not {len(names)}")
    builders: dict[str, CocoBuilder] = {}
    for part, images in files.items():
        for image, masks in images.items():
            if not masks:
                findings.leave_out("images without a mask", image)
                continue
            with findings.of_one_file():
                size = read_image_size(image)
                builders.setdefault(part, CocoBuilder(out, names)).add(image, size, instances(masks, size))
    used = {path for images in files.values() for image, masks in images.items() for path in (image, *masks)}
    for path in list_images(root).images:
        if path not in used and path.suffix.lower() in (".jpg", ".jpeg") and _is_in_masks(path, root):
            findings.bad.append(f"{path} is a JPEG, which changes values: save masks as PNG")
        elif path not in used:
            findings.leave_out("masks or images that belong to no other file", path)
    return builders


def _instances_of_values(masks: Sequence[Path], size: tuple[int, int]) -> list[FoundObject]:
    values = _values(masks[0], size)
    there = [value for value in np.unique(values) if value]
    if len(there) > MOST_INSTANCES:
        raise InputError(f"{masks[0]} has {len(there)} values, too many to be one for each instance")
    return [found for value in there if (found := mask_object(0, values == value)) is not None]


def _instances_of_files(masks: Sequence[Path], size: tuple[int, int]) -> list[FoundObject]:
    return [found for path in masks if (found := mask_object(0, _values(path, size) != 0)) is not None]


def _values(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The value of every pixel, (H, W); of a mask in colours the brightest channel, where all are equal or none is."""
    with (
        border(f"{path} is no mask that can be read", "save it as a grey or palette PNG"),
        BoundedFile(path) as file,
        Image.open(file, formats=_FORMATS) as image,
    ):
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise InputError(f"the mask {path} has {height} x {width} pixels, more than the limit of {MAX_PIXELS}")
        values = np.asarray(image)
        bands = image.getbands()
    if size != (width, height):
        raise InputError(
            f"the mask {path} has {width} x {height} pixels, its image {size[0]} x {size[1]} (width x height); make "
            "them the same size"
        )
    if values.ndim == 2:
        return values
    colours = values[..., : 3 if bands[:3] == ("R", "G", "B") else 1]
    if (colours != colours[..., :1]).any():
        raise InputError(f"the mask {path} is in colours; save one number for each instance, as a grey or palette PNG")
    return colours[..., 0]


def _is_one_value_in_pieces(path: Path) -> bool:
    """Whether a mask has a single value beside 0, in several places that do not touch."""
    try:
        with BoundedFile(path) as file, Image.open(file, formats=_FORMATS) as image:
            values = np.asarray(image.convert("L") if image.mode not in ("1", "L", "P", "I", "I;16") else image)
    except Exception:  # which is named when it is read
        return False
    there = np.unique(values[values != 0])
    return len(there) == 1 and int(ndimage.label(values != 0)[1]) > 1


def _folders(root: Path) -> dict[str, tuple[Path, Path]]:
    """Of every part the folders of images and of masks, relative to `root`."""
    found = find_folder_pairs(root, IMAGES, MASKS, is_mask=lambda name: Path(name).suffix.lower() in MASK_SUFFIXES)
    undivided = len(found) == 1 and all(len(place.parts) == 1 for places in found.values() for place in places)
    return {UNDIVIDED if undivided else split: places for split, places in found.items()}


def _by_stem(folder: Path, kind: str) -> dict[str, Path]:
    """Images, or masks, in a folder and below, by their path in it without the ending."""
    files = list_images(folder).images
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in files
        if kind != "masks" or path.suffix.lower() in MASK_SUFFIXES
    }


def _folder_an_image(root: Path) -> Files:
    """a/images/a.png with a/masks/*.png: a folder for every image."""
    alone: dict[Path, Path] = {}
    for image in list_images(root).images:
        if image.parent.name.lower() in {name.lower() for name in IMAGES}:
            masks = folder_named(image.parent.parent, MASKS)
            if masks is not None and image.parent.parent != root:
                if image.parent in {path.parent for path in alone}:
                    return {}  # several images share a folder of masks
                alone[image] = masks
    return {
        part: {
            image: [path for path in list_images(alone[image]).images if path.suffix.lower() in MASK_SUFFIXES]
            for image in images
        }
        for part, images in by_folder(root, list(alone)).items()
    }


def _grouped(images: Sequence[Path], masks: Sequence[Path], folder: Path) -> dict[Path, list[Path]]:
    """The masks of each image: in a folder of its name, or called after it with a number behind."""
    of_stem = {image.stem: image for image in images}
    groups: dict[Path, list[Path]] = {image: [] for image in images}
    for mask in masks:
        inside = mask.relative_to(folder).parts[:-1]
        numbered = re.fullmatch(r"(.+?)[_\-. ](?:(?:mask|instance|inst|object|obj)[_\-. ]?)?\d+", mask.stem)
        stem = next((part for part in inside if part in of_stem), numbered[1] if numbered else core(mask.stem))
        if stem in of_stem:
            groups[of_stem[stem]].append(mask)
    return groups


def _is_in_masks(path: Path, root: Path) -> bool:
    known = {name.lower() for name in MASKS}
    return any(part.lower() in known for part in path.relative_to(root).parts[:-1])
