"""Training transforms: what the published recipe's pieces do, and the small-image variant."""

import math
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.random_erasing import RandomErasing
from timm.data.transforms_factory import create_transform
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from swinkit.classification.data.augmentation import SmallImageAugmentation, TrainAugmentation, train_transform
from swinkit.classification.data.preprocessing import normalisation
from swinkit.classification.data.rand_augment import RandAugment
from swinkit.errors import InputError
from swinkit.training.data.seeding import SeededDraws

PLAIN = {"horizontal_flip": 0.0, "rand_augment": None, "color_jitter": 0.0, "erase_probability": 0.0}
UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def picture(width=40, height=30) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def run(augmentation, image=None, seed=0):
    with SeededDraws("test", seed):
        return train_transform(augmentation)(image or picture())


def test_the_pieces_are_timms_for_the_official_arguments():
    """Order, and every parameter, of the composition that the official build_transform asks timm for."""
    theirs = create_transform(
        input_size=224, is_training=True, color_jitter=0.4, auto_augment="rand-m9-mstd0.5-inc1",
        re_prob=0.25, re_mode="pixel", re_count=1, interpolation="bicubic",
    ).transforms  # fmt: skip
    crop, flip, rand_augment, _, normalise, erase = theirs
    ours = train_transform(TrainAugmentation())
    our_crop, our_flip, our_vertical_flip = ours._geometry.transforms
    assert (tuple(our_crop.size), our_crop.scale, our_crop.ratio) == (crop.size, crop.scale, crop.ratio)
    assert our_crop.interpolation == crop.interpolation
    assert (our_flip.p, our_vertical_flip.p) == (flip.p, 0)
    assert ours._paint == (rand_augment.ops[0].hparams["img_mean"], rand_augment.ops[0].kwargs["resample"])
    assert (erase.probability, erase.min_area, erase.max_area) == (ours._erase.p, *ours._erase.scale)
    assert erase.log_aspect_ratio == pytest.approx([math.log(value) for value in ours._erase.ratio])
    assert (erase.per_pixel, erase.max_count, ours._erase.value) == (True, 1, None)
    assert torch.allclose(normalise(torch.full((3, 1, 1), 128 / 255)), normalised(128))


def normalised(grey: int) -> torch.Tensor:
    augmentation = TrainAugmentation()
    return normalisation(augmentation.mean, augmentation.std)(torch.full((3, 1, 1), grey))


def test_output_depends_on_the_draws_only():
    augmentation = TrainAugmentation(image_size=(24, 32))
    result = run(augmentation)
    assert result.shape == (3, 24, 32) and result.dtype == torch.float32 and result.isfinite().all()
    assert torch.equal(run(augmentation), result)
    assert len({run(augmentation, seed=seed).sum().item() for seed in range(8)}) == 8


def test_crop_of_everything_is_a_resize():
    result = run(TrainAugmentation(image_size=(15, 20), scale=(1.0, 1.0), ratio=(4 / 3, 4 / 3), **PLAIN, **UNIT))
    expected = v2.functional.resize(picture(), [15, 20], v2.InterpolationMode.BICUBIC)
    assert torch.equal(result, pil_to_tensor(expected) / 255)


def test_flips():
    whole = {"image_size": (30, 40), "scale": (1.0, 1.0), "ratio": (4 / 3, 4 / 3), **UNIT}
    plain = run(TrainAugmentation(**whole, **PLAIN))
    for horizontal, vertical, axes in ((1.0, 0.0, [2]), (0.0, 1.0, [1]), (1.0, 1.0, [1, 2])):
        flips = {**PLAIN, "horizontal_flip": horizontal, "vertical_flip": vertical}
        assert torch.equal(run(TrainAugmentation(**whole, **flips)), plain.flip(axes))


def test_colour_jitter_only_without_rand_augment():
    flat = {"image_size": 8, "scale": (1.0, 1.0), **UNIT}
    grey = Image.new("RGB", (8, 8), (100, 100, 100))
    levels = [run(TrainAugmentation(**flat, **{**PLAIN, "color_jitter": 0.4}), grey, seed).mean() for seed in range(40)]
    assert 0.55 * 100 / 255 < min(levels) < 0.75 * 100 / 255 and 1.25 * 100 / 255 < max(levels) < 1.45 * 100 / 255
    still = {**PLAIN, "color_jitter": 0.4, "rand_augment": RandAugment(num_ops=0)}
    assert torch.allclose(run(TrainAugmentation(**flat, **still), grey), torch.tensor(100 / 255))


