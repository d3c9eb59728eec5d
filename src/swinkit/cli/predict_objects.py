"""swinkit predict CHECKPOINT IMAGE..., of a detector"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.detection.pictures.detections import draw_detections
from swinkit.detection.predictor import open_detector
from swinkit.detection.scores import encode_mask
from swinkit.errors import InputError
from swinkit.images.read import read_image
from swinkit.ops.masks import paste_masks
from swinkit.structures import Detections
from swinkit.training.processes import choose_device


@dataclass(frozen=True)
class PredictObjectsOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Images, folders of images, or patterns such as "photos/*.jpg"."""
    threshold: float = 0.3
    """Leave out detections with a lower score, 0..1."""
    out: Path = Path("predictions")
    """Folder for the annotated pictures."""
    json: bool = False
    """Print JSON, masks as COCO run lengths, instead of text, and draw no pictures."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


def predict_objects_command(arguments: Sequence[str]) -> None:
    """Find objects in images: boxes, names, scores, and masks where the detector has them."""
    options = tyro.cli(
        PredictObjectsOptions, args=list(arguments), prog="swinkit predict", description=predict_objects_command.__doc__
    )
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold must lie in 0..1, not {options.threshold}")
    paths = list(image_paths(options.images))
    detector = open_detector(options.checkpoint, device=choose_device(options.device))
    results, failures = [], []
    for path, picture in zip(paths, picture_paths(paths, options.out), strict=True):
        try:
            image = read_image(path)
        except InputError as error:
            failures.append(str(error))
            continue
        found = _above(detector.predict(image), options.threshold)
        if options.json:
            results.append({"image": str(path), "objects": _objects(found, detector.classes)})
        else:
            draw_detections(image, found, detector.classes, picture)
            counts = Counter(detector.classes[label] for label in found.labels.tolist())
            print(path)
            print("  " + (", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing found"))
            print(f"  picture: {picture}\n")
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))


def _above(found: Detections, threshold: float) -> Detections:
    kept = found.scores >= threshold
    masks = None if found.masks is None else found.masks[kept]
    return Detections(found.boxes[kept], found.scores[kept], found.labels[kept], masks, found.size)


def _objects(found: Detections, classes: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"class": classes[label], "score": score, "box": box}
        for label, score, box in zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
    ]
    if found.masks is not None:
        for row, mask in zip(rows, paste_masks(found.masks, found.boxes, found.size), strict=True):
            row["mask"] = encode_mask(mask.numpy())
    return rows
