"""Mixup, CutMix and label smoothing against timm, given the same draws."""

import numpy as np
import pytest
import torch
from timm.data import mixup as timm_mixup

from swinkit.classification.data.mixing import (
    Box,
    Mix,
    Mixing,
    cut,
    draw_mix,
    mix,
    mix_images,
    mix_targets,
    smooth_targets,
)
from swinkit.errors import InputError
from swinkit.training.data.seeding import derived_generator


def batch(size=6, height=12, width=10):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, 3, height, width, generator=generator)
    return images, torch.randint(7, (size,), generator=generator)


def timms(images, labels, *, lam, use_cutmix, smoothing=0.1):
    peer = timm_mixup.Mixup(0.8, 1.0, label_smoothing=smoothing, num_classes=7)
    peer._params_per_batch = lambda: (lam, use_cutmix)
    return peer(images.clone(), labels)


@pytest.mark.parametrize("own", [0.0, 0.123, 0.5, 0.9, 1.0])
def test_mixup_equals_timms(own):
    images, labels = batch()
    expected = timms(images, labels, lam=own, use_cutmix=False)
    targets = smooth_targets(labels, num_classes=7, smoothing=0.1)
    assert torch.equal(mix_images(images, Mix(own, None)), expected[0])
    assert torch.equal(mix_targets(targets, Mix(own, None)), expected[1])


@pytest.mark.parametrize("own", [0.0, 0.05, 0.37, 0.8, 0.999])
@pytest.mark.parametrize("centre", [(0, 0), (6, 5), (11, 9), (2, 8)])
def test_cutmix_equals_timms(own, centre, monkeypatch):
    images, labels = batch()
    draws = iter(centre)
    monkeypatch.setattr(timm_mixup.np.random, "randint", lambda *bounds, size=None: next(draws))
    expected = timms(images, labels, lam=own, use_cutmix=True)
    drawn = cut(own, centre, (12, 10))
    targets = smooth_targets(labels, num_classes=7, smoothing=0.1)
    assert torch.equal(mix_images(images, drawn), expected[0])
    assert torch.allclose(mix_targets(targets, drawn), expected[1], atol=1e-7)


def test_smoothing_equals_timms():
    labels = torch.tensor([0, 6, 3])
    for smoothing in (0.0, 0.1):
        expected = timm_mixup.mixup_target(labels, 7, 1.0, smoothing)
        assert torch.equal(smooth_targets(labels, num_classes=7, smoothing=smoothing), expected)


def test_the_box_is_clipped_and_the_share_corrected():
    assert cut(0.75, (5, 5), (10, 10)) == Mix(0.75, Box(3, 8, 3, 8))
    assert cut(0.75, (0, 9), (10, 10)) == Mix(1 - 3 * 3 / 100, Box(0, 3, 7, 10))


def test_mix_draws_repeatably_and_leaves_its_input_alone():
    images, labels = batch()
    kept = images.clone()
    seen = set()
    for step in range(20):
        first, again = (
            mix(images, labels, num_classes=7, mixing=Mixing(), generator=derived_generator("mixing", 0, step))
            for _ in range(2)
        )
        assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
        assert torch.allclose(first[1].sum(1), torch.ones(6)) and first[1].dtype == torch.float32
        seen.add(first[0][0].sum().item())
    assert len(seen) > 15 and torch.equal(images, kept)


def test_targets_say_how_much_of_each_image_is_there():
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 16, 16)
    labels = torch.arange(4)
    values = torch.arange(4.0)
    for step in range(30):
        generator = derived_generator("mixing", step)
        mixed, targets = mix(images, labels, num_classes=4, mixing=Mixing(label_smoothing=0), generator=generator)
        assert torch.allclose(mixed.mean((1, 2, 3)), targets @ values, atol=1e-5)


def test_draws_have_the_published_frequencies():
    generator = torch.Generator().manual_seed(0)
    draws = [draw_mix(Mixing(), (224, 224), generator=generator) for _ in range(2000)]
    assert all(0 <= drawn.own <= 1 for drawn in draws)
    assert abs(np.mean([drawn.box is not None for drawn in draws]) - 0.5) < 0.04
    own = np.array([drawn.own for drawn in draws if drawn.box is None])
    assert abs(own.mean() - 0.5) < 0.04
    assert abs(own.var() - 1 / (4 * (2 * 0.8 + 1))) < 0.01  # variance of Beta(a, a)
    half = [draw_mix(Mixing(probability=0.5), (8, 8), generator=generator) for _ in range(1000)]
    assert abs(np.mean([drawn == Mix(1.0, None) for drawn in half]) - 0.5) < 0.06


def test_each_kind_can_be_off():
    generator = torch.Generator().manual_seed(0)
    assert all(draw_mix(Mixing(cutmix_alpha=0), (8, 8), generator=generator).box is None for _ in range(30))
    assert all(draw_mix(Mixing(mixup_alpha=0), (8, 8), generator=generator).box is not None for _ in range(30))
    images, labels = batch(5)
    off = Mixing(mixup_alpha=0, cutmix_alpha=0)
    same, targets = mix(images, labels, num_classes=7, mixing=off, generator=generator)
    assert torch.equal(same, images)
    assert torch.equal(targets, smooth_targets(labels, num_classes=7, smoothing=0.1))


def test_odd_batch_and_half_precision():
    images, labels = batch(5)
    for step in range(6):
        mixed, targets = mix(
            images.bfloat16(), labels, num_classes=7, mixing=Mixing(), generator=derived_generator("mixing", step)
        )
        assert mixed.dtype == torch.bfloat16 and targets.shape == (5, 7)


@pytest.mark.parametrize("wrong", [{"probability": 2}, {"mixup_alpha": -1}, {"label_smoothing": 1.1}])
def test_impossible_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Mixing(**wrong)