def test_erasing_has_timms_frequency_and_area():
    black = Image.new("RGB", (40, 40))
    transform = train_transform(TrainAugmentation(image_size=40, **{**PLAIN, "erase_probability": 0.25}, **UNIT))
    theirs = RandomErasing(0.25, mode="pixel", max_count=1, device="cpu")
    torch.manual_seed(0)
    ours = torch.tensor([(transform(black) != 0).any(0).float().mean() for _ in range(800)])
    peer = torch.tensor([(theirs(torch.zeros(3, 40, 40)) != 0).any(0).float().mean() for _ in range(800)])
    for areas in (ours, peer):
        assert abs((areas > 0).float().mean() - 0.25) < 0.06
    assert ours[ours > 0].min() > 0.01 and ours.max() < 0.36
    assert abs(ours[ours > 0].mean() - peer[peer > 0].mean()) < 0.03
    erased = run(TrainAugmentation(image_size=40, **{**PLAIN, "erase_probability": 1.0}, **UNIT), black)
    noise = erased[erased != 0]
    assert abs(noise.mean()) < 0.2 and abs(noise.std() - 1) < 0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_tiny_and_extreme_images(size):
    image = Image.new("RGB", size, (9, 9, 9))
    for seed in range(5):
        assert run(TrainAugmentation(image_size=16), image, seed).shape == (3, 16, 16)


def test_transforms_can_be_sent_to_workers():
    for augmentation in (TrainAugmentation(image_size=16), SmallImageAugmentation()):
        copy = pickle.loads(pickle.dumps(train_transform(augmentation)))
        with SeededDraws("test", 0):
            assert torch.equal(copy(picture()), run(augmentation))


def dot() -> Image.Image:
    image = Image.new("RGB", (16, 16))
    image.paste((255, 255, 255), (6, 7, 8, 9))
    return image


def test_small_image_without_movement_is_untouched():
    still = SmallImageAugmentation(shift=0, rotation=0, zoom=0, **UNIT)
    assert torch.equal(run(still, dot()), pil_to_tensor(dot()) / 255)
    assert run(SmallImageAugmentation(image_size=(20, 24)), dot()).shape == (3, 20, 24)


def centre(image: torch.Tensor) -> tuple[float, float]:
    weights = image[0] / image[0].sum()
    along = torch.arange(image.shape[-1]) + 0.5
    return float(weights.sum(0) @ along), float(weights.sum(1) @ along)


def test_small_image_shift():
    moved = [
        centre(run(SmallImageAugmentation(shift=2, rotation=0, zoom=0, **UNIT), dot(), seed)) for seed in range(40)
    ]
    for axis, origin in ((0, 7), (1, 8)):
        offsets = [position[axis] - origin for position in moved]
        assert -2.01 < min(offsets) < -1 and 1 < max(offsets) < 2.01


def test_small_image_rotation_turns_about_the_middle_and_zoom_scales():
    image = Image.new("RGB", (16, 16))
    image.paste((255, 255, 255), (12, 7, 14, 9))  # 5 right of the middle
    angles = []
    for seed in range(30):
        x, y = centre(run(SmallImageAugmentation(shift=0, rotation=30, zoom=0, **UNIT), image, seed))
        assert math.hypot(x - 8, y - 8) == pytest.approx(5, abs=0.15)
        angles.append(math.degrees(math.atan2(y - 8, x - 8)))
    assert -31 < min(angles) < -15 and 15 < max(angles) < 31
    reach = [
        centre(run(SmallImageAugmentation(shift=0, rotation=0, zoom=0.2, **UNIT), image, s))[0] - 8 for s in range(30)
    ]
    assert 3.9 < min(reach) < 4.5 and 5.5 < max(reach) < 6.1


def test_small_image_fill():
    result = run(SmallImageAugmentation(shift=4, fill=255, **UNIT), Image.new("RGB", (16, 16)), seed=1)
    assert set(result.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 0}, {"scale": (0.5, 0.1)}, {"scale": (0.0, 1.0)}, {"ratio": (2.0, 1.0)}, {"horizontal_flip": 2},
        {"erase_probability": -0.1}, {"color_jitter": -1}, {"mean": (123.0, 116.0, 103.0)},
    ],
)  # fmt: skip
def test_impossible_settings(wrong):
    with pytest.raises(InputError):
        TrainAugmentation(**wrong)


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"zoom": 1.0}, {"fill": 256}, {"rotation": -1}, {"image_size": 0}])
def test_impossible_small_image_settings(wrong):
    with pytest.raises(InputError):
        SmallImageAugmentation(**wrong)
