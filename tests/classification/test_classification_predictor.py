from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing, eval_transform
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier, as_preprocessing, class_names
from swinkit.errors import InputError
from swinkit.structures import Views
from swinkit.weights.catalogue import CATALOGUE
from swinkit.weights.model_file import read_model_file, write_description
from swinkit.weights.save import save_weights

CONFIG = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
KNOWN = {"classes": ["cat", "dog"], "preprocessing": {"image_size": [32, 32], "shorter_side": 40}}
IMAGES = [Image.effect_noise((50, 60 + number), 90).convert("RGB") for number in range(3)]


def opened(source: Path | str) -> Classifier:
    return Classifier.from_file(read_model_file(source), device=torch.device("cpu"))


def saved(path: Path, model: SwinClassifier, changes: dict[str, Any]) -> Path:
    return save_weights(path, model.state_dict(), write_description(model.description() | KNOWN | changes))


@pytest.fixture
def model() -> SwinClassifier:
    torch.manual_seed(0)
    return SwinClassifier(CONFIG, num_classes=2).eval()


def test_own_file_needs_nothing_else(tmp_path: Path, model: SwinClassifier) -> None:
    path = saved(tmp_path / "best.safetensors", model, {})
    for source in (path, str(path), tmp_path):
        classifier = opened(source)
        assert classifier.classes == ("cat", "dog")
        assert classifier.preprocessing == EvalPreprocessing((32, 32), shorter_side=40)
        assert classifier.model.config == CONFIG and not classifier.model.training
    result = classifier.predict(IMAGES[0])
    with torch.no_grad():
        expected = model(classifier.inputs(IMAGES[:1])).softmax(-1)[0]
    assert set(result.classes) == {"cat", "dog"} and result.best == ("cat", "dog")[expected.argmax()]
    assert result.probabilities == pytest.approx(expected.sort(descending=True).values.tolist())


def test_one_image_or_many_of_any_kind(tmp_path: Path, model: SwinClassifier) -> None:
    classifier = Classifier(model, classes=("cat", "dog"), preprocessing=EvalPreprocessing(32, shorter_side=36))
    expected = [classifier.predict(image) for image in IMAGES]
    assert expected[0] != expected[1]
    IMAGES[0].save(tmp_path / "0.png")
    assert classifier.predict(str(tmp_path / "0.png")) == expected[0]
    assert classifier.predict(np.asarray(IMAGES[0])) == expected[0]
    for size in (1, 2, 32):
        found = classifier.predict(IMAGES, top=1, batch_size=size)
        assert [result.best for result in found] == [result.best for result in expected]
        assert [len(result.classes) for result in found] == [1, 1, 1]
        assert [result.image.size for result in found] == [image.size for image in IMAGES]
    assert classifier.predict([]) == []
    with pytest.raises(InputError, match="top and batch_size must be at least 1, not 0 and 32"):
        classifier.predict(IMAGES, top=0)


def test_a_saved_predictor_comes_back_with_all_it_knows(tmp_path: Path, model: SwinClassifier) -> None:
    shown = EvalPreprocessing((32, 32), shorter_side=50, interpolation="bilinear")
    folder = Classifier(model, classes=("cat", "dog"), preprocessing=shown).save_pretrained(tmp_path / "pets")
    again = opened(folder)
    assert (again.classes, again.preprocessing) == (("cat", "dog"), shown)
    assert (
        again.predict(IMAGES[0]).to_dict() == opened(again.save_pretrained(tmp_path / "b")).predict(IMAGES[0]).to_dict()
    )
    assert "cat, dog" in (folder / "README.md").read_text()


def test_description_without_classes_and_preprocessing(tmp_path: Path, model: SwinClassifier) -> None:
    """What save_pretrained of a model alone writes."""
    classifier = opened(model.save_pretrained(tmp_path))
    assert classifier.classes == ("0", "1")
    assert classifier.preprocessing == EvalPreprocessing(32, shorter_side=36)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "detection"}, "this is a detection model, not a classifier"),
        ({"preprocessing": {"size": 32}}, "the preprocessing in .* has no value 'size'"),
        ({"preprocessing": [32]}, "the preprocessing in .* must be a mapping"),
        ({"num_classes": 3, "classes": None}, r"head\.weight is \(2, 16\) in the weights and \(3, 16\) in the model"),
        ({"classes": ["cat", "dog", "cow"]}, "names 3 classes, but its model has 2"),
    ],
)
def test_description_that_does_not_fit(
    tmp_path: Path, model: SwinClassifier, changes: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path / "a.safetensors", model, changes)
    with pytest.raises(InputError, match=message):
        opened(path)


def test_foreign_file_is_read_off_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SwinClassifier(SwinConfig(embed_dim=32, depths=(2, 2), num_heads=(1, 2), window_size=7), num_classes=5)
    torch.save({"model": model.state_dict()}, tmp_path / "trained.pth")
    classifier = opened(tmp_path / "trained.pth")
    assert classifier.classes == ("0", "1", "2", "3", "4")
    assert (classifier.model.config.embed_dim, classifier.model.config.window_size) == (32, 7)
    assert classifier.model.head.weight.equal(model.head.weight)
    again = opened(classifier.save_pretrained(tmp_path / "saved"))
    assert again.preprocessing == classifier.preprocessing and again.model.head.weight.equal(model.head.weight)


def test_backbone_is_no_classifier(tmp_path: Path, model: SwinClassifier) -> None:
    tensors = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("head")}
    save_file(tensors, tmp_path / "backbone.safetensors")
    with pytest.raises(InputError, match="holds no classifier: its weights have no head"):
        opened(tmp_path / "backbone.safetensors")


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
    preprocessing = opened(tmp_path / "mine.pth").preprocessing
    assert (preprocessing.image_size, preprocessing.shorter_side) == (size, shorter_side)


def test_class_names() -> None:
    names = class_names(1000)
    assert len(set(names)) == 1000
    assert (names[0], names[134], names[517], names[999]) == ("tench", "crane bird", "crane", "toilet tissue")


def test_views_are_averaged(model: SwinClassifier) -> None:
    classifier = Classifier(model, classes=("cat", "dog"), preprocessing=EvalPreprocessing(32, shorter_side=36))
    parts = []
    for side in (32, 40):
        shown = eval_transform(EvalPreprocessing(32, shorter_side=side))(IMAGES[0])
        parts += [classifier.logits(each[None]).softmax(-1)[0] for each in (shown, shown.flip(2))]
    expected = torch.stack(parts).mean(0)
    views = Views(scales=(32, 40), flip=True)
    result = classifier.predict(IMAGES[0], views=views)
    assert result.best == ("cat", "dog")[expected.argmax()]
    assert result.probabilities == pytest.approx(expected.sort(descending=True).values.tolist(), abs=1e-6)
    assert classifier.predict(IMAGES[0]) != result
    assert classifier.predict(IMAGES[0], views=Views()) == classifier.predict(IMAGES[0])
    with pytest.raises(InputError, match="too few to cut out 32"):
        classifier.predict(IMAGES[0], views=Views(scales=(31,)))
    with pytest.raises(InputError, match="longest side says nothing"):
        classifier.predict(IMAGES[0], views=Views(longest_side=40))
