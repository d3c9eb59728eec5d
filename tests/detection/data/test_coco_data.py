"""A COCO json becomes images with targets: crowds never, broken ones never, and what is wrong is named."""

import json
import logging
import math
import re

import numpy as np
import pytest
import torch
from coco_files import annotation, picture, square, write_coco
from PIL import Image
from pycocotools.coco import COCO
from shared_files import shared_path

from swinkit.detection.data.coco import read_coco
from swinkit.errors import InputError
from swinkit.images.read import ImageError

RLE = {"size": [30, 40], "counts": [0, 30 * 5, 30 * 35]}  # the five columns at the left


def test_sparse_categories_crowds_and_empty_images(tmp_path):
    data = read_coco(
        *write_coco(
            tmp_path,
            [
                annotation(5, [4, 5, 10, 12], segmentation=square(4, 5, 10)),
                annotation(6, [0, 0, 40, 30], image=3, iscrowd=1, segmentation=RLE),
                annotation(9, [0, 0, 5, 30], image=1, category=3, segmentation=RLE),
                annotation(8, [1, 1, 6, 6], image=3, category=3, ignore=1, segmentation=square(1, 1, 6)),
                annotation(7, [1, 1, 5, 5], image=3, category=3, segmentation=square(1, 1, 5)),
            ],
            count=3,
        )
    )
    assert data.classes == ("cat", "dog") and data.has_masks and len(data) == 3
    assert data.sizes == [(30, 40)] * 3 and data.image_ids == [1, 2, 3]
    image, first = data[0]
    assert image.mode == "RGB" and image.size == (40, 30)
    assert first.boxes.tolist() == [[4, 5, 14, 17], [0, 0, 5, 30]] and first.boxes.dtype == torch.float32
    assert first.labels.tolist() == [1, 0] and first.labels.dtype == torch.int64
    assert first.masks.shape == (2, 30, 40) and first.masks.flatten(1).sum(1).tolist() == [100, 150]
    assert first.masks[1, :, :5].all()
    assert data[1][1].boxes.shape == (0, 4) and data[1][1].masks.shape == (0, 30, 40)
    assert data[2][1].boxes.tolist() == [[1, 1, 6, 6]]
    assert data.object_counts.tolist() == [2, 0, 1]
    assert data.with_objects().image_ids == [1, 3]
    assert data.subset([2, 0])[0][1].labels.tolist() == [0] and data.subset([2]).coco()["images"][0]["id"] == 3
    assert data.sample_name(1).endswith("images/2.png")


