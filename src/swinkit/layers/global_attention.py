"""Attention of every place of a map to every other, as HTC++ has it behind the last stage (paper section 4.2).

Shapes: B images, H W map, C channels, h heads.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.ops.tracing import is_fx, leaf

HEAD_WIDTH = 32
"""Channels of a head, as in Swin."""


class GlobalAttention(nn.Module):
    """Multi-head self-attention over all H W places, without windows, positions or mask: (B, H, W, C) to (B, H, W, C).

    It goes through `scaled_dot_product_attention`, so that where torch has a kernel that does not store the (H W)^2
    weights, as on current CPUs and GPUs, memory grows with H W alone.

    Args:
        dim: C; heads are 32 channels wide where that divides C, else there is one.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_heads = dim // HEAD_WIDTH if dim % HEAD_WIDTH == 0 else 1
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        if is_fx(x):
            return leaf(self, x)
        batch, height, width, dim = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, dim // self.num_heads)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, h, H W, C / h) each
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        return self.proj(mixed.transpose(1, 2).reshape(batch, height, width, dim))
