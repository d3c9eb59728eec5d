"""A segmentor as a file: whole, in windows and in several views as the PyTorch model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from exportable import needs_onnx
from small_exports import noise
from small_segmentation import segmentor

from swinkit.errors import InputError
from swinkit.export.comparison import random_trial
from swinkit.export.onnx_file import write_onnx
from swinkit.export.runtimes import open_exported
from swinkit.opening import open_exported_file
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.exported import ExportableSegmentor, ExportedSegmentor, FileSegmentor, segmentor_metadata
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.result import Segmentation
from swinkit.structures import ExportedFile, Views

CLASSES = ("a", "b", "c", "d", "e")
SHOWN = InferenceSettings(resize=(64, 128))


def predictor() -> Segmentor:
    model = segmentor()
    return Segmentor(model, CLASSES, SHOWN, describe_segmentor(model, CLASSES, SHOWN))


def assert_alike(found: object, expected: object) -> None:
    assert isinstance(found, Segmentation) and isinstance(expected, Segmentation)
    assert (found.mask != expected.mask).mean() < 1e-3 and len(expected.shares) > 1


def test_what_stands_in_for_a_segmentor_says_the_same() -> None:
    plain = predictor()
    module, texts = ExportableSegmentor(plain.model).eval(), segmentor_metadata(plain)
    metadata = texts | {"preprocessing": json.loads(texts["preprocessing"])}
    file = ExportedFile(Path("a.onnx"), "segmentation", CLASSES, metadata, lambda images: (module(images),))
    exported = ExportedSegmentor.from_exported(file)
    assert exported.preprocessing == SHOWN
    picture = noise(90, 70)
    assert_alike(exported.predict(picture), plain.predict(picture))
    windows = InferenceSettings(crop=(48, 48))
    assert_alike(exported.predict(picture, settings=windows), plain.predict(picture, settings=windows))
    views = Views(scales=(48, 64), flip=True)
    assert_alike(exported.predict(picture, views=views), plain.predict(picture, views=views))


def test_padded_images_are_refused() -> None:
    model = FileSegmentor(lambda images: (images,), num_classes=3)
    with pytest.raises(InputError, match="without padding"):
        model(torch.zeros(1, 3, 32, 32), [(31, 32)])


def test_outputs_that_are_no_logits_are_a_sentence() -> None:
    model = FileSegmentor(lambda images: (images,), num_classes=4)
    with pytest.raises(InputError, match="no logits of 4 classes"):
        model(torch.zeros(1, 3, 32, 32))


@needs_onnx
@pytest.mark.slow
def test_one_onnx_file_for_every_batch_and_size(tmp_path: Path) -> None:
    plain, out = predictor(), tmp_path / "a.onnx"
    module = ExportableSegmentor(plain.model).eval()
    trial = random_trial(shapes=((1, 64, 96), (2, 97, 131), (1, 128, 65)), example=(2, 96, 128), pixels=True)
    compared = write_onnx(module, out, metadata=segmentor_metadata(plain), trial=trial)
    assert max(each.error for each in compared) < 1e-4
    opened = open_exported_file(open_exported(out), device=torch.device("cpu"))
    assert_alike(opened.predict(noise(90, 70)), plain.predict(noise(90, 70)))
