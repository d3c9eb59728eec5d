"""Python and the command line say the same of an image, in whatever form it is given."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from shared_files import shared_path
from small_detectors import detector
from small_segmentation import small_model
from torchvision.transforms.v2.functional import pil_to_tensor

import swinkit
from swinkit import SwinClassifier, SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.predictor import Classifier
from swinkit.cli import main
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.errors import InputError
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor
from swinkit.weights.hub import Shareable

NAMES = ("cat", "dog", "bird")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(task: str, folder: Path) -> Path:
    torch.manual_seed(0)
    predictor: Shareable
    if task == "classification":
        config = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
        model = SwinClassifier(config, num_classes=3)
        torch.nn.init.normal_(model.head.weight)
        predictor = Classifier(model, classes=NAMES, preprocessing=EvalPreprocessing(32, shorter_side=36))
    elif task == "segmentation":
        net, settings = small_model(num_classes=3), InferenceSettings(resize=(64, 96))
        predictor = Segmentor(net, NAMES, settings, describe_segmentor(net, NAMES, settings))
    else:
        rcnn, resize = detector(), DetectionResize(64, 96)
        predictor = Detector(rcnn, NAMES, resize, describe_detector(rcnn, NAMES, resize))
    return predictor.save_pretrained(folder / task)


def made_images(folder: Path) -> list[Path]:
    """EXIF-turned, grey, transparent, with a palette, 16-bit, one pixel, and plain."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif)
    image.save(folder / "plain.png")
    image.convert("L").save(folder / "grey.png")
    image.convert("LA").save(folder / "grey_alpha.png")
    image.quantize(16).save(folder / "palette.gif")
    Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    Image.fromarray(np.dstack([pixels, pixels[:, :, :1]])).save(folder / "rgba.png")
    image.crop((0, 0, 1, 1)).save(folder / "one.png")
    return sorted(folder.iterdir())


def forms(path: Path) -> dict[str, Any]:
    """All ways to hand in an image; arrays and tensors where they have all that the file says."""
    image = Image.open(path)
    given: dict[str, Any] = {"path": path, "text": str(path), "bytes": path.read_bytes(), "PIL": image}
    if image.mode in ("RGB", "RGBA", "L", "I;16"):
        upright = ImageOps.exif_transpose(image)
        given["array"] = np.asarray(upright)
        if image.mode != "I;16":
            given["tensor"] = pil_to_tensor(upright)
    return given


def numbers(row: dict[str, Any]) -> list[float]:
    """Every score, box and share in what was said."""
    found = row["predictions"] if "predictions" in row else row.get("objects", row.get("shares"))
    if isinstance(found, dict):
        return [found.get(name, 0.0) for name in NAMES]
    if found and "probability" in found[0]:
        shares = {each["class"]: each["probability"] for each in found}
        return [shares[name] for name in NAMES]
    return [value for each in found or [] for value in (each["score"], *each["box"])]


def said(predictor: Any, image: Any) -> list[float]:
    result = predictor.predict(image).to_dict()
    return numbers({"objects": result} if isinstance(result, list) else result)


def compare(task: str, folder: Path, images: list[Path], capsys: pytest.CaptureFixture[str]) -> int:
    """The number of forms compared."""
    model = saved(task, folder)
    predictor, compared = swinkit.open(model), 0
    for path in images:
        options = ["--threshold", "0"] if task == "detection" else []
        assert main(["predict", str(model), str(path), "--json", *options]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        expected = numbers(row)
        assert expected or path.stem in ("one", "line")  # too small for anything to be found
        for name, form in forms(path).items():
            assert said(predictor, form) == pytest.approx(expected, abs=1e-6), f"{path.name} as {name}"
            compared += 1
    many = predictor.predict([str(path) for path in images])
    for path, result in zip(images, many, strict=True):
        together = result.to_dict()
        together = numbers({"objects": together} if isinstance(together, list) else together)
        assert together == pytest.approx(said(predictor, path), abs=1e-4 if task == "detection" else 1e-6)
    return compared


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_made_images(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    assert compare(task, tmp_path, made_images(tmp_path / "images"), capsys) >= 40


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_images_of_a_users_folder(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_path("cases/user-mix")
    readable = (
        "cmyk.jpg",
        "exif6.jpg",
        "line.png",
        "normal.jpg",
        "palette.gif",
        "rgba.png",
        "sixteen.png",
        "webp.webp",
    )
    compare(task, tmp_path, [*(folder / name for name in readable), folder / "sub" / "UPPER.JPG"], capsys)
    predictor = swinkit.open(tmp_path / task)
    for name in ("empty.jpg", "fake.jpg", "truncated.jpg", "notes.txt", "photo.heic"):
        with pytest.raises(InputError, match=name):
            predictor.predict(folder / name)


def test_python_started_beside_a_folder_named_swinkit(tmp_path: Path) -> None:
    (tmp_path / "swinkit" / "docs").mkdir(parents=True)
    command = [sys.executable, "-c", "import swinkit; print(swinkit.__file__, swinkit.InputError.__name__)"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert found.stdout.split()[-1:] == ["InputError"], found.stderr
