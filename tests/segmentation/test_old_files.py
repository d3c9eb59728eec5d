"""A file that swinkit 0.1 wrote opens, and gives the same classes."""

import json
from pathlib import Path

import numpy as np
import torch

from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor
from swinkit.weights.model_file import read_model_file

FILES = Path(__file__).parents[1] / "files_of_0.1"


def test_a_segmentor_of_version_0_1() -> None:
    file = read_model_file(FILES / "segmentation.safetensors")
    segmentor = Segmentor.from_file(file, device=torch.device("cpu"))
    assert segmentor.classes == ("background", *"0123456789") and segmentor.preprocessing == InferenceSettings()
    expected = json.loads((FILES / "expected.json").read_text())["segmentation"]
    assert np.array_equal(segmentor.predict(FILES / "sample.png").mask, expected)
