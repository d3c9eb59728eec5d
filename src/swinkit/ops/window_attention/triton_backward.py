"""Fused shifted-window attention, backward: probabilities are computed again, gradients are written in image order.

Only `triton_op` imports this file, when it launches a kernel.

Windows of up to 64 tokens need one kernel: a program has all of a window's queries and keys, so it gives dq, dk and dv
and keeps its sum of the bias gradient in registers. Larger windows need two. The first has some queries and all keys:
dq and the bias gradient; it also writes what the second needs to have the same probabilities. That one has some keys
and all queries, transposed: dk and dv.

Gradients of the bias and of padded tokens are sums over windows. A program adds its part either atomically to one
result (fast, but the order of the sum varies), or writes it to a place of its own, to be summed later.

Shapes: as in `triton_kernels`; the tiles of the second kernel are (keys, queries).
"""

# Annotations here are read by Triton: what has none is a pointer, a tile or a number of the kernel.
# mypy: disable-error-code="no-untyped-def, import-untyped, import-not-found"

from __future__ import annotations

import triton
import triton.language as tl

from swinkit.ops.window_attention.triton_kernels import (
    LOG2E,
    SIZES,
    find_window,
    load_added,
    load_keys,
    load_padding,
    load_tokens,
    locate,
    product,
    share_of_windows,
    store_tokens,
)


@triton.jit
def add_part(places, values, mask, IS_ATOMIC: tl.constexpr):
    if IS_ATOMIC:
        tl.atomic_add(places, values, mask=mask, sem="relaxed")
    else:
        tl.store(places, values, mask=mask)


@triton.jit
def own_part(part, IS_ATOMIC: tl.constexpr):
    """Which of the partial sums is this program's."""
    if IS_ATOMIC:
        part = part * 0
    return part


@triton.jit
def add_padding_part(
    d_padding, part, head, dims, d_k, d_v, HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, IS_ATOMIC: tl.constexpr
):
    """This program's gradient of k and v of padded tokens, into row `part` of (parts, 2 C)."""
    start = d_padding + part * (2 * HEADS * HEAD_DIM) + head * HEAD_DIM + dims
    add_part(start, d_k, dims < HEAD_DIM, IS_ATOMIC)
    add_part(start + HEADS * HEAD_DIM, d_v, dims < HEAD_DIM, IS_ATOMIC)


