"""swinkit check-data of images with objects"""

from __future__ import annotations

from pathlib import Path

from swinkit.cli.check_report import conclude
from swinkit.detection.data.check import check_detection, problem_lines, sample_indices, summary_lines
from swinkit.detection.data.coco import CocoData
from swinkit.detection.data.coco_json import read_coco_table
from swinkit.detection.data.learnable import shared_images
from swinkit.detection.data.semantic import find_maps
from swinkit.detection.data.sources import DetectionFiles, find_detection_files
from swinkit.detection.data.training_data import dense_lines, open_training_data, repeated_images, unlisted_files
from swinkit.detection.pictures.data import plot_detection_data
from swinkit.errors import InputError
from swinkit.images.listing import left_out_lines
from swinkit.training.progress import progress_bar


def check_objects(source: Path, out: Path, *, images: Path | None, semantic: Path | None) -> None:
    """Read every json, all images of a data set and their semantic maps, and report on them."""
    problems = 0
    parts: dict[str, CocoData] = {}
    for part, files in find_detection_files(source, image_root=images).items():
        count = len(read_coco_table(files.json_path).image_ids)
        maps = _maps(files, semantic) if part == "train" else None  # nobody validates on them
        report, data = check_detection(
            files.json_path, files.image_root, maps=maps, step=progress_bar(count, f"reading {part}")
        )
        parts[part] = data
        print(f"\n{part}:{' (train does not use it)' if part == 'test' else ''}")
        for line in (*summary_lines(report), *problem_lines(report), *dense_lines(data)):
            print(f"  {line}")
        if not data.table.is_annotated:
            print("  no annotations: images for swinkit evaluate and predict, from which nothing can be learned")
        problems += len(report.stopping) if part != "test" else 0
        if len(data):
            picture = out / f"{source.resolve().stem}_{part}.png"
            chosen = [(Path(data.sample_name(i)).name, *data[i]) for i in sample_indices(data, 6)]
            plot_detection_data(chosen, report.classes, report.objects_of_class, picture, title=part)
            print(f"  picture: {picture}")
    for line in (*_between(parts), *left_out_lines(unlisted_files(source, image_root=images), root=source)):
        print(f"remark: {line}")
    is_for_training = "train" in parts and any(data.table.is_annotated for data in parts.values())
    conclude(source, problems, (lambda: open_training_data(source, image_root=images)) if is_for_training else None)


def _maps(files: DetectionFiles, folder: Path | None) -> Path | None:
    """The folder of the semantic maps, if there is one."""
    found = find_maps(files.image_root, folder)
    if found is None and folder is not None:
        raise InputError(f"there is no folder {folder} of semantic maps; check the path")
    return found


def _between(parts: dict[str, CocoData]) -> list[str]:
    """What the parts have in common and should not."""
    if "train" not in parts or "val" not in parts:
        return []
    paths = [[data.image_path(index) for index in range(len(data))] for data in (parts["train"], parts["val"])]
    return [*shared_images(*([str(path) for path in each] for each in paths)), *repeated_images(*paths)]
