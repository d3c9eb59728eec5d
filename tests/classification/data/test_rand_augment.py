"""RandAugment against timm's rand-m9-mstd0.5-inc1: operation by operation, and the frequencies of its draws."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment

from swinkit.classification.data.rand_augment import (
    OPERATIONS,
    Draw,
    Paint,
    RandAugment,
    apply_operation,
    draw_operations,
)
from swinkit.errors import InputError

TIMM_NAMES = {
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
    "rotate": "Rotate",
    "posterize": "PosterizeIncreasing",
    "solarize": "SolarizeIncreasing",
    "solarize_add": "SolarizeAdd",
    "color": "ColorIncreasing",
    "contrast": "ContrastIncreasing",
    "brightness": "BrightnessIncreasing",
    "sharpness": "SharpnessIncreasing",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateXRel",
    "translate_y": "TranslateYRel",
}
FILL = (124, 116, 104)


def picture() -> Image.Image:
    values = np.random.default_rng(0).integers(20, 220, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((53, 41), Image.Resampling.BICUBIC)


def test_the_list_is_timms():
    published = auto_augment.rand_augment_transform("rand-m9-mstd0.5-inc1", {"img_mean": FILL})
    assert [TIMM_NAMES[name] for name in OPERATIONS] == [op.name for op in published.ops]
    ours = RandAugment()
    for op in published.ops:
        assert (op.prob, op.magnitude, op.magnitude_std) == (ours.probability, ours.magnitude, ours.magnitude_std)
    assert published.num_layers == ours.num_ops and published.choice_weights is None


@pytest.mark.parametrize("name", TIMM_NAMES)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_operation_equals_timms(name, sign, monkeypatch):
    monkeypatch.setattr(auto_augment.random, "random", lambda: 0.1 if sign == 1 else 0.9)
    paint = Paint(FILL, Image.Resampling.BICUBIC)
    for magnitude in (0.0, 0.7, 3.3, 5.0, 8.4321, 9.0, 9.9, 10.0):
        if name == "posterize" and magnitude == 10:
            continue  # 0 bits: Pillow's posterize, and so timm, refuses
        op = auto_augment.AugmentOp(
            TIMM_NAMES[name],
            prob=1.0,
            magnitude=magnitude,
            hparams={"img_mean": FILL, "interpolation": Image.Resampling.BICUBIC},
        )
        expected = op(picture())
        result = apply_operation(picture(), Draw(name, magnitude, sign), paint)
        assert np.array_equal(np.asarray(result), np.asarray(expected)), magnitude


def test_posterize_to_no_bits_is_black():
    result = apply_operation(picture(), Draw("posterize", 10.0, 1), Paint(FILL, Image.Resampling.BICUBIC))
    assert result.getextrema() == ((0, 0), (0, 0), (0, 0))


def test_draws_have_the_published_frequencies():
    torch.manual_seed(0)
    trials = 3000
    draws = [draw_operations(RandAugment()) for _ in range(trials)]
    lengths = Counter(map(len, draws))
    assert abs(lengths[1] / trials - 0.5) < 0.04 and abs(lengths[2] / trials - 0.25) < 0.04
    flat = [draw for drawn in draws for draw in drawn]
    counts = Counter(draw.operation for draw in flat)
    assert set(counts) == set(OPERATIONS)
    expected = len(flat) / 15
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 36  # chi-square, 14 dof, p = 0.001
    magnitudes = torch.tensor([draw.magnitude for draw in flat])
    assert abs(magnitudes.mean() - 9) < 0.05 and abs(magnitudes.std() - 0.5) < 0.05 and magnitudes.max() == 10
    assert abs(sum(draw.sign for draw in flat) / len(flat)) < 0.06
    assert any(drawn[0].operation == drawn[1].operation for drawn in draws if len(drawn) == 2)  # with replacement


def test_settings():
    torch.manual_seed(0)
    drawn = draw_operations(RandAugment(num_ops=4, magnitude=3, magnitude_std=0, probability=1))
    assert [draw.magnitude for draw in drawn] == [3] * 4
    assert draw_operations(RandAugment(num_ops=0)) == draw_operations(RandAugment(probability=0)) == []
    for wrong in ({"num_ops": -1}, {"probability": 1.5}, {"magnitude": 11}, {"magnitude_std": -1}):
        with pytest.raises(InputError, match="RandAugment with"):
            RandAugment(**wrong)
