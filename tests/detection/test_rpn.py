"""The proposal network: order of outputs, proposals, and losses of awkward batches."""

from dataclasses import replace

import pytest
import torch
from torchvision.ops import box_iou

from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.rpn import ProposalConfig, RPNConfig, RPNHead, RPNOutputs
from swinkit.detection.samplers import SamplerConfig

ALL = SamplerConfig(count=10**6, positive_fraction=0.5, add_gt_proposals=False)
CONFIG = RPNConfig(scales=(2.0,), sampler=ALL)
STRIDES = (8, 16)


def head(config: RPNConfig = CONFIG, seed: int = 0) -> RPNHead:
    torch.manual_seed(seed)
    return RPNHead(4, STRIDES, config)


def maps(batch: int = 2, size: tuple[int, int] = (64, 96)) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(batch, 4, size[0] // s, size[1] // s) for s in STRIDES]


def losses_of(rpn: RPNHead, outputs: RPNOutputs, truth: list[torch.Tensor], sizes: list[tuple[int, int]]):
    return rpn.losses(outputs, rpn.sample(outputs, truth, sizes), truth)


def test_deltas_and_anchors_are_in_the_same_order():
    """A large objectness and a shift of one anchor of one cell come out as that anchor's box, shifted."""
    rpn = head()
    outputs = RPNOutputs([torch.full((1, 3, 8, 12), -9.0), torch.full((1, 3, 4, 6), -9.0)], [])
    outputs.deltas.extend([torch.zeros(1, 12, 8, 12), torch.zeros(1, 12, 4, 6)])
    outputs.objectness[1][0, 2, 3, 4] = 9  # the tall anchor of cell (3, 4) of stride 16
    outputs.deltas[1][0, 2 * 4 + 0, 3, 4] = 0.25
    (found,) = rpn.proposals(outputs, [(1000, 1000)], ProposalConfig(post_nms=1))
    width, height = 32 / 2**0.5, 32 * 2**0.5
    x, y = 4 * 16 + 0.25 * width, 3 * 16
    expected = torch.tensor([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])
    torch.testing.assert_close(found.boxes, expected)
    assert found.scores.item() == pytest.approx(torch.tensor(9.0).sigmoid().item())


def test_proposals_are_ordered_inside_and_apart():
    rpn = head()
    sizes = [(60, 90), (41, 33)]
    config = ProposalConfig(pre_nms=40, post_nms=25, nms_iou=0.6)
    for (height, width), found in zip(sizes, rpn.proposals(rpn(maps()), sizes, config), strict=True):
        assert len(found.boxes) <= 25 and (found.scores.diff() <= 0).all()
        assert (found.boxes >= 0).all() and found.boxes[:, 2].max() <= width and found.boxes[:, 3].max() <= height
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


def test_suppression_is_within_a_level():
    """Two equal boxes of different levels stay; of one level the better one does."""
    rpn = head(replace(CONFIG, scales=(2.0, 4.0), ratios=(1.0,)))
    outputs = RPNOutputs([torch.full((1, 2, 8, 12), -9.0), torch.full((1, 2, 4, 6), -9.0)], [])
    outputs.deltas.extend([torch.zeros(1, 8, 8, 12), torch.zeros(1, 8, 4, 6)])
    outputs.objectness[0][0, 1, 2, 2] = 5  # 32 x 32 around (16, 16)
    outputs.objectness[1][0, 0, 1, 1] = 4  # the same box, of stride 16
    outputs.objectness[0][0, 1, 2, 3] = 4.5  # 8 pixels to the right: IoU 0.6
    (found,) = rpn.proposals(outputs, [(64, 96)], ProposalConfig(post_nms=2, nms_iou=0.5))
    assert found.boxes.tolist() == [[0, 0, 32, 32]] * 2
    assert (box_iou(found.boxes, found.boxes) == 1).all()


def test_best_of_each_level_and_least_size():
    rpn = head()
    outputs = rpn(maps(1))
    (few,) = rpn.proposals(outputs, [(64, 96)], ProposalConfig(pre_nms=3, nms_iou=1.0))
    assert len(few.boxes) == 6
    (large,) = rpn.proposals(outputs, [(64, 96)], ProposalConfig(min_size=20))
    assert len(large.boxes) and (large.boxes[:, 2:] - large.boxes[:, :2] > 20).all()
    (none,) = rpn.proposals(outputs, [(64, 96)], ProposalConfig(min_size=1e4))
    assert none.boxes.shape == (0, 4) and none.scores.shape == (0,)


def test_losses_by_hand():
    """Objectness over all anchors, boxes over the positives', both divided by the number of anchors."""
    rpn = head()
    outputs = rpn(maps(1))
    anchors = torch.cat(rpn.anchors(outputs))
    target = anchors[100:101] + 1.0
    losses = losses_of(rpn, outputs, [target], [(64, 96)])
    positive = box_iou(target, anchors)[0] >= 0.7
    negative = box_iou(target, anchors)[0] < 0.3
    assert positive.sum() >= 1 and (~positive & ~negative).any()
    logits = torch.cat([x.permute(0, 2, 3, 1).reshape(-1) for x in outputs.objectness])
    deltas = torch.cat([x.permute(0, 2, 3, 1).reshape(-1, 4) for x in outputs.deltas])
    count = positive.sum() + negative.sum()
    entropy = -logits[positive].sigmoid().log().sum() - (1 - logits[negative].sigmoid()).log().sum()
    torch.testing.assert_close(losses["loss_rpn_cls"], entropy / count)
    side = anchors[:, 2:] - anchors[:, :2]
    wanted = torch.cat([1.0 / side, torch.zeros_like(side)], 1)
    distance = (deltas[positive] - wanted[positive]).abs().sum()
    torch.testing.assert_close(losses["loss_rpn_bbox"], distance / count)


def test_a_smooth_loss_is_smaller_below_beta():
    rough, smooth = head(), head(replace(CONFIG, beta=1 / 9))
    target = [torch.tensor([[10.0, 12, 27, 27]])]
    outputs = rough(maps(1))
    values = [losses_of(rpn, outputs, target, [(64, 96)])["loss_rpn_bbox"] for rpn in (rough, smooth)]
    assert 0 < values[1] < values[0]


@pytest.mark.parametrize("border", [None, 0.0])
def test_images_without_instances_teach_background(border):
    rpn = head(replace(CONFIG, border=border))
    outputs = rpn(maps())
    none = torch.zeros(0, 4)
    losses = losses_of(rpn, outputs, [none, none], [(64, 96), (64, 96)])
    assert losses["loss_rpn_cls"] > 0 and losses["loss_rpn_bbox"] == 0
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in rpn.parameters())
    assert rpn.rpn_cls.weight.grad.any() and not rpn.rpn_reg.weight.grad.any()


