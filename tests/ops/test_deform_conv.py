"""The deformable convolution of CPUs against torchvision's, values and gradients."""

import pytest
import torch
from torchvision.ops import deform_conv2d

from swinkit.ops.deform_conv import deformed_conv


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 7)])
@pytest.mark.parametrize("spread", [0.0, 0.5, 6.0])
def test_it_equals_torchvisions(size, spread):
    torch.manual_seed(0)
    x = torch.randn(2, 5, *size, dtype=torch.float32, requires_grad=True)
    offsets = (spread * torch.randn(2, 18, *size)).requires_grad_()  # far beyond the map at the largest spread
    weight = torch.randn(4, 5, 3, 3, requires_grad=True)
    found = []
    for function in (deformed_conv, lambda *given: deform_conv2d(*given, padding=1)):
        out = function(x, offsets, weight)
        found.append((out.detach(), *torch.autograd.grad(out.square().sum(), (x, offsets, weight))))
    ours, theirs = found
    for one, other in zip(ours, theirs, strict=True):
        if spread or one is not ours[2]:  # the slope at a whole number of cells is either side's
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_half_precision_reads_at_the_right_place():
    x = torch.arange(300.0).expand(1, 1, 3, 300).bfloat16()
    offsets = torch.zeros(1, 18, 3, 300)
    offsets[:, 1::2] = 0.5  # half a cell to the right
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1
    out = deformed_conv(x, offsets, weight)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out[0, 0, 1, :290].float(), torch.arange(290.0) + 0.5, rtol=2**-7, atol=0.5)
