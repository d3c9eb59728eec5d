"""RoIAlign: torchvision's kernel, or on a CPU two products a region.

Shapes: B images, R regions, C channels, H W map, S side of what is read.
"""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import roi_align as kernel

from swinkit.cpu.roi_align import pays, roi_align_in_products, roi_align_obstacle
from swinkit.ops.backends import Backend, chooses_cpu
from swinkit.ops.tracing import is_fx


def roi_align(
    x: Tensor, regions: Tensor, size: int, scale: float, *, points: int = -1, backend: Backend = "auto"
) -> Tensor:
    """Bilinear means over S x S parts of every region, pixel centres at half coordinates: (R, C, S, S).

    Args:
        x: (B, C, H, W).
        regions: (R, 5) in the dtype of x: the number of the image, left, top, right, bottom in pixels.
        size: S.
        scale: cells of the map in a pixel.
        points: along each side of a part; -1 takes as many as it has cells.
        backend: see `Backend`; the reference is torchvision's.
    """
    if not is_fx(x):
        obstacle = roi_align_obstacle(x, regions, scale)
        if chooses_cpu("roi_align", backend, obstacle=obstacle, pays=obstacle is None and pays(x)):
            return roi_align_in_products(x, regions, size, scale, points)
    return kernel(x, regions, size, scale, sampling_ratio=points, aligned=True)
