"""Multiply-adds of the published detectors; their parameters are in `test_coco_recipes`.

Multiply-adds are those of mmdetection's counter, whose convention the paper's table 2 follows: an image of 1280 x 800,
backbone, pyramid, proposal network on all five levels, 1000 regions in the box head of every stage and 100 in its mask
head; without pooling regions, non-maximum suppression and pasting. Here convolutions and matrix products are counted,
those of attention included (mmdetection's counter leaves them out, 3G of Swin-T, and counts norms and activations).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_B, SWIN_L, SWIN_S, SWIN_T
from swinkit.detection.atss import ATSS
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.mask_head import MaskHead
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.rcnn import RCNN, RCNNConfig
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.recipes.coco_htc import HTC_PLUS_PLUS

DEFORMABLE = torch.ops.torchvision.deform_conv2d
Size = Sequence[int]
SWINS = {"t": SWIN_T, "s": SWIN_S, "b": SWIN_B}


def built(backbone: str, config: RCNNConfig) -> RCNN:
    swin = SWINS.get(backbone)
    with torch.device("meta"):
        body = TimmConfig(backbone).build() if swin is None else SwinTransformer(swin, attention_backend="reference")
        return config.build(body, 80).eval()


def _deformable_flops(x: Size, weight: Size, *_: object, out_shape: Size, **__: object) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def billions(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False, custom_mapping={DEFORMABLE: _deformable_flops}) as counter, torch.no_grad():
        work()
    return counter.get_total_flops() / 2e9


def multiply_adds(model: RCNN) -> dict[str, float]:
    def through(heads: Iterable[nn.Module], regions: int, side: int) -> None:
        for number, head in enumerate(heads):
            seen = torch.empty(regions, 256, side, side)
            head(seen, seen) if number and isinstance(head, MaskHead) else head(seen)

    with torch.device("meta"):
        features = model.backbone(torch.empty(1, 3, 800, 1280))
        maps = model.neck(features)
        assert len(maps) == 5
        return {
            "backbone": billions(lambda: model.backbone(torch.empty(1, 3, 800, 1280))),
            "neck": billions(lambda: model.neck(features)),
            "rpn": billions(lambda: model.rpn_head(maps)),
            "boxes": billions(lambda: through(model.roi_head.bbox_head, 1000, 7)),
            "masks": billions(lambda: through(model.roi_head.mask_head, 100, 14)),
            "semantic": billions(lambda: model.roi_head.semantic_head and model.roi_head.semantic_head(maps)),
        }


@pytest.mark.parametrize(
    ("config", "backbone", "published"),
    [
        (MaskRCNN(), "t", 267),
        (MaskRCNN(), "s", 359),
        (CascadeMaskRCNN(), "t", 745),
        (CascadeMaskRCNN(), "s", 838),
        (CascadeMaskRCNN(), "b", 982),
        (CascadeMaskRCNN(), "resnet50", 739),
        (CascadeMaskRCNN(), "resnext101_32x4d", 819),
        (CascadeMaskRCNN(), "resnext101_64x4d", 972),
    ],
)
def test_multiply_adds_at_1280_x_800(config, backbone, published):
    parts = multiply_adds(built(backbone, config))
    total = sum(parts.values())
    print(f"\n{backbone}: {total:.1f}G, published {published}G; {parts}")
    assert total == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize(("name", "counted", "published"), [("b", 1042.3, 1043), ("l", 1469.3, 1470)])
def test_multiply_adds_of_htc_plus_plus(name: str, counted: float, published: int) -> None:
    """Table 2c: with the block, which nobody released, both rows come out."""
    backbone = replace({"b": SWIN_B, "l": SWIN_L}[name], global_block=True)
    with torch.device("meta"):
        body = SwinTransformer(backbone, attention_backend="reference")
        parts = multiply_adds(HTC_PLUS_PLUS.build(body, 80).eval())
    total = sum(parts.values()) + _projected_padding(backbone)
    print(f"\nHTC++ {name}: {total:.1f}G, published {published}G; {parts}")
    assert total == pytest.approx(counted, abs=0.1) and total == pytest.approx(published, rel=0.001)


def _projected_padding(backbone: SwinConfig) -> float:
    """The original cuts the windows' padding off behind the output projection of attention, here it is before: billions
    of multiply-adds of an image of 1280 x 800 that are saved."""
    extra = 0
    for depth, width, stride in zip(backbone.depths, backbone.widths, backbone.strides, strict=True):
        height, length = 800 // stride, 1280 // stride
        windows = math.ceil(height / backbone.window_size) * math.ceil(length / backbone.window_size)
        extra += depth * width**2 * (windows * backbone.window_size**2 - height * length)
    return extra / 1e9


DENSE = [
    (ATSS(), "t", 215),
    (ATSS(), "resnet50", 205),
    (RepPointsV2(), "t", 283),
    (RepPointsV2(), "resnet50", 274),
    (MaskRepPointsV2(), "t", 292),
]


@pytest.mark.parametrize(("config", "backbone", "published"), DENSE)
def test_multiply_adds_of_dense_detectors(config: ATSS | RepPointsV2, backbone: str, published: int) -> None:
    """Table 2a, everything up to the head's maps; the official README's 292G has the masks' parameters, and not the
    branch that they are applied to."""
    body = SWINS.get(backbone, TimmConfig(backbone)).from_stride(8)
    with torch.device("meta"):
        model = config.build(body.build(), 80).eval()
        features = model.backbone(torch.empty(1, 3, 800, 1280))
        total = billions(lambda: model.backbone(torch.empty(1, 3, 800, 1280)))
        total += billions(lambda: model.bbox_head(model.neck(features)))
        if isinstance(config, MaskRepPointsV2):
            levels = model.bbox_head(model.neck(features))
            total += billions(lambda: [model.bbox_head.controller(level.tower) for level in levels])
    print(f"\n{backbone}: {total:.1f}G, published {published}G")
    assert total == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("backbone", "published"), [("t", 172), ("resnet50", 166)])
def test_multiply_adds_of_sparse_rcnn(backbone: str, published: int) -> None:
    """Table 2a, whose counter saw neither the attention among proposals nor the products with dynamic weights."""
    with torch.device("meta"):
        model = SparseRCNN().build(SWINS.get(backbone, TimmConfig(backbone)).build(), 80).eval()
        features = model.backbone(torch.empty(1, 3, 800, 1280))
        total = billions(lambda: model.backbone(torch.empty(1, 3, 800, 1280)))
        total += billions(lambda: model.neck(features))
        seen, proposals = torch.empty(300, 256, 7, 7), torch.empty(1, 300, 256)
        for stage in model.roi_head.bbox_head:
            stage.attention = nn.Identity()
            products = 2 * 300 * 49 * 256 * 64 / 1e9
            total += billions(lambda stage=stage: stage(seen, proposals)) - products
    print(f"\n{backbone}: {total:.1f}G, published {published}G")
    assert total == pytest.approx(published, rel=0.01)
