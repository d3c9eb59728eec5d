"""How the fused kernels divide their work: tile, warps, and windows per program. Sizes in, a value out; no tensors.

The numbers of `TILES` and `PROGRAMS` were chosen by counting registers, shared memory and bytes, with the kernels
compiled for compute capability 9.0; `benchmarks/gpu_attention.py --tune` measures others, to be written here.

Shapes: T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

MOST_TOKENS = 256
"""Of a window: all its keys are one tile."""
MOST_HEAD_DIM = 64
SMALLEST_TILE = 16
"""A matrix product of the hardware takes no smaller side."""

MOST_TOKENS_WHOLE = 64
"""Of a window that one program of the backward pass takes as a whole."""

Kernel = Literal["forward", "queries", "keys"]


@dataclass(frozen=True)
class Device:
    """What a launch depends on: streaming multiprocessors, and the bytes of shared memory that a program may have."""

    processors: int
    shared_memory: int


@dataclass(frozen=True)
class Tile:
    """One step of a program: how many queries (or keys) against the whole window, by how many warps."""

    rows: int
    warps: int
    stages: int = 2


# By the tokens of a window rounded up to a power of two. A "queries" tile as large as the window gives dk and dv too.
# 16 rows for each warp, or 16 rows in all: others make Triton compute a product more than once, or spill registers.
TILES: Mapping[Kernel, Mapping[int, Tile]] = {
    "forward": {16: Tile(16, 1), 32: Tile(32, 2), 64: Tile(64, 4), 128: Tile(64, 4), 256: Tile(16, 8)},
    "queries": {16: Tile(16, 1), 32: Tile(32, 2), 64: Tile(64, 4), 128: Tile(16, 4), 256: Tile(16, 8)},
    "keys": {128: Tile(16, 4), 256: Tile(16, 8)},
}
# fp32 goes without tensor cores, so that nothing is rounded to TF32: its operands take registers.
TILES_FP32: Mapping[Kernel, Mapping[int, Tile]] = {
    "forward": {16: Tile(16, 1, 1), 32: Tile(32, 4, 1), 64: Tile(64, 8, 1), 128: Tile(16, 4, 1), 256: Tile(16, 8, 1)},
    "queries": {16: Tile(16, 1, 1), 32: Tile(32, 4, 1), 64: Tile(64, 8, 1), 128: Tile(16, 4, 1), 256: Tile(16, 8, 1)},
    "keys": {128: Tile(16, 4, 1), 256: Tile(16, 8, 1)},
}
# Programs for each processor of the device. A program loads its bias once, and adds its bias gradient once, whatever
# the number of its windows: so fewer for the kernels of the backward pass.
PROGRAMS: Mapping[Kernel, int] = {"forward": 32, "queries": 8, "keys": 16}


@dataclass(frozen=True)
class Plan:
    """The launch of one kernel over all windows of a batch. Programs lie along grid axis 0, which takes 2^31 - 1."""

    tile: Tile
    keys: int
    dims: int
    blocks: int
    heads: int
    chunks: int
    windows_per_program: int

    @property
    def programs(self) -> int:
        return self.heads * self.blocks * self.chunks

    def shared_memory(self, item_size: int) -> int:
        """Bytes that a program needs, at most: tiles of q, k, v and the output's gradient, and one of probabilities."""
        rows, keys = self.tile.rows, self.keys
        return self.tile.stages * 2 * (rows + keys) * self.dims * item_size + rows * keys * item_size * 3 // 2

    @property
    def is_whole(self) -> bool:
        """Whether a tile is a whole window."""
        return self.tile.rows == self.keys


def side(size: int) -> int:
    """A tile's side for this many tokens or channels: a power of two."""
    return max(SMALLEST_TILE, 1 << (size - 1).bit_length())


def build_plan(
    kernel: Kernel,
    *,
    groups: Sequence[int],
    tokens: int,
    heads: int,
    head_dim: int,
    item_size: int,
    device: Device,
) -> Plan:
    """The launch of `kernel`.

    Args:
        kernel: which of the three; "keys" only where the plan of "queries" is not whole.
        groups: windows of each mask kind, of all images together (see `WindowGrid.group_sizes`). A program's windows
            are all of one kind.
        tokens: T.
        heads: h.
        head_dim: d.
        item_size: bytes of a number in qkv.
        device: what runs it.
    """
    keys = side(tokens)
    tile = (TILES_FP32 if item_size == 4 else TILES)[kernel][keys]
    blocks = -(-tokens // tile.rows)
    wanted = PROGRAMS[kernel] * device.processors
    per_program = max(1, sum(groups) * heads * blocks // wanted)
    chunks = sum(-(-windows // per_program) for windows in groups)
    plan = Plan(tile, keys, side(head_dim), blocks, heads, chunks, per_program)
    if plan.shared_memory(item_size) > device.shared_memory:  # then the next window is not fetched ahead
        plan = replace(plan, tile=replace(tile, stages=1))
    return plan


@functools.cache
def fits(*, tokens: int, head_dim: int, item_size: int, device: Device) -> bool:
    """Whether the device has the shared memory for every kernel."""
    kernels: tuple[Kernel, ...] = (
        ("forward", "queries", "keys") if tokens > MOST_TOKENS_WHOLE else ("forward", "queries")
    )
    plans = (
        build_plan(kernel, groups=[1], tokens=tokens, heads=1, head_dim=head_dim, item_size=item_size, device=device)
        for kernel in kernels
    )
    return all(plan.shared_memory(item_size) <= device.shared_memory for plan in plans)
