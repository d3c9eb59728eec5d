"""Training crops follow the published rules, image and labels stay together, and every size of image is taken."""

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.errors import InputError
from swinkit.segmentation.data import augmentation as segmentation_augmentation
from swinkit.segmentation.data.augmentation import (
    SegmentationAugmentation,
    SegmentationEvaluation,
    SegmentationTransform,
    collate_crops,
)
from swinkit.training.data.seeding import SeededDraws, SeededSamples

PLAIN = {"crop_size": (32, 32), "resize": None, "ratio": (1.0, 1.0), "most_of_one_class": 1.0, "horizontal_flip": 0.0}


def transform(**changed: object) -> SegmentationTransform:
    return SegmentationTransform(SegmentationAugmentation(**PLAIN | {"photometric": False} | changed))


def numbered(height: int, width: int) -> tuple[Image.Image, np.ndarray]:
    """An image whose red channel is the label of each pixel, 0..199."""
    labels = (np.arange(height * width) % 200).astype(np.uint8).reshape(height, width)
    return Image.fromarray(np.stack([labels] * 3, 2)), labels


def uniform(height: int, width: int, value: int = 1) -> tuple[Image.Image, np.ndarray]:
    return Image.new("RGB", (width, height), (200, 100, 50)), np.full((height, width), value, dtype=np.uint8)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_image_and_labels_stay_together(flip):
    image, labels = numbered(50, 70)
    for seed in range(5):
        torch.manual_seed(seed)
        pixels, truth, size = transform(horizontal_flip=flip)(image, labels)
        assert pixels.shape == (3, 32, 32) and pixels.dtype == torch.uint8 and size == (32, 32)
        assert truth.shape == (32, 32) and truth.dtype == torch.int64
        assert torch.equal(pixels[0].long(), truth)
        step = (truth[0, 1] - truth[0, 0]) % 200
        assert step == (199 if flip else 1)


def test_flips_come_half_of_the_time():
    image, labels = numbered(32, 32)
    torch.manual_seed(0)
    flipped = sum(int(transform(horizontal_flip=0.5)(image, labels)[1][0, 0]) != 0 for _ in range(200))
    assert 75 < flipped < 125


def test_crops_lie_anywhere():
    image, labels = uniform(40, 36)
    labels[:] = np.arange(40)[:, None]
    columns = np.broadcast_to(np.arange(36, dtype=np.uint8), (40, 36)).copy()
    torch.manual_seed(0)
    tops = {int(transform()(image, labels)[1][0, 0]) for _ in range(150)}
    lefts = {int(transform()(image, columns)[1][0, 0]) for _ in range(80)}
    assert tops == set(range(9)) and lefts == set(range(5))


def shown_size(height: int, width: int, **changed: object) -> tuple[int, int]:
    """The size of the image within a crop that is larger than it."""
    _, truth, size = transform(crop_size=(300, 600), **changed)(*uniform(height, width))
    seen = truth != 255
    assert size == (int(seen[:, 0].sum()), int(seen[0].sum()))
    return size


@pytest.mark.parametrize(
    ("size", "resize", "ratio", "expected"),
    [
        ((50, 100), None, 1.0, (50, 100)),
        ((50, 100), None, 1.5, (75, 150)),
        ((50, 100), (64, 256), 1.0, (64, 128)),
        ((50, 100), (256, 64), 1.0, (64, 128)),
        ((100, 50), (64, 256), 2.0, (256, 128)),
        ((20, 200), (64, 256), 1.0, (26, 256)),
        ((20, 200), (64, 256), 0.5, (13, 128)),
    ],
)
def test_resize_rule(size, resize, ratio, expected):
    assert shown_size(*size, resize=resize, ratio=(ratio, ratio)) == expected


def test_ratios_are_spread_over_their_range():
    torch.manual_seed(0)
    heights = [shown_size(100, 100, ratio=(0.5, 2.0))[0] for _ in range(200)]
    assert min(heights) < 56 and max(heights) > 194
    assert np.mean(heights) == pytest.approx(125, abs=10)


def test_labels_are_never_mixed():
    image, labels = uniform(40, 40)
    labels[:, 20:] = 7
    labels[:5] = 255
    truth = transform(crop_size=(64, 64), ratio=(1.37, 1.37))(image, labels)[1]
    assert set(truth.unique().tolist()) == {1, 7, 255}


