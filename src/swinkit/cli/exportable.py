"""What `swinkit export` writes of a model of each task, and what it compares the file on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from swinkit.classification import exported as classification
from swinkit.classification.predictor import Classifier
from swinkit.detection.agreement import compare_detections
from swinkit.detection.data.augmentation import DetectionEvaluation
from swinkit.detection.exported import ExportableDetector, detector_metadata
from swinkit.detection.predictor import NOTHING, Detector
from swinkit.export.comparison import Outputs, Trial, Verdict, random_trial
from swinkit.images.digit_scenes import DigitScenes, SceneSettings, photographs
from swinkit.segmentation import exported as segmentation
from swinkit.segmentation.predictor import Segmentor

MOST_COMPARED = 3
"""Images of one's own that a detector's file is compared on."""
EXAMPLE = (1, 3, 224, 256)
"""Shape of the image that a detector is traced with."""


class Exportable(NamedTuple):
    """A model, ready to be written."""

    module: nn.Module
    """From images (B, C, H, W) to a tensor or several."""
    output_names: tuple[str, ...]
    metadata: dict[str, str]
    trial: Trial


def exportable(predictor: Classifier | Detector | Segmentor, pictures: Sequence[Image.Image] = ()) -> Exportable:
    """What is written of a model; a detector's file is compared on the first of `pictures`, where there are any."""
    if isinstance(predictor, Classifier):
        trial = random_trial(channels=predictor.model.config.in_channels)
        metadata = classification.classifier_metadata(predictor)
        return Exportable(predictor.model, classification.OUTPUTS, metadata, trial)
    if isinstance(predictor, Segmentor):
        module = segmentation.ExportableSegmentor(predictor.model).eval()
        metadata = segmentation.segmentor_metadata(predictor)
        return Exportable(module, segmentation.OUTPUTS, metadata, random_trial(pixels=True))
    detector = ExportableDetector(predictor.model).eval()
    shown = [_as_shown(predictor, picture) for picture in (pictures[:MOST_COMPARED] or usual_pictures())]
    trial = Trial(torch.zeros(EXAMPLE), tuple(shown), judge=_same_detections, is_batch_free=False)
    return Exportable(detector, detector.output_names, detector_metadata(predictor), trial)


def usual_pictures() -> list[Image.Image]:
    """A wide photograph, a high one, and a scene of digits, which needs no files."""
    wide, high = (Image.fromarray(each) for each in photographs())
    scene = DigitScenes(SceneSettings(size=160, digits=(4, 6)), "val").scene(0)
    return [wide, high.transpose(Image.Transpose.ROTATE_90), scene.image]


def _as_shown(detector: Detector, picture: Image.Image) -> Tensor:
    """(1, 3, h, w), 0..255, as the detector is shown it."""
    image, _ = DetectionEvaluation(detector.preprocessing)(picture, NOTHING)
    return image[None].float()


def _same_detections(found: Outputs, expected: Outputs) -> Verdict:
    return Verdict(*compare_detections(found, expected))
