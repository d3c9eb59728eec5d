"""Digit scenes: the same every time, true in every pixel, and nothing of a training scene in a validation scene."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from swinkit.errors import InputError
from swinkit.images import digit_scenes
from swinkit.images.digit_scenes import DIGITS, SEMANTIC_CLASSES, DigitScenes, SceneSettings
from swinkit.segmentation.data.scenes import open_segmentation_scenes

SMALL = SceneSettings(size=64, digits=(1, 4), side=(16, 28), train_scenes=30, val_scenes=20)


def scenes(part: str = "train", **changed: object) -> DigitScenes:
    values = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__} | changed
    return DigitScenes(SceneSettings(**values), part)


def as_bytes(data: DigitScenes, index: int) -> bytes:
    scene = data.scene(index)
    return np.asarray(scene.image).tobytes() + scene.semantic.tobytes() + scene.instances.boxes.numpy().tobytes()


def test_a_scene_is_the_same_every_time_and_another_for_another_seed_number_or_part():
    expected = as_bytes(scenes(), 3)
    assert as_bytes(scenes(), 3) == expected
    again = scenes()
    again.scene(0)
    assert as_bytes(again, 3) == expected
    assert as_bytes(scenes(train_scenes=500), 3) == expected
    others = {as_bytes(scenes(seed=1), 3), as_bytes(scenes(), 4), as_bytes(scenes("val"), 3)}
    assert len(others | {expected}) == 4


def test_training_and_validation_share_no_digit_image():
    source = {
        image.tobytes(): number for number, image in enumerate(np.rint(load_digits().images * 255 / 16).astype("u1"))
    }
    train, val = ({source[ink.tobytes()] for ink in scenes(part)._ink} for part in ("train", "val"))
    assert not train & val
    assert len(train) > 1400 and len(val) > 340


def test_every_digit_image_can_be_chosen_and_keeps_its_label():
    target = load_digits().target
    source = {
        image.tobytes(): number for number, image in enumerate(np.rint(load_digits().images * 255 / 16).astype("u1"))
    }
    for part in ("train", "val"):
        data = scenes(part)
        assert [target[source[ink.tobytes()]] for ink in data._ink] == data._labels.tolist()


def test_training_and_validation_share_no_column_of_a_photograph(monkeypatch):
    """The photographs are replaced by their column numbers: what shows in a background tells where it was cut."""
    numbers = np.arange(640)
    line = np.where(numbers < 448, numbers // 4, 128 + (numbers - 448) // 2)  # 70 % lie below 128, the others above
    columns = np.broadcast_to(line[None, :, None], (427, 640, 3)).astype(np.uint8)
    monkeypatch.setattr(digit_scenes, "photographs", lambda: (columns, columns))
    monkeypatch.setattr(digit_scenes, "_DIMMED", 1.0)
    seen = {part: [] for part in ("train", "val")}
    for part, values in seen.items():
        data = scenes(part, digits=(0, 0))
        for index in range(len(data)):
            values.append(np.asarray(data.scene(index).image))
    train, val = (np.stack(values) for values in seen.values())
    assert train.max() < 112 and val.min() >= 128
    assert train.min() < 10 and train.max() > 100 and val.min() < 132 and val.max() > 215


def test_both_photographs_are_used():
    photographs = load_sample_images().images
    train, val = (scenes(part)._photographs for part in ("train", "val"))
    for whole, left, right in zip(photographs, train, val, strict=True):
        assert np.array_equal(np.concatenate([left, right], 1), whole)
        assert left.shape[1] == 448


@pytest.mark.parametrize("part", ["train", "val"])
def test_masks_boxes_labels_and_the_semantic_map_agree(part):
    data = scenes(part)
    numbers = set()
    for index in range(len(data)):
        image, instances, semantic = data.scene(index)
        assert image.size == (64, 64) and image.mode == "RGB"
        assert instances.masks.shape == (len(instances.labels), 64, 64)
        assert instances.masks.sum(0).max() <= 1  # no pixel belongs to two digits
        painted = np.zeros((64, 64), dtype=np.uint8)
        for mask, label, box in zip(instances.masks.numpy(), instances.labels, instances.boxes.tolist(), strict=True):
            painted[mask] = int(label) + 1
            rows, columns = np.nonzero(mask)
            assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert mask.sum() >= 20
        assert np.array_equal(painted, semantic)
        assert 1 <= len(instances.labels) <= 4
        numbers |= set(instances.labels.tolist())
    assert numbers == set(range(10))


def test_labelled_pixels_are_the_ones_that_changed(monkeypatch):
    """On a black photograph all that is not black comes from digits."""
    black = np.zeros((427, 640, 3), dtype=np.uint8)
    monkeypatch.setattr(digit_scenes, "photographs", lambda: (black, black))
    data = scenes()
    for index in range(10):
        image, _, semantic = data.scene(index)
        brightness = np.asarray(image) @ np.array([0.299, 0.587, 0.114])
        assert brightness[semantic > 0].min() >= 0.4 * 79
        assert brightness[semantic > 0].mean() > 3 * brightness[semantic == 0].mean()


def test_digits_do_not_hide_each_other():
    crowded = scenes(digits=(8, 8), train_scenes=20)
    for index in range(20):
        masks = crowded.scene(index).instances.masks.flatten(1).sum(1)
        assert len(masks) >= 2 and masks.min() >= 20


@pytest.mark.parametrize("count", [(0, 0), (0, 1)])
def test_scenes_without_digits(count):
    data = scenes(digits=count)
    _, instances, semantic = next(s for s in map(data.scene, range(len(data))) if not s.semantic.any())
    assert instances.boxes.shape == (0, 4) and instances.masks.shape == (0, 64, 64) and instances.labels.shape == (0,)
    assert semantic.shape == (64, 64)


def test_digits_as_large_as_the_scene():
    scene = scenes(size=16, side=(16, 16), digits=(1, 1)).scene(0)
    assert len(scene.instances.labels) == 1 and scene.image.size == (16, 16)


def test_as_segmentation_data():
    train, val = open_segmentation_scenes(SMALL)
    assert (len(train), len(val)) == (30, 20)
    assert train.classes == SEMANTIC_CLASSES == ("background", *DIGITS)
    image, labels = val[7]
    assert isinstance(image, Image.Image) and labels.dtype == np.uint8
    assert np.array_equal(labels, DigitScenes(SMALL, "val").scene(7).semantic)
    assert val.sample_name(7) == "digit_scenes/val/0007" and train.sample_name(7) == "digit_scenes/train/0007"


@pytest.mark.parametrize("index", [-1, 30])
def test_there_are_no_scenes_outside(index):
    with pytest.raises(IndexError):
        scenes().scene(index)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"side": (7, 20)}, "are not possible"),
        ({"side": (30, 20)}, "are not possible"),
        ({"side": (20, 65)}, "are not possible"),
        ({"digits": (-1, 2)}, "are not possible"),
        ({"digits": (3, 2)}, "are not possible"),
        ({"size": 161, "side": (20, 40)}, "up to 160 pixels a side"),
        ({"train_scenes": 0}, "at least one to train"),
        ({"val_scenes": 0}, "one to validate"),
    ],
)
def test_settings_that_do_not_fit(changed, words):
    with pytest.raises(InputError, match=words):
        scenes(**changed)


def test_the_largest_scenes_fit_the_photographs():
    for part in ("train", "val"):
        assert scenes(part, size=160, side=(8, 160)).scene(0).image.size == (160, 160)
