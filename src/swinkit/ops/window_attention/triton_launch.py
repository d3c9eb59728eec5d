"""Launching the fused kernels: memory for their results, and the arguments that they share.

Triton is imported by the functions that launch, so that swinkit works where it is missing.
Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from swinkit.ops.window_attention.triton_plan import Device, Kernel, Plan, build_plan
from swinkit.ops.windows import WindowGrid

LEAST_SHARED_MEMORY = 99 * 1024
"""Bytes for a program, of all devices of compute capability 8.0 or later."""

NO_FLAGS: Mapping[str, bool] = MappingProxyType({})


@dataclass(frozen=True)
class Problem:
    """What the kernels are given: qkv (B, H, W, 3 C), padding (3 C) or None, bias (h, T, T) or None; contiguous."""

    qkv: Tensor
    padding: Tensor | None
    bias: Tensor | None
    grid: WindowGrid
    num_heads: int
    scale: float

    @property
    def channels(self) -> int:
        return self.qkv.shape[-1] // 3

    @property
    def windows(self) -> int:
        """Of all images together."""
        return self.qkv.shape[0] * self.grid.counts[0] * self.grid.counts[1]

    def plan(self, kernel: Kernel) -> Plan:
        return build_plan(
            kernel,
            groups=[windows * self.qkv.shape[0] for windows in self.grid.group_sizes],
            tokens=self.grid.tokens,
            heads=self.num_heads,
            head_dim=self.channels // self.num_heads,
            item_size=self.qkv.element_size(),
            device=device_of(self.qkv.device),
        )

    def launch(self, kernel: Any, plan: Plan, *tensors: Tensor | None, flags: Mapping[str, bool] = NO_FLAGS) -> None:
        """Run `kernel` on qkv, padding, bias and `tensors`; a missing one is replaced by qkv, and not touched."""
        pointers = [self.qkv if tensor is None else tensor for tensor in (self.qkv, self.padding, self.bias, *tensors)]
        grid = self.grid
        sizes = (self.qkv.shape[0], *grid.counts, grid.height, grid.width, plan.windows_per_program)
        with torch.cuda.device(self.qkv.device) if self.qkv.is_cuda else contextlib.nullcontext():
            kernel[(plan.programs,)](
                *pointers,
                self.scale,
                *sizes,
                HEADS=self.num_heads,
                HEAD_DIM=self.channels // self.num_heads,
                WINDOW_H=grid.window[0],
                WINDOW_W=grid.window[1],
                SHIFT_H=grid.shift[0],
                SHIFT_W=grid.shift[1],
                HAS_PADDING=self.padding is not None,
                HAS_BIAS=self.bias is not None,
                BLOCK_M=plan.tile.rows,
                BLOCK_N=plan.keys,
                BLOCK_D=plan.dims,
                num_warps=plan.tile.warps,
                num_stages=plan.tile.stages,
                **flags,
            )


def device_of(device: torch.device) -> Device:
    """For the CPU, where kernels are interpreted one program after another, one processor that has all it needs."""
    if device.type != "cuda":
        return Device(processors=1, shared_memory=1 << 30)
    facts = torch.cuda.get_device_properties(device)
    # torch's own type stubs do not know the second.
    return Device(facts.multi_processor_count, getattr(facts, "shared_memory_per_block_optin", LEAST_SHARED_MEMORY))


def run_forward(problem: Problem) -> Tensor:
    """(B, H, W, C)."""
    from swinkit.ops.window_attention.triton_kernels import forward_kernel

    qkv = problem.qkv
    out = torch.empty((*qkv.shape[:-1], problem.channels), dtype=qkv.dtype, device=qkv.device)
    if problem.windows:
        problem.launch(forward_kernel, problem.plan("forward"), out)
    return out


def run_backward(
    problem: Problem, d_out: Tensor, *, wants_bias: bool, deterministic: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of qkv, of padding (3 C) and of bias (h, T, T); None where there is no such input or no such wish."""
    d_qkv = torch.empty_like(problem.qkv)
    wants_bias = wants_bias and problem.bias is not None
    has_padding = problem.padding is not None
    queries = problem.plan("queries")
    keys = queries if queries.is_whole else problem.plan("keys")
    tokens, channels = problem.grid.tokens, problem.channels
    d_bias = _sums(queries.chunks, (problem.num_heads, tokens, tokens), problem, wants_bias, deterministic)
    padding_parts = queries.chunks if queries.is_whole else keys.chunks * keys.blocks
    d_padding = _sums(padding_parts, (2, channels), problem, has_padding, deterministic)
    if problem.windows:
        _launch_backward(problem, queries, keys, d_out, d_qkv, d_padding, d_bias, is_atomic=not deterministic)
    return d_qkv, _whole_padding(problem, d_padding), _total(d_bias, problem.bias)


def _launch_backward(
    problem: Problem,
    queries: Plan,
    keys: Plan,
    d_out: Tensor,
    d_qkv: Tensor,
    d_padding: Tensor | None,
    d_bias: Tensor | None,
    *,
    is_atomic: bool,
) -> None:
    from swinkit.ops.window_attention.triton_backward import keys_kernel, queries_kernel

    log_total = delta = None
    if not queries.is_whole:
        size = (problem.windows, problem.num_heads, problem.grid.tokens)
        log_total = torch.empty(size, dtype=torch.float32, device=d_out.device)
        delta = torch.empty_like(log_total)
    gradients = (d_out, d_qkv, d_padding, d_bias, log_total, delta)
    problem.launch(
        queries_kernel, queries, *gradients, flags={"WANTS_BIAS": d_bias is not None, "IS_ATOMIC": is_atomic}
    )
    if not queries.is_whole:
        problem.launch(keys_kernel, keys, d_out, d_qkv, d_padding, log_total, delta, flags={"IS_ATOMIC": is_atomic})


def _sums(parts: int, shape: tuple[int, ...], problem: Problem, wanted: bool, deterministic: bool) -> Tensor | None:
    """Memory for sums over windows, (parts, ...): one sum for all programs, or a part for each where the order counts,
    which its program writes whole."""
    if not wanted:
        return None
    device = problem.qkv.device
    if deterministic and problem.windows:
        return torch.empty((parts, *shape), dtype=torch.float32, device=device)
    return torch.zeros((1, *shape), dtype=torch.float32, device=device)


def _total(parts: Tensor | None, like: Tensor | None) -> Tensor | None:
    """The sum of (parts, ...) in the dtype of `like`."""
    if parts is None or like is None:
        return None
    return (parts[0] if parts.shape[0] == 1 else parts.sum(0)).to(like.dtype)


def _whole_padding(problem: Problem, d_padding: Tensor | None) -> Tensor | None:
    """(parts, 2, C) of k and v to (3 C): nobody sees the output of a padded token, so its q has no gradient."""
    keys_and_values = _total(d_padding, problem.padding)
    if keys_and_values is None:
        return None
    return torch.cat((torch.zeros_like(keys_and_values[:1]), keys_and_values)).flatten()
