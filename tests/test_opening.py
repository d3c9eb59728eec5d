"""`swinkit.open` for files of all three tasks: the right predictor, and a file's tensors are read once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_detectors import BACKBONE, CLASSES, detector
from small_segmentation import segmentor
from torch import nn

import swinkit
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor
from swinkit.weights import read
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights


def classifier_and_description() -> tuple[nn.Module, dict[str, Any]]:
    model = SwinClassifier(BACKBONE, num_classes=2)
    known = {"classes": ["cat", "dog"], "preprocessing": {"image_size": [64, 64], "shorter_side": 64}}
    return model, model.description() | known


def detector_and_description() -> tuple[nn.Module, dict[str, Any]]:
    model = detector()
    return model, describe_detector(model, ["a", "b", "c"][:CLASSES], DetectionResize(48, 64))


def segmentor_and_description() -> tuple[nn.Module, dict[str, Any]]:
    model = segmentor(num_classes=2)
    return model, describe_segmentor(model, ["sky", "road"], InferenceSettings())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose tensors were read, once for each time."""
    found: list[Path] = []
    safe_open, torch_load = read.safe_open, torch.load

    def reader(function: Any) -> Any:
        def read_it(path: Path, **named: Any) -> Any:
            found.append(path)
            return function(path, **named)

        return read_it

    monkeypatch.setattr(read, "safe_open", reader(safe_open))
    monkeypatch.setattr(torch, "load", reader(torch_load))
    return found


@pytest.mark.parametrize(
    ("made", "predictor"),
    [
        (classifier_and_description, Classifier),
        (detector_and_description, Detector),
        (segmentor_and_description, Segmentor),
    ],
)
def test_our_file_opens_as_its_task_and_is_read_once(
    tmp_path: Path, reads: list[Path], made: Any, predictor: type
) -> None:
    model, description = made()
    path = save_weights(tmp_path / "best.safetensors", model.state_dict(), write_description(description))
    assert type(swinkit.open(tmp_path)) is predictor
    assert reads == [path]


def test_an_official_file_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "swin_tiny.pth"
    torch.save({"model": SwinClassifier(swinkit.SwinConfig(), num_classes=2).state_dict()}, path)
    assert type(swinkit.open(path)) is Classifier
    assert reads == [path]