def test_coco_truth_keeps_crowds_and_numbers_from_one(tmp_path):
    data = read_coco(
        *write_coco(
            tmp_path,
            [
                annotation(0, [4.25, 5, 10, 12], segmentation=square(4, 5, 10), area=77.5),
                annotation(0, [0, 0, 40, 30], iscrowd=1, segmentation=RLE),
                annotation(3, [1, 1, 6, 6], ignore=1, category=3, segmentation=square(1, 1, 6)),
            ],
        )
    )
    truth = data.coco()
    assert [each["id"] for each in truth["annotations"]] == [1, 2, 3]
    assert [each["iscrowd"] for each in truth["annotations"]] == [0, 1, 1]
    assert truth["annotations"][0]["bbox"] == [4.25, 5, 10, 12] and truth["annotations"][0]["area"] == 77.5
    assert truth["categories"] == [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    reference = COCO()
    reference.dataset = truth
    reference.createIndex()
    assert reference.annToMask(truth["annotations"][1]).sum() == 150


def test_areas_that_are_missing_come_from_mask_or_box(tmp_path):
    item = annotation(1, [4, 5, 10, 12], segmentation=square(4, 5, 10))
    del item["area"]
    files = write_coco(tmp_path, [item])
    assert read_coco(*files).coco()["annotations"][0]["area"] == 100
    assert read_coco(*files, masks=False).coco()["annotations"][0]["area"] == 120


def test_labels_follow_the_classes_asked_for(tmp_path):
    files = write_coco(tmp_path, [annotation(1, [4, 5, 10, 12])])
    data = read_coco(*files, classes=["bird", "dog", "cat", "fish"])
    assert data[0][1].labels.tolist() == [1]
    assert data.coco()["categories"] == [
        {"id": 8, "name": "bird"},
        {"id": 7, "name": "dog"},
        {"id": 3, "name": "cat"},
        {"id": 9, "name": "fish"},
    ]
    with pytest.raises(InputError, match=r"category 'dog' of .*data.json is none of the 1 classes asked for \(cat\)"):
        read_coco(*files, classes=["cat"])


LEFT_OUT = [
    ("degenerate box", [5, 5, 0.5, 9], r"annotation 2 of image 1 \(1.png\) in .*data.json has a box less than one"),
    ("zero box", [5, 5, 9, 0], "less than one pixel wide or high"),
    ("outside box", [50, 5, 9, 9], "has a box outside its image of 40 x 30 pixels"),
    ("beside box", [-9, 5, 9, 9], "outside its image"),
]


@pytest.mark.parametrize(("name", "box", "words"), LEFT_OUT, ids=lambda value: value if isinstance(value, str) else "")
def test_boxes_without_pixels_are_left_out_with_a_warning(tmp_path, caplog, name, box, words):
    files = write_coco(tmp_path, [annotation(1, [1, 2, 3, 4]), annotation(2, box), annotation(3, box, image=2)])
    with caplog.at_level(logging.WARNING):
        data = read_coco(*files)
    assert data[0][1].boxes.tolist() == [[1, 2, 4, 6]] and len(data[1][1].boxes) == 0
    assert len(data.coco()["annotations"]) == 3
    (record,) = caplog.records
    assert_matches(words, record.getMessage())
    assert "and 1 more like it" in record.getMessage() and "left out" in record.getMessage()


def assert_matches(pattern, text):
    assert re.search(pattern, text), text


def test_boxes_beyond_the_image_are_cut_off(tmp_path, caplog):
    files = write_coco(tmp_path, [annotation(1, [-4, 2, 60, 4]), annotation(2, [30, 20, 10.5, 10])])
    with caplog.at_level(logging.WARNING):
        boxes = read_coco(*files)[0][1].boxes
    assert boxes.tolist() == [[0, 2, 40, 6], [30, 20, 40, 30]]
    (record,) = caplog.records  # half a pixel is a rounding
    assert "annotation 1" in record.getMessage() and "cut off" in record.getMessage()


def test_polygons_without_area_leave_the_object_out(tmp_path, caplog):
    files = write_coco(
        tmp_path,
        [
            annotation(1, [1, 1, 5, 5], segmentation=[[1, 1, 5, 5]]),
            annotation(2, [1, 1, 5, 5], segmentation=[[1, 1], *square(1, 1, 5)]),
            annotation(3, [2, 2, 5, 5], segmentation=[[2, 2, 3, 3, 4, 4]]),
        ],
    )
    with caplog.at_level(logging.WARNING):
        data = read_coco(*files)
    assert data.has_masks and data[0][1].boxes.tolist() == [[1, 1, 6, 6]]
    assert "annotation 1" in caplog.text and "3 points or more" in caplog.text and "1 more like it" in caplog.text
    assert len(read_coco(*files, masks=False)[0][1].boxes) == 3


def test_masks_are_used_where_all_objects_have_one(tmp_path, caplog):
    plain, masked = annotation(1, [1, 1, 5, 5]), annotation(2, [1, 1, 5, 5], segmentation=square(1, 1, 5))
    empty = annotation(3, [1, 1, 5, 5], segmentation=[])
    assert read_coco(*write_coco(tmp_path / "a", [masked])).has_masks
    assert not read_coco(*write_coco(tmp_path / "b", [plain, empty])).has_masks
    assert not caplog.records
    mixed = write_coco(tmp_path / "c", [masked, plain, empty])
    assert not read_coco(*mixed).has_masks
    assert "annotation 1" in caplog.text and "boxes alone are used" in caplog.text
    forced = read_coco(*mixed, masks=True)
    assert forced.has_masks and len(forced[0][1].boxes) == 1 and len(forced.coco()["annotations"]) == 1


GOOD = annotation(1, [1, 2, 3, 4])
IMAGE = {"id": 1, "file_name": "1.png", "width": 40, "height": 30}

STOPPING = [
    (
        [GOOD, annotation(2, [1, 2, -3, 4])],
        {},
        r"annotation 2 of image 1 \(1.png\) in .*negative size, \[1, 2, -3, 4\]",
    ),
    (
        [GOOD, annotation(2, [1, 2, 3, 4], image=99)],
        {},
        "annotation 2 of image 99 in .*data.json refers to an image that",
    ),
    (
        [GOOD, annotation(2, [1, 2, 3, 4], category=5)],
        {},
        r"annotation 2 of image 1 .* has the category 5, which is not",
    ),
    ([GOOD, annotation(2, [1, 2, 3, math.nan])], {}, "annotation 2 .* four numbers"),
    ([GOOD, annotation(2, [1, 2, 3, 4], bbox=[1, 2, 3])], {}, "annotation 2 .* four numbers"),
    ([GOOD, annotation(2, [1, 2, 3, 4], bbox="1 2 3 4")], {}, "four numbers"),
    ([GOOD, annotation(2, [1, 2, 3, 4], image="one")], {}, "refers to an image"),
    ([GOOD, 5], {}, "annotation number 1 of .* is no JSON object"),
    (
        [annotation(2, [1, 2, 3, 4], segmentation={**RLE, "size": [40, 30]})],
        {},
        r"annotation 2 .* RLE mask of the size",
    ),
    ([GOOD], {"images": [IMAGE, IMAGE]}, "image 1 of .*data.json is there twice"),
    ([GOOD], {"images": [IMAGE, {"id": "x"}]}, "image number 1 of .* has no whole number as its id"),
    ([GOOD], {"images": [{**IMAGE, "width": 0}]}, "image 1 of .* has the height 30 and the width 0"),
    ([GOOD], {"images": [{"id": 1, "file_name": "1.png"}]}, "height None"),
    ([GOOD], {"images": [{**IMAGE, "file_name": ""}]}, "names no file"),
    (
        [GOOD],
        {"images": [IMAGE, {**IMAGE, "id": 4, "file_name": "no.png"}]},
        "image 4 of .* is missing: .*images/no.png",
    ),
    ([GOOD], {"categories": []}, "has no categories"),
    ([GOOD], {"categories": [{"id": 7, "name": "\ud800"}]}, "category number 0 of"),
    ([GOOD], {"images": [{**IMAGE, "file_name": "\ud800"}]}, "names no file"),
    ([annotation("\ud800", [1, 2, -3, 4])], {}, "annotation number 0 of image 1"),
    ([GOOD], {"categories": [{"id": 7}]}, "category number 0 of"),
    ([GOOD], {"categories": [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]}, "category id 7 twice"),
    ([GOOD], {"categories": [{"id": 7, "name": "a"}, {"id": 8, "name": "a"}]}, "category name 'a' twice"),
    ([], {}, "has no annotations"),
    ([annotation(1, [1, 2, 3, 4], iscrowd=1)], {}, "no image of .*data.json has an object to learn"),
    ([annotation(1, [1, 2, 0, 4])], {}, "no image of .* has an object"),
    ([annotation(1, [1, 2, 3, 4], segmentation=[[1, 2]])], {}, "no image of .* has an object with a mask"),
]


@pytest.mark.parametrize(("annotations", "replaced", "words"), STOPPING)
def test_what_cannot_be_meant_stops(tmp_path, annotations, replaced, words):
    files = write_coco(tmp_path, annotations, **replaced)
    with pytest.raises(InputError, match=words) as caught:
        read_coco(*files)
    assert "\n" not in str(caught.value)


def test_the_number_of_problems_is_told(tmp_path):
    files = write_coco(tmp_path, [annotation(number, [1, 2, -3, 4]) for number in range(1, 6)])
    with pytest.raises(InputError, match=r"annotation 1 .* \(and 4 more in data.json\)"):
        read_coco(*files)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"images": 3}', '{"images": {"a": 1}, "annotations": [1]}', "["])