def test_padding_to_the_other_image_s_size_is_not_learned_from():
    """What the network says beyond an image's own padding has no gradient."""
    rpn = head()
    outputs = rpn(maps())
    for x in outputs.objectness:
        x.retain_grad()
    truth = [torch.tensor([[10.0, 12, 27, 27]])] * 2
    losses = losses_of(rpn, outputs, truth, [(64, 96), (30, 60)])
    losses["loss_rpn_cls"].backward()
    for x, stride in zip(outputs.objectness, STRIDES, strict=True):
        seen = x.grad.abs().sum(1) > 0
        assert seen[0].float().mean() > 0.8  # the rest is ignored, around the instance
        assert seen[1, : 32 // stride, : 64 // stride].any()
        assert not seen[1, 32 // stride :].any() and not seen[1, :, 64 // stride :].any()


def test_a_border_of_0_leaves_anchors_out_that_reach_beyond():
    rpn = head(replace(CONFIG, border=0.0))
    outputs = rpn(maps(1))
    for x in outputs.objectness:
        x.retain_grad()
    losses_of(rpn, outputs, [torch.tensor([[10.0, 12, 27, 27]])], [(60, 90)])["loss_rpn_cls"].backward()
    seen = torch.cat([x.grad.permute(0, 2, 3, 1).reshape(-1) != 0 for x in outputs.objectness])
    anchors = torch.cat(rpn.anchors(outputs))
    inside = (anchors[:, :2] >= 0).all(1) & (anchors[:, 2] < 90) & (anchors[:, 3] < 60)
    assert seen.any() and not (seen & ~inside).any()


def test_an_image_smaller_than_any_anchor_gives_no_loss():
    rpn = head(replace(CONFIG, border=0.0))
    losses = losses_of(rpn, rpn(maps(1)), [torch.tensor([[1.0, 1, 6, 6]])], [(8, 8)])
    assert losses["loss_rpn_cls"] == losses["loss_rpn_bbox"] == 0


def test_other_thresholds_and_several_scales():
    config = RPNConfig(scales=(2.0, 3.0), matcher=MatcherConfig(0.5, 0.4, 0.1), sampler=SamplerConfig(64, 0.5))
    rpn = head(config)
    assert rpn.rpn_cls.weight.shape[0] == 6 and rpn.rpn_reg.weight.shape[0] == 24
    outputs = rpn(maps())
    sizes = [(64, 96)] * 2
    losses = losses_of(rpn, outputs, [torch.tensor([[5.0, 6, 50, 40]])] * 2, sizes)
    assert all(torch.isfinite(value) for value in losses.values()) and losses["loss_rpn_bbox"] > 0
