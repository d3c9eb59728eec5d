"""Folders of the hub, of all three tasks: names, preprocessing and results come back."""

from pathlib import Path

import pytest
import torch
from small_detectors import detector as small_detector
from small_segmentation import small_model

import swinkit
from swinkit import SwinClassifier, SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.predictor import Classifier
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor
from swinkit.weights.hub import Shareable

NAMES = ("cat", "dog", "bird")
RESULTS = {"results": {"val/score": 0.75}}


def classifier() -> Classifier:
    config = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(16, 16))
    model = SwinClassifier(config, num_classes=3)
    model.remember(RESULTS)
    return Classifier(model, classes=NAMES, preprocessing=EvalPreprocessing(16, shorter_side=None))


def segmentor() -> Segmentor:
    model, shown = small_model(num_classes=3), InferenceSettings(resize=(40, 80))
    return Segmentor(model, NAMES, shown, describe_segmentor(model, NAMES, shown) | RESULTS)


def detector() -> Detector:
    model, shown = small_detector(), DetectionResize(64, 96)
    return Detector(model, NAMES, shown, describe_detector(model, NAMES, shown) | RESULTS)


@pytest.mark.parametrize("make", [classifier, segmentor, detector])
def test_everything_comes_back(make: object, tmp_path: Path) -> None:
    first: Shareable = make()
    folder = first.save_pretrained(tmp_path / "one")
    again = type(first).from_pretrained(str(folder)).save_pretrained(tmp_path / "two")
    for found in (type(first).from_pretrained(again), swinkit.open(again)):
        assert type(found) is type(first)
        assert found.classes == NAMES
        assert found.preprocessing == first.preprocessing
        assert found.description["results"] == RESULTS["results"]
        for (name, a), b in zip(first.model.state_dict().items(), found.model.state_dict().values(), strict=True):
            assert torch.equal(a, b), name
    card = (again / "README.md").read_text()
    assert "cat, dog, bird" in card
    assert "score on the validation data: 0.7500" in card


def test_the_model_alone_remembers_it_too(tmp_path: Path) -> None:
    first = classifier()
    first.model.save_pretrained(tmp_path / "model")
    model = SwinClassifier.from_pretrained(tmp_path / "model")
    model.save_pretrained(tmp_path / "again")
    found = Classifier.from_pretrained(tmp_path / "again")
    assert (found.classes, found.preprocessing) == (NAMES, first.preprocessing)
