"""Each layout of a COCO data set is found, and what is ambiguous or absent is told."""

import json
import shutil

import pytest
from coco_files import annotation, picture, write_coco
from shared_files import shared_path

from swinkit.detection.data.sources import find_detection_files, open_detection_data, open_detection_evaluation
from swinkit.errors import InputError

OBJECTS = [annotation(1, [1, 2, 3, 4]), annotation(2, [1, 2, 3, 4], image=2, category=3)]


def layout(root, json_name, folder, **more):
    return write_coco(root, OBJECTS, name=json_name, folder=folder, **more)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (("annotations/train.json", "train"), ("annotations/val.json", "val")),
        (("annotations/instances_train2017.json", "train2017"), ("annotations/instances_val2017.json", "val2017")),
        (("train.json", "images/train"), ("valid.json", "images/valid")),
        (("train/_annotations.coco.json", "train"), ("valid/_annotations.coco.json", "valid")),
    ],
)
def test_divided_layouts(tmp_path, train, val):
    expected = [layout(tmp_path, *train), layout(tmp_path, *val)]
    (tmp_path / "annotations").mkdir(exist_ok=True)
    for other in ("captions_train2017.json", "person_keypoints_train2017.json", "train_old.json"):
        if "instances" in train[0]:
            (tmp_path / "annotations" / other).write_text("{}")
    found = find_detection_files(tmp_path)
    assert [(found[part].json_path, found[part].image_root) for part in ("train", "val")] == expected
    train_data, val_data = open_detection_data(tmp_path)
    assert len(train_data) == len(val_data) == 2 and train_data.classes == val_data.classes == ("cat", "dog")
    evaluation = open_detection_evaluation(tmp_path, classes=("dog", "cat"))
    assert evaluation.table.path == expected[1][0] and evaluation[0][1].labels.tolist() == [0]


@pytest.mark.parametrize("folder", ["images", "", "JPEGImages", "instances", "images/things"])
def test_a_single_json_is_divided_the_same_way_every_time(tmp_path, folder):
    name = "things" if folder.endswith("things") else "instances"
    objects = [annotation(number, [1, 2, 3, 4], image=number) for number in range(1, 9)]
    path, root = write_coco(tmp_path, objects, count=10, name=f"annotations/{name}.json", folder=folder)
    assert find_detection_files(tmp_path)["train"].image_root == root
    train, val = open_detection_data(tmp_path, validation_fraction=0.25)
    assert sorted(train.image_ids + val.image_ids) == list(range(1, 11))
    assert (val.object_counts > 0).sum() == 2
    again = open_detection_data(path, image_root=root, validation_fraction=0.25)
    assert again[1].image_ids == val.image_ids
    assert open_detection_evaluation(path, classes=train.classes, validation_fraction=0.25).image_ids == val.image_ids
    assert len(open_detection_evaluation(path, classes=train.classes, whole=True)) == 10


def test_a_test_split_alone_is_evaluated_whole(tmp_path):
    objects = [annotation(number, [1, 2, 3, 4], image=number) for number in range(1, 6)]
    write_coco(tmp_path, objects, count=5, name="annotations/test.json", folder="test")
    assert len(open_detection_evaluation(tmp_path, classes=("cat", "dog"))) == 5
    with pytest.raises(InputError, match="none to train on"):
        open_detection_data(tmp_path)


def test_validation_follows_the_classes_and_masks_of_training(tmp_path):
    layout(tmp_path, "annotations/train.json", "train")
    layout(tmp_path, "annotations/val.json", "val", categories=[{"id": 3, "name": "dog"}, {"id": 7, "name": "cat"}])
    train, val = open_detection_data(tmp_path)
    assert train[0][1].labels.tolist() == [1] and val[0][1].labels.tolist() == [0]


def test_file_names_with_folders_are_relative_to_the_data(tmp_path):
    path, _ = write_coco(tmp_path, OBJECTS[:1], count=1, name="annotations/train.json", folder="train")
    picture(tmp_path / "images/train/a b.png")
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "images/train/a b.png"
    path.write_text(json.dumps(content))
    assert find_detection_files(tmp_path)["train"].image_root == tmp_path


def test_what_is_not_found_is_told(tmp_path):
    with pytest.raises(InputError, match="none does not exist; give a COCO json"):
        find_detection_files(tmp_path / "none")
    with pytest.raises(InputError, match="found no COCO json in"):
        find_detection_files(tmp_path)
    (tmp_path / "a.xml").touch()
    with pytest.raises(InputError, match="swinkit convert-data"):
        find_detection_files(tmp_path)
    path, _ = layout(tmp_path, "annotations/val.json", "val")
    with pytest.raises(InputError, match="none to train on"):
        open_detection_data(tmp_path)
    layout(tmp_path, "annotations/train_a.json", "val")
    layout(tmp_path, "annotations/train_b.json", "val")
    with pytest.raises(InputError, match=r"several json files for train \(train_a.json and train_b.json\)"):
        find_detection_files(tmp_path)
    path.rename(tmp_path / "elsewhere.json")
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(InputError, match=r"no folder with 1.png .*of .*elsewhere.json .*give the image folder"):
        find_detection_files(tmp_path / "elsewhere.json")


def test_several_json_files_without_a_part_are_told(tmp_path):
    layout(tmp_path, "annotations/a.json", "images")
    layout(tmp_path, "annotations/b.json", "images")
    with pytest.raises(InputError, match=r"several json files \(a.json, b.json\); name them train.json"):
        find_detection_files(tmp_path)


@pytest.mark.parametrize(("name", "sizes"), [("bccd", (205, 87)), ("nuclei", (240, 60)), ("coco_mini", (48, 12))])
def test_real_data_are_found(name, sizes):
    train, val = open_detection_data(shared_path(f"data/{name}"))
    assert (len(train), len(val)) == sizes
