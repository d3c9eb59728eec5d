"""One call that opens a trained model of any task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from swinkit.classification.exported import ExportedClassifier
from swinkit.classification.predictor import Classifier
from swinkit.detection.architectures import DETECTORS
from swinkit.detection.detector import DetectorConfig
from swinkit.detection.exported import ExportedDetector
from swinkit.detection.predictor import Detector
from swinkit.errors import InputError
from swinkit.export.runtimes import is_exported, open_exported
from swinkit.segmentation.exported import ExportedSegmentor
from swinkit.segmentation.predictor import Segmentor
from swinkit.structures import ExportedFile
from swinkit.weights.model_file import ModelFile, read_model_file


def open_model(
    source: str | Path,
    *,
    device: str | torch.device | None = None,
    architectures: Mapping[str, type[DetectorConfig]] = DETECTORS,
) -> Classifier | Detector | Segmentor:
    """Open a trained model: `swinkit.open("runs/digits").predict("photo.jpg")`.

    The file is read once. swinkit's own files describe themselves; of other code bases' files the architecture is read
    off the weights, classes are those of the file or numbers, and images are shown as published.

    Args:
        source: a file, the folder of a run or of the hub, a name of the catalogue, an https address or
            hf-hub:owner/name; or an ONNX file of `swinkit export`, which ONNX Runtime runs.
        device: where the model goes, such as "cuda"; None is the CPU. ONNX files run on the CPU.
        architectures: detectors that a file may name, for one of your own.

    Returns:
        A predictor in evaluation mode: `predict(images)` takes one image or many.

    Raises:
        InputError: where there is no such file, or it holds no model that swinkit has.
    """
    place = torch.device(device or "cpu")
    if is_exported(source):
        return open_exported_file(open_exported(Path(source)), device=place)
    return open_file(read_model_file(source), device=place, architectures=architectures)


def open_file(
    file: ModelFile, *, device: torch.device, architectures: Mapping[str, type[DetectorConfig]] = DETECTORS
) -> Classifier | Detector | Segmentor:
    """`open_model` of a file that is read already."""
    if file.task == "detection":
        return Detector.from_file(file, device=device, architectures=architectures)
    if file.task == "segmentation":
        return Segmentor.from_file(file, device=device)
    if file.task == "classification":
        return Classifier.from_file(file, device=device)
    raise InputError(f"{file.path} is a model for {file.task}, which swinkit does not have")


def open_exported_file(file: ExportedFile, *, device: torch.device) -> Classifier | Detector | Segmentor:
    """The predictor that runs an exported file; raises InputError where it is of no task that swinkit has, or is to run
    elsewhere than on the CPU."""
    if device.type != "cpu":
        raise InputError(f"{file.path} runs on the CPU; leave out the device {device}, or take the checkpoint")
    if file.task == "detection":
        return ExportedDetector.from_exported(file)
    if file.task == "segmentation":
        return ExportedSegmentor.from_exported(file)
    if file.task == "classification":
        return ExportedClassifier.from_exported(file)
    raise InputError(f"{file.path} is a model for {file.task}, which swinkit does not have")
