"""HTC: exact sizes, what each of its parts changes, and data without semantic maps.

That values, losses and gradients equal the original's is in tests/parity/test_detection_goldens.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_detectors import CLASSES, SIZES, losses_of, nothing, outputs_of, scene, small
from torch import Tensor
from torch.nn import functional as F

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_B, SWIN_L, SWIN_T
from swinkit.detection.architectures import recognise_detector
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.htc import HTC, HTCDetector
from swinkit.detection.semantic_head import semantic_loss
from swinkit.errors import InputError
from swinkit.layers.global_attention import GlobalAttention
from swinkit.recipes.coco_htc import HTC_PLUS_PLUS
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import Instances

BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(64, 64))
SEMANTIC = 5
SMALL = small(HTC(semantic_classes=SEMANTIC, semantic_convs=1))
assert isinstance(SMALL, HTC)


def detector(**values: object) -> HTCDetector:
    torch.manual_seed(0)
    model = replace(SMALL, **values).build(BACKBONE.build(), CLASSES)  # type: ignore[arg-type]  # any field
    assert isinstance(model, HTCDetector)
    return model


def with_maps(targets: list[Instances]) -> list[Instances]:
    draw = torch.Generator().manual_seed(3)
    maps = [torch.randint(0, SEMANTIC, size, dtype=torch.uint8, generator=draw) for size in SIZES]
    return [each._replace(semantic=semantic) for each, semantic in zip(targets, maps, strict=True)]


@pytest.mark.parametrize(
    ("config", "backbone", "parameters"),
    [
        (HTC(), TimmConfig("resnet50"), 80_258_293),
        (HTC(), SWIN_T, 83_656_559),
        (HTC(semantic_classes=0), TimmConfig("resnet50"), 77_456_190),
        (HTC_PLUS_PLUS, replace(SWIN_B, global_block=True), 159_532_141),
        (HTC_PLUS_PLUS, replace(SWIN_L, global_block=True), 283_766_345),
        (HTC_PLUS_PLUS, SWIN_B, 146_935_917),
    ],
)
def test_exact_totals(config: HTC, backbone: SwinConfig | TimmConfig, parameters: int) -> None:
    with torch.device("meta"):
        model = config.build(backbone.build(), 80)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize("targets", [scene(), nothing()], ids=["some", "none"])
def test_losses_and_gradients_are_finite(targets: list[Instances]) -> None:
    model = detector()
    losses = losses_of(model, with_maps(targets))
    assert {"loss_semantic_seg", "s0.loss_mask", "s2.loss_bbox"} < set(losses)
    sum(losses.values(), torch.zeros(())).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_masks_of_a_later_stage_teach_the_earlier_heads() -> None:
    """Mask information flows, and gradients flow back with it; without the flow they do not."""
    for flow in (True, False):
        model = detector(mask_flow=flow)
        losses_of(model, with_maps(scene()))["s2.loss_mask"].backward()
        first = model.roi_head.mask_head[0].convs[0].conv.weight.grad
        assert (first is not None and bool(first.any())) == flow


def test_interleaved_masks_are_learned_on_boxes_that_the_same_stage_corrected() -> None:
    targets = with_maps(scene())
    for interleaved in (True, False):
        stage = outputs_of(detector(interleaved=interleaved), targets).stages[0]
        assert stage.samples is not None and stage.mask_samples is not None
        read, masked = stage.samples[0].boxes, stage.mask_samples[0].boxes
        moved = read.shape != masked.shape or not torch.equal(read, masked)
        assert moved == interleaved
        assert stage.mask_samples[0].are_gt.sum() == len(targets[0].boxes)  # added again


def test_masks_are_the_mean_of_the_stages_or_the_last() -> None:
    model = detector(score_threshold=0.0).eval()
    outputs = outputs_of(model)
    (mean, *_), logits = model.postprocess(outputs, SIZES), [stage.masks for stage in outputs.stages]
    model.config = replace(model.config, mask_ensemble="last")
    (last, *_) = model.postprocess(outputs, SIZES)
    assert mean.masks is not None and last.masks is not None
    count, rows = len(mean.labels), torch.arange(len(mean.labels))
    own = torch.stack([each[:count][rows, mean.labels].sigmoid() for each in logits if each is not None])
    torch.testing.assert_close(mean.masks, own.mean(0))
    torch.testing.assert_close(last.masks, own[2])
    assert not torch.allclose(mean.masks, last.masks, atol=1e-4)


def test_semantic_features_are_added_to_all_that_is_read() -> None:
    model = detector(score_threshold=0.0).eval()
    before = outputs_of(model)
    model.roi_head.semantic_head.conv_embedding.conv.bias.data += 5.0
    after = outputs_of(model)
    assert not torch.allclose(before.stages[0].box_outputs.logits, after.stages[0].box_outputs.logits, atol=1e-4)
    masks = model.roi_head.mask_logits
    boxes = [torch.tensor([[4.0, 4, 30, 30]]), torch.zeros(0, 4)]
    with_features = masks(model.roi_head.readable(after.maps), boxes)[0]
    model.roi_head.semantic_head.conv_embedding.conv.bias.data -= 5.0
    assert not torch.allclose(with_features, masks(model.roi_head.readable(after.maps), boxes)[0], atol=1e-4)


def by_hand(logits: Tensor, targets: list[Instances], padding: int, over: str) -> Tensor:
    total, count = torch.zeros(()), 0
    for image, target in enumerate(targets):
        for row in range(logits.shape[2]):
            for column in range(logits.shape[3]):
                y, x = 8 * row, 8 * column
                assert target.semantic is not None
                inside = y < target.semantic.shape[0] and x < target.semantic.shape[1]
                label = int(target.semantic[y, x]) if inside else padding
                if label != 255:
                    total = total - logits[image, :, row, column].log_softmax(0)[label]
                count += label != 255 or over == "all"
    return total / count


@pytest.mark.parametrize("mean", ["valid", "all"])
@pytest.mark.parametrize("padding", [255, 0])
def test_semantic_loss_by_hand(mean: str, padding: int) -> None:
    targets = with_maps(scene())
    assert targets[0].semantic is not None
    targets[0].semantic[8:24, :] = 255
    torch.manual_seed(0)
    logits = torch.randn(2, SEMANTIC, 8, 8)
    found = semantic_loss(logits, targets, stride=8, padding=padding, mean=mean)  # type: ignore[arg-type]  # a Literal
    torch.testing.assert_close(found, by_hand(logits, targets, padding, mean))


def test_all_ignored_is_no_loss() -> None:
    targets = [
        each._replace(semantic=torch.full(size, 255, dtype=torch.uint8))
        for each, size in zip(scene(), SIZES, strict=True)
    ]
    logits = torch.randn(2, SEMANTIC, 8, 8, requires_grad=True)
    loss = semantic_loss(logits, targets, stride=8)
    loss.backward()
    assert loss == 0 and logits.grad is not None and not logits.grad.any()


def test_without_a_map_it_says_how_to_do_without() -> None:
    with pytest.raises(InputError, match=r"image 0 of the batch, which has no semantic map; semantic_classes=0"):
        losses_of(detector(), scene())
    targets = with_maps(scene())
    targets[1] = targets[1]._replace(semantic=targets[1].semantic[:, 1:])
    with pytest.raises(InputError, match=r"of \(61, 40\) pixels of image 1 .* one of \(61, 39\) pixels"):
        losses_of(detector(), targets)
    assert "loss_semantic_seg" not in losses_of(detector(semantic_classes=0), scene())


def test_a_backbone_of_one_level_has_no_place_for_the_branch() -> None:
    with pytest.raises(InputError, match="semantic_classes=0"):
        SMALL.build(BACKBONE.from_stride(8).build(), CLASSES)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, semantic_classes=0),
        replace(SMALL, mask_flow=False),
        replace(SMALL, masks=False),
        replace(SMALL, shared_convs=2, shared_fcs=1, conv_norm=False),
    ],
)
def test_files_of_it_are_told_from_cascades(config: HTC) -> None:
    config = replace(config, mask_convs=4, semantic_convs=4)  # which no file says
    model = config.build(BACKBONE.build(), CLASSES)
    found = recognise_detector(model.state_dict())
    assert found is not None
    recognised, classes = found
    assert isinstance(recognised, HTC) and classes == CLASSES
    again = recognised.build(BACKBONE.build(), classes)
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert from_plain(HTC, to_plain(config), where="a test") == config


def test_a_cascade_is_still_a_cascade() -> None:
    found = recognise_detector(small(CascadeMaskRCNN()).build(BACKBONE.build(), CLASSES).state_dict())
    assert found is not None and type(found[0]) is CascadeMaskRCNN


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 4)])
def test_global_attention_by_definition(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = GlobalAttention(64).double()
    x = torch.randn(2, *size, 64, dtype=torch.float64)
    tokens = x.flatten(1, 2)
    heads = []
    for head in range(2):
        own = slice(32 * head, 32 * head + 32)
        rows = [layer.qkv.weight[64 * part : 64 * part + 64][own] for part in range(3)]
        biases = [layer.qkv.bias[64 * part : 64 * part + 64][own] for part in range(3)]
        q, k, v = (F.linear(tokens, *pair) for pair in zip(rows, biases, strict=True))
        heads.append((q @ k.mT / 32**0.5).softmax(-1) @ v)
    expected = layer.proj(torch.cat(heads, -1)).view_as(x)
    torch.testing.assert_close(layer(x), expected)


def test_any_detector_can_have_the_global_block() -> None:
    """It changes the last feature alone, and weights without it start a backbone that has it."""
    torch.manual_seed(0)
    plain, more = BACKBONE.build().eval(), replace(BACKBONE, global_block=True).build().eval()
    missing = more.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing and all(name.startswith("global_block.") for name in missing)
    images = torch.randn(1, 3, 41, 64)
    (fine, coarse), (same, other) = plain(images), more(images)
    assert torch.equal(fine, same) and coarse.shape == other.shape and not torch.allclose(coarse, other)
    with torch.no_grad():
        for branch in (more.global_block.attn.proj, more.global_block.mlp.fc2):
            branch.weight.zero_()
            branch.bias.zero_()
    torch.testing.assert_close(more(images)[1], coarse)
