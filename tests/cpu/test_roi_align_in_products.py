"""RoIAlign by products is torchvision's kernel, whatever a region reaches over."""

import pytest
import torch
from torch import Tensor

from swinkit.cpu.roi_align import MOST_CELLS, roi_align_obstacle
from swinkit.cpu.switch import fast_cpu
from swinkit.detection.roi_align import align_regions
from swinkit.ops.roi_align import roi_align

MAPS = {"wide": (9, 31), "high": (40, 7), "one row": (1, 12), "one cell": (1, 1)}


def regions_around(height: int, width: int, scale: float, count: int = 40) -> Tensor:
    """Inside, across and beyond every edge, on cells and between them, some without a width or a height."""
    reach = torch.tensor([width, height, width, height]).double()
    corners = (torch.rand(count, 4).double() * 1.6 - 0.3) * reach / scale
    corners[::3] = corners[::3].round()
    boxes = torch.cat((torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])), 1)
    boxes[5, 2], boxes[6, 3], boxes[7, 2:] = boxes[5, 0], boxes[6, 1], boxes[7, :2]
    return torch.cat((torch.randint(0, 2, (count, 1)).double(), boxes), 1)


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("points", [-1, 2])
@pytest.mark.parametrize("name", MAPS)
def test_equals_the_kernel(name: str, points: int, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    for scale in (1.0, 1 / 4, 1 / 32):
        regions = regions_around(*MAPS[name], scale).to(dtype)
        x = torch.randn(2, 5, *MAPS[name], dtype=dtype)
        for size in (1, 7, 14):
            expected = roi_align(x, regions, size, scale, points=points, backend="reference")
            found = roi_align(x, regions, size, scale, points=points, backend="cpu")
            assert torch.allclose(found, expected, atol=tolerance), (scale, size)
            assert expected.abs().max() > 0


@torch.no_grad()
def test_nothing_to_read() -> None:
    x = torch.randn(1, 64, 5, 5)
    assert roi_align(x, x.new_zeros(0, 5), 7, 1.0, backend="cpu").shape == (0, 64, 7, 7)
    empty = x.new_tensor([[0.0, 2, 2, 2, 2]])
    assert roi_align(x, empty, 7, 1.0, backend="cpu").abs().max() == 0


def test_where_it_cannot_run() -> None:
    x, regions = torch.randn(1, 3, 4, 4), torch.tensor([[0.0, 1, 1, 3, 3]])
    assert "no gradient" in str(roi_align_obstacle(x, regions, 1.0))
    with torch.no_grad():
        assert roi_align_obstacle(x, regions, 1.0) is None
        assert "both" in str(roi_align_obstacle(x.double(), regions, 1.0))
        for far in (2.0 * MOST_CELLS, float("nan")):
            assert "beyond" in str(roi_align_obstacle(x, regions * torch.tensor([1, 1, 1, 1, far]), 1.0))


@torch.no_grad()
def test_detectors_take_it_where_maps_are_wide() -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 64, 16 // stride, 24 // stride) for stride in (1, 2)]
    boxes = [torch.tensor([[0.0, 0, 9, 13], [3, 2, 20, 11]]), torch.tensor([[1.5, 1, 6, 5]])]
    found = align_regions(maps, (1, 2), boxes, 7, 8.0)
    with fast_cpu(False):
        expected = align_regions(maps, (1, 2), boxes, 7, 8.0)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.equal(found, expected), "the fast path was not taken"
