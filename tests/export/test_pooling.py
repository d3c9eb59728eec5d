"""Pooling by averaging matrices is adaptive average pooling."""

import pytest
import torch
from torch import nn

from swinkit.export.pooling import FreePooling, with_free_pooling


@pytest.mark.parametrize("side", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (8, 5), (2, 13)])
def test_equals_adaptive_average_pooling(side: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    assert torch.allclose(FreePooling(side)(x), nn.AdaptiveAvgPool2d(side)(x), atol=1e-6)


def test_replaced_in_a_copy_alone() -> None:
    model = nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.ReLU()))
    x = torch.randn(1, 2, 9, 10)
    changed = with_free_pooling(model)
    assert not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in changed.modules())
    assert isinstance(model[0][0], nn.AdaptiveAvgPool2d)
    assert torch.allclose(changed(x), model(x), atol=1e-6)
    assert with_free_pooling(model[0][1]) is model[0][1]
