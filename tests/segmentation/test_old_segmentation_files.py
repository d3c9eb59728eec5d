"""A file that swinkit 0.1 wrote opens, and gives the same classes."""

import json
from pathlib import Path

import numpy as np
from small_segmentation import opened

from swinkit.segmentation.inference import InferenceSettings

FILES = Path(__file__).parents[1] / "files_of_0.1"


def test_a_segmentor_of_version_0_1() -> None:
    segmentor = opened(FILES / "segmentation.safetensors")
    assert segmentor.classes == ("background", *"0123456789") and segmentor.preprocessing == InferenceSettings()
    expected = json.loads((FILES / "expected.json").read_text())["segmentation"]
    assert np.array_equal(segmentor.predict(FILES / "sample.png").mask, expected)
