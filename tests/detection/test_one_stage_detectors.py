"""ATSS, Sparse R-CNN, RepPoints v2 and its masks: exact sizes, and what real data bring along.

That values, losses and gradients equal the original's is in tests/parity/test_goldens.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.detection.architectures import AnyDetector, recognise_detector
from swinkit.detection.assigners import assign_atss, assign_one_to_one
from swinkit.detection.atss import ATSS
from swinkit.detection.corner_pool import running_max
from swinkit.detection.detector import DetectorModel
from swinkit.detection.dynamic_masks import aligned_bilinear, whole_masks
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsDetector, MaskRepPointsV2
from swinkit.detection.reppoints_targets import assign_points, corner_targets, mask_middles
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.errors import InputError
from swinkit.layers.pixels import pad_batch
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import Instances

BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1, 1), num_heads=(1, 1, 2), window_size=4, image_size=(64, 64))
TINY: dict[str, AnyDetector] = {
    "atss": ATSS(channels=8, groups=8, convs=1),  # a coarse map of one image has one value in a group
    "sparse_rcnn": SparseRCNN(proposals=6, stages=2, channels=8, heads=2, inner=4, hidden=12),
    "reppoints_v2": RepPointsV2(channels=8, groups=2, convs=1, corner_channels=4),
    "mask_reppoints_v2": MaskRepPointsV2(channels=8, groups=2, convs=1, corner_channels=4, mask_channels=4),
}
SIZES = ((50, 64), (61, 40))


def detector(name: str) -> DetectorModel:
    torch.manual_seed(0)
    return TINY[name].build(BACKBONE.build(), 3)


def batch(*sizes: tuple[int, int]) -> tuple[Tensor, list[tuple[int, int]]]:
    torch.manual_seed(1)
    return pad_batch([torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes])


def truth(*boxes: list[float]) -> Instances:
    labels = torch.arange(len(boxes)) % 3
    return Instances(torch.tensor(boxes, dtype=torch.float32).view(-1, 4), labels, None)


def with_masks(targets: list[Instances], sizes: Sequence[tuple[int, int]]) -> list[Instances]:
    """Masks that fill their boxes."""
    filled = []
    for each, size in zip(targets, sizes, strict=True):
        masks = torch.zeros(len(each.boxes), *size, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(masks, each.boxes.int().tolist(), strict=True):
            mask[top:bottom, left:right] = True
        filled.append(each._replace(masks=masks))
    return filled


@pytest.mark.parametrize(
    ("config", "backbone", "parameters"),
    [
        (ATSS(), replace(SWIN_T, out_stages=(1, 2, 3)), 35_734_356),
        (ATSS(), TimmConfig("resnet50"), 32_295_322),
        (SparseRCNN(), SWIN_T, 109_741_154),
        (SparseRCNN(), TimmConfig("resnet50"), 106_342_888),
        (RepPointsV2(), replace(SWIN_T, out_stages=(1, 2, 3)), 44_916_202),
        (RepPointsV2(), TimmConfig("resnet50"), 42_132_528),
        (MaskRepPointsV2(), replace(SWIN_T, out_stages=(1, 2, 3)), 46_829_231),
    ],
)
def test_exact_totals(config: AnyDetector, backbone: SwinConfig | TimmConfig, parameters: int) -> None:
    with torch.device("meta"):
        model = config.build(backbone.build(), 80)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


CASES = {
    "some": [truth([4, 4, 20, 18], [30, 10, 60, 40], [5, 30, 17, 48]), truth([8, 20, 33, 55])],
    "one image without": [truth(), truth([8, 20, 33, 55])],
    "none": [truth(), truth()],
    "more than proposals": [truth(*([2 * k, k, 2 * k + 9, k + 12] for k in range(20))), truth([8, 20, 33, 55])],
    "the whole image": [truth([0, 0, 64, 50]), truth([0, 0, 40, 61])],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TINY)
def test_losses_and_gradients_are_finite(name: str, case: str) -> None:
    model = detector(name)
    targets = with_masks(CASES[case], SIZES)
    losses = model.losses(model(*batch(*SIZES), targets), targets)
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    missing = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert not [key for key in missing if not key.startswith("backbone.norm0")], missing  # the finest map is not used
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", ["atss", "sparse_rcnn", "reppoints_v2"])
def test_positives_weigh_what_their_class_does(name: str) -> None:
    model, targets = detector(name), CASES["some"]
    outputs = model(*batch(*SIZES), targets)
    assert model.takes_class_weights

    def cost(*weights: float) -> Tensor:
        model.class_weights = torch.tensor(weights)
        losses = model.losses(outputs, targets)
        return torch.stack([losses[key] for key in losses if key.endswith("loss_cls")]).sum()

    plain = torch.stack([v for k, v in model.losses(outputs, targets).items() if k.endswith("loss_cls")]).sum()
    assert cost(1, 1, 1) == plain
    parts = [plain - cost(0, 1, 1), plain - cost(1, 0, 1), plain - cost(1, 1, 0)]  # of each class's positives
    assert min(parts) > 0
    torch.testing.assert_close(cost(3, 1, 0.5), plain + 2 * parts[0] - 0.5 * parts[2])


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [(33, 33), (1, 40)])
def test_levels_of_hardly_a_cell(name: str, size: tuple[int, int]) -> None:
    model, inside = detector(name), with_masks([truth([0, 0, size[1], size[0]])], [size])
    images, sizes = batch(size)
    assert all(loss.isfinite() for loss in model.losses(model(images, sizes, inside), inside).values())
    (found,) = model.eval().postprocess(model(images, sizes), [size])
    assert found.boxes.isfinite().all() and found.size == size


@pytest.mark.parametrize("name", TINY)
def test_a_scene_is_learned(name: str) -> None:
    """Thirty steps on two images with rectangles."""
    model, targets = detector(name), with_masks(CASES["some"], SIZES)
    images = [torch.full((3, *size), 120, dtype=torch.uint8) for size in SIZES]
    for image, each in zip(images, targets, strict=True):
        for label, (left, top, right, bottom) in zip(each.labels.tolist(), each.boxes.int().tolist(), strict=True):
            image[label, top:bottom, left:right] = 250
    optimizer, curve = torch.optim.AdamW(model.parameters(), lr=0.005), []
    for _ in range(30):
        loss = torch.stack(list(model.losses(model(*pad_batch(images), targets), targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        curve.append(loss.item())
    assert sum(curve[-3:]) / 3 < 0.85 * curve[0], curve


@pytest.mark.parametrize("name", TINY)
def test_detections_come_best_first_in_the_original_image(name: str) -> None:
    model = detector(name).eval()
    if name != "sparse_rcnn":
        model.config = replace(model.config, score_threshold=0.0)
    images, sizes = batch(*SIZES)
    with torch.no_grad():
        outputs = model(images, sizes)
        once = model.postprocess(outputs, SIZES)
        twice = model.postprocess(outputs, [(2 * h, 3 * w) for h, w in SIZES])
    for one, other in zip(once, twice, strict=True):
        assert len(one.boxes) and (one.masks is not None) == TINY[name].masks and (one.scores.diff() <= 0).all()
        torch.testing.assert_close(other.boxes, one.boxes * torch.tensor([3.0, 2, 3, 2]))
        assert one.labels.dtype == torch.int64 and 0 <= one.scores.min() <= one.scores.max() <= 1


@pytest.mark.parametrize("name", TINY)
def test_what_files_say_builds_them_again_and_weights_tell_them_apart(name: str) -> None:
    config = TINY[name]
    assert from_plain(type(config), json.loads(json.dumps(to_plain(config)))) == config
    recognised = recognise_detector(detector(name).state_dict())
    assert recognised is not None and type(recognised[0]) is type(config) and recognised[1] == 3
    with pytest.raises(InputError, match="at least one class"):
        config.build(BACKBONE.build(), 0)


def test_atss_by_hand() -> None:
    """One level of five boxes in a row: mean and deviation of the three nearest decide."""
    boxes = torch.tensor([[10.0 * k, 0, 10 * k + 10, 10] for k in range(5)])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    instance = torch.tensor([[8.0, 0, 22, 10]])
    overlaps = torch.tensor([2 / 22, 10 / 14, 2 / 22])  # IoU of boxes 0, 1, 2
    assert overlaps[1] > overlaps.mean() + overlaps.std() > overlaps[0]
    assert assign_atss(instance, boxes, centres, [5], topk=3).tolist() == [-1, 0, -1, -1, -1]
    both = torch.cat([instance, torch.tensor([[9.0, 0, 21, 10]])])  # the second overlaps box 1 more
    assert assign_atss(both, boxes, centres, [5], topk=3).tolist() == [-1, 1, -1, -1, -1]


def test_matching_costs_least_in_all() -> None:
    rows, columns = assign_one_to_one(torch.tensor([[1.0, 2.0], [0.0, 5.0], [9.0, 9.0]]))
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_points_go_to_the_level_of_their_size_and_to_the_nearest() -> None:
    points = [torch.tensor([[x, y] for y in range(0, 64, s) for x in range(0, 64, s)]).float() for s in (8, 16)]
    boxes = torch.tensor([[0.0, 0, 32, 32], [0, 0, 64, 64], [2, 2, 34, 34]])
    matches = assign_points(boxes, (boxes[:, :2] + boxes[:, 2:]) / 2, points, (8, 16))
    assert matches[:64].tolist().count(0) == 1 and matches[64:].tolist().count(1) == 1
    assert matches[2 * 8 + 2] == 0  # (16, 16) is the centre of the first, 2 pixels from that of the third
    assert 2 not in matches.tolist()


def test_corner_maps_are_1_at_the_corner_and_fall_off() -> None:
    points = torch.tensor([[x, y] for y in range(0, 64, 4) for x in range(0, 64, 4)]).float()
    boxes = torch.tensor([[17.0, 9, 60, 60]])
    heat, offsets = corner_targets(boxes, boxes[:, :2], points, 4)
    place = 2 * 16 + 4
    assert heat[place] == 1 and heat.sum() > 1 and (heat <= 1).all()
    torch.testing.assert_close(offsets[place], torch.tensor([1 / 4, 1 / 4]))
    assert corner_targets(boxes[:0], boxes[:0, :2], points, 4)[0].sum() == 0


def test_running_max() -> None:
    x = torch.tensor([[3.0, 1, 2]])
    assert running_max(x, 1, backwards=False).tolist() == [[3, 3, 3]]
    assert running_max(x, 1, backwards=True).tolist() == [[3, 2, 2]]


def test_masks_are_learned_from_some_where_there_are_many() -> None:
    """And from none at all where no point is positive."""
    torch.manual_seed(0)
    model = replace(TINY["mask_reppoints_v2"], mask_count=2).build(BACKBONE.build(), 3)
    assert isinstance(model, MaskRepPointsDetector)
    chosen = model._chosen([3, 0, 4], torch.device("cpu"))
    assert [len(each) for each in chosen] == [3, 0, 4] and int(torch.cat(chosen).sum()) == 2
    assert torch.cat(model._chosen([1, 1], torch.device("cpu"))).all()


def test_masks_need_three_levels() -> None:
    config = replace(TINY["mask_reppoints_v2"], extra_levels=0)
    with pytest.raises(InputError, match="masks are made of 3 levels, and the pyramid has 2"):
        config.build(BACKBONE.build(), 3)


def test_middles_of_masks() -> None:
    (one,) = with_masks([truth([4, 4, 20, 18], [0, 0, 8, 8])], [(50, 64)])
    one.masks[1] = False
    assert mask_middles(one).tolist() == [[11.5, 10.5], [4.0, 4.0]]  # pixel numbers; of an empty mask the box's middle


def test_aligned_bilinear() -> None:
    """The first value stays where it was, and every `factor` cells comes the next."""
    x = torch.randn(1, 2, 3, 4)
    grown = aligned_bilinear(x, 4)
    assert grown.shape == (1, 2, 12, 16)
    torch.testing.assert_close(grown[..., 2::4, 2::4], x)


def test_whole_masks_leave_the_padding_out() -> None:
    logits = torch.full((1, 4, 4), -9.0)
    logits[0, :, :2] = 9.0  # the left half of 16 x 16 pixels, of which 16 x 8 are the image
    (mask,) = whole_masks(logits.sigmoid(), (16, 8), (32, 16))
    assert mask.shape == (32, 16) and mask.dtype == torch.bool and mask.all()
    assert whole_masks(logits[:0], (16, 8), (32, 16)).shape == (0, 32, 16)
