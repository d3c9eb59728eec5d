"""What a test server takes: index PNGs in one zip; and training on both splits."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swinkit.cli import main
from swinkit.errors import InputError
from swinkit.opening import open_model
from swinkit.recipes import RECIPES
from swinkit.segmentation.data.folders import unlabelled_images
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.recipe import open_data
from swinkit.segmentation.submission import write_submission


def write_images(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    paths = []
    for name, size in (("ADE_test_1.jpg", (40, 56)), ("ADE_test_2.png", (48, 48))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
        paths.append(folder / name)
    return paths


@pytest.mark.parametrize("reduced", [True, False])
def test_evaluate_on_images_alone(
    masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], reduced: bool
) -> None:
    paths = write_images(tmp_path / "release_test" / "testing")
    out = tmp_path / "out"
    options = ["--out", str(out), "--device", "cpu"] + ["--reduce-zero-label"] * reduced
    assert main(["evaluate", str(masks_run), "--data", str(tmp_path / "release_test"), *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("2 images\nno score: ") and str(out / "predictions.zip") in text
    assert [path.name for path in out.iterdir()] == ["predictions.zip"]
    segmentor = open_model(masks_run)
    assert isinstance(segmentor, Segmentor)
    with zipfile.ZipFile(out / "predictions.zip") as archive:
        assert archive.namelist() == ["ADE_test_1.png", "ADE_test_2.png"]
        for path in paths:
            mask = Image.open(io.BytesIO(archive.read(f"{path.stem}.png")))
            assert mask.mode == "L"
            assert np.array_equal(np.asarray(mask), segmentor.predict(path).mask + reduced)


def test_json(masks_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "images")
    command = ["evaluate", str(masks_run), "--data", str(tmp_path / "images"), "--out", str(tmp_path / "out")]
    assert main([*command, "--json", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"images": 2, "miou": None, "files": [str(tmp_path / "out" / "predictions.zip")]}


def test_nothing_is_left_where_an_image_is_damaged(masks_run: Path, tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images")
    paths[1].write_bytes(b"no image")
    segmentor = open_model(masks_run)
    assert isinstance(segmentor, Segmentor)
    with pytest.raises(InputError, match=r"ADE_test_2\.png"):
        write_submission(segmentor, paths, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
    with pytest.raises(InputError, match=r"both be ADE_test_1\.png"):
        write_submission(segmentor, [paths[0], paths[0].with_suffix(".png")], tmp_path / "out")


def test_a_folder_with_masks_is_no_test_set(masks: Path, tmp_path: Path) -> None:
    assert unlabelled_images(masks) == ()
    assert unlabelled_images(tmp_path / "nowhere") == ()
    assert len(unlabelled_images(write_images(tmp_path / "images")[0].parent)) == 2


def test_training_on_all_takes_both_splits(masks: Path) -> None:
    recipe = replace(RECIPES["finetune_segmentation"](), data=masks)
    train, val = open_data(recipe)
    everything, same = open_data(replace(recipe, train_on_all=True))
    names = [everything.sample_name(index) for index in range(len(everything))]
    assert len(everything) == len(train) + len(val) and len(same) == len(val)
    assert set(names) >= {val.sample_name(index) for index in range(len(val))} and len(set(names)) == len(names)
    with pytest.raises(InputError, match="--train-on-all"):
        open_data(replace(recipe, dataset="digit_scenes", train_on_all=True))
