"""The attention operation alone, by stage: the definition, as eager libraries do it, beside swinkit's ways.

Shapes: B images, H W map, C channels, h heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from swinkit.backbone.variants import VARIANTS
from swinkit.benchmark.candidates import Candidate, Case
from swinkit.layers.attention import WindowAttention
from swinkit.ops.window_attention import AttentionBackend


def measure_attention(case: Case, stage: int, backends: tuple[AttentionBackend, ...]) -> list[Candidate]:
    """Shifted window attention on the map of one stage, counted from 0, with its projections, by every backend."""
    config = VARIANTS[case.model]
    height, width = (-(-side // config.strides[stage]) for side in case.size)
    dim, heads = config.widths[stage], config.num_heads[stage]
    dtype = getattr(torch, case.dtype)
    x = torch.randn(case.batch, height, width, dim, device=case.device, dtype=dtype)
    x.requires_grad_(case.mode == "training")
    torch.manual_seed(0)
    layer = WindowAttention(dim, heads, window=config.window_size, shift=config.window_size // 2, geometry="dense")
    layer.to(case.device, dtype)
    return [Candidate(backend, _run(layer, backend, x)) for backend in backends]


def _run(layer: WindowAttention, backend: AttentionBackend, x: Tensor) -> Callable[[], object]:
    def run() -> None:
        layer.backend = backend
        with torch.set_grad_enabled(x.requires_grad):
            out = layer(x)
        if x.requires_grad:
            torch.autograd.grad(out, [x, *layer.parameters()], torch.ones_like(out))

    return run
