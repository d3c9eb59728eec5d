"""Memory that tensors give back stays with the process, for the next ones."""

from __future__ import annotations

import functools

import torch

MOST = 31 << 20
"""Bytes. glibc keeps up to 32 MiB of this, and twice that of free memory."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep tensors of up to `MOST` bytes, as it does once it has seen one freed; once per process.

    Until then glibc gives the free end of its heap back to the system as soon as that is twice the largest tensor so
    far, and the next tensors are paged in anew: 2,000 to 15,000 pages for an image, or eight, of Swin-T, 3 to 20 ms.
    The memory asked for here is never touched.
    """
    torch.empty(MOST, dtype=torch.uint8)
