"""How many random features the Performer takes; sizes are computed from it without PyTorch."""

from __future__ import annotations

import math


def feature_count(dim: int) -> int:
    """m for heads of `dim` channels: d ln d, which the common implementations take."""
    return max(1, int(dim * math.log(dim)))
