"""train, evaluate, predict and check-data on a folder of images and masks."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sessions
import torch
from mask_folders import CLASSES, write_masks
from PIL import Image
from safetensors.torch import load_file
from small_segmentation import opened

from swinkit.cli import main
from swinkit.cli.image_paths import picture_paths
from swinkit.cli.segmentation_options import ShownAs

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
    *("curves.png", "class_iou.png", "predictions.png", "data.png", "sample.png"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of predictions take longer than all the rest."""
    monkeypatch.setattr("swinkit.segmentation.evaluation.plot_segmentations", lambda *_, **__: None)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What the command says with --json."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json", "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    return as_json(capsys, "evaluate", *arguments, "--workers", "0")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that the command ends with."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("swinkit: ")]
    return line


def training(data: Path, *options: object) -> list[object]:
    return ["train", "finetune_segmentation", *sessions.TINY_MASKS, "--data", data, "--run-dir", "run", *options]


def test_training_writes_every_file_and_says_where(masks_run: Path, masks: Path) -> None:
    assert {path.name for path in masks_run.iterdir()} - {"evaluation", "predictions"} == FILES
    log = (masks_run.parent / "log").read_text()
    assert "12 images to train on, 4 to validate on, 3 classes; a model of" in log
    assert "Done: best validation mIoU " in log
    for name in FILES - {".gitignore", "recipe.json", "last.safetensors", "metrics.csv", "tensorboard"}:
        assert f" {masks_run / name}\n" in log
    for picture in masks_run.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()
    lines = [json.loads(line) for line in (masks_run / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if "val/miou" in line]
    assert [line["step"] for line in evaluations] == [20, 40]
    assert max(line["val/miou"] for line in evaluations) > 0.5  # 0.28 is the best that one class alone gives


def test_both_next_commands_work_as_printed(masks_run: Path, masks: Path) -> None:
    lines = (masks_run.parent / "log").read_text().partition("Try next:\n")[2].splitlines()
    commands = [sessions.arguments_of(line) for line in lines]
    assert commands[0] == ["evaluate", str(masks_run / "best.safetensors"), "--data", str(masks)]
    for command in commands:
        assert main(command) == 0
    assert {path.name for path in (masks_run / "evaluation").iterdir()} == {"class_iou.png", "predictions.png"}
    assert {"run_sample.png", "run_sample_mask.png"} <= {path.name for path in (masks_run / "predictions").iterdir()}


def test_evaluation_repeats_the_result_of_the_training(masks_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word about data: all is in the file."""
    results = evaluated(capsys, masks_run)
    trained = opened(masks_run).description["results"]
    for name in ("miou", "pixel_accuracy", "mean_accuracy"):
        assert results[name] == trained[f"val/{name}"]
    assert results["images"] == 4
    assert tuple(results["iou"]) == tuple(results["accuracy"]) == CLASSES
    assert np.mean(list(results["iou"].values())) == pytest.approx(results["miou"])
    assert [Path(picture).name for picture in results["pictures"]] == ["class_iou.png", "predictions.png"]


def test_evaluation_as_a_table(masks_run: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(masks_run), "--data", str(masks), "--out", "out", "--workers", "0"]) == 0
    text = capsys.readouterr().out
    assert re.match(r"4 images: mIoU \d\d\.\d\d %, pixel accuracy", text)
    assert [line.split()[0] for line in text.splitlines()[2:5]] == list(CLASSES)
    assert "out/class_iou.png" in text


@pytest.mark.usefixtures("without_pages")
def test_modes_of_inference(masks_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained, whole = (evaluated(capsys, masks_run, "--mode", mode) for mode in ("trained", "whole"))
    assert trained["iou"] == whole["iou"]
    slide = evaluated(capsys, masks_run, "--mode", "slide", "--crop", 32, 32, "--stride", 8, 16)
    several = evaluated(capsys, masks_run, "--mode", "multi_scale")
    windows = evaluated(capsys, masks_run, "--mode", "multi_scale", "--crop", 32, 32)
    assert len({json.dumps(results["iou"]) for results in (whole, slide, several, windows)}) == 4
    assert evaluated(capsys, masks_run, "--mode", "slide")["iou"] == whole["iou"]  # windows of 512 hold all of it
    assert all(results["miou"] > 0.3 for results in (slide, several, windows))


@pytest.mark.usefixtures("without_pages")
def test_scales_and_flip(masks_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = evaluated(capsys, masks_run)
    several = evaluated(capsys, masks_run, "--scales", 32, 48, 64, "--flip")
    assert several["iou"] != plain["iou"] and several["miou"] > 0.3
    line = refused(capsys, "evaluate", masks_run, "--mode", "multi_scale", "--scales", 48)
    assert "--mode multi_scale has scales and flip of its own" in line


def test_windows_without_a_mode(masks_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--crop and --stride go with --mode slide" in refused(capsys, "evaluate", masks_run, "--crop", 32, 32)
    line = refused(capsys, "evaluate", masks_run, "--mode", "slide", "--crop", 32, 32, "--stride", 33, 33)
    assert "leave gaps" in line


@pytest.mark.usefixtures("without_pages")
def test_images_of_a_folder_without_splits(masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_masks(tmp_path / "data", train=10, val=0)
    assert evaluated(capsys, masks_run, "--data", root)["images"] == 2
    assert evaluated(capsys, masks_run, "--data", root, "--part", "all")["images"] == 10


@pytest.mark.usefixtures("without_pages")
def test_masks_that_begin_with_1(masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 becomes ignored, 1 the first class: of masks raised by one, and 0 where they were ignored, the same scores."""
    root = write_masks(tmp_path / "data")
    for path in (root / "masks/val").iterdir():
        labels = np.asarray(Image.open(path))
        Image.fromarray(np.where(labels == 255, 0, labels + 1).astype(np.uint8)).save(path)
    line = refused(capsys, "evaluate", masks_run, "--data", root, "--workers", "0", "--device", "cpu")
    assert "has the value 3, but 3 classes have the values 0 to 2" in line
    assert line.endswith("or give --reduce-zero-label, if 0 is no class")
    reduced = evaluated(capsys, masks_run, "--data", root, "--reduce-zero-label")
    assert reduced["iou"] == evaluated(capsys, masks_run)["iou"]


@pytest.mark.usefixtures("without_pages")
def test_nothing_labelled_is_null(masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_masks(tmp_path / "data", val=1)
    Image.new("L", (48, 40), 255).save(root / "masks/val/val00.png")
    results = evaluated(capsys, masks_run, "--data", root)
    assert results["miou"] is results["pixel_accuracy"] is results["iou"]["red"] is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("ground", "red"), "lists 2 classes, but the model knows 3"),
        (("ground", "blue", "red"), "class 1 is 'blue' in .* and 'red' in the model, so the masks mean other classes"),
    ],
)
def test_another_list_of_classes(
    masks_run: Path, tmp_path: Path, names: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_masks(tmp_path / "data")
    (root / "classes.txt").write_text("\n".join(names))
    assert re.search(words, refused(capsys, "evaluate", masks_run, "--data", root))


@pytest.mark.usefixtures("without_pages")
def test_other_names_or_no_list_are_taken(masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_masks(tmp_path / "data")
    expected = evaluated(capsys, masks_run)["iou"]
    (root / "classes.txt").write_text("soil\nred\nblue\n")
    assert evaluated(capsys, masks_run, "--data", root)["iou"] == expected
    (root / "classes.txt").unlink()
    assert evaluated(capsys, masks_run, "--data", root)["iou"] == expected


def test_a_segmentor_of_another_code_base_is_known_by_its_heads(
    masks_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": load_file(masks_run / "best.safetensors")}, "renamed.pth")
    line = refused(capsys, "predict", "renamed.pth", masks_run / "sample.png")
    assert "renamed.pth does not fit the model" in line and "psp_modules.2" in line and "classifier" not in line


def test_index_mask_is_the_prediction(masks_run: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = masks / "images/val/val00.png"
    (result,) = as_json(capsys, "predict", masks_run, image, "--out", "predictions")
    assert Path(result["mask"]) == Path("predictions/val_val00_mask.png")
    assert [path.name for path in Path("predictions").iterdir()] == ["val_val00_mask.png"]
    expected = opened(masks_run).predict(image)
    with Image.open(result["mask"]) as mask:
        assert np.array_equal(np.asarray(mask), expected.mask)
    assert list(result["shares"].items()) == list(expected.shares.items())


def test_pictures_are_those_of_the_result(masks_run: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = masks / "images/val/val01.png"
    arguments = ["predict", masks_run, image, "--out", "out", "--side-by-side", "--mode", "multi_scale"]
    assert main(list(map(str, [*arguments, "--device", "cpu"]))) == 0
    several = ShownAs(mode="multi_scale").settings(opened(masks_run).preprocessing)
    opened(masks_run).predict(image, settings=several).save("expected.png", side_by_side=True)
    assert Path("out/val_val01.png").read_bytes() == Path("expected.png").read_bytes()
    text = capsys.readouterr().out
    assert text.splitlines()[0] == str(image)
    assert "picture: out/val_val01.png" in text and "mask:    out/val_val01_mask.png" in text
    assert "ground " in text.splitlines()[1] and " %" in text.splitlines()[1]


def test_names_of_pictures() -> None:
    paths = [Path("x/a.png"), Path("x/a.jpg"), Path("x/a_mask.png")]
    assert [path.name for path in picture_paths(paths, Path("out"))] == ["x_a.png", "x_a_2.png", "x_a_mask.png"]
    names = [path.stem for path in picture_paths(paths, Path("out"), endings=("", "_mask"))]
    assert names == ["x_a", "x_a_2", "x_a_mask_2"]
    assert len({name + ending for name in names for ending in ("", "_mask")}) == 6


def test_a_corrupt_image_among_good_ones(masks_run: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    image = masks / "images/val/val00.png"
    line = refused(capsys, "predict", masks_run, "broken.jpg", image, "--out", "predictions")
    assert line.startswith("swinkit: broken.jpg is not an image") and Path("predictions/val_val00_mask.png").exists()


def test_check_of_sound_data(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", str(masks), "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert "train: 12 images with masks in images/train and masks/train" in text
    assert "val: 4 images with masks" in text and "40 to 40 x 48 to 48 pixels" in text
    assert "problem" not in text and "remark" not in text
    rows = [line.split() for line in text.splitlines() if line.split()[:1] == ["red"]]
    assert rows[0][1] == "1" and 5 < float(rows[0][2]) < 14
    assert {path.name for path in Path("out").iterdir()} == {f"{masks.name}_{part}.png" for part in ("train", "val")}


def test_check_numbers_values_as_the_masks_do(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", str(masks), "--reduce-zero-label", "--classes-file", str(masks / "classes.txt")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows if row[:1] == ["red"]] == [["red", "2"]] * 2


def test_check_lists_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_masks(tmp_path / "data")
    (root / "masks/train/train00.png").unlink()
    Image.new("L", (9, 9)).save(root / "masks/train/train01.png")
    Image.new("RGB", (48, 40)).save(root / "masks/val/val00.png")
    line = refused(capsys, "check-data", root)
    assert line == f"swinkit: {root} has 3 problem(s), listed above; training would stop at them"
    assert main(["check-data", str(root)]) == 2
    text = " ".join(capsys.readouterr().out.split())
    assert "problem: the image images/train/train00.png has no mask" in text
    assert f"problem: the mask {root}/masks/train/train01.png has 9 x 9 pixels" in text
    assert f"problem: the mask {root}/masks/val/val00.png is a colour image (RGB)" in text


@pytest.mark.slow
def test_check_of_the_embedded_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", "digit_scenes", "--out", "out"]) == 0
    assert "digit_scenes, train: 4,000 scenes" in capsys.readouterr().out
    for part in ("train", "val"):
        with Image.open(f"out/digit_scenes_{part}_masks.png") as sheet:
            assert sheet.height > 1500


def spoilt(root: Path, name: str) -> str:
    """One bad input of each kind; returns what the sentence must say. Others: see the tests of `require_sound`."""
    if name == "colour":
        mask = root / "masks/train/train03.png"
        Image.new("RGB", (48, 40)).save(mask)
        return f"the mask {mask} is a colour image (RGB)"
    if name == "missing mask":
        (root / "masks/train/train03.png").unlink()
        return "the image images/train/train03.png has no mask of the same name"
    if name == "fewer classes":
        (root / "classes.txt").write_text("ground\nred\n")
        return "has the value 2, but 2 classes have the values 0 to 1"
    if name == "no classes":
        (root / "classes.txt").unlink()
        return f"{root} has no classes.txt"
    if name == "validation":
        Image.new("L", (9, 9)).save(root / "masks/val/val00.png")
        return f"the mask {root / 'masks/val/val00.png'} has 9 x 9 pixels"
    shutil.rmtree(root)
    return f"the data folder {root} does not exist"


BAD_DATA = ("colour", "missing mask", "fewer classes", "no classes", "validation", "no folder")


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_reported_before_training(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_masks(tmp_path / "data")
    words = spoilt(root, name)
    assert words in refused(capsys, *training(root))
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--augmentation.crop-size", "2000000", "2000000"), "crops of 2000000 x 2000000 pixels, 4 at once"),
        (("--class-weights", "1", "2"), "--class-weights must be 3 numbers"),
        (("--class-weights", "0", "0", "0"), "--class-weights must be 3 numbers"),
        (("--backbone.in-channels", "4"), "--backbone.in-channels must be 3"),
        (("--weights", "missing.pth"), "missing.pth is neither a file nor"),
        (("--head.auxiliary-level", "2"), "auxiliary_level 2"),
        (("--epochs", "3"), "--epochs changes nothing where --steps is 40; change that, or add --steps None"),
        (("--evaluate-every", "3"), "--evaluate-every changes nothing where --evaluate-every-steps is 20"),
        (("--data", "None"), "needs images with masks; say where they are with --data DIR"),
    ],
)
def test_bad_values_are_reported_before_training(
    options: tuple[str, ...], words: str, masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, *training(masks), *options)
    assert not Path("run").exists()


@pytest.mark.usefixtures("without_pages")
def test_crops_larger_than_the_images_and_images_one_pixel_high(tmp_path: Path) -> None:
    root = write_masks(tmp_path / "data")
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        Image.new(mode, (48, 1)).save(root / kind / "train/train00.png")
    options = ("--augmentation.crop-size", "64", "64", "--steps", "3")
    assert main(list(map(str, training(root, *options)))) == 0
