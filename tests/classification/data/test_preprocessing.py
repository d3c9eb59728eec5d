"""Evaluation preprocessing against the official composition of torchvision transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from swinkit.classification.data import preprocessing
from swinkit.classification.data.preprocessing import EvalPreprocessing, eval_transform, published_preprocessing
from swinkit.errors import InputError


def noise(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def official(image_size: int, *, crop: bool) -> transforms.Compose:
    """data/build.py of the official code, written out, without its last step."""
    bicubic = transforms.InterpolationMode.BICUBIC
    if crop:
        size = int((256 / 224) * image_size)
        resize = [transforms.Resize(size, interpolation=bicubic), transforms.CenterCrop(image_size)]
    else:
        resize = [transforms.Resize((image_size, image_size), interpolation=bicubic)]
    return transforms.Compose([*resize, transforms.ToTensor()])


official_normalise = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(("image_size", "crop"), [(224, True), (384, True), (384, False), (192, True)])
@pytest.mark.parametrize("size", [(500, 375), (333, 500), (31, 47)])
def test_equals_the_official_evaluation(image_size, crop, size):
    image, preprocessing = noise(*size), published_preprocessing(image_size, crop=crop)
    result, expected = eval_transform(preprocessing)(image), official(image_size, crop=crop)(image)
    assert result.shape == (3, image_size, image_size) and result.dtype == torch.uint8
    assert torch.equal(result.float() / 255, expected)
    # On the scale 0..255, where we normalise, the mean is rounded another way than on the official 0..1.
    assert torch.allclose(preprocessing.normalisation()(result), official_normalise(expected), rtol=0, atol=1e-6)


def test_published_sizes():
    assert published_preprocessing(224) == EvalPreprocessing(224, shorter_side=256)
    assert published_preprocessing(384).shorter_side == 438
    assert published_preprocessing(384, crop=False).shorter_side is None


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 20000), (20000, 1)])
@pytest.mark.parametrize("shorter_side", [None, 256])
def test_tiny_and_extreme_images(size, shorter_side):
    result = eval_transform(EvalPreprocessing(shorter_side=shorter_side))(Image.new("RGB", size, (255, 0, 0)))
    assert result.shape == (3, 224, 224)
    assert (result[0] == 255).all() and not result[1:].any()


def test_extreme_images_are_not_resized_whole(monkeypatch):
    seen = []
    real = preprocessing.F.resize
    monkeypatch.setattr(preprocessing.F, "resize", lambda image, *rest: seen.append(image.size) or real(image, *rest))
    for size in ((1, 20000), (20000, 2), (16, 1)):
        eval_transform(EvalPreprocessing())(Image.new("RGB", size))
    assert seen == [(1, 16), (32, 2), (16, 1)]


def test_cutting_an_extreme_image_first_keeps_its_middle():
    image = noise(40, 40 * 17)
    result = eval_transform(EvalPreprocessing())(image)
    assert (result / 255 - official(224, crop=True)(image)).abs().mean() < 0.005


def test_oblong_size_other_interpolation_and_own_normalisation():
    oblong = EvalPreprocessing(
        (20, 30), shorter_side=30, interpolation="nearest", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    result = oblong.normalisation()(eval_transform(oblong)(noise(60, 90)))
    assert result.shape == (3, 20, 30)
    assert -1 <= result.min() < -0.5 and 0.5 < result.max() <= 1
    assert eval_transform(oblong).framed(noise(60, 90)).size == (30, 20)


def test_impossible_settings():
    with pytest.raises(InputError, match=r"shorter side of 200 pixels, too few to cut out 224; set shorter_side"):
        EvalPreprocessing(shorter_side=200)
    with pytest.raises(InputError, match="image size is 0 x 5"):
        EvalPreprocessing((0, 5))
    with pytest.raises(InputError, match=r"values in 0\.\.1"):
        EvalPreprocessing(mean=(123.7, 116.3, 103.5))
    with pytest.raises(InputError, match="std above 0"):
        EvalPreprocessing(std=(0.2, 0.0, 0.2))
