"""Semantic maps come with their images, follow every transform, and are named where they are missing or wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from object_folders import write_objects
from PIL import Image

from swinkit.cli import main
from swinkit.detection.data.augmentation import (
    DetectionAugmentation,
    DetectionResize,
    SmallDetectionAugmentation,
    detection_transform,
)
from swinkit.detection.data.check import require_sound
from swinkit.detection.data.geometry import cut_out, mirror, resize_within
from swinkit.detection.data.samples import collate_detection
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.data.semantic import SemanticMaps
from swinkit.detection.data.sources import open_detection_data
from swinkit.detection.htc import HTC
from swinkit.detection.recipe import DetectionRecipe
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.structures import Instances
from swinkit.training.data.loading import to_device


def write_maps(root: Path, *, folder: str = "stuffthingmaps/train", top: int = 2) -> Path:
    """A map for every training image of `write_objects`: columns of 0..top, and 255 in the last row."""
    (root / folder).mkdir(parents=True)
    for image in sorted((root / "train").iterdir()):
        width, height = Image.open(image).size
        values = np.tile(np.arange(width) * (top + 1) // width, (height, 1)).astype(np.uint8)
        values[-1] = 255
        Image.fromarray(values).save(root / folder / f"{image.stem}.png")
    return root / folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_maps(write_objects(tmp_path / "data"))
    return tmp_path / "data"


def test_maps_lie_where_coco_stuff_has_them_or_where_one_says(data: Path, tmp_path: Path) -> None:
    train, val = open_detection_data(data, semantic=SemanticMaps(3))
    image, objects = train.with_objects()[0]
    assert objects.semantic.dtype == torch.uint8 and tuple(objects.semantic.shape) == (image.height, image.width)
    assert objects.semantic[0].unique().tolist() == [0, 1, 2] and (objects.semantic[-1] == 255).all()
    assert val[0][1].semantic is None and open_detection_data(data)[0][0][1].semantic is None
    (data / "stuffthingmaps").rename(tmp_path / "maps")
    for folder in (tmp_path / "maps", tmp_path / "maps" / "train"):
        moved = open_detection_data(data, semantic=SemanticMaps(3, folder))[0]
        assert torch.equal(moved[0][1].semantic, objects.semantic)


def test_a_part_that_is_held_out_needs_no_maps(data: Path) -> None:
    (data / "annotations" / "val.json").unlink()
    train, val = open_detection_data(data, semantic=SemanticMaps(3))
    assert train[0][1].semantic is not None and val[0][1].semantic is None


def test_missing_maps_are_one_sentence_that_says_how_to_do_without(data: Path) -> None:
    (data / "stuffthingmaps/train/train03.png").unlink()
    with pytest.raises(InputError) as caught:
        open_detection_data(data, semantic=SemanticMaps(3))
    assert "image 13 of" in str(caught.value) and str(data / "stuffthingmaps/train/train03.png") in str(caught.value)
    assert str(caught.value).endswith("do without them: --detector.semantic-classes 0")
    with pytest.raises(InputError, match=r"no folder .*none with the maps .*--detector.semantic-classes 0"):
        open_detection_data(data, semantic=SemanticMaps(3, data / "none"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((40, 48), 3, np.uint8), r"train02\.png has the value 3, but 3 classes have the values 0 to 2"),
        (np.zeros((48, 40), np.uint8), r"train02\.png has 48 x 40 pixels, its image 40 x 48"),
        (np.zeros((40, 48, 3), np.uint8), r"train02\.png is a colour image"),
    ],
)
def test_wrong_maps_are_named(data: Path, values: np.ndarray, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(values).save(data / "stuffthingmaps/train/train02.png")
    train = open_detection_data(data, semantic=SemanticMaps(3))[0]
    with pytest.raises(InputError, match=words):
        train[2]
    if "value" not in words:
        with pytest.raises(InputError, match=words):
            require_sound(train)
        assert main(["check-data", str(data), "--out", str(data / "check")]) == 2
        assert "bad semantic map: 1 (stops)" in capsys.readouterr().out


def test_check_data_reads_the_maps(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", str(data), "--out", str(data / "check")]) == 0
    line = f"semantic maps: 12 in {data / 'stuffthingmaps/train'}, 3 classes from 0 to 2, 2.5 % of the pixels unknown"
    assert line in capsys.readouterr().out
    assert main(["check-data", str(data), "--semantic", str(data / "none")]) == 2


def framed(height: int = 30, width: int = 50) -> tuple[torch.Tensor, Instances]:
    """An image whose red channel is its semantic map."""
    semantic = (torch.arange(height)[:, None] // 10 * 5 + torch.arange(width) // 10).to(torch.uint8)
    boxes = torch.tensor([[0.0, 0, width, height]])
    masks = torch.ones(1, height, width, dtype=torch.bool)
    return semantic.repeat(3, 1, 1), Instances(boxes, torch.zeros(1).long(), masks, semantic)


def test_maps_move_with_the_pixels() -> None:
    for vertically in (False, True):
        image, objects = mirror(*framed(), vertically=vertically)
        assert torch.equal(image[0], objects.semantic)
    image, objects = cut_out(*framed(), top=7, left=3, height=20, width=31)
    assert torch.equal(image[0], objects.semantic)
    image, objects = resize_within(*framed(), shorter_side=60, longest_side=1000)
    assert torch.equal(objects.semantic[::2, ::2], framed()[1].semantic) and objects.semantic.shape == (60, 100)


@pytest.mark.parametrize("settings", [DetectionAugmentation((20, 40), 90), SmallDetectionAugmentation((20, 40), 90)])
def test_every_augmentation_keeps_them(settings: DetectionAugmentation | SmallDetectionAugmentation) -> None:
    settings = replace(settings, crop_probability=1.0)
    image, objects = framed()
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    shown, moved = detection_transform(settings)(picture, objects)
    assert moved.semantic.dtype == torch.uint8 and moved.semantic.shape == shown.shape[1:]
    assert (moved.semantic.int() - shown[0].int()).abs().float().mean() < 1.5
    _, same = detection_transform(DetectionResize(30, 50))(picture, objects)
    batch = to_device(collate_detection([(shown, moved), (image, same)]), torch.device("cpu"))
    assert torch.equal(batch[2][1].semantic, objects.semantic)


def test_scenes_have_maps_where_the_detector_asks() -> None:
    recipe = DetectionRecipe(dataset="digit_scenes", scenes=SceneSettings(size=48, train_scenes=3, val_scenes=2))
    assert recipe.open_data()[0][0][1].semantic is None
    train, val = replace(recipe, detector=HTC(semantic_classes=11)).open_data()
    objects = train[1][1]
    assert val[0][1].semantic is None and objects.semantic.shape == (48, 48)
    for label, mask in zip(objects.labels, objects.masks, strict=True):
        assert (objects.semantic[mask] == label + 1).all()
    assert (objects.semantic[~objects.masks.any(0)] == 0).all()
    with pytest.raises(InputError, match="digit scenes have 11 semantic classes"):
        open_detection_scenes(recipe.scenes, semantic=SemanticMaps(10))


def test_the_recipe_finds_the_maps_and_refuses_them_where_nobody_learns_them(data: Path) -> None:
    recipe = DetectionRecipe(data=data, detector=HTC(semantic_classes=11))
    assert recipe.open_data()[0][0][1].semantic is not None
    with pytest.raises(InputError, match="--semantic names a folder"):
        DetectionRecipe(data=data, semantic=data / "stuffthingmaps").open_data()
    with pytest.raises(InputError, match="1 to 255 semantic classes, not 300"):
        SemanticMaps(300)
