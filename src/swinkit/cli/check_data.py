"""swinkit check-data DATA"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swinkit.classification.data.class_folders import class_folder_names
from swinkit.cli.check_classes import check_classes
from swinkit.cli.check_masks import check_masks
from swinkit.cli.check_objects import check_objects
from swinkit.detection.data.conversion import find_format
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.evaluation import draw_data as draw_objects
from swinkit.errors import InputError
from swinkit.files import is_file, is_folder
from swinkit.images.digit_scenes import SceneSettings
from swinkit.images.listing import walk_files
from swinkit.segmentation.data.folders import find_splits
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.evaluation import draw_data as draw_masks
from swinkit.training.data.split_names import folder_named, split_folders


@dataclass(frozen=True)
class CheckOptions:
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A folder of images for each class, a folder of images and masks, a COCO json or a folder with one, or
    digit_scenes for the embedded scenes."""
    classes_file: Path | None = None
    """Of masks: text file with a class name a line. Default: classes.txt in the folder."""
    reduce_zero_label: bool = False
    """Of masks: 0 is "other", which is ignored, as in ADE20K."""
    mask_values: tuple[int, ...] | None = None
    """Of masks: the value of each class, such as 0 255."""
    images: Path | None = None
    """Of a COCO json: folder of the images, where they do not lie in one of the usual places."""
    semantic: Path | None = None
    """Of a COCO json: folder of the semantic maps. Default: stuffthingmaps/ beside the images, where there is one."""
    out: Path = Path("check")
    """Folder for the pictures."""


def check_data_command(arguments: Sequence[str]) -> None:
    """Read a data set and say what it holds and what is wrong with it, with pictures of samples."""
    options = tyro.cli(
        CheckOptions, args=list(arguments), prog="swinkit check-data", description=check_data_command.__doc__
    )
    source = Path(options.data)
    if options.data == "digit_scenes":
        _show_scenes(options.out)
        return
    kind = data_kind(source)
    if kind == "objects":
        check_objects(source, options.out, images=options.images, semantic=options.semantic)
    elif kind == "classes":
        check_classes(source, options.out)
    else:
        check_masks(
            source,
            options.out,
            classes_file=options.classes_file,
            reduce_zero_label=options.reduce_zero_label,
            mask_values=options.mask_values,
        )


def data_kind(source: Path) -> Literal["objects", "masks", "classes"]:
    """What a data set is made of. Raises InputError where it is nothing that is known."""
    if is_file(source) or _holds_json(source):
        return "objects"
    other = _convertible(source)
    if other is not None:
        raise InputError(
            f"{source} looks like {other.upper()} data: swinkit convert-data {source} makes COCO json of them, to be "
            "checked and trained on"
        )
    try:
        find_splits(source)
        return "masks"
    except InputError as error:
        if not is_folder(source) or not class_folder_names(source):
            raise InputError(f"{error}; or a folder of images for each class, or a COCO json") from None
    return "classes"


def _convertible(source: Path) -> str | None:
    """The format that `swinkit convert-data` would read; None where no annotation file is there or it is none."""
    if not source.is_dir() or not any(path.suffix.lower() in (".xml", ".txt") for path in _below(source)):
        return None
    try:
        return find_format(source)
    except InputError:
        return None


def _below(source: Path) -> Iterator[Path]:
    return (path for path in walk_files(source) if path.parent != source or path.suffix.lower() == ".xml")


def _holds_json(root: Path) -> bool:
    """Whether there is a json where COCO data have theirs; a folder of masks or of classes has none."""
    if not is_folder(root):
        return False
    folders = [root, folder_named(root, ("annotations",)), *split_folders(root).values()]
    return any(any(folder.glob("*.json")) for folder in folders if folder is not None)


def _show_scenes(out: Path) -> None:
    settings = SceneSettings()
    for part, masks, objects in zip(
        ("train", "val"), open_segmentation_scenes(settings), open_detection_scenes(settings), strict=True
    ):
        pictures = out / f"digit_scenes_{part}_masks.png", out / f"digit_scenes_{part}_objects.png"
        draw_masks(masks, pictures[0], count=12)
        draw_objects(objects, pictures[1], count=12)
        print(f"digit_scenes, {part}: {len(masks):,} scenes; pictures: {pictures[0]} {pictures[1]}")
