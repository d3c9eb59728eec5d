"""swinkit predict CHECKPOINT IMAGE..., of a detector"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from swinkit.cli.task_options import PredictOptions, predict_each
from swinkit.detection.predictor import Detector
from swinkit.detection.result import DetectionResult
from swinkit.detection.soft_nms import Suppression
from swinkit.errors import InputError

SoftNMS = Literal["linear", "gaussian", "naive"] | None


@dataclass(frozen=True)
class PredictObjectsOptions(PredictOptions):
    threshold: float = 0.3
    """Leave out detections with a lower score, 0..1."""
    soft_nms: SoftNMS = None
    """Lower the score of a box that overlaps a better one of its class, instead of leaving it out."""


def predict_objects(detector: Detector, options: PredictObjectsOptions) -> None:
    """Find instances in images and videos: boxes, names, scores, and masks (in JSON as COCO run lengths) where the
    detector has them."""
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold must lie in 0..1, not {options.threshold}")

    detector = softened(detector, options.soft_nms)

    def see(image: Image.Image) -> DetectionResult:
        result = detector.predict(image, threshold=options.threshold, views=options.views)
        assert isinstance(result, DetectionResult)
        return result

    def predict(image: Image.Image, path: Path, picture: Path) -> dict[str, Any]:
        result = see(image)
        if options.json:
            return {"objects": result.to_dict()}
        result.save(picture)
        counts = ", ".join(f"{count} {name}" for name, count in result.counts().items())
        print(f"{path}\n  {counts or 'nothing found'}\n  picture: {picture}\n")
        return {}

    predict_each(options, predict, see=see)


def softened(detector: Detector, method: SoftNMS) -> Detector:
    """The detector, with soft-NMS where a method is given; raises InputError where it suppresses nothing."""
    return detector if method is None else detector.with_suppression(Suppression(method))
