"""swinkit predict CHECKPOINT IMAGE..., of a detector"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.detection.predictor import Detector
from swinkit.detection.result import DetectionResult
from swinkit.errors import InputError


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


def predict_objects(detector: Detector, options: PredictObjectsOptions) -> None:
    """Find instances in images: boxes, names, scores, and masks where the detector has them."""
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold must lie in 0..1, not {options.threshold}")
    paths = list(image_paths(options.images))
    rows, failures = [], []
    for path, picture in zip(paths, picture_paths(paths, options.out), strict=True):
        try:
            result = detector.predict(path, threshold=options.threshold)
        except InputError as error:
            failures.append(str(error))
            continue
        assert isinstance(result, DetectionResult)
        if options.json:
            rows.append({"image": str(path), "objects": result.to_dict()})
        else:
            result.save(picture)
            print(path)
            counts = ", ".join(f"{count} {name}" for name, count in result.counts().items())
            print(f"  {counts or 'nothing found'}")
            print(f"  picture: {picture}\n")
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))
