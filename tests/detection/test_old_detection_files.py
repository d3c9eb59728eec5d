"""A detector that swinkit 0.1 wrote opens, and finds what it found then."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from swinkit.detection.predictor import Detector
from swinkit.recipes.digit_scenes import small_detector
from swinkit.weights.model_file import read_model_file

FOLDER = Path(__file__).parents[1] / "files_of_0.1"


def test_a_detector_of_version_0_1_finds_what_it_found() -> None:
    expected = json.loads((FOLDER / "expected.json").read_text())["detection"]
    detector = Detector.from_file(read_model_file(FOLDER / "detection.safetensors"), device=torch.device("cpu"))
    found = detector.predict(FOLDER / "sample.png").detections
    assert found.labels.tolist() == expected["labels"] and detector.classes == tuple("0123456789")
    assert found.scores.tolist() == pytest.approx(expected["scores"], abs=1e-6)
    torch.testing.assert_close(found.boxes, torch.tensor(expected["boxes"]), rtol=1e-6, atol=1e-5)
    assert found.masks.mean((1, 2)).tolist() == pytest.approx(expected["mask_means"], abs=1e-6)
    # Its numbers that only training asks for are those of the recipe of today, whose widths are others.
    small = {name: getattr(detector.model.config, name) for name in ("channels", "fc_channels", "mask_convs")}
    small |= {"roi_size": 3, "mask_roi_size": 3}
    assert detector.model.config == replace(small_detector(anchor=5.0, samples=32, proposals=150), **small)
    assert detector.description["recipe"]["name"] == "digit_scenes_detection" and detector.description["results"]
