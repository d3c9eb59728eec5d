"""The convolution over a pyramid by products of its maps is the formula, on whatever sizes."""

import pytest
import torch
from torch import Tensor

from swinkit import SwinConfig, UperNet, UperNetConfig
from swinkit.cpu.pyramid_convolution import pyramid_obstacle
from swinkit.cpu.switch import fast_cpu
from swinkit.ops.pyramid_convolution import pyramid_convolution, reference_pyramid_convolution

SIZES = {
    "halves": [(16, 24), (8, 12), (4, 6), (2, 3)],
    "odd": [(13, 17), (7, 9), (4, 5), (1, 1)],
    "pooled": [(5, 7), (1, 1), (2, 2), (3, 3), (6, 6)],
    "one map": [(4, 3)],
    "thin": [(1, 9), (1, 5), (1, 1)],
    "one place": [(1, 1), (1, 1)],
    "of one size": [(6, 6), (6, 6), (5, 6)],
}


def make_case(sizes: list[tuple[int, int]], dtype: torch.dtype, batch: int = 2) -> tuple[list[Tensor], Tensor]:
    torch.manual_seed(0)
    maps = [torch.randn(batch, 3 + number, *size, dtype=dtype) for number, size in enumerate(sizes)]
    return maps, torch.randn(5, sum(each.shape[1] for each in maps), 3, 3, dtype=dtype)


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("name", SIZES)
def test_equals_the_formula(name: str, dtype: torch.dtype, tolerance: float) -> None:
    maps, weight = make_case(SIZES[name], dtype)
    expected = reference_pyramid_convolution(maps, weight)
    assert torch.allclose(pyramid_convolution(maps, weight, backend="cpu"), expected, atol=tolerance)


def test_where_it_cannot_run() -> None:
    maps, weight = make_case(SIZES["halves"], torch.float32)
    assert "no gradient" in str(pyramid_obstacle(maps, weight))
    with torch.no_grad():
        assert pyramid_obstacle(maps, weight) is None
        assert "3 x 3" in str(pyramid_obstacle(maps, weight[:, :, :1, :1]))
        halves = [each.bfloat16() for each in maps]
        assert pyramid_obstacle(halves, weight.bfloat16()) is not None


@torch.no_grad()
def test_a_segmentor_takes_it_and_stays_the_same() -> None:
    torch.manual_seed(0)
    backbone = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
    model = UperNet(backbone.build(), UperNetConfig(channels=8, auxiliary_level=0), num_classes=3).eval()
    images = torch.randint(0, 256, (2, 3, 40, 52), dtype=torch.uint8)
    found = model(images).head
    with fast_cpu(False):
        expected = model(images).head
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.equal(found, expected), "the fast path was not taken"


@torch.no_grad()
def test_hooks_and_other_layers_are_called() -> None:
    model = UperNet(
        SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32)).build(),
        UperNetConfig(channels=8, auxiliary_level=0),
        num_classes=3,
    ).eval()
    called: list[str] = []
    model.decode_head.fpn_bottleneck.conv.register_forward_hook(lambda *_: called.append("conv"))
    model.decode_head.bottleneck.register_forward_hook(lambda *_: called.append("layer"))
    model(torch.zeros(1, 3, 32, 32))
    assert called == ["layer", "conv"]
