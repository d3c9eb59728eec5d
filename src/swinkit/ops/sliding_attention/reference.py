"""The naive sliding window of table 5: every query's keys and values are copied beside each other.

Shapes: B images, H W map, L = H W, h heads, d head dim, M side of a window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.windows import MASK_VALUE


def unfolded_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    bias: Tensor | None,
    window: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `sliding_attention`. Takes the memory of k and v M * M times."""
    batch, height, width, heads, dim = q.shape
    keys, values = around(k, window), around(v, window)  # (B, h, L, d, M * M)
    queries = q.reshape(batch, height * width, heads, 1, dim).transpose(1, 2)  # (B, h, L, 1, d)
    logits = ((queries * scale) @ keys).squeeze(3)  # (B, h, L, M * M)
    if bias is not None:
        logits = logits + bias.T[:, None]
    is_inside = around(torch.ones_like(k[:1, :, :, :1, :1]), window)[:, :, :, 0]  # (1, 1, L, M * M)
    logits = logits + (1 - is_inside) * MASK_VALUE
    weights = F.dropout(logits.softmax(-1), dropout_p).to(v.dtype)
    out = (values @ weights.unsqueeze(-1)).squeeze(-1)  # (B, h, L, d)
    return out.transpose(1, 2).reshape(batch, height, width, heads, dim)


def around(x: Tensor, window: int) -> Tensor:
    """(B, H, W, h, d) to what lies around each place, row by row, zeros outside of the map: (B, h, L, d, M * M)."""
    batch, height, width, heads, dim = x.shape
    before, after = window // 2, window - 1 - window // 2
    framed = F.pad(x.flatten(3).permute(0, 3, 1, 2), (before, after, before, after))
    copies = F.unfold(framed, window)  # (B, h * d * M * M, L)
    return copies.view(batch, heads, dim, window * window, height * width).permute(0, 1, 4, 2, 3)
