"""Attention of linear cost by random features: FAVOR+ of the Performer (arXiv 2009.14794), for tables 5 and 6.

Shapes: B images, h heads, L tokens, d head dim, m random features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swinkit.ops.autocast import full_precision

EPSILON = 1e-4
"""Added to every feature, so that no sum of weights is 0."""


def favor_attention(q: Tensor, k: Tensor, v: Tensor, features: Tensor) -> Tensor:
    """An estimate of softmax(q k^T d ** -0.5) v that never forms the L x L weights: phi(q) (phi(k)^T v), normalised.

    Args:
        q: queries (B, h, L, d); k: keys and v: values of the same shape.
        features: random directions (m, d), see `orthogonal_features`.

    Returns:
        (B, h, L, d) in the dtype of v. It computes in float32 at least.
    """
    dtype = torch.promote_types(v.dtype, torch.float32)
    with full_precision(v.device):
        directions = features.to(dtype)
        queries = positive_features(q.to(dtype), directions, per_token=True)  # (B, h, L, m)
        keys = positive_features(k.to(dtype), directions, per_token=False)
        summed = keys.transpose(-2, -1) @ v.to(dtype)  # (B, h, m, d)
        weight = queries @ keys.sum(-2).unsqueeze(-1)  # (B, h, L, 1)
        return ((queries @ summed) / weight).to(v.dtype)


def positive_features(x: Tensor, features: Tensor, *, per_token: bool) -> Tensor:
    """phi(x): m ** -0.5 (exp(w x' - |x'|^2 / 2 - most) + 1e-4), where x' = x d ** -0.25; (B, h, L, d) to (B, h, L, m).

    `most` keeps the exponential finite and cancels in the quotient: the largest exponent of each token of queries
    (`per_token`), and of all tokens of keys, whose weights it must not change against each other. No gradient goes
    through it.
    """
    scaled = x * x.shape[-1] ** -0.25
    exponents = scaled @ features.T - scaled.square().sum(-1, keepdim=True) / 2
    most = exponents.detach().amax(-1 if per_token else (-2, -1), keepdim=True)
    return ((exponents - most).exp() + EPSILON) * features.shape[0] ** -0.5


def orthogonal_features(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """`count` random directions (m, d), orthogonal in blocks of d, of Gaussian vectors' lengths; float32, on a CPU."""
    blocks = []
    for _ in range(-(-count // dim)):
        basis, _ = torch.linalg.qr(torch.randn(dim, dim, generator=generator, device="cpu"))
        blocks.append(basis.T)
    lengths = torch.randn(count, dim, generator=generator, device="cpu").norm(dim=1)
    return torch.cat(blocks)[:count] * lengths[:, None]
