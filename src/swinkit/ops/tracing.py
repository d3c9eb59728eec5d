"""Who watches operations instead of running them: torch.fx, torch.jit.trace, torch.func and forward-mode gradients.

torch.compile and torch.export are asked for by `torch.compiler.is_compiling`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Proxy


def is_transformed() -> bool:
    """Whether torch.func (vmap, grad, jvp) or forward-mode differentiation rewrites operations.

    They know PyTorch's own, and no autograd function without a rule for them.
    """
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_plainly_run() -> bool:
    """Whether operations are neither transformed nor recorded by torch.jit.trace."""
    return not is_transformed() and not torch.jit.is_tracing()


def is_fx(x: object) -> bool:
    """Whether `x` stands for a tensor that torch.fx will have, and that nothing may branch on."""
    return isinstance(x, Proxy)


def leaf(module: nn.Module, x: Any) -> Any:
    """One node of torch.fx that calls `module` with its input `x`, as for PyTorch's own layers."""
    return x.tracer.create_proxy("call_module", x.tracer.path_of_module(module), (x,), {})


def map_size(x: Tensor) -> tuple[int, int]:
    """H and W of (B, H, W, C) as numbers: for torch.jit.trace, which follows sizes, they are those of its example."""
    height, width = x.shape[1:3]
    return (int(height), int(width)) if torch.jit.is_tracing() else (height, width)


def image_size(images: Tensor) -> tuple[int, int]:
    """H and W of (B, C, H, W), see `map_size`."""
    height, width = images.shape[2:]
    return (int(height), int(width)) if torch.jit.is_tracing() else (height, width)