def test_what_is_no_coco_json_is_refused(tmp_path, text):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"data\.json (is not JSON|has no)"):
        read_coco(path, tmp_path)
    with pytest.raises(InputError, match=r"cannot read .*none.json"):
        read_coco(tmp_path / "none.json", tmp_path)


def test_images_of_another_size_stop_when_read(tmp_path):
    files = write_coco(tmp_path, [GOOD])
    data = read_coco(*files)
    picture(files[1] / "1.png", (30, 40))
    with pytest.raises(ImageError, match=r"1.png has 30 x 40 pixels .* says 40 x 30 \(is it stored turned"):
        data[0]
    picture(files[1] / "1.png", (41, 30))
    with pytest.raises(ImageError, match="has 41 x 30 pixels"):
        data[0]


def test_images_turned_by_exif_stand_upright(tmp_path):
    files = write_coco(tmp_path, [GOOD], count=1)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (30, 40)).save(files[1] / "1.png", exif=exif)
    assert read_coco(*files)[0][0].size == (40, 30)


@pytest.mark.parametrize(
    ("json_name", "folder", "count"),
    [
        ("bccd/annotations/val.json", "bccd/val", 1137),
        ("nuclei/annotations/val.json", "nuclei/val", 1836),
        ("coco_mini/annotations/instances_mini.json", "coco_mini/images", 446),
    ],
)
def test_real_data_hold_what_their_json_says(json_name, folder, count):
    data = read_coco(shared_path(f"data/{json_name}"), shared_path(f"data/{folder}"))
    content = json.loads(shared_path(f"data/{json_name}").read_text())
    assert data.object_counts.sum() == count
    assert len(data.coco()["annotations"]) == len(content["annotations"])
    image, objects = data[3]
    number = data.image_ids[3]
    meant = [a for a in content["annotations"] if a["image_id"] == number and not a["iscrowd"]]
    boxes = np.array([a["bbox"] for a in meant])
    np.testing.assert_allclose(objects.boxes[:, 2:] - objects.boxes[:, :2], boxes[:, 2:], atol=1e-3)
    if data.has_masks:
        assert objects.masks.shape == (len(meant), image.height, image.width)
        areas = objects.masks.flatten(1).sum(1).numpy()
        np.testing.assert_allclose(areas, [a["area"] for a in meant], rtol=0.1, atol=10)
