"""What detectors average over the processes that train together."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a number over all processes, without gradient; of one process the number itself."""
    value = value.detach()
    if not (dist.is_available() and dist.is_initialized()):
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
