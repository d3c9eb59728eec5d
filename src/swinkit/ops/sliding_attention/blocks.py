"""Sliding windows by blocks: a square of neighbouring queries, and the square of keys that any of them sees.

Nothing of the size of the M * M copies exists at any time. The map is cut into S x S squares of queries; the keys of
one are its square with a frame of M - 1 rows and columns, (S + M - 1)^2 of them, and what a query does not see of these
is masked. Some squares at a time give logits, softmax and outputs; the backward pass computes the logits again.

Shapes: B images, H W map, h heads, d head dim, M side of a window, S side of a square of queries, T = S * S queries and
K = (S + M - 1)^2 keys of a square, n squares at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from swinkit.ops.autocast import full_precision
from swinkit.ops.constants import cached_constant, is_plain
from swinkit.ops.windows import MASK_VALUE

LEAST_SIDE = 7
"""Of a square of queries; it is not below M - 1 either, so that a frame never reaches past the next square."""
MOST_LOGITS = 2**22
"""Logits at a time (16 MiB in float32): some squares of one or more rows."""


def block_attention(q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None, window: int, scale: float) -> Tensor:
    """See `sliding_attention`. Softmax is in float32 at least. There is no second derivative."""
    height, width, heads = q.shape[1:4]
    layout = Layout(height, width, window)
    added = layout.added(bias, q, heads)  # (h, T, K)
    q, k, v = (tensor.permute(0, 3, 1, 2, 4) for tensor in (q, k, v))  # (B, h, H, W, d)
    out = _BlockAttention.apply(layout.fill(q), layout.frame(k), layout.frame(v), added, scale, layout)
    return out[:, :, :height, :width].permute(0, 2, 3, 1, 4)


@dataclass(frozen=True)
class Layout:
    """How a map is cut into squares of queries, and which keys a square sees. Sizes are in tokens."""

    height: int
    width: int
    window: int

    @property
    def side(self) -> int:
        """S."""
        return max(LEAST_SIDE, self.window - 1)

    @property
    def reach(self) -> int:
        """Side of a square's keys."""
        return self.side + self.window - 1

    @property
    def counts(self) -> tuple[int, int]:
        """Squares in a column and in a row of the map."""
        return -(-self.height // self.side), -(-self.width // self.side)

    def fill(self, x: Tensor) -> Tensor:
        """(B, h, H, W, d) with zeros up to whole squares, below and at the right."""
        rows, columns = (count * self.side for count in self.counts)
        return F.pad(x, (0, 0, 0, columns - self.width, 0, rows - self.height))

    def frame(self, x: Tensor) -> Tensor:
        """The same with the frame of zeros that windows at the border reach into."""
        before, after = self.window // 2, self.window - 1 - self.window // 2
        return F.pad(self.fill(x), (0, 0, before, after, before, after))

    def added(self, bias: Tensor | None, like: Tensor, heads: int) -> Tensor:
        """What is added to the logits of every square: the bias (M * M, h) where a query sees a key, else -inf; the
        result is (h, T, K), in float32 at least."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        place = (
            seen_places(self.window, self.side, like) if is_plain(like) else _seen(self.window, self.side, like.device)
        )
        hidden = place < 0
        if bias is None:
            zeros = like.new_zeros(heads, *place.shape, dtype=dtype)
            return zeros.masked_fill(hidden, -torch.inf)
        rows = bias.to(dtype)[place.clamp_min(0).flatten()].view(*place.shape, heads).permute(2, 0, 1)
        return rows.masked_fill(hidden, -torch.inf)

    def outside(self, row: int, like: Tensor) -> Tensor:
        """For the squares of one row, -100 for each key outside of the map: (squares, 1, 1, K)."""
        before = self.window // 2
        y = torch.arange(self.reach, device=like.device) + row * self.side - before
        x = torch.arange(self.counts[1], device=like.device)[:, None] * self.side
        x = x + torch.arange(self.reach, device=like.device) - before  # (squares, S + M - 1)
        is_inside = ((y >= 0) & (y < self.height))[None, :, None] & ((x >= 0) & (x < self.width))[:, None, :]
        return torch.where(is_inside, 0.0, MASK_VALUE).flatten(1)[:, None, None]

    def queries(self, x: Tensor, row: int) -> Tensor:
        """One row of squares of (B, h, Hp, Wp, d): (B, squares, h, T, d)."""
        batch, heads, _, width, dim = x.shape
        band = x[:, :, row * self.side : (row + 1) * self.side]
        squares = band.reshape(batch, heads, self.side, width // self.side, self.side, dim)
        return squares.permute(0, 3, 1, 2, 4, 5).flatten(3, 4)

    def keys(self, x: Tensor, row: int) -> Tensor:
        """What they see of a framed (B, h, Hp, Wp, d): (B, squares, h, K, d)."""
        band = x[:, :, row * self.side : row * self.side + self.reach]
        squares = band.unfold(3, self.reach, self.side)  # (B, h, S + M - 1, squares, d, S + M - 1)
        return squares.permute(0, 3, 1, 2, 5, 4).flatten(3, 4)

    def put_queries(self, squares: Tensor, x: Tensor, row: int) -> None:
        """The inverse of `queries`: write into `x`."""
        batch, count, heads, _, dim = squares.shape
        band = squares.view(batch, count, heads, self.side, self.side, dim).permute(0, 2, 3, 1, 4, 5)
        x[:, :, row * self.side : (row + 1) * self.side] = band.flatten(3, 4)

    def add_keys(self, squares: Tensor, x: Tensor, row: int) -> None:
        """The transpose of `keys`: add to `x`, where neighbouring squares share a frame."""
        batch, count, heads, _, dim = squares.shape
        parts = squares.view(batch, count, heads, self.reach, self.reach, dim).permute(0, 2, 3, 1, 4, 5)
        band = x[:, :, row * self.side : row * self.side + self.reach]
        band[:, :, :, : count * self.side] += parts[..., : self.side, :].flatten(3, 4)
        shared = self.reach - self.side
        if shared:
            rest = torch.zeros_like(band[:, :, :, : count * self.side]).unflatten(3, (count, self.side))
            rest[..., :shared, :] = parts[..., self.side :, :]
            moved = rest.flatten(3, 4)[:, :, :, : band.shape[3] - self.side]
            band[:, :, :, self.side : self.side + moved.shape[3]] += moved


def _seen(window: int, side: int, device: torch.device) -> Tensor:
    """Which place of its window a key is to a query of the square, row by row, or -1 where it is none: (T, K)."""
    reach = side + window - 1
    offset = torch.arange(reach, device=device) - torch.arange(side, device=device)[:, None]  # (S, S + M - 1)
    is_seen = (offset >= 0) & (offset < window)
    place = offset[:, None, :, None] * window + offset[None, :, None, :]
    seen = is_seen[:, None, :, None] & is_seen[None, :, None, :]
    return torch.where(seen, place, -1).view(side * side, reach * reach)


_cached_seen = cached_constant(_seen)


def seen_places(window: int, side: int, like: Tensor) -> Tensor:
    """`_seen` on the device of `like`, from the cache."""
    return _cached_seen(window, side, like.device)


class _BlockAttention(torch.autograd.Function):
    """softmax(q k^T scale + added + outside) v, square by square. q is filled, k and v are framed (see `Layout`)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, added: Tensor, scale: float, layout: Layout) -> Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        with full_precision(q.device):
            for part in _parts(q, added, layout):
                for row in range(layout.counts[0]):
                    weights = _weights(q[part], k[part], added, scale, layout, row)
                    layout.put_queries(weights.to(v.dtype) @ layout.keys(v[part], row), out[part], row)
        ctx.save_for_backward(q, k, v, added)
        ctx.scale, ctx.layout = scale, layout
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None, None]:
        q, k, v, added = ctx.saved_tensors
        scale, layout = ctx.scale, ctx.layout
        d_q, d_k, d_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        d_added = torch.zeros_like(added)
        with full_precision(q.device):
            for part in _parts(q, added, layout):
                for row in range(layout.counts[0]):
                    weights = _weights(q[part], k[part], added, scale, layout, row)  # (B, squares, h, T, K)
                    d_squares = layout.queries(d_out[part], row)
                    layout.add_keys(weights.to(v.dtype).mT @ d_squares, d_v[part], row)
                    d_weights = (d_squares @ layout.keys(v[part], row).mT).to(weights.dtype)
                    d_logits = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
                    d_added += d_logits.sum((0, 1))
                    d_logits = (d_logits * scale).to(q.dtype)
                    layout.put_queries(d_logits @ layout.keys(k[part], row), d_q[part], row)
                    layout.add_keys(d_logits.mT @ layout.queries(q[part], row), d_k[part], row)
        return d_q, d_k, d_v, d_added, None, None


def _weights(q: Tensor, k: Tensor, added: Tensor, scale: float, layout: Layout, row: int) -> Tensor:
    """(B, squares, h, T, K), in the dtype of `added`."""
    logits = ((layout.queries(q, row) * scale) @ layout.keys(k, row).mT).to(added.dtype)
    return logits.add_(added).add_(layout.outside(row, added).to(added.dtype)).softmax(-1)


def _parts(q: Tensor, added: Tensor, layout: Layout) -> Iterator[slice]:
    """Images at a time, so that one row of squares has no more than `MOST_LOGITS`."""
    step = max(1, MOST_LOGITS // (added.numel() * layout.counts[1]))
    for start in range(0, q.shape[0], step):
        yield slice(start, start + step)
