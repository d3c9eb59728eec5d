"""train, evaluate, predict and convert-data on images with objects."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sessions
from object_folders import CLASSES, write_objects
from PIL import Image
from pycocotools import mask as coco_masks

import swinkit
from swinkit.cli import main
from swinkit.cli.convert_data import convert_data_command
from swinkit.detection.data.sources import open_detection_data

FILES = {
    *(
        ".gitignore",
        "recipe.json",
        "checkpoint.pt",
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
        "metrics.csv",
        "tensorboard",
    ),
    *("curves.png", "predictions.png", "data.png", "sample.png", "boxes.json", "masks.json"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What the command says with --json."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json", "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that the command ends with."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("swinkit: ")]
    return line


def training(data: Path, *options: object) -> list[object]:
    recipe = "coco_mask_rcnn_swin_t_1x"
    return ["train", recipe, *sessions.TINY_OBJECTS, "--data", data, "--run-dir", "run", *options]


def test_training_writes_every_file_and_says_where(objects_run: Path) -> None:
    assert {path.name for path in objects_run.iterdir()} - {"evaluation", "predictions"} == FILES
    log = (objects_run.parent / "log").read_text()
    assert "11 images to train on, 5 to validate on, 2 classes; a model of" in log
    assert "Done: best validation box AP " in log and "loss_rpn_cls" in log and "loss_mask" in log
    for name in FILES - {".gitignore", "recipe.json", "last.safetensors", "metrics.csv", "tensorboard"}:
        assert f" {objects_run / name}\n" in log
    for picture in objects_run.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()


def test_both_next_commands_work_as_printed(objects_run: Path, objects: Path) -> None:
    lines = (objects_run.parent / "log").read_text().partition("Try next:\n")[2].splitlines()
    commands = [sessions.arguments_of(line) for line in lines]
    assert commands[0] == ["evaluate", str(objects_run / "best.safetensors"), "--data", str(objects)]
    for command in commands:
        assert main(command) == 0
    names = {path.name for path in (objects_run / "evaluation").iterdir()}
    assert names == {"predictions.png", "boxes.json", "masks.json"}
    assert (objects_run / "predictions" / "run_sample.png").is_file()


def test_evaluation_repeats_the_result_of_the_training(objects_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word about data: all is in the file; the twelve numbers, and those of each class."""
    results = as_json(capsys, "evaluate", objects_run, "--workers", "0")
    trained = swinkit.open(objects_run).description["results"]
    for kind, name in (("boxes", "box"), ("masks", "mask")):
        assert len(results[kind]) >= 12
        for number in ("ap", "ap50", "ap75"):
            assert results[kind][number] == trained[f"val/{name}_{number}"]
    assert results["recall50"] == trained["val/box_recall50"] and results["images"] == 5
    assert results["boxes"]["ap_large"] is None  # no object is so large
    assert [Path(name).name for name in results["files"]] == ["predictions.png", "boxes.json", "masks.json"]
    rows = json.loads(Path(results["files"][1]).read_text())
    assert len(rows) == results["detections"] and {row["category_id"] for row in rows} <= {3, 7}


