"""Detection scores are pycocotools' own on the same files, crowds included, in any number of parts."""

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from shared_files import shared_path
from torch.nn import functional as F

from swinkit import InputError
from swinkit.detection.coco_numbers import CocoNumbers
from swinkit.detection.data.coco import read_coco
from swinkit.detection.scores import DetectionScores, results_table
from swinkit.structures import Detections

SIZE = (80, 100)
PERFECT = pytest.approx(1.0, abs=1e-12)


def rectangle(left, top, width, height):
    return [[left, top, left + width, top, left + width, top + height, left, top + height]]


def truth_of(annotations, images=2):
    """Categories 9 "dog" (label 0) and 4 "cat" (label 1); an annotation is (image, category, box, iscrowd)."""
    return {
        "info": {},
        "images": [{"id": 10 * n, "height": SIZE[0], "width": SIZE[1], "file_name": ""} for n in range(1, images + 1)],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": crowd,
                "segmentation": rectangle(*box),
            }
            for number, (image, category, box, crowd) in enumerate(annotations, 1)
        ],
    }


def detections(boxes, scores, labels, *, masks=True, size=SIZE):
    """Boxes as left, top, right, bottom."""
    count = len(scores)
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(count, 4),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.long),
        torch.ones(count, 28, 28) if masks else None,
        size,
    )


TRUTH = [
    (10, 9, (10, 10, 40, 40), 0),
    (10, 4, (60, 20, 20, 30), 0),
    (10, 9, (0, 60, 100, 20), 1),
    (20, 9, (5, 5, 50, 50), 0),
]


def test_perfect_detections_score_one_and_crowds_cost_nothing():
    scores = DetectionScores(truth_of(TRUTH), has_masks=True)
    in_crowd = [[5, 62, 30, 78], [40, 62, 70, 78]]
    scores.update(10, detections([[10, 10, 50, 50], [60, 20, 80, 50], *in_crowd], [0.9, 0.8, 0.95, 0.7], [0, 1, 0, 0]))
    scores.update(20, detections([[5, 5, 55, 55]], [0.6], [0]))
    results = scores.results()
    boxes, masks = results.boxes, results.masks
    perfect = [boxes.ap, boxes.ap50, boxes.ar100, boxes.ap_small, boxes.ap_medium, masks.ap, masks.ap75]
    assert perfect == [PERFECT] * len(perfect) and boxes.ap_large == -1
    assert [each.name for each in results.class_boxes] == ["dog", "cat"]
    assert [each.ap for each in results.class_masks] == [PERFECT, PERFECT]
    assert results.recall50 == 1.0 and results.images == 2 and results.detections == 5


def test_recall_is_one_to_one_and_blind_to_classes():
    scores = DetectionScores(truth_of([*TRUTH, (20, 9, (6, 6, 50, 50), 0)]), has_masks=False)
    scores.update(10, detections([[10, 10, 50, 50], [60, 20, 80, 50]], [0.9, 0.8], [1, 1], masks=False))
    scores.update(20, detections([[5, 5, 55, 55]], [0.6], [0], masks=False))
    results = scores.results()
    assert results.recall50 == 3 / 4
    assert results.masks is None and results.class_masks is None
    assert results.class_boxes[0].ap50 == pytest.approx(0.337, abs=0.01)


def test_no_detections_score_zero():
    scores = DetectionScores(truth_of(TRUTH), has_masks=True)
    for images in (0, 1):
        results = scores.results()
        assert results.boxes.ap == results.masks.ap == results.recall50 == 0.0
        assert results.images == images and results.detections == 0
        scores.update(10 * (images + 1), detections([], [], []))


