"""What a detector finds in images as people have them, and what its results say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_detectors import BACKBONE, SMALL_CASCADE, SMALL_MASK

import swinkit
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.result import DetectionResult
from swinkit.detection.scores import encode_mask
from swinkit.detection.soft_nms import Suppression
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.errors import InputError
from swinkit.weights.model_file import read_model_file

NAMES = ("sky", "road", "猫")
SIZES = [(70, 50), (50, 70), (50, 70), (31, 90), (50, 70), (70, 50)]
"""Width and height of images, of which neighbours are shown together."""


def image(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (*SIZES[number][::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def built(config=SMALL_MASK) -> Detector:
    torch.manual_seed(0)
    model = replace(config, score_threshold=0.0, detections=8).build(BACKBONE.build(), 3).eval()
    with torch.no_grad():
        for head in model.roi_head.bbox_head:
            head.fc_cls.weight.normal_(std=2.0)  # scores far apart
    resize = DetectionResize(48, 64)
    return Detector(model, NAMES, resize, describe_detector(model, NAMES, resize))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return built()


def assert_same(one: DetectionResult, other: DetectionResult, *, atol: float = 0.0) -> None:
    assert one.detections.size == other.detections.size and one.image.size == other.image.size
    assert torch.equal(one.labels, other.labels) and len(one) > 0
    for name in ("boxes", "scores", "masks"):
        mine, theirs = getattr(one.detections, name), getattr(other.detections, name)
        torch.testing.assert_close(mine, theirs, rtol=atol, atol=10 * atol if name == "boxes" else atol)


def test_an_image_may_come_in_any_form(detector: Detector, tmp_path: Path) -> None:
    picture = image(0)
    picture.save(tmp_path / "a.png")
    pixels = np.asarray(picture)
    expected = detector.predict(tmp_path / "a.png")
    assert isinstance(expected, DetectionResult) and expected.detections.size == (50, 70)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    forms = [str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), picture, pixels, tensor, tensor / 255]
    for form in forms:
        assert_same(detector.predict(form), expected)
    for many in (forms, np.stack([pixels] * 2), torch.stack([tensor] * 2)):
        found = detector.predict(many)
        assert isinstance(found, list) and len(found) == len(many)
        for each in found:
            assert_same(each, expected, atol=1e-6)
    assert detector.predict([]) == []
    with pytest.raises(InputError, match="absent"):
        detector.predict([picture, tmp_path / "absent.png"])


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_images_of_different_sizes_keep_their_order(detector: Detector, batch_size: int) -> None:
    images = [image(number) for number in range(len(SIZES))]
    together = detector.predict(images, batch_size=batch_size)
    assert [each.image.size for each in together] == SIZES
    for number, each in enumerate(together):
        assert_same(each, detector.predict(images[number]), atol=1e-6)
        assert each.boxes[:, 2].max() <= SIZES[number][0] + 1e-3 and each.boxes[:, 3].max() <= SIZES[number][1] + 1e-3


def test_threshold_and_top_leave_the_poorest_out(detector: Detector) -> None:
    every = detector.predict(image(0))
    scores = every.scores.tolist()
    assert len(every) == 8 and scores == sorted(scores, reverse=True) and scores[2] > scores[3]
    assert detector.predict(image(0), threshold=scores[2]).scores.tolist() == scores[:3]  # the threshold itself stays
    best = detector.predict(image(0), threshold=scores[2], top=2)
    assert torch.equal(best.boxes, every.boxes[:2]) and len(best.masks) == 2
    assert len(detector.predict(image(0), top=99)) == 8 and len(every.above(1.0)) == 0
    for wrong in (-0.1, 1.5):
        with pytest.raises(InputError, match=r"0\.\.1"):
            detector.predict(image(0), threshold=wrong)


def test_what_a_result_says(detector: Detector, tmp_path: Path) -> None:
    result = detector.predict(image(3))
    assert result.names == [NAMES[label] for label in result.labels.tolist()]
    assert sum(result.counts().values()) == len(result) == 8 and repr(result).startswith("DetectionResult(")
    rows = json.loads(json.dumps(result.to_dict()))
    assert [row["class"] for row in rows] == result.names and rows[0]["box"] == result.boxes[0].tolist()
    assert [row["score"] for row in rows] == result.scores.tolist()
    assert result.masks[0].shape == (90, 31) and rows[0]["mask"] == encode_mask(result.masks[0].numpy())
    result.save(tmp_path / "found.png")
    with Image.open(tmp_path / "found.png") as written:
        assert written.size == result.draw().size and written.size[1] > 600
    nothing = result.above(1.0)
    assert nothing.to_dict() == [] and repr(nothing) == "DetectionResult(nothing found)" and nothing.draw().size


@pytest.mark.parametrize("config", [SMALL_CASCADE, replace(SMALL_MASK, masks=False)])
def test_a_saved_detector_is_the_same(config, tmp_path: Path) -> None:
    detector = built(config)
    folder = detector.save_pretrained(tmp_path / "cats")
    again = Detector.from_file(read_model_file(folder), device=torch.device("cpu"))
    assert again.classes == NAMES and again.preprocessing == detector.preprocessing
    assert again.model.config == detector.model.config and again.device == torch.device("cpu")
    one, other = detector.predict(image(0)), again.predict(image(0))
    assert_same(other, one)
    assert (one.masks is not None) == config.masks and ("mask" in one.to_dict()[0]) == config.masks
    assert json.loads((folder / "config.json").read_text())["classes"] == list(NAMES)
    assert "猫" in (folder / "README.md").read_text() and "object-detection" in (folder / "README.md").read_text()


def test_soft_nms_is_of_the_copy_alone_and_in_its_file(detector: Detector, tmp_path: Path) -> None:
    plain = detector.predict(image(0))
    soft = detector.with_suppression(Suppression("gaussian"))
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(soft.model.state_dict().values(), detector.model.state_dict().values(), strict=True)
    )
    changed = soft.predict(image(0))
    assert not torch.equal(changed.scores, plain.scores) and not soft.model.training
    assert_same(detector.predict(image(0)), plain)
    soft.save_pretrained(tmp_path)
    assert_same(swinkit.open(tmp_path).predict(image(0)), changed)


def test_a_detector_that_suppresses_nothing_has_no_soft_nms() -> None:
    model = SparseRCNN(proposals=4, stages=1, channels=8, heads=2, inner=4, hidden=8).build(BACKBONE.build(), 3)
    resize = DetectionResize(48, 64)
    sparse = Detector(model, NAMES, resize, describe_detector(model, NAMES, resize))
    with pytest.raises(InputError, match="sparse_rcnn leaves no boxes out, so soft-NMS has nothing to do"):
        sparse.with_suppression(Suppression("linear"))
