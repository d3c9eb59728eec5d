"""swinkit check-data of images with masks"""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from swinkit.cli.check_report import conclude, show_sizes
from swinkit.cli.console import result_console
from swinkit.images.listing import left_out_lines
from swinkit.segmentation.data.check import SegmentationReport, check_segmentation, problems_text
from swinkit.segmentation.data.folders import find_splits, match_pairs, read_classes
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.segmentation.data.training_data import open_training_data
from swinkit.segmentation.evaluation import draw_data
from swinkit.training.progress import progress_bar


def check_masks(
    root: Path,
    out: Path,
    *,
    classes_file: Path | None,
    reduce_zero_label: bool,
    mask_values: tuple[int, ...] | None,
) -> None:
    """Read all images and masks of a data set and report on them."""
    splits = find_splits(root)
    classes = read_classes(classes_file, root)
    values = mask_values or tuple(range(int(reduce_zero_label), len(classes) + int(reduce_zero_label)))
    problems = 0
    for split, places in splits.items():
        pairs = match_pairs(root, *places)
        data = SegmentationImages(
            root, pairs.images, pairs.masks, classes, reduce_zero_label=reduce_zero_label, mask_values=mask_values
        )
        step = progress_bar(len(data), f"reading {split}")
        report = check_segmentation(data, pairs, training=split == "train", step=step)
        print(f"\n{split}: {report.images:,} images with masks in {places[0]} and {places[1]}")
        _show(report, values)
        for line in left_out_lines(pairs.left_out, root=root):
            print(f"  remark: {line}")
        problems += len(report.problems)
        if report.images and not report.problems:
            picture = out / f"{root.resolve().name}_{split}.png"
            draw_data(data, picture)
            print(f"  picture: {picture}")
    conclude(
        root,
        problems,
        None
        if "train" not in splits
        else lambda: open_training_data(
            root, classes_file=classes_file, reduce_zero_label=reduce_zero_label, mask_values=mask_values
        ),
    )


def _show(report: SegmentationReport, values: tuple[int, ...]) -> None:
    """Print a report; `values` are the masks' values of the classes."""
    show_sizes(report.sizes.most_common())
    total = max(1, int(report.pixels.sum()))
    table = Table("class", "value", "% of pixels", box=None)
    for index, name in enumerate([*report.classes, "(ignored)"]):
        value = str(values[index]) if index < len(report.classes) else ""
        table.add_row(name, value, f"{100 * report.pixels[index] / total:.2f}" if report.pixels.size else "")
    result_console().print(table)
    for line in problems_text(report):
        print(f"  {line}")
