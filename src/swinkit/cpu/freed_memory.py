"""Memory that tensors give back stays with the process, for the next ones."""

from __future__ import annotations

import functools

import torch

MOST = 31 << 20
"""Bytes. glibc raises its limit to the size of a block that is freed, at most 32 MiB, and then keeps twice as much."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep tensors of up to `MOST` bytes, as it does once it has seen one freed; once per process.

    Until then glibc gives the free end of its heap back to the system as soon as that is twice the largest tensor so
    far, and the next tensors are paged in anew: with Swin-T 4,700 pages for an image and 11,000 for eight, 10 and 20
    ms. The memory asked for here is never touched.
    """
    torch.empty(MOST, dtype=torch.uint8, device="cpu")
