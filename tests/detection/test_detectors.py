"""Whole detectors: any backbone, boxes alone, half precision, what comes back, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from small_detectors import (
    BACKBONE,
    BOTH,
    CLASSES,
    SIZES,
    TINY_CASCADE,
    TINY_MASK,
    detector,
    objects,
    outputs_of,
    pictures,
    scene,
)
from swinkit.detection.fpn import FPN
from torch import Tensor, nn

from swinkit import InputError
from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.detection.config import DetectorConfig
from swinkit.detection.model import RCNN
from swinkit.ops.normalization import normalised_batch

LOW = {"score_threshold": 0.0, "detections": 20}


@pytest.mark.parametrize("name", BOTH)
def test_detections_are_in_the_original_image_s_pixels(name):
    model = detector(replace(BOTH[name], **LOW)).eval()
    outputs = outputs_of(model)
    shown = model.postprocess(outputs, SIZES)
    twice = model.postprocess(outputs, [(2 * h, 3 * w) for h, w in SIZES])
    for one, other, (height, width) in zip(shown, twice, SIZES, strict=True):
        assert len(one.boxes) == 20 and one.size == (height, width) and other.size == (2 * height, 3 * width)
        torch.testing.assert_close(other.boxes, one.boxes * torch.tensor([3.0, 2, 3, 2]))
        assert torch.equal(one.masks, other.masks) and one.masks.shape == (20, 8, 8)
        assert (one.scores.diff() <= 0).all() and one.labels.dtype == torch.int64
        assert one.boxes.min() >= 0 and one.boxes[:, 2].max() <= width and one.boxes[:, 3].max() <= height
    given = model.postprocess(outputs, SIZES, scales=[(0.5, 0.25)] * 2)
    torch.testing.assert_close(given[0].boxes, shown[0].boxes * torch.tensor([2.0, 4, 2, 4]))


def test_an_image_is_found_alike_alone_and_in_a_batch_of_its_own_padding():
    """Both images are padded to (64, 64)."""
    model = detector(replace(TINY_CASCADE, **LOW)).eval()
    together = model.postprocess(outputs_of(model), SIZES)
    for number, image in enumerate(pictures()):
        (alone,) = model.postprocess(outputs_of(model, [image]), [SIZES[number]])
        if image.shape[2] > 32:  # alone it is padded to a multiple of 32
            torch.testing.assert_close(alone.scores, together[number].scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BOTH)
def test_boxes_alone(name):
    model = detector(replace(BOTH[name], **LOW), has_masks=False)
    assert model.roi_head.mask_head is None and not any("mask" in key for key in model.state_dict())
    targets = [each._replace(masks=None) for each in scene()]
    losses = model.losses(outputs_of(model), targets)
    assert not any("mask" in key for key in losses)
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    found = model.eval().postprocess(outputs_of(model), SIZES)
    assert [each.masks for each in found] == [None, None] and len(found[0].boxes) == 20
    with_masks = model.losses(outputs_of(model), scene())  # masks that are there do no harm
    assert with_masks.keys() == losses.keys()


@pytest.mark.parametrize("name", BOTH)
def test_bf16_autocast(name):
    """Losses in float32, near those of full precision; gradients for everything; detections too."""
    model = detector(replace(BOTH[name], **LOW)).eval()
    torch.manual_seed(0)
    full = model.losses(outputs_of(model), scene())
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = outputs_of(model)
        losses = model.losses(outputs, scene())
        found = model.postprocess(outputs, SIZES)
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    total, exact = (sum(each.values()).item() for each in (losses, full))
    assert total == pytest.approx(exact, rel=0.1)
    sum(losses.values()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert all(each.boxes.dtype == each.scores.dtype == each.masks.dtype == torch.float32 for each in found)


class Steps(nn.Module):
    """A backbone of one convolution for each stride."""

    def __init__(self, *strides: int) -> None:
        super().__init__()
        self.strides = strides
        self.channels = tuple(4 + stride for stride in strides)
        self.convs = nn.ModuleList(nn.Conv2d(3, c, s, stride=s) for c, s in zip(self.channels, strides, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [convolve(images) for convolve in self.convs]


@pytest.mark.parametrize("strides", [(8,), (4, 8, 16, 32, 64), (2, 4), (8, 16, 32)])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_any_levels_and_strides(strides, extra):
    if extra == 2 and strides[-1] >= 32:
        extra = 1
    torch.manual_seed(0)
    model = RCNN(Steps(*strides), replace(TINY_CASCADE, extra_levels=extra), num_classes=CLASSES)
    outputs = outputs_of(model)
    assert len(outputs.maps) == len(strides) + extra == len(model.rpn_head.strides)
    assert model.rpn_head.strides[len(strides) :] == tuple(strides[-1] * 2 ** (k + 1) for k in range(extra))
    losses = model.losses(outputs, scene())
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().postprocess(outputs_of(model), SIZES)


def test_strides_of_32_at_sizes_that_do_not_divide():
    """Maps of a Swin whose odd sides are padded: 40 pixels make 10, 5 and 3 cells."""
    torch.manual_seed(0)
    config = replace(BACKBONE, depths=(1, 1, 1), num_heads=(1, 1, 2))
    model = RCNN(SwinTransformer(config), TINY_MASK, num_classes=CLASSES)
    images = torch.randn(1, 3, 40, 72)
    losses = model.losses(model(images, [(40, 72)]), [objects((40, 72), [[3, 3, 20, 30]], [1])])
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_a_timm_backbone():
    model = RCNN(TimmFeatures("resnet18", levels=(8, 16)), TINY_MASK, num_classes=CLASSES)
    losses = model.losses(outputs_of(model), scene())
    sum(losses.values()).backward()
    used = [
        parameter.grad is not None for key, parameter in model.named_parameters() if not key.startswith("backbone.")
    ]
    assert all(used) and model.backbone.model.conv1.weight.grad.any()
    again = RCNN.from_description(model.description())
    assert again.state_dict().keys() == model.state_dict().keys() and again.backbone.strides == (8, 16)


@pytest.mark.parametrize("config", [*BOTH.values(), replace(TINY_MASK, class_agnostic=True), DetectorConfig()])
@pytest.mark.parametrize("has_masks", [True, False])
def test_description_round_trip(config, has_masks):
    small = replace(config, channels=8, fc_channels=12)
    model = detector(small, has_masks=has_masks)
    again = RCNN.from_description(json.loads(json.dumps(model.description())))
    assert again.config == small and again.num_classes == CLASSES and again.has_masks == has_masks
    again.load_state_dict(model.state_dict(), strict=True)
    model.eval(), again.eval()
    images = normalised_batch(pictures())
    assert torch.equal(model(images, SIZES).rpn.objectness[0], again(images, SIZES).rpn.objectness[0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "segmentation"}, "this is a segmentation model, not a detector"),
        ({"detector": {"chanels": 3}}, "damaged or from another version (DetectorConfig has no chanels)"),
        ({"detector": None}, "damaged or from another version"),
        ({"num_classes": "many"}, "damaged or from another version"),
    ],
)
def test_a_damaged_description_is_one_sentence(change, sentence):
    with pytest.raises(InputError) as error:
        RCNN.from_description(detector().description() | change)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_what_cannot_be_learned_from_is_one_sentence():
    model = detector()
    outputs = outputs_of(model)
    first, second = scene()
    cases = {
        "there are 2 images, but objects of 1": [first],
        "labels run from 0 to 3, but 3 classes are numbered 0 to 2": [
            first._replace(labels=torch.tensor([0, 3, 1])),
            second,
        ],
        "labels run from -1 to": [first._replace(labels=torch.tensor([0, -1, 1])), second],
        "should be (N, 50, 64), not (3, 50, 60)": [first._replace(masks=first.masks[:, :, :60]), second],
        "should be (N, 61, 40), not None": [first, second._replace(masks=None)],
    }
    for sentence, targets in cases.items():
        with pytest.raises(InputError) as error:
            model.losses(outputs, targets)
        assert sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"channels": 0}, "at least 1"),
        ({"shared_fcs": 0}, "at least 1"),
        ({"stages": ()}, "at least 1"),
        ({"stages": TINY_CASCADE.stages}, "set is_cascade"),
    ],
)
def test_bad_configurations(values, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(DetectorConfig(), **values)


def test_no_class():
    with pytest.raises(InputError, match="at least one class, not 0"):
        RCNN(SwinTransformer(BACKBONE), TINY_MASK, num_classes=0)


def test_a_pyramid_adds_the_coarser_map_and_skips_cells():
    torch.manual_seed(0)
    neck = FPN((2, 3), 4, extra_levels=2)
    fine, coarse = torch.randn(1, 2, 7, 9), torch.randn(1, 3, 4, 5)
    maps = neck([fine, coarse])
    assert [tuple(x.shape[2:]) for x in maps] == [(7, 9), (4, 5), (2, 3), (1, 2)]
    assert torch.equal(maps[2], maps[1][:, :, ::2, ::2])
    lateral = neck.lateral_convs[1](coarse)
    rows, columns = torch.arange(7) * 4 // 7, torch.arange(9) * 5 // 9
    merged = neck.lateral_convs[0](fine) + lateral[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(maps[0], neck.fpn_convs[0](merged))


def test_training_learns_a_scene():
    """Forty steps on two images with rectangles."""
    model = detector()
    images = [torch.full((3, *size), 120, dtype=torch.uint8) for size in SIZES]
    for image, each in zip(images, scene(), strict=True):
        for label, mask in zip(each.labels.tolist(), each.masks, strict=True):
            image[label][mask] = 250
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    curve = []
    for _ in range(40):
        loss = sum(model.losses(outputs_of(model, images), scene()).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    assert sum(curve[-5:]) / 5 < curve[0] / 2
