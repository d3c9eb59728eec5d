"""swinkit check-data DATA"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from swinkit.cli.console import progress_bar, result_console
from swinkit.detection.data.check import check_detection, problem_lines, sample_indices, summary_lines
from swinkit.detection.data.coco_json import read_coco_table
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.data.semantic import find_maps
from swinkit.detection.data.sources import DetectionFiles, find_detection_files
from swinkit.detection.evaluation import draw_data as draw_objects
from swinkit.detection.pictures.data import plot_detection_data
from swinkit.errors import InputError
from swinkit.files import is_file, is_folder
from swinkit.images.digit_scenes import SceneSettings
from swinkit.segmentation.data.check import SegmentationReport, check_segmentation, problems_text
from swinkit.segmentation.data.folders import find_splits, match_pairs, read_classes
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.evaluation import draw_data as draw_masks


@dataclass(frozen=True)
class CheckOptions:
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A folder of images and masks, a COCO json or a folder with one, or digit_scenes for the embedded scenes."""
    classes_file: Path | None = None
    """Of masks: text file with a class name a line. Default: classes.txt in the folder."""
    reduce_zero_label: bool = False
    """Of masks: 0 is "other", which is ignored, as in ADE20K."""
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
    elif is_file(source) or _holds_json(source):
        _check_objects(source, options)
    else:
        _check_masks(source, options)


def _holds_json(root: Path) -> bool:
    """Whether there is a json where COCO data have theirs; a folder of masks has none."""
    folders = (root, root / "annotations", root / "train", root / "valid", root / "val")
    return any(any(folder.glob("*.json")) for folder in folders if is_folder(folder))


def _show_scenes(out: Path) -> None:
    settings = SceneSettings()
    for part, masks, objects in zip(
        ("train", "val"), open_segmentation_scenes(settings), open_detection_scenes(settings), strict=True
    ):
        pictures = out / f"digit_scenes_{part}_masks.png", out / f"digit_scenes_{part}_objects.png"
        draw_masks(masks, pictures[0], count=12)
        draw_objects(objects, pictures[1], count=12)
        print(f"digit_scenes, {part}: {len(masks):,} scenes; pictures: {pictures[0]} {pictures[1]}")


def _check_objects(source: Path, options: CheckOptions) -> None:
    problems = 0
    for part, files in find_detection_files(source, image_root=options.images).items():
        count = len(read_coco_table(files.json_path).image_ids)
        maps = _maps(files, options) if part == "train" else None  # nobody validates on them
        report, data = check_detection(
            files.json_path, files.image_root, maps=maps, step=progress_bar(count, f"reading {part}")
        )
        print(f"\n{part}:")
        for line in (*summary_lines(report), *problem_lines(report)):
            print(f"  {line}")
        if not data.table.is_annotated:
            print("  no annotations: images for swinkit evaluate and predict, from which nothing can be learned")
        problems += len(report.stopping)
        if len(data):
            picture = options.out / f"{source.resolve().stem}_{part}.png"
            chosen = [(Path(data.sample_name(i)).name, *data[i]) for i in sample_indices(data, 6)]
            plot_detection_data(chosen, report.classes, report.objects_of_class, picture, title=part)
            print(f"  picture: {picture}")
    _conclude(source, problems)


def _maps(files: DetectionFiles, options: CheckOptions) -> Path | None:
    """The folder of the semantic maps, if there is one."""
    found = find_maps(files.image_root, options.semantic)
    if found is None and options.semantic is not None:
        raise InputError(f"there is no folder {options.semantic} of semantic maps; check the path")
    return found


def _conclude(source: Path, problems: int) -> None:
    if problems:
        raise InputError(f"{source} has {problems} problem(s), listed above; training would stop at them")


def _check_masks(root: Path, options: CheckOptions) -> None:
    splits = find_splits(root)
    classes = read_classes(options.classes_file, root)
    problems = 0
    for split, places in splits.items():
        pairs = match_pairs(root, *places)
        data = SegmentationImages(root, pairs.images, pairs.masks, classes, reduce_zero_label=options.reduce_zero_label)
        report = check_segmentation(data, pairs, step=progress_bar(len(data), f"reading {split}"))
        print(f"\n{split}: {report.images:,} images with masks in {places[0]} and {places[1]}")
        _show(report, first=1 if options.reduce_zero_label else 0)
        problems += len(report.problems)
        if report.images and not report.problems:
            picture = options.out / f"{root.resolve().name}_{split}.png"
            draw_masks(data, picture)
            print(f"  picture: {picture}")
    _conclude(root, problems)


def _show(report: SegmentationReport, *, first: int) -> None:
    """Print a report; `first` is the masks' value of the first class."""
    if report.sizes:
        heights, widths = ([size[axis] for size in report.sizes] for axis in (0, 1))
        (height, width), count = report.sizes.most_common(1)[0]
        print(
            f"  sizes (height x width): {min(heights)} to {max(heights)} x {min(widths)} to {max(widths)} pixels, most "
            f"often {height} x {width} ({count} images)"
        )
    total = max(1, int(report.pixels.sum()))
    table = Table("class", "value", "% of pixels", box=None)
    for index, name in enumerate([*report.classes, "(ignored)"]):
        value = str(index + first) if index < len(report.classes) else ""
        table.add_row(name, value, f"{100 * report.pixels[index] / total:.2f}")
    result_console().print(table)
    for line in problems_text(report):
        print(f"  {line}")
