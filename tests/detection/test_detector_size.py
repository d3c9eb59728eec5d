"""Parameters and multiply-adds of the published detectors.

Multiply-adds are those of mmdetection's counter, whose convention the paper's table 2 follows: an image of 1280 x 800,
backbone, pyramid, proposal network on all five levels, 1000 regions in the box head of every stage and 100 in its mask
head; without pooling regions, non-maximum suppression and pasting. Here convolutions and matrix products are counted,
those of attention included (mmdetection's counter leaves them out, 3G of Swin-T, and counts norms and activations).
"""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.backbone.variants import SWIN_B, SWIN_S, SWIN_T
from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN, DetectorConfig
from swinkit.detection.model import RCNN

SWINS = {"t": SWIN_T, "s": SWIN_S, "b": SWIN_B}


def built(backbone: str, config: DetectorConfig) -> RCNN:
    with torch.device("meta"):
        swin: SwinConfig | None = SWINS.get(backbone)
        body = TimmFeatures(backbone) if swin is None else SwinTransformer(swin, attention_backend="reference")
        return RCNN(body, config).eval()


@pytest.mark.parametrize(
    ("config", "backbone", "parameters"),
    [
        (MASK_RCNN, "t", 47_794_602),
        (MASK_RCNN, "s", 69_112_506),
        (CASCADE_MASK_RCNN, "t", 85_629_804),
        (CASCADE_MASK_RCNN, "s", 106_947_708),
        (CASCADE_MASK_RCNN, "b", 144_977_002),
    ],
)
def test_exact_totals(config, backbone, parameters):
    assert sum(parameter.numel() for parameter in built(backbone, config).parameters()) == parameters


def billions(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops() / 2e9


def multiply_adds(model: RCNN) -> dict[str, float]:
    def through(heads: list[nn.Module], regions: int, side: int) -> None:
        for head in heads:
            head(torch.empty(regions, 256, side, side))

    with torch.device("meta"):
        features = model.backbone(torch.empty(1, 3, 800, 1280))
        maps = model.neck(features)
        assert len(maps) == 5
        return {
            "backbone": billions(lambda: model.backbone(torch.empty(1, 3, 800, 1280))),
            "neck": billions(lambda: model.neck(features)),
            "rpn": billions(lambda: model.rpn_head(maps)),
            "boxes": billions(lambda: through(list(model.roi_head.box_heads), 1000, 7)),
            "masks": billions(lambda: through(list(model.roi_head.mask_heads), 100, 14)),
        }


@pytest.mark.parametrize(
    ("config", "backbone", "published"),
    [
        (MASK_RCNN, "t", 267),
        (MASK_RCNN, "s", 359),
        (CASCADE_MASK_RCNN, "t", 745),
        (CASCADE_MASK_RCNN, "s", 838),
        (CASCADE_MASK_RCNN, "b", 982),
        (CASCADE_MASK_RCNN, "resnet50", 739),
        (CASCADE_MASK_RCNN, "resnext101_32x4d", 819),
        (CASCADE_MASK_RCNN, "resnext101_64x4d", 972),
    ],
)
def test_multiply_adds_at_1280_x_800(config, backbone, published):
    parts = multiply_adds(built(backbone, config))
    total = sum(parts.values())
    print(f"\n{backbone}: {total:.1f}G, published {published}G; {parts}")
    assert total == pytest.approx(published, rel=0.03)
