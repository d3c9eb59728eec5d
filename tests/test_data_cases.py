"""Data sets as people bring them, each once misread in silence: now they are read right, or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from shared_files import shared_path

from swinkit.classification.data.sources import open_classification_data
from swinkit.cli import main
from swinkit.detection.data.conversion import convert_detection_data
from swinkit.detection.data.sources import open_detection_data
from swinkit.detection.scores import DetectionScores
from swinkit.errors import InputError
from swinkit.segmentation.data.training_data import open_training_data
from swinkit.structures import Detections


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands write into their current folder."""
    monkeypatch.chdir(tmp_path)


def case(name: str) -> Path:
    return shared_path(f"cases/{name}")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit code and what a command says on stdout and stderr."""
    capsys.readouterr()
    code = main([str(each) for each in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def converted(source: Path, out: Path, name: str = "objects", **options: Any) -> dict[str, Any]:
    convert_detection_data(source, out, **options)
    return json.loads((out / "annotations" / f"{name}.json").read_text())


def boxes(content: dict[str, Any]) -> list[list[float]]:
    return [each["bbox"] for each in content["annotations"]]


def names(content: dict[str, Any]) -> list[str]:
    return [Path(each["file_name"]).name for each in content["images"]]


def test_01_masks_of_0_and_255(capsys) -> None:
    root = case("data-01-mask-255-foreground/S1_255")
    words = (
        "no mask has the class crack, but 255, which is ignored, is in 5 of 5 masks: is 255 the class? --mask-values 0"
    )
    code, out, _ = run(capsys, "check-data", root)
    assert code == 2 and words in out
    code, _, err = run(capsys, "train", "finetune_segmentation_small", "--data", root, "--steps", 1)
    assert code == 2 and words in err and not Path("runs").exists()
    (train, val), _ = open_training_data(root, mask_values=(0, 255))
    assert [len(train), len(val)] == [4, 1] and set(train[0][1].ravel().tolist()) == {0, 1}
    assert run(capsys, "check-data", root, "--mask-values", 0, 255)[0] == 0


def test_02_an_xml_that_names_another_image(tmp_path: Path, capsys) -> None:
    content = converted(case("data-02-voc-stale-filename/V1_stale"), tmp_path)
    assert names(content) == ["scan_0.jpg", "scan_1.jpg", "scan_2.jpg"]
    assert [box[0] for box in boxes(content)] == [4, 14, 24]
    code, out, _ = run(capsys, "convert-data", case("data-02-voc-stale-filename/V1_stale"), "--out", "b")
    assert code == 0 and "names another image than the xml's own name, which was taken: 2" in out


def test_04_a_folder_too_high(tmp_path: Path) -> None:
    root = case("data-04-one-class/K3_extra")
    with pytest.raises(InputError, match=r"single class folder pets, .* \(cat, dog\): give .*K3_extra/pets"):
        open_classification_data(root)
    assert open_classification_data(root / "pets")[0].classes == ("cat", "dog")
    shutil.copytree(root / "pets" / "cat", tmp_path / "one" / "cat")
    with pytest.raises(InputError, match="of one class, cat: a classifier needs two"):
        open_classification_data(tmp_path / "one")


@pytest.mark.parametrize("name", ["Y4_pose", "Y4b_pose"])
def test_05_pose_labels_are_boxes(tmp_path: Path, name: str) -> None:
    content = converted(case(f"data-05-yolo-pose-as-polygon/{name}"), tmp_path, "train")
    assert boxes(content) == [[19.2, 9.6, 25.6, 28.8]] * 3
    assert not any("segmentation" in each for each in content["annotations"])


def test_06_what_is_listed_is_there_or_named(tmp_path: Path) -> None:
    root = case("data-06-listed-data-dropped")
    with pytest.raises(InputError, match=r"train.txt names ./images/f2.jpg, which is not there \(2 of 4"):
        convert_detection_data(root / "Y2_list", tmp_path / "Y2")
    with pytest.raises(InputError, match=r"data.yaml names val: images/vall, which is not there"):
        convert_detection_data(root / "Y5_val", tmp_path / "Y5")
    assert not any(tmp_path.iterdir())
    parts = convert_detection_data(root / "Y10_bs", tmp_path / "Y10")
    assert [(part.path.name, part.images) for part in parts] == [("train.json", 2), ("val.json", 2)]
    nested = converted(root / "Y3_nested", tmp_path / "Y3", "train")
    assert len(nested["images"]) == len(nested["annotations"]) == 4
    assert len(converted(root / "V9_nested", tmp_path / "V9")["images"]) == 6


def test_07_images_and_labels_that_did_not_meet(tmp_path: Path, capsys) -> None:
    root = case("data-07-images-without-labels")
    assert len(converted(root / "Y8_images", tmp_path / "Y8", "train")["annotations"]) == 3
    code, out, _ = run(capsys, "convert-data", root / "Y6_bg", "--out", "Y6")
    assert code == 0 and "images without a text file, taken as background: 2" in out
    assert "text files that belong to no image: 3" in out
    shutil.copytree(root / "Y6_bg", "none")
    shutil.rmtree("none/labels")
    code, _, err = run(capsys, "convert-data", "none", "--format", "yolo")
    assert code == 2 and "none of the 3 images of none has a text file" in err and not Path("none/annotations").exists()


def test_09_a_mask_that_is_not_where_its_box_is(capsys) -> None:
    root = case("data-09-box-and-mask-disagree/G_poly")
    code, out, _ = run(capsys, "check-data", root)
    assert (
        code == 2 and "mask outside its box: 4" in out and "has a mask of 400 pixels, of which 0 lie in its box" in out
    )
    code, _, err = run(capsys, "train", "finetune_detection_small", "--data", root)
    assert code == 2 and "4 have a mask that cannot be used" in err


def test_10_nothing_but_crowds(capsys) -> None:
    root = case("data-10-check-passes-train-stops/W3_crowd")
    words = "has an object to learn: all 3 annotations are crowds or ignored (iscrowd or ignore 1); set iscrowd to 0"
    code, out, _ = run(capsys, "check-data", root)
    assert code == 2 and words in out
    code, _, err = run(capsys, "train", "finetune_detection_small", "--data", root)
    assert code == 2 and words in err


@pytest.mark.parametrize("name", ["A_ls", "A2_ls", "B_url", "A_ls/result.json", "B_url/annotations/train.json"])
def test_11_file_names_of_other_systems(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="swinkit"):
        train, val = open_detection_data(case(f"data-11-foreign-file-names/{name}"))
    found = sorted(Path(data.sample_name(index)).name for data in (train, val) for index in range(len(data)))
    assert len(found) == 4 and all(data.image_path(0).is_file() for data in (train, val))
    assert "4 of 4 file names" in caplog.text


def test_14_the_layout_of_cvats_yolo(tmp_path: Path) -> None:
    root = case("data-14-cvat-yolo-1.1/Y1_cvat")
    content = converted(root, tmp_path / "a", "train")
    assert len(content["images"]) == len(content["annotations"]) == 4
    assert [each["name"] for each in content["categories"]] == ["car"]
    assert len(converted(root / "obj_train_data", tmp_path / "b")["annotations"]) == 4


def test_15_masks_of_other_names_and_kinds(capsys) -> None:
    code, out, _ = run(capsys, "check-data", case("data-15-mask-names/S3_jpg"))
    assert code == 2 and "masks/a0.jpg (and 4 more) is a JPEG, which changes values: save masks as PNG" in out
    assert "has no mask" not in out
    for name in ("data-15-mask-names/S2_suffix", "user-suffix"):
        code, out, _ = run(capsys, "check-data", case(name))
        assert code == 0 and "has no" not in out


@pytest.mark.parametrize(("count", "limit", "ap"), [(100, 100, 1), (200, 100, 0.505), (200, 200, 1), (400, 500, 1)])
def test_17_more_detections_than_coco_counts(count: int, limit: int, ap: float) -> None:
    edges = [(float(n % 40 * 10), float(n // 40 * 10)) for n in range(count)]
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": [x, y, 8, 8], "area": 64, "iscrowd": 0}
        for n, (x, y) in enumerate(edges, 1)
    ]
    truth = {
        "info": {},
        "images": [{"id": 1, "file_name": "a.png", "height": 200, "width": 400}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cell"}],
    }
    scores = DetectionScores(truth, has_masks=False, max_detections=limit)
    found = torch.tensor([[x, y, x + 8, y + 8] for x, y in edges])
    scores.update(1, Detections(found, torch.linspace(0.99, 0.5, count), torch.zeros(count).long(), None, (200, 400)))
    results = scores.results()
    assert results.boxes.ap == pytest.approx(ap, abs=1e-4) and results.boxes.ar100 == pytest.approx(
        min(1, limit / count)
    )
    assert results.dense_images == (count > limit) and results.reachable == pytest.approx(min(1, limit / count))


def test_17_dense_images_are_counted(capsys) -> None:
    code, out, _ = run(capsys, "check-data", case("data-17-more-than-100-objects/W2_dense"))
    assert (
        code == 0 and "2 images of" in out and "more than 100 objects" in out and "at most 0.50 of all objects" in out
    )


def test_19_turned_boxes(caplog: pytest.LogCaptureFixture) -> None:
    train, _ = open_detection_data(case("data-19-cvat-rotation/W1_rot"))
    assert train.instances(0).boxes.tolist() == [[26, 4, 34, 44]]
    assert "is turned by 90 degrees, and 2 more like it" in caplog.text


def test_21_xml_in_another_encoding(tmp_path: Path) -> None:
    content = converted(case("data-21-xml-in-gbk/V7_gbk"), tmp_path)
    assert len(content["images"]) == len(content["annotations"]) == 3
    assert [each["name"] for each in content["categories"]] == ["猫"]


def test_user_voc_and_its_bad_files(tmp_path: Path, capsys) -> None:
    shutil.copytree(case("user-voc"), "voc")
    code, out, _ = run(capsys, "convert-data", "voc", "--out", "a")
    assert code == 0 and "images without an xml: 2" in out and "swinkit check-data a" in out
    for path in case("user-voc-bad").iterdir():
        shutil.copy(path, "voc/annotations")
    code, out, err = run(capsys, "convert-data", "voc", "--out", "b")
    assert code == 2 and "d.xml has a box of negative size (50 to 10, 50 to 10)" in out and "--skip-bad" in err
    assert not Path("b").exists()
    code, out, _ = run(capsys, "convert-data", "voc", "--out", "b", "--skip-bad")
    assert code == 0 and "3 images, 3 objects" in out and "begin at 0" in out and "cannot be converted: 1" in out


def test_user_classes(capsys) -> None:
    code, out, _ = run(capsys, "check-data", case("user-cls"))
    assert code == 0 and "10 images to train on, 2 to validate on" in out and Path("check/user-cls.png").is_file()


MIX = (("--recursive",), "UPPER.JPG"), ((), "left out, in sub-folders: 1 file")


@pytest.mark.slow
@pytest.mark.parametrize(("options", "words"), MIX)
def test_user_mix(options: Sequence[str], words: str, capsys) -> None:
    arguments = ("train", "finetune_small", "--data", case("user-cls"), "--epochs", 1, "--workers", 0)
    assert run(capsys, *arguments, "--run-dir", "run")[0] == 0
    code, out, err = run(capsys, "predict", "run", case("user-mix"), *options)
    assert code == 2 and words in out + err
    for name in ("photo.heic", "notes.txt", "fake.jpg", "truncated.jpg", "empty.jpg"):
        assert name in err
