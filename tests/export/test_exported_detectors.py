"""Detectors as files: every kind, for any size, the same detections, and run without the PyTorch model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exportable import needs_onnx
from PIL import Image
from small_exports import KINDS, as_file, noise, predictor

from swinkit.cli.exportable import exportable
from swinkit.detection.agreement import NOTHING_FOUND, compare_detections
from swinkit.detection.exported import ExportedDetector
from swinkit.detection.result import DetectionResult
from swinkit.errors import InputError
from swinkit.export.comparison import Trial
from swinkit.export.onnx_file import OPSET, write_onnx
from swinkit.export.program import write_program
from swinkit.export.runtimes import open_exported
from swinkit.opening import open_exported_file
from swinkit.structures import Views

ALIKE = ("boxes alone", "cascade_mask_rcnn", "reppoints_v2")
"""Each has a kind beside it that does all that it does, and more."""
PICTURES = [noise(100, 80), noise(70, 130, seed=1), noise(64, 64, seed=2)]


def assert_alike(found: DetectionResult, expected: DetectionResult) -> None:
    """Boxes, scores, classes and whole masks."""
    agreement = compare_detections(found.detections[:3], expected.detections[:3])
    assert agreement.is_equal and agreement.text != NOTHING_FOUND, agreement.text
    assert found.classes == expected.classes and (found.masks is None) == (expected.masks is None)
    if len(found) == len(expected) and torch.equal(found.labels, expected.labels):
        for ours, theirs in zip(found.masks or [], expected.masks or [], strict=True):
            assert (ours != theirs).float().mean() < 0.01


@pytest.mark.parametrize("name", KINDS)
def test_what_stands_in_for_a_detector_finds_the_same(name: str) -> None:
    detector = predictor(name)
    exported = ExportedDetector.from_exported(as_file(detector))
    for picture in PICTURES:
        found, expected = exported.predict(picture), detector.predict(picture)
        assert isinstance(found, DetectionResult) and isinstance(expected, DetectionResult)
        assert_alike(found, expected)
    together = exported.predict(PICTURES[:1] * 3, batch_size=2)
    assert isinstance(together, list) and len(together) == 3
    for each in together:
        assert_alike(each, detector.predict(PICTURES[0]))  # type: ignore[arg-type]


def test_what_a_file_cannot_do_is_a_sentence() -> None:
    file = as_file(predictor("mask_rcnn"))
    exported = ExportedDetector.from_exported(file)
    with pytest.raises(InputError, match="several views need the checkpoint"):
        exported.predict(PICTURES[0], views=Views(flip=True))
    with pytest.raises(InputError, match=r"a\.onnx is an exported file"):
        exported.save_pretrained("anywhere")
    with pytest.raises(InputError, match="does not learn"):
        exported.model(torch.zeros(1, 3, 32, 32), [(32, 32)], [])
    with pytest.raises(InputError, match="masks of an unknown kind"):
        ExportedDetector.from_exported(replace(file, metadata=dict(file.metadata) | {"masks": "ovals"}))
    with pytest.raises(InputError, match=r"preprocessing of a\.onnx"):
        ExportedDetector.from_exported(replace(file, metadata=dict(file.metadata) | {"preprocessing": {"side": 1}}))
    with pytest.raises(InputError, match="runs on the CPU"):
        open_exported_file(file, device=torch.device("cuda"))
    with pytest.raises(InputError, match="a model for poetry"):
        open_exported_file(replace(file, task="poetry"), device=torch.device("cpu"))


@pytest.mark.parametrize(
    "outputs",
    [
        (torch.zeros(2, 4), torch.zeros(2), torch.zeros(2).long()),
        (torch.zeros(2, 4), torch.zeros(2), torch.tensor([0, 3]), torch.zeros(2, 8, 8)),
        (torch.zeros(2, 4), torch.zeros(2), torch.tensor([0, -1]), torch.zeros(2, 8, 8)),
        (torch.zeros(2, 4), torch.zeros(3), torch.zeros(2).long(), torch.zeros(2, 8, 8)),
        (torch.zeros(2, 5), torch.zeros(2), torch.zeros(2).long(), torch.zeros(2, 8, 8)),
        (torch.zeros(()),),
        (),
    ],
)
def test_outputs_that_are_no_detections_are_a_sentence(outputs: tuple[torch.Tensor, ...]) -> None:
    file = replace(as_file(predictor("mask_rcnn")), run=lambda images: outputs)
    with pytest.raises(InputError, match="no detections of 3 classes"):
        ExportedDetector.from_exported(file).predict(PICTURES[0])


SIZES = ((50, 64), (97, 131), (33, 70))
"""Heights and widths of which none is a multiple of 32 in both directions."""
LARGER = ((70, 90), (97, 131), (130, 75))
"""Without maps of one cell, which a program of a detector of coarse levels does not take."""


def trial_of(name: str, sizes: Sequence[tuple[int, int]] = SIZES) -> Trial:
    trial = exportable(predictor(name), PICTURES[:1]).trial
    images = tuple(torch.as_tensor(_pixels(noise(w, h, seed=w))) for h, w in sizes)
    return replace(trial, example=torch.zeros(1, 3, 100, 140), images=images)


def _pixels(picture: Image.Image) -> torch.Tensor:
    from torchvision.transforms.v2.functional import pil_to_tensor

    return pil_to_tensor(picture)[None].float()


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in ALIKE else ()) for name in KINDS]
)
def test_one_onnx_file_for_every_size(name: str, tmp_path: Path) -> None:
    """`write_onnx` compares with ONNX Runtime and, where it is installed, OpenVINO."""
    import onnx

    detector = predictor(name)
    model, out = exportable(detector, PICTURES[:1]), tmp_path / "a.onnx"
    compared = write_onnx(
        model.module, out, output_names=model.output_names, metadata=model.metadata, trial=trial_of(name)
    )
    assert len(compared) == 3 and all(each.text != NOTHING_FOUND and each.error < 1e-2 for each in compared)
    file = onnx.load(str(out))
    assert [(part.domain, part.version) for part in file.opset_import] == [("", OPSET)] and not file.functions
    assert [each.name for each in file.graph.output] == list(model.output_names)
    assert list(tmp_path.iterdir()) == [out]
    opened = open_exported_file(open_exported(out), device=torch.device("cpu"))
    assert opened.classes == ("cat", "Hund", "猫") and opened.preprocessing == detector.preprocessing
    assert_alike(opened.predict(PICTURES[1]), detector.predict(PICTURES[1]))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mask_rcnn", pytest.param("mask_reppoints_v2", marks=pytest.mark.long)])
def test_one_program_for_every_size(name: str, tmp_path: Path) -> None:
    model = exportable(predictor(name), PICTURES[:1])
    compared = write_program(model.module, tmp_path / "a.pt2", metadata=model.metadata, trial=trial_of(name, LARGER))
    assert len(compared) == 3 and all(each.text != NOTHING_FOUND for each in compared)


def test_the_usual_pictures_are_of_three_sizes() -> None:
    trial = exportable(predictor("atss")).trial
    assert [tuple(each.shape[2:]) for each in trial.images] == [(64, 96), (96, 64), (64, 64)]
    assert not trial.is_batch_free and trial.images[0].max() > 100
