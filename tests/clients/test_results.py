"""Results in other people's tools: supervision, torchvision's drawing, pycocotools, notebooks."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from small_detectors import detector
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from swinkit import InputError
from swinkit.classification.result import Classification
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.result import DetectionResult
from swinkit.segmentation.result import Segmentation
from swinkit.structures import Detections

NAMES = ("cat", "dog")
PICTURE = Image.new("RGB", (40, 30), "grey")


def result(*, masks: bool = True) -> DetectionResult:
    boxes = torch.tensor([[2.0, 3, 12, 13], [20, 5, 35, 25], [0, 0, 40, 30]])
    found = Detections(
        boxes, torch.tensor([0.9, 0.5, 0.1]), torch.tensor([1, 0, 1]), torch.ones(3, 7, 7) if masks else None, (30, 40)
    )
    return DetectionResult(found, NAMES, PICTURE)


@pytest.mark.parametrize(
    ("index", "scores"),
    [
        (0, [0.9]),
        (-1, [0.1]),
        (slice(1, None), [0.5, 0.1]),
        ([2, 0], [0.1, 0.9]),
        ([], []),
        ([True, False, True], [0.9, 0.1]),
        (np.array([False, True, False]), [0.5]),
        (torch.tensor([1]), [0.5]),
    ],
)
def test_indexing(index: object, scores: list[float]) -> None:
    found = result()[index]
    assert found.scores.tolist() == pytest.approx(scores)
    assert len(found.masks) == len(found) == len(scores)


def test_one_by_one() -> None:
    assert [each.names[0] for each in result()] == ["dog", "cat", "dog"]
    dogs = result()[result().labels == 1]
    assert dogs.counts() == {"dog": 2}
    with pytest.raises(IndexError):
        result()[3]


def test_another_device() -> None:
    moved = result().to("meta")
    assert {x.device.type for x in (moved.boxes, moved.scores, moved.labels, moved.detections.masks)} == {"meta"}


@pytest.mark.parametrize("masks", [True, False])
def test_supervision(masks: bool) -> None:
    supervision = pytest.importorskip("supervision")
    found = result(masks=masks).to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.data["class_name"].tolist() == ["dog", "cat", "dog"]
    assert np.allclose(found.xyxy[1], [20, 5, 35, 25])
    assert (found.mask is not None) == masks
    drawn = supervision.BoxAnnotator().annotate(np.zeros((30, 40, 3), dtype=np.uint8), found[found.confidence > 0.4])
    assert drawn.any()
    assert len(result(masks=masks)[[]].to_supervision()) == 0


def test_drawing_of_torchvision() -> None:
    found, image = result(), torch.zeros(3, 30, 40, dtype=torch.uint8)
    assert draw_bounding_boxes(image, found.boxes, found.names).any()
    assert draw_segmentation_masks(image, torch.stack(found.masks)).any()


def test_result_file_of_coco() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": 7, "height": 30, "width": 40}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [],
    }
    truth.createIndex()
    rows = json.loads(json.dumps(result().to_coco(7, (3, 9))))
    assert rows[1]["bbox"] == [20, 5, 15, 20]
    loaded = truth.loadRes(rows)
    assert [loaded.anns[number]["category_id"] for number in (1, 2, 3)] == [9, 3, 9]
    assert loaded.annToMask(loaded.anns[3]).sum() > 0.95 * 30 * 40
    assert result(masks=False).to_coco(1)[0]["category_id"] == 2
    with pytest.raises(InputError, match="names 1 classes, but there are 2"):
        result().to_coco(7, (1,))


@pytest.mark.parametrize(
    "shown",
    [
        result(),
        Classification(NAMES, (0.75, 0.25), PICTURE),
        Segmentation(np.zeros((30, 40), dtype=np.uint8), NAMES, PICTURE),
    ],
    ids=["detection", "classification", "segmentation"],
)
def test_notebooks_show_a_picture(shown: object) -> None:
    picture = Image.open(io.BytesIO(shown._repr_png_()))
    assert picture.format == "PNG"
    assert len(repr(shown)) < 200


def test_short_names_of_predictors() -> None:
    model = detector()
    described = describe_detector(model, ("a", "b", "c"), DetectionResize())
    assert repr(Detector(model, ("a", "b", "c"), DetectionResize(), described)) == (
        "Detector(mask_rcnn of 3 classes on cpu)"
    )
