"""swinkit check-data DATA"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from swinkit.cli.console import result_console
from swinkit.data.digit_scenes import SceneSettings, open_segmentation_scenes
from swinkit.data.segmentation import SegmentationImages
from swinkit.data.segmentation_check import SegmentationReport, check_segmentation, problems_text
from swinkit.data.segmentation_folders import Pairs, find_parts, match_pairs, read_classes
from swinkit.errors import InputError
from swinkit.tasks.segmentation_pictures import draw_data


@dataclass(frozen=True)
class CheckOptions:
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A folder of images and masks, or digit_scenes for the embedded scenes."""
    classes_file: Path | None = None
    """Text file with a class name a line. Default: classes.txt in the folder."""
    reduce_zero_label: bool = False
    """Masks have 0 for "other", which is ignored, as in ADE20K."""
    out: Path = Path("check")
    """Folder for the pictures."""


def check_data_command(arguments: Sequence[str]) -> None:
    """Read a data set and say what it holds and what is wrong with it, with pictures of samples."""
    options = tyro.cli(
        CheckOptions, args=list(arguments), prog="swinkit check-data", description=check_data_command.__doc__
    )
    if options.data == "digit_scenes":
        _show_scenes(options.out)
        return
    _check_masks(Path(options.data), options)


def _show_scenes(out: Path) -> None:
    for part, data in zip(("train", "val"), open_segmentation_scenes(SceneSettings()), strict=True):
        picture = out / f"digit_scenes_{part}.png"
        draw_data(data, picture, count=12)
        print(f"digit_scenes, {part}: {len(data):,} scenes; picture: {picture}")


def _check_masks(root: Path, options: CheckOptions) -> None:
    parts = find_parts(root)
    classes = read_classes(options.classes_file, root)
    problems = 0
    for part, places in parts.items():
        pairs = match_pairs(root, *places)
        data = SegmentationImages(root, pairs.images, pairs.masks, classes, reduce_zero_label=options.reduce_zero_label)
        report = _checked(data, pairs, part)
        print(f"\n{part}: {report.images:,} images with masks in {places[0]} and {places[1]}")
        _show(report, first=1 if options.reduce_zero_label else 0)
        problems += len(report.problems)
        if report.images and not report.problems:
            picture = options.out / f"{root.resolve().name}_{part}.png"
            draw_data(data, picture)
            print(f"  picture: {picture}")
    if problems:
        raise InputError(f"{root} has {problems} problem(s), listed above; training would stop at them")


def _checked(data: SegmentationImages, pairs: Pairs, part: str) -> SegmentationReport:
    """The report, with a bar while it is made."""
    console = Console(stderr=True)
    steps = iter(track(range(len(data)), description=f"reading {part}", transient=True, console=console))
    return check_segmentation(data, pairs, step=lambda _: next(steps, None))


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
