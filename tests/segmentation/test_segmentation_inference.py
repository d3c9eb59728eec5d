"""Whole images, sliding windows, scales and flips equal the published rules written out plainly."""

from dataclasses import replace

import pytest
import torch
from small_segmentation import picture, segmentor
from torch import Tensor
from torch.nn import functional as F

from swinkit import InputError
from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.segmentation.inference import (
    MULTI_SCALE,
    WHOLE,
    InferenceSettings,
    class_probabilities,
    predict_classes,
    sliding_bands,
    window_starts,
)
from swinkit.segmentation.model import UperNet
from swinkit.structures import Views


def classes_of(model: UperNet, image: Tensor, settings: InferenceSettings = WHOLE) -> Tensor:
    return predict_classes(model, image[None], settings)[0]


def probabilities_of(model: UperNet, image: Tensor, settings: InferenceSettings = WHOLE) -> Tensor:
    return class_probabilities(model, image[None], settings)[0]


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x[None], size, mode="bilinear", align_corners=False)[0]


@torch.no_grad()
def whole_logits(model: UperNet, image: Tensor) -> Tensor:
    return resized(model(image[None]).head[0], tuple(image.shape[1:]))


@torch.no_grad()
def slid_logits(model: UperNet, image: Tensor, crop: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """mmsegmentation's loop over windows."""
    height, width = image.shape[1:]
    total, count = torch.zeros(model.num_classes, height, width), torch.zeros(height, width)
    for row in range(max(height - crop[0] + stride[0] - 1, 0) // stride[0] + 1):
        for column in range(max(width - crop[1] + stride[1] - 1, 0) // stride[1] + 1):
            bottom, right = min(row * stride[0] + crop[0], height), min(column * stride[1] + crop[1], width)
            top, left = max(bottom - crop[0], 0), max(right - crop[1], 0)
            total[:, top:bottom, left:right] += whole_logits(model, image[:, top:bottom, left:right])
            count[top:bottom, left:right] += 1
    assert count.min() > 0
    return total / count


@torch.no_grad()
def averaged(model: UperNet, image: Tensor, scales: tuple[float, ...]) -> Tensor:
    """The published code's aug_test: softmax at the original size, flipped back, averaged."""
    size = (image.shape[1], image.shape[2])
    total = torch.zeros(model.num_classes, *size)
    for scale in scales:
        target = (int(size[0] * scale + 0.5), int(size[1] * scale + 0.5))
        shown = resized_image(image, target)
        total += resized(whole_logits(model, shown), size).softmax(0)
        total += resized(whole_logits(model, shown.flip(2)), size).softmax(0).flip(2)
    return total / (2 * len(scales))


SLIDING = [
    ((70, 90), (32, 32), (21, 21)),
    ((70, 90), (32, 48), (32, 48)),
    ((64, 64), (32, 32), (32, 32)),
    ((20, 90), (32, 32), (16, 16)),
    ((20, 17), (32, 32), (16, 16)),
    ((1, 50), (16, 16), (8, 8)),
    ((33, 65), (32, 32), (1, 31)),
]


@pytest.mark.parametrize(("size", "crop", "stride"), SLIDING)
@pytest.mark.parametrize("at_once", [1, 3])
def test_sliding_windows(size: tuple[int, int], crop: tuple[int, int], stride: tuple[int, int], at_once: int) -> None:
    if stride[0] == 1:
        crop, stride = (32, 32), (16, 31)
    model, image = segmentor(), picture(3, *size)
    settings = InferenceSettings(crop=crop, stride=stride, windows_at_once=at_once)
    expected = slid_logits(model, image, crop, stride)
    with torch.no_grad():
        logits = torch.cat(list(sliding_bands(model, image[None], settings)), 2)[0]
    assert torch.allclose(logits, expected, atol=1e-4)
    assert (classes_of(model, image, settings) != expected.argmax(0)).float().mean() < 1e-3
    assert torch.allclose(probabilities_of(model, image, settings), expected.softmax(0), atol=1e-4)


@pytest.mark.parametrize("size", [(64, 96), (75, 41), (1, 60)])
def test_whole_images(size: tuple[int, int]) -> None:
    model, image = segmentor(), picture(3, *size)
    expected = whole_logits(model, image)
    assert (classes_of(model, image) != expected.argmax(0)).float().mean() < 1e-3
    assert torch.allclose(probabilities_of(model, image), expected.softmax(0), atol=1e-4)


def test_scales_and_flips_are_averaged_at_the_original_size() -> None:
    model, image = segmentor(), picture(3, 50, 70)
    settings = InferenceSettings(scales=MULTI_SCALE, flip=True)
    expected = averaged(model, image, MULTI_SCALE)
    assert torch.allclose(probabilities_of(model, image, settings), expected, atol=1e-4)
    assert (classes_of(model, image, settings) != expected.argmax(0)).float().mean() < 1e-3


def test_scales_of_sliding_windows() -> None:
    model, image = segmentor(), picture(3, 40, 50)
    settings = InferenceSettings(scales=(1.5,), crop=(32, 32), stride=(20, 20))
    shown = resized_image(image, (60, 75))
    expected = resized(slid_logits(model, shown, (32, 32), (20, 20)), (40, 50))
    assert torch.allclose(probabilities_of(model, image, settings), expected.softmax(0), atol=1e-4)


def test_a_resized_image_is_painted_at_its_own_size() -> None:
    model, image = segmentor(), picture(3, 60, 30)
    settings = InferenceSettings(resize=(48, 192))
    expected = resized(whole_logits(model, resized_image(image, (96, 48))), (60, 30))
    assert torch.allclose(probabilities_of(model, image, settings), expected.softmax(0), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "scale", "limits", "expected"),
    [
        ((683, 512), 1.0, (512, 2048), (683, 512)),
        ((1600, 1200), 1.0, (512, 2048), (683, 512)),
        ((100, 1000), 1.0, (512, 2048), (205, 2048)),
        ((512, 683), 1.75, (2048, 512), (896, 1195)),
        ((512, 683), 0.5, None, (256, 342)),
        ((1, 1), 0.5, None, (1, 1)),
        ((1, 4000), 0.5, (512, 2048), (1, 1024)),
    ],
)
def test_sizes_are_rounded_as_published(
    size: tuple[int, int], scale: float, limits: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    assert resized_shape(*size, scale, limits) == expected


@pytest.mark.parametrize(
    ("length", "crop", "step", "starts"),
    [(100, 40, 30, [0, 30, 60]), (101, 40, 30, [0, 30, 60, 61]), (40, 40, 30, [0]), (7, 40, 30, [0])],
)
def test_window_positions(length: int, crop: int, step: int, starts: list[int]) -> None:
    assert window_starts(length, crop, step) == starts


@pytest.mark.parametrize(
    "settings", [WHOLE, InferenceSettings(resize=(48, 192), scales=(1.0, 0.5), flip=True, crop=(32, 32))]
)
def test_a_batch_gives_what_its_images_give(settings: InferenceSettings) -> None:
    model, images = segmentor(), picture(3, 3, 40, 54)
    together = class_probabilities(model, images, settings)
    for image, probabilities in zip(images, together, strict=True):
        assert torch.allclose(probabilities, probabilities_of(model, image, settings), atol=1e-3)
    assert (predict_classes(model, images, settings) != together.argmax(1)).float().mean() < 1e-3


def test_the_model_and_the_image_stay_as_they_were() -> None:
    model, image = segmentor(), picture(3, 40, 40).float()
    state, copy = {name: t.clone() for name, t in model.state_dict().items()}, image.clone()
    classes_of(model, image, InferenceSettings(scales=(1.0, 0.5), flip=True, crop=(32, 32)))
    assert torch.equal(image, copy)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": (0, 4)}, "above 0"),
        ({"scales": ()}, "above 0"),
        ({"scales": (1.0, -1.0)}, "above 0"),
        ({"stride": (4, 4)}, "needs a crop"),
        ({"crop": (8, 8), "stride": (8, 9)}, "leave gaps"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        InferenceSettings(**settings)


def test_a_model_of_half_precision_gives_float32_probabilities() -> None:
    model, image = segmentor(), picture(3, 40, 40)
    expected = probabilities_of(model, image)
    probabilities = probabilities_of(model.bfloat16(), image, InferenceSettings(crop=(40, 40)))
    assert probabilities.dtype == torch.float32
    assert (probabilities - expected).abs().mean() < 0.02


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(InputError, match=r"model.eval\(\)"):
        classes_of(segmentor().train(), picture(3, 32, 32))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (32, 32), (1, 3, 0, 32)])
def test_what_is_no_rgb_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"should be RGB \(B, 3, H, W\)"):
        class_probabilities(segmentor(), torch.zeros(shape))


def test_views_are_scales_in_pixels_and_mirrored_images() -> None:
    model, image = segmentor(), picture(3, 50, 70)
    resize = InferenceSettings(resize=(40, 160))
    several = class_probabilities(model, image[None], resize, Views(scales=(20, 60), flip=True))[0]
    same = replace(resize, scales=(0.5, 1.5), flip=True)  # of 40
    assert torch.allclose(several, probabilities_of(model, image, same), atol=1e-6)
    kept = class_probabilities(model, image[None], WHOLE, Views(scales=(25, 75), flip=True))[0]
    assert torch.allclose(kept, averaged(model, image, (0.5, 1.5)), atol=1e-4)
    (one,) = WHOLE.ways(Views(scales=(25,), longest_side=30))
    assert one == ((25, 30), 1.0, False)
    assert torch.equal(predict_classes(model, image[None], WHOLE, Views()), predict_classes(model, image[None]))
    windows = InferenceSettings(crop=(32, 32))
    slid = class_probabilities(model, image[None], windows, Views(scales=(75,)))[0]
    assert torch.allclose(slid, probabilities_of(model, image, replace(windows, scales=(1.5,))), atol=1e-6)
    with pytest.raises(InputError, match="a longest side needs scales"):
        predict_classes(model, image[None], WHOLE, Views(longest_side=60))
