"""Whole detectors: any backbone, boxes alone, half precision, what comes back, and what is refused."""

from dataclasses import replace

import pytest
import torch
from small_detectors import (
    BACKBONE,
    BOTH,
    CLASSES,
    SIZES,
    SMALL_CASCADE,
    SMALL_MASK,
    detector,
    instances,
    losses_of,
    outputs_of,
    pictures,
    scene,
)
from torch import Tensor, nn

from swinkit import InputError
from swinkit.backbone.timm import TimmConfig
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.rpn import ProposalConfig

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


def test_an_image_is_found_alike_alone_and_in_a_batch():
    """Both images are padded to (64, 64)."""
    model = detector(replace(SMALL_CASCADE, **LOW)).eval()
    together = model.postprocess(outputs_of(model), SIZES)
    for number, image in enumerate(pictures()):
        (alone,) = model.postprocess(outputs_of(model, images=[image]), [SIZES[number]])
        torch.testing.assert_close(alone.scores, together[number].scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BOTH)
def test_padding_is_not_seen(name):
    """Whatever lies beyond the images in the batch."""
    model = detector(BOTH[name]).eval()
    batch = torch.zeros(2, 3, 64, 64)
    for number, (image, (height, width)) in enumerate(zip(pictures(), SIZES, strict=True)):
        batch[number] = 255.0 * number
        batch[number, :, :height, :width] = image
    for one, other in zip(model(batch, SIZES).maps, outputs_of(model).maps, strict=True):
        assert torch.equal(one, other)


def test_targets_decide_how_many_proposals_there_are():
    rpn = replace(SMALL_MASK.rpn, training=ProposalConfig(post_nms=9), inference=ProposalConfig(post_nms=4))
    model = detector(replace(SMALL_MASK, rpn=rpn))
    assert [len(each) for each in outputs_of(model, scene()).proposals] == [9, 9]
    assert [len(each) for each in outputs_of(model).proposals] == [4, 4]


@pytest.mark.parametrize("name", BOTH)
def test_boxes_alone(name):
    model = detector(replace(BOTH[name], **LOW, masks=False))
    assert not model.has_masks and not any("mask" in key for key in model.state_dict())
    losses = losses_of(model, [each._replace(masks=None) for each in scene()])
    assert not any("mask" in key for key in losses)
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert losses_of(model, scene()).keys() == losses.keys()  # masks that are there do no harm
    found = model.eval().postprocess(outputs_of(model), SIZES)
    assert [each.masks for each in found] == [None, None] and len(found[0].boxes) == 20


@pytest.mark.parametrize("name", BOTH)
def test_bf16_autocast(name):
    """Losses in float32, near those of full precision; gradients for everything; detections too."""
    model = detector(replace(BOTH[name], **LOW)).eval()
    torch.manual_seed(0)
    full = losses_of(model, scene())
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(model, scene())
        found = model.postprocess(outputs_of(model), SIZES)
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
    model = replace(SMALL_CASCADE, extra_levels=extra).build(Steps(*strides), CLASSES)
    outputs = outputs_of(model, scene())
    assert len(outputs.maps) == len(strides) + extra == len(model.rpn_head.strides)
    assert model.rpn_head.strides[len(strides) :] == tuple(strides[-1] * 2 ** (k + 1) for k in range(extra))
    sum(model.losses(outputs, scene()).values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().postprocess(outputs_of(model), SIZES)


def test_strides_of_32_at_sizes_that_do_not_divide():
    """Maps of a Swin whose odd sides are padded: 40 pixels make 10, 5 and 3 cells."""
    torch.manual_seed(0)
    model = SMALL_MASK.build(replace(BACKBONE, depths=(1, 1, 1), num_heads=(1, 1, 2)).build(), CLASSES)
    targets = [instances((40, 72), [[3, 3, 20, 30]], [1])]
    losses = model.losses(model(torch.rand(1, 3, 40, 72) * 255, [(40, 72)], targets), targets)
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_a_timm_backbone():
    model = SMALL_MASK.build(TimmConfig("resnet18", levels=(8, 16)).build(), CLASSES)
    sum(losses_of(model, scene()).values()).backward()
    heads = [each for name, each in model.named_parameters() if not name.startswith("backbone.")]
    assert all(each.grad is not None for each in heads) and model.backbone.model.conv1.weight.grad.any()


def test_what_cannot_be_learned_from_is_one_sentence():
    model, (first, second) = detector(), scene()
    cases = {
        "there are 2 images, but instances of 1": [first],
        "labels run from 0 to 3, but 3 classes are numbered 0 to 2": [
            first._replace(labels=torch.tensor([0, 3, 1])),
            second,
        ],
        "labels run from -1 to": [first._replace(labels=torch.tensor([0, -1, 1])), second],
        "should be (N, 50, 64), not (3, 50, 60)": [first._replace(masks=first.masks[:, :, :60]), second],
        "should be (N, 61, 40), not None": [first, second._replace(masks=None)],
        "the boxes of image 1 of the batch should be (1, 4)": [first, second._replace(boxes=second.boxes[0])],
        "box [8.0, 20.0, 8.0, 55.0] of image 1": [first, second._replace(boxes=torch.tensor([[8.0, 20, 8, 55]]))],
        "of image 0 of the batch has no area": [first._replace(boxes=first.boxes.flip(1)), second],
        "box [nan, ": [first._replace(boxes=first.boxes * torch.nan), second],
    }
    for sentence, targets in cases.items():
        with pytest.raises(InputError) as error:
            outputs_of(model, targets)
        assert sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [MaskRCNN, CascadeMaskRCNN])
@pytest.mark.parametrize("values", [{"channels": 0}, {"shared_fcs": 0}, {"stages": ()}, {"mask_convs": -1}])
def test_bad_configurations(kind, values):
    with pytest.raises(InputError, match="at least 1"):
        kind(**values)


def test_mask_rcnn_has_one_stage_and_any_detector_a_class():
    with pytest.raises(InputError, match="one stage, not 3; CascadeMaskRCNN has several"):
        MaskRCNN(stages=CascadeMaskRCNN().stages)
    with pytest.raises(InputError, match="at least one class, not 0"):
        SMALL_MASK.build(BACKBONE.build(), 0)


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
        loss = sum(losses_of(model, scene(), images=images).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    assert sum(curve[-5:]) / 5 < curve[0] / 2
