"""A detector that swinkit 0.1 wrote opens, and finds what it found then."""

import json
from pathlib import Path

import pytest
import torch

from swinkit.detection.predictor import Detector
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
    assert detector.description["recipe"]["name"] == "digit_scenes_detection" and detector.description["results"]