def test_scales_and_flip(objects_run: Path, objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = as_json(capsys, "evaluate", objects_run, "--workers", "0")
    several = as_json(capsys, "evaluate", objects_run, "--workers", "0", "--scales", 40, 44, "--flip")
    assert several["images"] == 5 and several["boxes"]["ap"] != plain["boxes"]["ap"]
    assert several["boxes"]["ap50"] > 0.5 * plain["boxes"]["ap50"] > 0.1  # it was trained at one size
    assert several["masks"]["ap50"] > 0.5 * plain["masks"]["ap50"]
    views = swinkit.Views(scales=(40, 56), flip=True, longest_side=64)
    options = ("--threshold", "0.1", "--scales", 40, 56, "--flip", "--longest-side", 64)
    (row,) = as_json(capsys, "predict", objects_run, objects / "val" / "val00.png", *options)
    found = swinkit.open(objects_run).predict(objects / "val" / "val00.png", threshold=0.1, views=views)
    assert row["objects"] == found.to_dict() != []
    line = refused(capsys, "evaluate", objects_run, "--scales", 40, 0)
    assert "scales and the longest side are 1 pixel or more" in line


def test_soft_nms_of_a_trained_detector(objects_run: Path, objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = as_json(capsys, "evaluate", objects_run, "--workers", "0")
    soft = as_json(capsys, "evaluate", objects_run, "--workers", "0", "--soft-nms", "gaussian")
    assert soft["detections"] > plain["detections"]
    picture = objects / "val" / "val00.png"
    (row,) = as_json(capsys, "predict", objects_run, picture, "--threshold", "0.01", "--soft-nms", "linear")
    detector = swinkit.open(objects_run)
    found = detector.with_suppression(swinkit.Suppression("linear")).predict(picture, threshold=0.01)
    assert row["objects"] == found.to_dict() != detector.predict(picture, threshold=0.01).to_dict()


def test_evaluation_as_a_table(objects_run: Path, objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(objects_run), "--data", str(objects), "--out", "out", "--workers", "0"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("5 images, ") and "boxes (percent): ap " in text and "masks (percent): ap " in text
    assert all(name in text for name in CLASSES) and Path("out/boxes.json").exists()


def test_predictions_as_json(objects_run: Path, objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or a pattern; boxes, masks and scores are those of the detector, from the threshold on."""
    folder = objects / "val"
    some = as_json(capsys, "predict", objects_run, folder, "--threshold", "0.1")
    assert [Path(each["image"]).name for each in some] == [f"val{number:02d}.png" for number in range(5)]
    few = as_json(capsys, "predict", objects_run, f"{folder}/val0[01].png", "--threshold", "0.1")
    assert few == some[:2] and not Path("predictions").exists()
    found = swinkit.open(objects_run).predict(folder / "val00.png", threshold=0.1)
    rows = some[0]["objects"]
    assert rows == found.to_dict() and len(rows) > 0
    assert {row["class"] for row in rows} <= set(CLASSES)
    mask = coco_masks.decode(rows[0]["mask"])
    assert mask.shape == (40, 48) and mask.any()
    none = as_json(capsys, "predict", objects_run, folder / "val00.png", "--threshold", "1")
    assert none[0]["objects"] == []


def test_pictures(objects_run: Path, objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [str(objects / "val/val00.png"), str(objects / "train/train0[01].png")]
    assert main(["predict", str(objects_run), *images, "--out", "drawn", "--threshold", "0.05"]) == 0
    text = capsys.readouterr().out
    assert len(list(Path("drawn").glob("*.png"))) == 3 and "picture: drawn/val_val00.png" in text
    with Image.open("drawn/val_val00.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


def test_bad_predictions(objects_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--threshold must lie in 0..1, not 1.5" in refused(
        capsys, "predict", objects_run, objects_run / "sample.png", "--threshold", "1.5"
    )
    (tmp_path / "broken.png").write_bytes(b"no image")
    line = refused(capsys, "predict", objects_run, "broken.png", objects_run / "sample.png", "--out", "predictions")
    assert "broken.png" in line and Path("predictions/run_sample.png").exists()


def change_json(data: Path, change: Callable[[dict[str, Any]], None], part: str = "train") -> Path:
    path = data / "annotations" / f"{part}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def set_in(kind: str, number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[kind][number].update(values)


BAD: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "image id that refers to nothing": (set_in("annotations", 2, image_id=999), ("3", "999")),
    "category id that refers to nothing": (set_in("annotations", 2, category_id=5), ("3", "5")),
    "no categories": (lambda content: content.pop("categories"), ("categories",)),
    "negative height": (set_in("annotations", 1, bbox=[3, 3, 5, -5]), ("2",)),
    "run lengths of another size": (
        set_in("annotations", 1, segmentation={"size": [10, 10], "counts": [50, 50]}),
        ("2",),
    ),
    "missing image": (set_in("images", 0, file_name="absent.png"), ("absent.png",)),
    "image of another size": (set_in("images", 0, width=60), ("10", "60")),
    "no object left": (lambda content: content.update(annotations=[]), ("object",)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_one_sentence_before_training(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file and the id."""
    data = write_objects(tmp_path / "data", train=4, val=2)
    change, words = BAD[name]
    path = change_json(data, change)
    line = refused(capsys, *training(data))
    print(line)
    assert all(word in line for word in words)
    assert str(path) in line or "absent.png" in line
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("values", "word"),
    [({"bbox": [3, 3, 0, 5]}, "less than one pixel wide or high"), ({"segmentation": [[1, 1, 5, 5]]}, "3 points")],
)
def test_objects_without_extent_are_named_and_left_out(
    values: dict[str, Any], word: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """COCO itself has a few; the second image's only object is gone with it."""
    data = write_objects(tmp_path / "data", train=4, val=2)
    path = change_json(data, set_in("annotations", 1, **values))
    change_json(data, lambda content: content["annotations"].pop(2))
    with caplog.at_level(logging.INFO, "swinkit"):
        train, _ = open_detection_data(data)
    (message,) = [each for each in caplog.messages if word in each]
    assert "annotation 2 of image 11" in message and str(path) in message
    assert len(train.with_objects()) == 2


def test_a_json_that_is_not_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_objects(tmp_path / "data", train=4, val=2)
    for content in ("[1, 2]", '{"a": 1}', "{", ""):
        (data / "annotations/train.json").write_text(content)
        assert "train.json" in refused(capsys, *training(data))
    assert not Path("run").exists()


def test_a_validation_part_of_other_classes(
    objects_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_objects(tmp_path / "data", train=4, val=2)
    change_json(data, set_in("categories", 0, name="green"), part="val")
    assert "green" in refused(capsys, *training(data))
    assert "green" in refused(capsys, "evaluate", objects_run, "--data", data, "--workers", "0", "--device", "cpu")


def test_crowd_is_never_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A part whose objects are all crowd has nothing to learn."""
    data = write_objects(tmp_path / "data", train=4, val=2)
    change_json(data, lambda content: [each.update(iscrowd=1) for each in content["annotations"]] and None)
    assert "train.json" in refused(capsys, *training(data)) and not Path("run").exists()


def test_a_loss_that_is_not_finite_is_one_sentence(objects: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, *training(objects, "--optimizer.lr", "1e30", "--clip-grad", "None"))
    assert "loss" in line or "finite" in line


def test_yolo_is_converted_trained_and_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Boxes alone: no mask head, no numbers of masks."""
    source = write_objects(tmp_path / "data", train=8, val=2, empty=False)
    content = json.loads((source / "annotations/train.json").read_text())
    (tmp_path / "yolo/labels").mkdir(parents=True)
    (source / "train").rename(tmp_path / "yolo/images")
    for image in content["images"]:
        rows = []
        for each in content["annotations"]:
            left, top, width, height = each["bbox"]
            if each["image_id"] == image["id"]:
                place = ((left + width / 2) / 48, (top + height / 2) / 40, width / 48, height / 40)
                rows.append(" ".join(map(str, (int(each["category_id"] == 7), *place))))
        (tmp_path / "yolo/labels" / image["file_name"]).with_suffix(".txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "names.txt").write_text("red\nblue\n")
    convert_data_command(["yolo", "--out", "coco", "--classes-file", "names.txt"])
    (converted,) = Path("coco/annotations").glob("*.json")
    boxes = [each["bbox"] for each in json.loads(converted.read_text())["annotations"]]
    assert np.allclose(sorted(boxes), sorted(each["bbox"] for each in content["annotations"]), atol=1e-3)
    assert main([*map(str, training(converted, "--epochs", "8"))]) == 0
    results = as_json(capsys, "evaluate", "run", "--workers", "0")
    assert results["masks"] is None and results["boxes"]["ap"] is not None and not Path("run/masks.json").exists()
    (found,) = as_json(capsys, "predict", "run", tmp_path / "yolo/images/train00.png", "--threshold", "0")
    assert found["image"].endswith("train00.png") and all("mask" not in row for row in found["objects"])
