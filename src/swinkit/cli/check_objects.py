"""swinkit check-data of images with objects"""

from __future__ import annotations

from pathlib import Path

from swinkit.cli.check_report import conclude, progress_bar
from swinkit.detection.data.check import check_detection, problem_lines, sample_indices, summary_lines
from swinkit.detection.data.coco import CocoData
from swinkit.detection.data.coco_json import read_coco_table
from swinkit.detection.data.learnable import shared_images
from swinkit.detection.data.sources import find_detection_files
from swinkit.detection.data.training_data import dense_lines, open_training_data, repeated_images, unlisted_files
from swinkit.detection.pictures.data import plot_detection_data
from swinkit.images.listing import left_out_lines


def check_objects(source: Path, out: Path, *, images: Path | None) -> None:
    """Read every json and all images of a data set and report on them."""
    problems = 0
    parts: dict[str, CocoData] = {}
    for part, files in find_detection_files(source, image_root=images).items():
        count = len(read_coco_table(files.json_path).image_ids)
        report, parts[part] = check_detection(files.json_path, files.image_root, step=progress_bar(count, part))
        print(f"\n{part}:{' (train does not use it)' if part == 'test' else ''}")
        for line in (*summary_lines(report), *problem_lines(report), *dense_lines(parts[part])):
            print(f"  {line}")
        problems += len(report.stopping) if part != "test" else 0
        if len(parts[part]):
            picture = out / f"{source.resolve().stem}_{part}.png"
            chosen = [(Path(parts[part].sample_name(i)).name, *parts[part][i]) for i in sample_indices(parts[part], 6)]
            plot_detection_data(chosen, report.classes, report.objects_of_class, picture, title=part)
            print(f"  picture: {picture}")
    for line in (*_between(parts), *left_out_lines(unlisted_files(source, image_root=images), root=source)):
        print(f"remark: {line}")
    judgement = (lambda: open_training_data(source, image_root=images)) if "train" in parts else None
    conclude(source, problems, judgement)


def _between(parts: dict[str, CocoData]) -> list[str]:
    """What the parts have in common and should not."""
    if "train" not in parts or "val" not in parts:
        return []
    paths = [[data.image_path(index) for index in range(len(data))] for data in (parts["train"], parts["val"])]
    return [*shared_images(*([str(path) for path in each] for each in paths)), *repeated_images(*paths)]
