"""The stages of Sparse R-CNN (arXiv 2011.12450): each proposal's feature filters what its box shows.

Shapes: B images, P proposals of an image, R = B P, C channels, S side of what is read of a box, D inner channels,
K classes.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class ProposalOutputs(NamedTuple):
    """What a stage says of every proposal."""

    logits: Tensor
    """(B, P, K), one against all."""
    deltas: Tensor
    """Encoded boxes (B, P, 4)."""
    features: Tensor
    """(B, P, C), what the next stage takes."""


class SelfAttention(nn.Module):
    """Attention among the proposals of an image, with a residual; its parameters are `attn.`..., as in the original."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(x, x, x, need_weights=False)[0]


class DynamicConv(nn.Module):
    """Two 1 x 1 convolutions over a box's cells whose weights are made of the proposal's feature: (R, C) and
    (R, S * S, C) to (R, C)."""

    def __init__(self, channels: int, inner: int, cells: int) -> None:
        super().__init__()
        self.inner = inner
        self.dynamic_layer = nn.Linear(channels, 2 * channels * inner)
        self.norm_in = nn.LayerNorm(inner)
        self.norm_out = nn.LayerNorm(channels)
        self.fc_layer = nn.Linear(channels * cells, channels)
        self.fc_norm = nn.LayerNorm(channels)

    def forward(self, features: Tensor, seen: Tensor) -> Tensor:
        first, second = self.dynamic_layer(features).chunk(2, dim=1)
        channels = features.shape[1]
        x = seen @ first.view(-1, channels, self.inner)  # (R, S * S, D)
        x = F.relu(self.norm_in(x))
        x = x @ second.view(-1, self.inner, channels)  # (R, S * S, C)
        x = F.relu(self.norm_out(x))
        return F.relu(self.fc_norm(self.fc_layer(x.flatten(1))))


class FeedForward(nn.Module):
    """Linear, ReLU, Linear with a residual; its parameters are `layers.0.0` and `layers.1`, as in the original."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(channels, hidden), nn.ReLU()), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class DynamicHead(nn.Module):
    """One stage. Names are those of the official `bbox_head`; matrices are drawn as there (Xavier uniform).

    Args:
        channels: C.
        side: S.
        num_classes: K.
        heads: of the attention; divides C.
        inner: D.
        hidden: width of the feed-forward layer.
        cls_fcs, reg_fcs: fully connected layers before classes and boxes.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        num_classes: int,
        *,
        heads: int = 8,
        inner: int = 64,
        hidden: int = 2048,
        cls_fcs: int = 1,
        reg_fcs: int = 3,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, heads)
        self.attention_norm = nn.LayerNorm(channels)
        self.instance_interactive_conv = DynamicConv(channels, inner, side**2)
        self.instance_interactive_conv_norm = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, hidden)
        self.ffn_norm = nn.LayerNorm(channels)
        self.cls_fcs = nn.ModuleList(_tower(channels, cls_fcs))
        self.reg_fcs = nn.ModuleList(_tower(channels, reg_fcs))
        self.fc_cls = nn.Linear(channels, num_classes)
        self.fc_reg = nn.Linear(channels, 4)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.constant_(self.fc_cls.bias, -4.59512)

    def forward(self, seen: Tensor, features: Tensor) -> ProposalOutputs:
        """What the boxes show, (R, C, S, S), and the proposals' features, (B, P, C)."""
        batch, proposals, channels = features.shape
        features = self.attention_norm(self.attention(features))
        cells = seen.flatten(2).transpose(1, 2)  # (R, S * S, C)
        flat = features.reshape(-1, channels)
        flat = self.instance_interactive_conv_norm(flat + self.instance_interactive_conv(flat, cells))
        flat = self.ffn_norm(self.ffn(flat))
        classes, boxes = flat, flat
        for layer in self.cls_fcs:
            classes = layer(classes)
        for layer in self.reg_fcs:
            boxes = layer(boxes)
        logits = self.fc_cls(classes).float().view(batch, proposals, -1)
        deltas = self.fc_reg(boxes).float().view(batch, proposals, 4)
        return ProposalOutputs(logits, deltas, flat.view(batch, proposals, channels))


def _tower(channels: int, layers: int) -> list[nn.Module]:
    """So many times Linear without bias, LayerNorm, ReLU, in one list as the original counts them."""
    parts = ((nn.Linear(channels, channels, bias=False), nn.LayerNorm(channels), nn.ReLU()) for _ in range(layers))
    return list(itertools.chain.from_iterable(parts))
