"""In which format products of half-precision numbers are fastest on this processor: their own, or float32.

A processor may know an instruction for bfloat16 and yet be slower with it: Intel's server processors without AMX (or
whose virtual machine hides it) multiply bfloat16 at half the speed of float32, AMD's at twice. The table below is
measured; it is asked, not the clock, so that a machine gives the same numbers on every run.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch

HALF = (torch.bfloat16, torch.float16)


def product_format(dtype: torch.dtype) -> torch.dtype:
    """What matrices of `dtype` are multiplied in: `dtype`, or for half precision float32 where that is faster."""
    return _fastest(dtype) if dtype in HALF else dtype


@functools.cache
def _fastest(dtype: torch.dtype) -> torch.dtype:
    return dtype if multiplies_itself(dtype, torch.cpu.get_capabilities()) else torch.float32


def multiplies_itself(dtype: torch.dtype, processor: Mapping[str, Any]) -> bool:
    """Whether a processor is faster with `dtype`, bfloat16 or float16, than with float32.

    Args:
        dtype: one of `HALF`.
        processor: what torch.cpu.get_capabilities() says of it.
    """
    if dtype == torch.float16:
        return bool(processor.get("amx_fp16") or processor.get("avx512_fp16"))
    if processor.get("amx_bf16"):
        return True
    return bool(processor.get("avx512_bf16")) and "Intel" not in str(processor.get("cpu_name"))
