import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import as_preprocessing, class_names, open_classifier
from swinkit.errors import InputError
from swinkit.weights.catalogue import CATALOGUE
from swinkit.weights.save import save_weights

CONFIG = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
DESCRIPTION = {"classes": ["cat", "dog"], "preprocessing": {"image_size": [32, 32], "shorter_side": 40}}


def saved(path: Path, model: SwinClassifier, description: dict[str, Any] | None) -> Path:
    header = {"format": "swinkit"} | ({} if description is None else {"description": json.dumps(description)})
    return save_weights(path, model.state_dict(), header)


@pytest.fixture
def model() -> SwinClassifier:
    torch.manual_seed(0)
    return SwinClassifier(CONFIG, num_classes=2).eval()


def test_own_file_needs_nothing_else(tmp_path: Path, model: SwinClassifier) -> None:
    path = saved(tmp_path / "best.safetensors", model, model.description() | DESCRIPTION)
    for source in (path, str(path), tmp_path):
        classifier = open_classifier(source)
        assert classifier.classes == ("cat", "dog")
        assert classifier.preprocessing == EvalPreprocessing((32, 32), shorter_side=40)
        assert classifier.model.config == CONFIG and not classifier.model.training
    image = Image.effect_noise((50, 60), 90).convert("RGB")
    ((best, second),) = classifier.predict([image])
    with torch.no_grad():
        expected = model(classifier.transform(image)[None]).softmax(-1)[0]
    assert {best[0], second[0]} == {"cat", "dog"}
    assert best[1] == pytest.approx(expected.max().item()) and best[1] + second[1] == pytest.approx(1.0)
    assert classifier.predict([image, image], top=1) == [[best], [best]]


def test_description_without_classes_and_preprocessing(tmp_path: Path, model: SwinClassifier) -> None:
    """What save_pretrained writes."""
    classifier = open_classifier(model.save_pretrained(tmp_path))
    assert classifier.classes == ("0", "1")
    assert classifier.preprocessing == EvalPreprocessing(32, shorter_side=36)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "detection"}, "this is a detection model, not a classifier"),
        ({"model": {"embed_dim": 8, "colour": 1}}, "description of the model is damaged or from another version"),
        ({"preprocessing": {"size": 32}}, "the preprocessing in .* is damaged or from another version"),
        ({"preprocessing": [32]}, "the preprocessing in .* is damaged or from another version"),
        ({"num_classes": 3}, r"head\.weight is \(2, 16\) in the weights and \(3, 16\) in the model"),
        ({"classes": ["cat", "dog", "cow"]}, "names 3 classes, but its model has 2"),
    ],
)
def test_description_that_does_not_fit(
    tmp_path: Path, model: SwinClassifier, change: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path / "a.safetensors", model, model.description() | DESCRIPTION | change)
    with pytest.raises(InputError, match=message):
        open_classifier(path)


def test_foreign_file_is_read_off_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SwinClassifier(SwinConfig(embed_dim=32, depths=(2, 2), num_heads=(1, 2), window_size=7), num_classes=5)
    torch.save({"model": model.state_dict()}, tmp_path / "trained.pth")
    classifier = open_classifier(tmp_path / "trained.pth")
    assert classifier.classes == ("0", "1", "2", "3", "4") and classifier.description == {}
    assert (classifier.model.config.embed_dim, classifier.model.config.window_size) == (32, 7)
    assert classifier.model.head.weight.equal(model.head.weight)


def test_backbone_is_no_classifier(tmp_path: Path, model: SwinClassifier) -> None:
    tensors = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("head")}
    save_file(tensors, tmp_path / "backbone.safetensors")
    with pytest.raises(InputError, match="holds no classifier: its weights have no head"):
        open_classifier(tmp_path / "backbone.safetensors")


def test_published_preprocessing_is_that_of_the_catalogue() -> None:
    for name, entry in CATALOGUE.items():
        if entry.task == "classification":
            preprocessing = as_preprocessing(entry.preprocessing, entry.input_size)
            assert preprocessing.image_size == entry.input_size, name
    tiny, base_384 = CATALOGUE["swin_tiny_patch4_window7_224"], CATALOGUE["swin_base_patch4_window12_384"]
    assert as_preprocessing(tiny.preprocessing, tiny.input_size).shorter_side == 256
    assert as_preprocessing(base_384.preprocessing, base_384.input_size).shorter_side is None
    assert as_preprocessing(CATALOGUE["swin_t-704ceda3"].preprocessing, (224, 224)).shorter_side == 232


@pytest.mark.parametrize(("size", "window", "shorter_side"), [(224, 7, 256), (384, 12, None)])
def test_file_of_unknown_name_is_prepared_as_published_for_its_size(
    tmp_path: Path, size: int, window: int, shorter_side: int | None
) -> None:
    config = SwinConfig(embed_dim=32, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8), window_size=window)
    model = SwinClassifier(replace(config, image_size=(size, size)), num_classes=2)
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    preprocessing = open_classifier(tmp_path / "mine.pth").preprocessing
    assert (preprocessing.image_size, preprocessing.shorter_side) == (size, shorter_side)


def test_class_names() -> None:
    names = class_names(1000)
    assert len(set(names)) == 1000
    assert (names[0], names[134], names[517], names[999]) == ("tench", "crane bird", "crane", "toilet tissue")
    assert class_names(3) == ("0", "1", "2")
