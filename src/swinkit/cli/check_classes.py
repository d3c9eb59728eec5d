"""swinkit check-data of labelled images"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from rich.table import Table

from swinkit.classification.data.check import ClassificationReport, check_classification, repeated_images
from swinkit.classification.data.samples import ClassificationImages
from swinkit.classification.data.sources import open_classification_data
from swinkit.classification.data.training_data import open_training_data, remarks, unused_lines
from swinkit.classification.pictures.data import plot_labelled
from swinkit.cli.check_report import conclude, show_sizes
from swinkit.cli.console import result_console
from swinkit.images.read import ImageError
from swinkit.training.progress import progress_bar

SHOWN = 20
"""Problems that are printed of each split."""
PICTURED = 30
"""Images on the page."""


def check_classes(root: Path, out: Path) -> None:
    """Read all images of class folders (or of the official zip files and lists) and report on them."""
    splits = open_classification_data(root)
    names = ("train", "val")
    reports = [
        check_classification(data, step=progress_bar(len(data), f"reading {name}"))
        for name, data in zip(names, splits, strict=True)
    ]
    print(f"\n{root}: {len(splits[0]):,} images to train on, {len(splits[1]):,} to validate on")
    _show_counts(reports)
    show_sizes(sum((report.sizes for report in reports), Counter()).most_common())
    for report in reports:
        for line in report.problems[:SHOWN]:
            print(f"  problem: {line}")
        if len(report.problems) > SHOWN:
            print(f"  ... and {len(report.problems) - SHOWN} more problems")
    for line in (*remarks(*splits), *repeated_images(*splits), *unused_lines(root)):
        print(f"  remark: {line}")
    picture = out / f"{root.resolve().name}.png"
    _draw(splits[0], picture)
    print(f"  picture: {picture}")
    conclude(root, sum(len(report.problems) for report in reports), lambda: open_training_data(root))


def _show_counts(reports: list[ClassificationReport]) -> None:
    table = Table("class", "train", "val", box=None)
    for label, name in enumerate(reports[0].classes):
        table.add_row(name, *(f"{int(report.counts[label]):,}" for report in reports))
    result_console().print(table)


def _draw(data: ClassificationImages, picture: Path) -> None:
    """Images of as many classes as there is room for, by turns."""
    chosen: list[int] = []
    members = [np.flatnonzero(data.labels == label).tolist() for label in range(min(len(data.classes), PICTURED))]
    for place in range(PICTURED):
        chosen += [numbers[place] for numbers in members if place < len(numbers)]
    samples = []
    for index in chosen[:PICTURED]:
        try:
            samples.append((data.store.read(data.names[index]), data.classes[int(data.labels[index])]))
        except ImageError:
            continue
    if samples:
        plot_labelled(samples, picture)
