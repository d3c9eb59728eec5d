"""The Performer's attention over a whole map as a module (arXiv 2009.14794; paper tables 5 and 6).

Shapes: B images, H W map, C channels, h heads, d head dim, m random features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swinkit.layers.unmodified import linear_of
from swinkit.ops.favor_attention import favor_attention, orthogonal_features
from swinkit.ops.feature_count import feature_count

REDRAW_EVERY = 1000
"""Training steps between two draws of the random features."""


class PerformerAttention(nn.Module):
    """Softmax attention of every place to every other, estimated by m random features: no windows, mask or bias.

    Inferred: the paper says "Performer" and nothing of features, kernel, redrawing or positions, and no code of it was
    released. This is FAVOR+ with d ln d positive orthogonal features, one set for all heads, drawn anew every
    1000 training steps and fixed in evaluation, over all tokens, as its linear cost allows. A bias cannot be added to
    a product of features.

    Args:
        dim: C.
        num_heads: h; divides C.
        qkv_bias: whether q, k and v have a bias.
        drop_rate: dropout on the output, 0..1.
    """

    features: Tensor
    seed: Tensor
    steps: Tensor

    def __init__(self, dim: int, num_heads: int, *, qkv_bias: bool = True, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(drop_rate)
        width = dim // num_heads
        self.register_buffer("features", torch.zeros(feature_count(width), width))
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        if self.features.device.type != "meta":
            self.redraw()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C)."""
        batch, height, width, dim = x.shape
        qkv = linear_of(self.qkv)(x).reshape(batch, height * width, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, h, H W, d) each
        out = favor_attention(q, k, v, self.features).transpose(1, 2).reshape(batch, height, width, dim)
        return self.proj_drop(linear_of(self.proj)(out))

    @torch.no_grad()
    def count_step(self) -> None:
        """To be called once in every training step, before the forward pass; draws new features when it is time."""
        self.steps += 1
        if int(self.steps) % REDRAW_EVERY == 0:
            self.redraw()

    @torch.no_grad()
    def redraw(self) -> None:
        """New random features: of the same seed and step the same, in every process and after a restart."""
        generator = torch.Generator(device="cpu").manual_seed(int(self.seed) + int(self.steps))
        count, dim = self.features.shape
        self.features.copy_(orthogonal_features(count, dim, generator))

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, features={self.features.shape[0]}"