def test_padding_is_ignored_and_its_place_is_known():
    image, labels = uniform(20, 25)
    padded, whole = transform()(image, labels), transform()(*uniform(40, 40))
    pixels, truth, size = padded
    assert (truth[:20, :25] == 1).all() and (truth[20:] == 255).all() and (truth[:, 25:] == 255).all()
    assert size == (20, 25)
    assert torch.equal(pixels[:, :20, :25], torch.tensor([200, 100, 50]).view(3, 1, 1).expand(3, 20, 25))
    batch = collate_crops([padded, whole])
    assert batch.images.shape == (2, 3, 32, 32) and batch.images.dtype == torch.uint8
    assert torch.equal(batch.labels[0], truth) and batch.sizes == [(20, 25), (32, 32)]
    assert collate_crops([whole, whole]).sizes is None


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (31, 33), (33, 31)])
@pytest.mark.parametrize("resize", [None, (16, 64), (512, 2048)])
def test_every_size_becomes_a_crop(size, resize):
    augmentation = SegmentationTransform(SegmentationAugmentation(crop_size=(32, 32), resize=resize))
    for seed in range(3):
        torch.manual_seed(seed)
        pixels, truth, _ = augmentation(*uniform(*size))
        assert pixels.shape == (3, 32, 32) and truth.shape == (32, 32)
        assert (truth == 1).any()


def counted_crops(monkeypatch, labels: np.ndarray, **changed: object) -> tuple[int, torch.Tensor]:
    """How many crops were drawn, and the labels of the one that was taken."""
    drawn = []
    draw = segmentation_augmentation._random_part

    def count(length: int, crop: int) -> slice:
        drawn.append(length)
        return draw(length, crop)

    monkeypatch.setattr(segmentation_augmentation, "_random_part", count)
    image = Image.new("RGB", (labels.shape[1], labels.shape[0]))
    truth = transform(**changed)(image, labels)[1]
    return len(drawn) // 2, truth


def striped(share: float) -> np.ndarray:
    """Rows of 32, in every crop `share` of class 3 and the rest of class 5; every other pixel is ignored."""
    line = np.where(np.arange(32) < 32 * share, 3, 5).astype(np.uint8)
    labels = np.broadcast_to(line, (64, 32)).copy()
    labels[::2] = 255
    return labels


@pytest.mark.parametrize(("share", "crops"), [(0.5, 1), (0.71875, 1), (0.75, 11), (0.78125, 11), (1.0, 11)])
def test_crops_with_75_percent_of_one_class_are_drawn_again_ten_times(monkeypatch, share, crops):
    """Of the labelled pixels; the last one is taken all the same (the published code's cat_max_ratio)."""
    number, truth = counted_crops(monkeypatch, striped(share), most_of_one_class=0.75)
    assert number == crops and truth.shape == (32, 32)


def test_crops_without_a_label_are_drawn_again(monkeypatch):
    labels = np.full((64, 32), 255, dtype=np.uint8)
    number, truth = counted_crops(monkeypatch, labels, most_of_one_class=0.75)
    assert number == 11 and (truth == 255).all()


def test_a_limit_of_1_takes_the_first_crop(monkeypatch):
    assert counted_crops(monkeypatch, striped(1.0), most_of_one_class=1.0)[0] == 1


def test_a_mixed_crop_is_preferred():
    """Two classes meet in the middle of a wide image: a tenth of all crops is mixed enough, most of those taken are."""
    image, labels = uniform(32, 320)
    labels[:, 160:] = 2
    shares = []
    for seed in range(60):
        torch.manual_seed(seed)
        truth = transform(most_of_one_class=0.75)(image, labels)[1]
        shares.append(float((truth == 1).float().mean()))
    assert np.mean([0.25 < share < 0.75 for share in shares]) > 0.3


def test_the_same_seed_gives_the_same_crop_and_the_models_draws_are_left_alone():
    class One:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
            return numbered(60, 80)

    whole = SegmentationAugmentation(crop_size=(32, 32), resize=None)
    view = SeededSamples(One(), SegmentationTransform(whole), seed=5)
    state = torch.get_rng_state()
    first, again, other = view[2, 0], view[2, 0], view[3, 0]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])


def test_colours_change_the_image_alone():
    image, labels = numbered(32, 32)
    plain, same, _ = transform()(image, labels)
    changed = 0
    for seed in range(20):
        with SeededDraws("colours", seed):
            pixels, truth, _ = transform(photometric=True)(image, labels)
        assert torch.equal(truth, same)
        changed += not torch.equal(pixels, plain)
    assert changed >= 10


def test_evaluation_changes_nothing():
    image, labels = numbered(5, 7)
    pixels, truth = SegmentationEvaluation()(image, labels)
    assert pixels.dtype == torch.uint8 and torch.equal(pixels[0].long(), truth) and truth.dtype == torch.int64


@pytest.mark.parametrize(
    "changed",
    [
        {"crop_size": (0, 32)},
        {"resize": (0, 512)},
        {"ratio": (0.0, 1.0)},
        {"ratio": (2.0, 0.5)},
        {"most_of_one_class": 0.0},
        {"most_of_one_class": 1.5},
        {"horizontal_flip": -0.1},
        {"horizontal_flip": 1.1},
    ],
)
def test_values_out_of_range(changed):
    with pytest.raises(InputError, match="must"):
        transform(**changed)