def test_classes_without_objects_have_no_score():
    scores = DetectionScores(truth_of([each for each in TRUTH if each[1] == 9]), has_masks=False)
    scores.update(10, detections([[10, 10, 50, 50], [60, 20, 80, 50]], [0.9, 0.8], [0, 1], masks=False))
    results = scores.results()
    assert math.isnan(results.class_boxes[1].ap) and results.class_boxes[0].ap == results.boxes.ap > 0.4
    table = results_table(results)
    assert [name for name, _ in table] == ["all", "dog", "cat"]
    assert table[0][1][0] == results.boxes.ap and len(table[0][1]) == 3 and math.isnan(table[2][1][0])


def perturbed(reference: COCO, labels_of: dict[int, int], image, seed):
    """Detections near the truth of an image, some with other classes, twice, or out of nothing; with masks."""
    generator = torch.Generator().manual_seed(seed)
    limits = torch.tensor([image["width"], image["height"]] * 2, dtype=torch.float32)

    def below(count: int) -> int:
        return int(torch.randint(0, count, (), generator=generator))

    boxes, labels, masks = [], [], []
    for each in reference.imgToAnns[image["id"]]:
        left, top, width, height = each["bbox"]
        box = torch.tensor([left, top, left + width, top + height])
        mask = torch.from_numpy(reference.annToMask(each)).float()
        for _ in range(below(4)):
            noise = torch.randn(4, generator=generator) * torch.tensor([width, height] * 2) * 0.07
            boxes.append((box + noise).clamp(min=0).minimum(limits))
            labels.append(labels_of[each["category_id"]] if below(7) else below(len(labels_of)))
            masks.append(0.8 * in_box(mask, box) + 0.2 * torch.rand(28, 28, generator=generator))
    for _ in range(5):
        boxes.append((torch.rand(2, 2, generator=generator) * limits[:2]).sort(0).values.flatten())
        labels.append(below(len(labels_of)))
        masks.append(torch.rand(28, 28, generator=generator))
    scores = torch.rand(len(boxes), generator=generator).mul(20).round().div(20)  # with ties
    order = scores.argsort(descending=True, stable=True)
    size = (image["height"], image["width"])
    return Detections(
        torch.stack(boxes)[order], scores[order], torch.tensor(labels)[order], torch.stack(masks)[order], size
    )