@triton.jit(do_not_specialize=SIZES)
def queries_kernel(
    qkv, padding, bias, d_out, d_qkv, d_padding, d_bias, log_total, delta,
    scale, batch, rows, columns, height, width, windows_per_program,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
    HAS_PADDING: tl.constexpr, HAS_BIAS: tl.constexpr, WANTS_BIAS: tl.constexpr, IS_ATOMIC: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """dq and the bias gradient; dk and dv too where a tile is a whole window, `log_total` and `delta` where not."""
    CHANNELS: tl.constexpr = HEADS * HEAD_DIM
    TOKENS: tl.constexpr = WINDOW_H * WINDOW_W
    BLOCKS: tl.constexpr = (TOKENS + BLOCK_M - 1) // BLOCK_M
    IS_WHOLE: tl.constexpr = BLOCK_M == BLOCK_N
    program = tl.program_id(0)
    head = program % HEADS
    part = program // (HEADS * BLOCKS)
    first, last, at_bottom, at_right, group_rows, group_columns = share_of_windows(
        part, windows_per_program, batch, rows, columns, SHIFT_H + SHIFT_W > 0
    )
    queries = program // HEADS % BLOCKS * BLOCK_M + tl.arange(0, BLOCK_M)
    keys = tl.arange(0, BLOCK_N)
    dims = tl.arange(0, BLOCK_D)
    added = load_added(
        bias, head, queries[:, None], keys[None, :], at_bottom, at_right,
        WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W, HAS_BIAS,
    )  # fmt: skip
    bias_sum = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    k_sum = tl.zeros((BLOCK_D,), tl.float32)
    v_sum = tl.zeros((BLOCK_D,), tl.float32)
    padding_k, padding_v = load_padding(padding, head, dims, HEADS, HEAD_DIM, HAS_PADDING)
    for window in range(first, last):
        image, row, column = find_window(window, at_bottom, at_right, group_rows, group_columns, rows, columns)
        q_places, q_inside, _ = locate(
            queries, row, column, rows, columns, height, width, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W
        )
        k_places, k_inside, k_padded = locate(
            keys, row, column, rows, columns, height, width, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W
        )
        pixels = image.to(tl.int64) * height * width
        base = qkv + pixels * (3 * CHANNELS) + head * HEAD_DIM
        q = load_tokens(base, q_places, q_inside, dims, 3 * CHANNELS, HEAD_DIM)
        k, v = load_keys(
            base, k_places, k_inside, k_padded, dims, padding_k, padding_v, CHANNELS, HEAD_DIM, HAS_PADDING
        )
        d_o = load_tokens(d_out + pixels * CHANNELS + head * HEAD_DIM, q_places, q_inside, dims, CHANNELS, HEAD_DIM)
        logits = product(q, tl.trans(k)) * (scale * LOG2E) + added
        top = tl.max(logits, 1)
        weights = tl.exp2(logits - top[:, None])
        total = tl.sum(weights, 1)
        weights = weights / total[:, None]
        d_weights = product(d_o, tl.trans(v))
        row_sum = tl.sum(weights * d_weights, 1)
        d_logits = weights * (d_weights - row_sum[:, None])
        if WANTS_BIAS:
            bias_sum += d_logits
        d_logits = d_logits.to(q.dtype)
        d_base = d_qkv + pixels * (3 * CHANNELS) + head * HEAD_DIM
        d_q = product(d_logits, k) * scale
        store_tokens(d_base, q_places, q_inside, dims, d_q, 3 * CHANNELS, HEAD_DIM)
        if IS_WHOLE:
            d_k = product(tl.trans(d_logits), q) * scale
            d_v = product(tl.trans(weights.to(q.dtype)), d_o)
            store_tokens(d_base + CHANNELS, k_places, k_inside, dims, d_k, 3 * CHANNELS, HEAD_DIM)
            store_tokens(d_base + 2 * CHANNELS, k_places, k_inside, dims, d_v, 3 * CHANNELS, HEAD_DIM)
            if HAS_PADDING:
                k_sum += tl.sum(tl.where(k_padded[:, None], d_k, 0.0), 0)
                v_sum += tl.sum(tl.where(k_padded[:, None], d_v, 0.0), 0)
        else:
            saved = (((image.to(tl.int64) * rows + row) * columns + column) * HEADS + head) * TOKENS + queries
            tl.store(log_total + saved, top + tl.log2(total), mask=queries < TOKENS)
            tl.store(delta + saved, row_sum, mask=queries < TOKENS)
    if WANTS_BIAS:
        place = (own_part(part, IS_ATOMIC).to(tl.int64) * HEADS + head) * (TOKENS * TOKENS)
        place += queries[:, None] * TOKENS + keys[None, :]
        add_part(d_bias + place, bias_sum, (queries < TOKENS)[:, None] & (keys < TOKENS)[None, :], IS_ATOMIC)
    if HAS_PADDING and IS_WHOLE:
        add_padding_part(d_padding, own_part(part, IS_ATOMIC), head, dims, k_sum, v_sum, HEADS, HEAD_DIM, IS_ATOMIC)


@triton.jit(do_not_specialize=SIZES)
def keys_kernel(
    qkv, padding, bias, d_out, d_qkv, d_padding, log_total, delta,
    scale, batch, rows, columns, height, width, windows_per_program,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
    HAS_PADDING: tl.constexpr, HAS_BIAS: tl.constexpr, IS_ATOMIC: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """dk and dv of `BLOCK_M` keys from all queries of a window."""
    CHANNELS: tl.constexpr = HEADS * HEAD_DIM
    TOKENS: tl.constexpr = WINDOW_H * WINDOW_W
    BLOCKS: tl.constexpr = (TOKENS + BLOCK_M - 1) // BLOCK_M
    program = tl.program_id(0)
    head = program % HEADS
    part = program // HEADS  # every block of keys has a part of the padded tokens' gradient
    first, last, at_bottom, at_right, group_rows, group_columns = share_of_windows(
        part // BLOCKS, windows_per_program, batch, rows, columns, SHIFT_H + SHIFT_W > 0
    )
    keys = part % BLOCKS * BLOCK_M + tl.arange(0, BLOCK_M)
    queries = tl.arange(0, BLOCK_N)
    dims = tl.arange(0, BLOCK_D)
    added = load_added(
        bias, head, queries[None, :], keys[:, None], at_bottom, at_right,
        WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W, HAS_BIAS,
    )  # fmt: skip
    k_sum = tl.zeros((BLOCK_D,), tl.float32)
    v_sum = tl.zeros((BLOCK_D,), tl.float32)
    padding_k, padding_v = load_padding(padding, head, dims, HEADS, HEAD_DIM, HAS_PADDING)
    for window in range(first, last):
        image, row, column = find_window(window, at_bottom, at_right, group_rows, group_columns, rows, columns)
        q_places, q_inside, _ = locate(
            queries, row, column, rows, columns, height, width, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W
        )
        k_places, k_inside, k_padded = locate(
            keys, row, column, rows, columns, height, width, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W
        )
        pixels = image.to(tl.int64) * height * width
        base = qkv + pixels * (3 * CHANNELS) + head * HEAD_DIM
        q = load_tokens(base, q_places, q_inside, dims, 3 * CHANNELS, HEAD_DIM)
        k, v = load_keys(
            base, k_places, k_inside, k_padded, dims, padding_k, padding_v, CHANNELS, HEAD_DIM, HAS_PADDING
        )
        d_o = load_tokens(d_out + pixels * CHANNELS + head * HEAD_DIM, q_places, q_inside, dims, CHANNELS, HEAD_DIM)
        saved = (((image.to(tl.int64) * rows + row) * columns + column) * HEADS + head) * TOKENS + queries
        top = tl.load(log_total + saved, mask=queries < TOKENS, other=0.0)
        row_sum = tl.load(delta + saved, mask=queries < TOKENS, other=0.0)
        logits = product(k, tl.trans(q)) * (scale * LOG2E) + added
        weights = tl.exp2(logits - top[None, :])
        d_v = product(weights.to(q.dtype), d_o)
        d_weights = product(v, tl.trans(d_o))
        d_logits = (weights * (d_weights - row_sum[None, :])).to(q.dtype)
        d_k = product(d_logits, q) * scale
        d_base = d_qkv + pixels * (3 * CHANNELS) + head * HEAD_DIM
        store_tokens(d_base + CHANNELS, k_places, k_inside, dims, d_k, 3 * CHANNELS, HEAD_DIM)
        store_tokens(d_base + 2 * CHANNELS, k_places, k_inside, dims, d_v, 3 * CHANNELS, HEAD_DIM)
        if HAS_PADDING:
            k_sum += tl.sum(tl.where(k_padded[:, None], d_k, 0.0), 0)
            v_sum += tl.sum(tl.where(k_padded[:, None], d_v, 0.0), 0)
    if HAS_PADDING:
        add_padding_part(d_padding, own_part(part, IS_ATOMIC), head, dims, k_sum, v_sum, HEADS, HEAD_DIM, IS_ATOMIC)
