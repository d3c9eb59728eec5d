"""Sliding-window attention as a module: image order in, image order out (paper tables 5 and 6).

Shapes: B images, H W map, C channels, h heads, d head dim, M side of a window.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swinkit.layers.unmodified import linear_of
from swinkit.ops.sliding_attention import SlidingBackend, check_sliding_backend, sliding_attention


class SlidingAttention(nn.Module):
    """Every token attends to the M x M tokens around it; all blocks alike, nothing is shifted.

    The rule at the border and the bias of M * M entries a head are those of the kernel that the authors published
    (branch LR-Net); how the bias of the paper's models was tied is not known.

    Args:
        dim: C.
        num_heads: h; divides C.
        window: M.
        qkv_bias: whether q, k and v have a bias.
        qk_scale: what q is multiplied with; None is (C / h) ** -0.5.
        relative_bias: whether there is a bias for each place of the window.
        attn_drop_rate, drop_rate: dropout on the attention weights and on the output, 0..1.
        backend: how it is computed, see `swinkit.ops.sliding_attention`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        window: int,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        relative_bias: bool = True,
        attn_drop_rate: float = 0.0,
        drop_rate: float = 0.0,
        backend: SlidingBackend = "auto",
    ) -> None:
        super().__init__()
        check_sliding_backend(backend)
        self.num_heads = num_heads
        self.window = window
        self.scale = (dim // num_heads) ** -0.5 if qk_scale is None else qk_scale
        self.attn_drop_rate = attn_drop_rate
        self.backend: SlidingBackend = backend
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(drop_rate)
        # Not the name of the shifted windows' table, whose entries are other offsets: loading must not resize that one.
        self.local_relative_position_bias_table = (
            nn.Parameter(torch.zeros(window**2, num_heads)) if relative_bias else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C)."""
        qkv = linear_of(self.qkv)(x).unflatten(-1, (3, self.num_heads, x.shape[-1] // self.num_heads))
        q, k, v = qkv.unbind(3)  # (B, H, W, h, d) each
        out = sliding_attention(
            q,
            k,
            v,
            bias=self.local_relative_position_bias_table,
            window=self.window,
            scale=self.scale,
            dropout_p=self.attn_drop_rate if self.training else 0.0,
            backend=self.backend,
        )
        return self.proj_drop(linear_of(self.proj)(out.flatten(3)))

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, window={self.window}, backend={self.backend}"
