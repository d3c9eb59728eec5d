"""InstaBoost moves objects with their masks, draws from the seeded generator alone, and is off by default."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.detection.data.augmentation import (
    DetectionAugmentation,
    SmallDetectionAugmentation,
    detection_transform,
)
from swinkit.detection.data.instaboost import InstaBoost, boosted, check_instaboost
from swinkit.detection.recipe import DetectionRecipe
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.structures import Instances
from swinkit.training.data.seeding import SeededSamples

cv2 = pytest.importorskip("cv2")

ALWAYS = InstaBoost(probability=1.0, color_probability=0.0)
COLOURS = np.array([[250, 10, 10], [10, 240, 20], [20, 10, 230], [240, 230, 0]], dtype=np.uint8)
GROUND = np.array([70, 75, 80])


def scene(height: int = 140, width: int = 200) -> tuple[Image.Image, Instances]:
    """Four shapes of colours of their own on grey: a disc, a triangle, and two rectangles, one of them at a side."""
    y, x = np.mgrid[:height, :width]
    masks = np.stack(
        [
            (y - 40) ** 2 + (x - 50) ** 2 < 400,
            (y > 70) & (y < 120) & (x - 40 < y - 70) & (x > 30),
            (y > 20) & (y < 60) & (x > 120) & (x < 170),
            (y > 90) & (x > 130) & (x < 170),
        ]
    )
    pixels = np.broadcast_to(GROUND, (height, width, 3)).astype(np.uint8).copy()
    for mask, colour in zip(masks, COLOURS, strict=True):
        pixels[mask] = colour
    return Image.fromarray(pixels), instances(masks)


def instances(masks: np.ndarray) -> Instances:
    boxes = torch.stack([extent(torch.from_numpy(mask)) for mask in masks])
    return Instances(boxes, torch.arange(len(masks)), torch.from_numpy(masks))


def extent(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()


def seeded(seed: int, settings: InstaBoost, sample: tuple[Image.Image, Instances]) -> tuple[np.ndarray, Instances]:
    torch.manual_seed(seed)
    image, objects = boosted(*sample, settings)
    return np.asarray(image), objects


@pytest.mark.parametrize(
    "settings",
    [
        ALWAYS,
        replace(ALWAYS, rotation=(-40, 40), dx=4.0, dy=4.0),
        replace(ALWAYS, actions=(0.0, 1.0, 0.0), scale=(0.5, 0.7)),
        replace(ALWAYS, heat_map=True),
    ],
    ids=["published", "far", "mirrored", "heat_map"],
)
def test_masks_are_where_the_pixels_are(settings: InstaBoost) -> None:
    moved, times = 0, 2 if settings.heat_map else 12
    for seed in range(times):
        pixels, objects = seeded(seed, settings, scene())
        hidden = np.zeros(pixels.shape[:2], dtype=bool)
        for box, label, mask in list(zip(objects.boxes, objects.labels, objects.masks, strict=True))[::-1]:
            assert torch.equal(extent(mask), box)
            near = (np.abs(pixels.astype(int) - COLOURS[label]).max(2) < 40) & ~hidden
            seen, kernel = mask.numpy() & ~hidden, np.ones((3, 3), np.uint8)
            inner = cv2.erode(seen.astype(np.uint8), kernel, borderValue=1) > 0
            outer = cv2.dilate(seen.astype(np.uint8), kernel) > 0
            assert (near[inner]).all() and not near[~outer & ~hidden].any()
            hidden |= outer
            moved += not torch.equal(mask, scene()[1].masks[label])
    assert moved >= times * (2 if settings.actions[0] == 0 else 3)


def test_what_is_left_behind_is_painted_over() -> None:
    pixels, objects = seeded(3, replace(ALWAYS, scale=(0.7, 0.8)), scene())
    behind = scene()[1].masks.any(0) & ~torch.from_numpy(
        cv2.dilate(objects.masks.any(0).numpy().astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    )
    assert behind.sum() > 30 and np.abs(pixels[behind.numpy()].astype(int) - GROUND).max() <= 3


def test_the_seed_decides() -> None:
    settings = InstaBoost(probability=0.7)
    one, other = seeded(5, settings, scene()), seeded(5, settings, scene())
    assert np.array_equal(one[0], other[0]) and torch.equal(one[1].masks, other[1].masks)
    assert len({seeded(seed, settings, scene())[0].tobytes() for seed in range(10)}) >= 5
    view = SeededSamples([scene()] * 3, detection_transform(SmallDetectionAugmentation(instaboost=ALWAYS)), seed=1)
    torch.manual_seed(0)
    first = view[4, 2]
    torch.manual_seed(99)
    np.random.seed(99)
    again = view[4, 2]
    assert torch.equal(first[0], again[0]) and torch.equal(first[1].masks, again[1].masks)
    assert not torch.equal(first[0], view[5, 2][0])


@pytest.mark.parametrize("kind", [DetectionAugmentation, SmallDetectionAugmentation])
def test_off_it_changes_and_draws_nothing(kind: type) -> None:
    image, objects = scene()
    before = torch.get_rng_state()
    assert boosted(image, objects, kind().instaboost) == (image, objects)
    assert torch.equal(torch.get_rng_state(), before)
    with_it = detection_transform(kind(instaboost=ALWAYS))(image, objects)
    torch.set_rng_state(before)
    assert not torch.equal(detection_transform(kind())(image, objects)[0], with_it[0])


def test_objects_that_stay_and_images_without_objects() -> None:
    image, objects = scene()
    pixels, same = seeded(0, replace(ALWAYS, actions=(0.0, 0.0, 1.0)), (image, objects))
    assert np.array_equal(pixels, np.asarray(image)) and torch.equal(same.masks, objects.masks)
    nothing = Instances(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 140, 200, dtype=torch.bool))
    pixels, none = seeded(0, ALWAYS, (image, nothing))
    assert np.array_equal(pixels, np.asarray(image)) and len(none.labels) == 0
    recoloured, _ = seeded(0, replace(ALWAYS, color_probability=1.0), (image, nothing))
    assert not np.array_equal(recoloured, np.asarray(image))
    full = instances(np.ones((1, 140, 200), dtype=bool))
    assert np.array_equal(seeded(0, ALWAYS, (image, full))[0], np.asarray(image))


def test_objects_that_overlap_move_together_and_those_at_a_side_stay_there() -> None:
    masks = np.zeros((3, 140, 200), dtype=bool)
    masks[0, 40:80, 40:80], masks[1, 60:100, 70:110], masks[2, 100:140, 150:200] = True, True, True
    masks[0] &= ~masks[1]
    image = Image.fromarray(np.broadcast_to(GROUND, (140, 200, 3)).astype(np.uint8))
    settings = replace(ALWAYS, scale=(1.0, 1.0), rotation=(0, 0), dx=3.0, dy=3.0)
    places = set()
    for seed in range(10):
        _, objects = seeded(seed, settings, (image, instances(masks)))
        first, second = objects.boxes[0], objects.boxes[1]
        assert (second - first).tolist() == [30, 20, 30, 20]
        places.add(tuple(first.tolist()))
        assert objects.boxes[2, 2:].tolist() == [200, 140] and (objects.boxes[2, :2] >= torch.tensor([150, 100])).all()
    assert len(places) > 5


def test_the_semantic_map_stays_and_what_leaves_the_image_is_dropped() -> None:
    image, objects = scene()
    semantic = torch.arange(140 * 200).view(140, 200).to(torch.uint8)
    _, moved = seeded(0, ALWAYS, (image, objects._replace(semantic=semantic)))
    assert torch.equal(moved.semantic, semantic)
    thin = np.zeros((2, 140, 200), dtype=bool)
    thin[0, 50:52, 50:52], thin[1, 80:120, 80:120] = True, True
    _, kept = seeded(0, replace(ALWAYS, scale=(0.01, 0.01)), (image, instances(thin)))
    assert set(kept.labels.tolist()) <= {0, 1} and len(kept.masks) == len(kept.boxes) == len(kept.labels)


def test_it_needs_masks_and_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    image, objects = scene()
    with pytest.raises(InputError, match="boxes alone"):
        boosted(image, objects._replace(masks=None), ALWAYS)
    recipe = DetectionRecipe(
        dataset="digit_scenes",
        scenes=SceneSettings(size=48, train_scenes=3, val_scenes=2),
        augmentation=DetectionAugmentation(instaboost=ALWAYS),
    )
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> object:
        if name == "cv2":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    for use in (lambda: boosted(image, objects, ALWAYS), lambda: recipe._batches(recipe.open_data()[0], None)):
        with pytest.raises(InputError, match=r"pip install 'swinkit\[instaboost\]'"):
            use()
    check_instaboost(InstaBoost(probability=0.0), has_masks=False)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"probability": 1.5}, "from 0 to 1"),
        ({"actions": (0.0, 0.0, 0.0)}, "three shares"),
        ({"scale": (1.2, 0.8)}, "ascending pairs"),
        ({"dx": 0.0}, "sizes above 0"),
    ],
)
def test_impossible_settings(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        InstaBoost(**values)
