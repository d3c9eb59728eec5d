"""The fused kernels compile for a GPU on a machine that has none: types and layouts, which the interpreter skips."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from swinkit.ops.window_attention.triton_plan import Device, Kernel, build_plan

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="nothing is compiled there")
H100 = Device(processors=132, shared_memory=227 * 1024)
POINTERS = {"qkv", "padding", "out", "d_out", "d_qkv"}
SUMS = {"bias", "d_bias", "d_padding", "log_total", "delta"}


def compile_kernel(kernel: Kernel, window: tuple[int, int], head_dim: int, dtype: str) -> tuple[Any, int]:
    """A kernel for Swin's shifted windows on padded maps, for compute capability 9.0; and the bytes it should need."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from swinkit.ops.window_attention import triton_backward, triton_kernels

    functions = {
        "forward": triton_kernels.forward_kernel,
        "queries": triton_backward.queries_kernel,
        "keys": triton_backward.keys_kernel,
    }
    item_size = 4 if dtype == "fp32" else 2
    plan = build_plan(
        kernel,
        groups=[64],
        tokens=window[0] * window[1],
        heads=4,
        head_dim=head_dim,
        item_size=item_size,
        device=H100,
    )
    constants = {
        "HEADS": 4,
        "HEAD_DIM": head_dim,
        "WINDOW_H": window[0],
        "WINDOW_W": window[1],
        "SHIFT_H": window[0] // 2,
        "SHIFT_W": window[1] // 2,
        **dict.fromkeys(("HAS_PADDING", "HAS_BIAS", "WANTS_BIAS", "IS_ATOMIC"), True),
        "BLOCK_M": plan.tile.rows,
        "BLOCK_N": plan.keys,
        "BLOCK_D": plan.dims,
    }
    function = functions[kernel]
    constants = {name: value for name, value in constants.items() if name in function.arg_names}
    signature = {name: kind_of(name, dtype) for name in function.arg_names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(function.arg_names) if name in POINTERS | SUMS}
    source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=aligned)
    options = {"num_warps": plan.tile.warps, "num_stages": plan.tile.stages}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    return compiled, plan.shared_memory(item_size)


def kind_of(name: str, dtype: str) -> str:
    if name.isupper():
        return "constexpr"
    if name in POINTERS:
        return f"*{dtype}"
    if name in SUMS:
        return "*fp32"
    return "fp32" if name == "scale" else "i32"


@pytest.mark.parametrize(
    ("kernel", "window", "head_dim", "dtype"),
    [
        ("forward", (7, 7), 32, "bf16"),
        ("queries", (7, 7), 32, "bf16"),
        ("forward", (7, 7), 32, "fp32"),
        ("queries", (12, 12), 32, "bf16"),
        ("keys", (12, 12), 32, "bf16"),
        pytest.param("queries", (7, 7), 48, "fp32", marks=pytest.mark.slow),
        pytest.param("forward", (16, 16), 64, "bf16", marks=pytest.mark.slow),
        pytest.param("keys", (16, 16), 64, "fp32", marks=pytest.mark.slow),
    ],
)
def test_compiles_for_an_h100(
    kernel: Kernel, window: tuple[int, int], head_dim: int, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiled, most = compile_kernel(kernel, window, head_dim, dtype)
    assert compiled.metadata.shared <= most <= H100.shared_memory
    code = compiled.asm["ptx"]
    if dtype == "fp32":
        assert "mma" not in code  # nothing is rounded to TF32
    else:
        assert "mma" in code
        assert "cp.async" in code  # the next window is fetched while this one is computed