def in_box(mask: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """(28, 28): the mask (H, W) within the box."""
    left, top, right, bottom = (int(value) for value in box)
    part = mask[None, None, top : max(bottom, top + 1), left : max(right, left + 1)]
    return F.interpolate(part, size=(28, 28), mode="bilinear")[0, 0] if part.numel() else torch.zeros(28, 28)


def by_pycocotools(reference: COCO, results_path: Path, kind: str) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(reference, reference.loadRes(str(results_path)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def assert_equal_to_pycocotools(json_path, truth, tmp_path, capsys):
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(json_path))
    labels_of = {each["id"]: label for label, each in enumerate(truth["categories"])}
    parts = [DetectionScores(truth, has_masks=True) for _ in range(3)]
    for number, image in enumerate(truth["images"]):
        parts[number % 3].update(image["id"], perturbed(reference, labels_of, image, seed=number))
    scores = parts[1]
    for other in (parts[2], parts[0]):
        scores.add_bytes(other.to_bytes())
    results = scores.results()
    assert results.images == len(truth["images"])
    assert capsys.readouterr().out == ""
    for kind, name, numbers, classes in (
        ("bbox", "boxes", results.boxes, results.class_boxes),
        ("segm", "masks", results.masks, results.class_masks),
    ):
        scores.write_results(tmp_path / f"{name}.json", kind=name)
        evaluation = by_pycocotools(reference, tmp_path / f"{name}.json", kind)
        np.testing.assert_allclose(list(numbers.as_dict().values()), evaluation.stats, rtol=0, atol=1e-12)
        assert 0.1 < numbers.ap < 0.9
        places = {category: place for place, category in enumerate(evaluation.params.catIds)}
        for each, category in zip(classes, truth["categories"], strict=True):
            values = evaluation.eval["precision"][:, :, places[category["id"]], 0, 2]
            assert each.name == category["name"]
            assert math.isnan(each.ap) if (values == -1).all() else abs(each.ap - values.mean()) < 1e-12
            assert math.isnan(each.ap50) or abs(each.ap50 - values[0].mean()) < 1e-12
            assert math.isnan(each.ap75) or abs(each.ap75 - values[5].mean()) < 1e-12
    return results


def test_equals_pycocotools_on_made_up_images(tmp_path, capsys):
    generator = np.random.default_rng(0)
    annotations = []
    for image in range(1, 13):
        for _ in range(int(generator.integers(0, 7))):
            width, height = generator.integers(3, 60, 2)
            corner = generator.integers(0, 100 - width), generator.integers(0, 80 - height)
            box = tuple(map(float, (*corner, width, height)))
            annotations.append((10 * image, int(generator.choice([9, 4])), box, int(generator.random() < 0.2)))
    truth = truth_of(annotations, images=12)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    assert_equal_to_pycocotools(path, truth, tmp_path, capsys)


@pytest.mark.slow
def test_equals_pycocotools_on_real_images(tmp_path, capsys):
    path = shared_path("data/coco_mini/annotations/instances_mini.json")
    truth = read_coco(path, shared_path("data/coco_mini/images")).coco()
    assert sum(each["iscrowd"] for each in truth["annotations"]) == 4
    results = assert_equal_to_pycocotools(path, truth, tmp_path, capsys)
    assert results.detections > 800 and 0.5 < results.recall50 < 1


def test_numbers_are_in_the_order_of_pycocotools():
    names = list(CocoNumbers.from_stats(range(12)).as_dict())
    assert names[:6] == ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
    assert names[6:] == ["ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]


def test_results_json_has_the_files_category_ids(tmp_path):
    scores = DetectionScores(truth_of(TRUTH), has_masks=True)
    scores.update(20, detections([[5, 6, 55, 58]], [0.5], [1]))
    scores.write_results(tmp_path / "new" / "boxes.json")
    (found,) = json.loads((tmp_path / "new" / "boxes.json").read_text())
    assert found == {"image_id": 20, "category_id": 4, "bbox": [5, 6, 50, 52], "score": 0.5}
    scores.write_results(tmp_path / "masks.json", kind="masks")
    (found,) = json.loads((tmp_path / "masks.json").read_text())
    assert "bbox" not in found and coco_mask.area(found["segmentation"]) == 50 * 52
    with pytest.raises(InputError, match="no masks to write"):
        DetectionScores(truth_of(TRUTH), has_masks=False).write_results(tmp_path / "a.json", kind="masks")


ONE = ([[1.0, 2.0, 3.0, 4.0]], [0.5], [0])

REFUSED = [
    (11, detections(*ONE), "image 11, which the truth does not have"),
    (20, detections(*ONE, size=(100, 80)), r"refer to \(100, 80\) pixels .* but it has \(80, 100\)"),
    (20, detections(ONE[0], [0.5], [2]), "run from 2 to 2, but there are 2 classes"),
    (20, detections([[1, 2, math.nan, 4]], [0.5], [0]), "not finite"),
    (20, detections(ONE[0], [math.inf], [0]), "not finite"),
    (20, detections(*ONE, masks=False), "have no masks"),
]


@pytest.mark.parametrize(("image", "found", "words"), REFUSED)
def test_detections_that_do_not_fit_are_refused(image, found, words):
    with pytest.raises(InputError, match=words):
        DetectionScores(truth_of(TRUTH), has_masks=True).update(image, found)


def test_an_image_is_shown_once():
    scores = DetectionScores(truth_of(TRUTH), has_masks=False)
    scores.update(10, detections(*ONE))
    with pytest.raises(InputError, match="image 10 are given twice"):
        scores.update(10, detections(*ONE))
    other = DetectionScores(truth_of(TRUTH), has_masks=False)
    other.update(10, detections(*ONE))
    other.add_bytes(scores.to_bytes())
    assert other.results().detections == 1
