"""Files that the version before wrote."""

import json
from pathlib import Path

import pytest
import torch

from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.weights.model_file import read_model_file

FOLDER = Path(__file__).parents[1] / "files_of_0.1"


def test_a_classifier_of_0_1_gives_the_same_values() -> None:
    file = read_model_file(FOLDER / "classification.safetensors")
    classifier = Classifier.from_file(file, device=torch.device("cpu"))
    assert classifier.preprocessing == EvalPreprocessing(16, shorter_side=None)
    result = classifier.predict(FOLDER / "sample.png", top=10)
    expected = json.loads((FOLDER / "expected.json").read_text())["classification"]
    assert list(result.classes) == [name for name, _ in expected]
    assert result.probabilities == pytest.approx([probability for _, probability in expected], abs=1e-6)
    assert 0 < classifier.description["results"]["val/top1"] < 1  # it was percent


def test_it_can_be_saved_and_opened_again(tmp_path: Path) -> None:
    source = FOLDER / "classification.safetensors"
    folder = SwinClassifier.from_pretrained(source).save_pretrained(tmp_path)
    before, after = read_model_file(source).description or {}, read_model_file(folder).description or {}
    assert after["classes"] == list("0123456789")
    assert all(after[name] == before[name] for name in ("classes", "preprocessing", "recipe", "results"))
