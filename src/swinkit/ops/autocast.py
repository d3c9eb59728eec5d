"""Parts of a model that autocast must leave alone."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Tensors on `device` are computed with in their own dtype inside, whatever autocast says; on "meta", too, which
    has no autocast."""
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)
