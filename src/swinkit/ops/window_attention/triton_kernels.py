"""Fused shifted-window attention, forward: one Triton kernel from qkv in image order to the output in image order.

Only `triton_op` imports this file, when it launches a kernel: swinkit works without Triton.

A program owns one head, `BLOCK_M` queries of a window, and a run of windows one after another. Which tokens make up a
window is arithmetic on coordinates, so nothing is padded, rolled or cut in memory. The bias of a head and the mask are
the same in all windows of a program: it loads its part once and keeps it in registers. All keys of a window (up to
256) are one tile, so softmax needs no running maximum. Logits carry a factor log2(e), because the hardware's
exponential is exp2.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim. A token of qkv is (3, h, d).
"""

# Annotations here are read by Triton: what has none is a pointer, a tile or a number of the kernel.
# mypy: disable-error-code="no-untyped-def, import-untyped, import-not-found"

from __future__ import annotations

import os

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
MASKED = tl.constexpr(-100.0 * 1.4426950408889634)
"""`swinkit.ops.windows.MASK_VALUE` times log2(e)."""
SIZES = ("batch", "rows", "columns", "height", "width", "windows_per_program")
"""Arguments whose values are no reason to compile a kernel again."""


IS_INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def product(a, b):
    """The matrix product, summed in fp32; of fp32 without TF32's rounding."""
    if IS_INTERPRETED:  # Triton's interpreter would take bf16's bits for integers
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def share_of_windows(chunk, windows_per_program, batch, rows, columns, IS_SHIFTED: tl.constexpr):
    """The windows of a program: the first and last of a group, and what the group is.

    All windows of a program have the same mask. So chunks go through four groups one after another: windows inside, at
    the right edge, at the bottom edge, and in the corner; without a shift there is one group.

    Returns:
        first and last (exclusive) number within the group; whether it is at the bottom and at the right; rows and
        columns of windows that it has in an image.
    """
    at_bottom = chunk < 0
    at_right = chunk < 0
    start = chunk * 0
    if IS_SHIFTED:
        inside = tl.cdiv(batch * (rows - 1) * (columns - 1), windows_per_program)
        right = inside + tl.cdiv(batch * (rows - 1), windows_per_program)
        bottom = right + tl.cdiv(batch * (columns - 1), windows_per_program)
        at_bottom = chunk >= right
        at_right = ((chunk >= inside) & (chunk < right)) | (chunk >= bottom)
        start = tl.where(at_bottom, tl.where(at_right, bottom, right), tl.where(at_right, inside, 0))
        rows = tl.where(at_bottom, 1, rows - 1)
        columns = tl.where(at_right, 1, columns - 1)
    first = (chunk - start) * windows_per_program
    last = tl.minimum(first + windows_per_program, batch * rows * columns)
    return first, last, at_bottom, at_right, rows, columns


@triton.jit
def find_window(window, at_bottom, at_right, group_rows, group_columns, rows, columns):
    """Image, row and column of window number `window` of a group."""
    image = window // (group_rows * group_columns)
    place = window - image * (group_rows * group_columns)
    row = place // group_columns
    column = place - row * group_columns
    return image, tl.where(at_bottom, rows - 1, row), tl.where(at_right, columns - 1, column)


@triton.jit
def locate(
    tokens, row, column, rows, columns, height, width,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
):  # fmt: skip
    """Where the tokens of a window lie: number within the image, whether inside the map, whether padding."""
    y = row * WINDOW_H + tokens // WINDOW_W + SHIFT_H
    x = column * WINDOW_W + tokens % WINDOW_W + SHIFT_W
    y = tl.where(y >= rows * WINDOW_H, y - rows * WINDOW_H, y)
    x = tl.where(x >= columns * WINDOW_W, x - columns * WINDOW_W, x)
    is_token = tokens < WINDOW_H * WINDOW_W
    is_inside = is_token & (y < height) & (x < width)
    return y * width + x, is_inside, is_token & (is_inside == 0)


@triton.jit
def load_tokens(base, places, is_inside, dims, STRIDE: tl.constexpr, HEAD_DIM: tl.constexpr):
    """(tokens, d) of one head; zeros where a token is not inside the map."""
    mask = is_inside[:, None] & (dims < HEAD_DIM)[None, :]
    return tl.load(base + places[:, None] * STRIDE + dims[None, :], mask=mask, other=0.0)


@triton.jit
def store_tokens(base, places, is_inside, dims, values, STRIDE: tl.constexpr, HEAD_DIM: tl.constexpr):
    mask = is_inside[:, None] & (dims < HEAD_DIM)[None, :]
    tl.store(base + places[:, None] * STRIDE + dims[None, :], values.to(base.dtype.element_ty), mask=mask)


@triton.jit
def load_padding(padding, head, dims, HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, HAS_PADDING: tl.constexpr):
    """k and v of a padded token, (d,) each; its q is not needed, because its output is dropped."""
    k = tl.zeros_like(dims)
    v = tl.zeros_like(dims)
    if HAS_PADDING:
        start = padding + head * HEAD_DIM + dims
        k = tl.load(start + HEADS * HEAD_DIM, mask=dims < HEAD_DIM, other=0.0)
        v = tl.load(start + 2 * HEADS * HEAD_DIM, mask=dims < HEAD_DIM, other=0.0)
    return k, v


@triton.jit
def load_keys(
    base, places, is_inside, is_padding, dims, padding_k, padding_v,
    CHANNELS: tl.constexpr, HEAD_DIM: tl.constexpr, HAS_PADDING: tl.constexpr,
):  # fmt: skip
    """k and v of the tokens at `places`, (tokens, d) each; `base` points to q of a head and an image."""
    k = load_tokens(base + CHANNELS, places, is_inside, dims, 3 * CHANNELS, HEAD_DIM)
    v = load_tokens(base + 2 * CHANNELS, places, is_inside, dims, 3 * CHANNELS, HEAD_DIM)
    if HAS_PADDING:
        k = tl.where(is_padding[:, None], padding_k[None, :], k)
        v = tl.where(is_padding[:, None], padding_v[None, :], v)
    return k, v


@triton.jit
def came_round(
    tokens, at_bottom, at_right,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
):  # fmt: skip
    """Which tokens of a window come from the other side of the map, down (2) or right (1): its regions."""
    down = at_bottom & (tokens // WINDOW_W >= WINDOW_H - SHIFT_H)
    right = at_right & (tokens % WINDOW_W >= WINDOW_W - SHIFT_W)
    return down.to(tl.int32) * 2 + right.to(tl.int32)


@triton.jit
def load_added(
    bias, head, queries, keys, at_bottom, at_right,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
    HAS_BIAS: tl.constexpr,
):  # fmt: skip
    """What is added to the logits of a head in every window of a program, times log2(e): bias and mask.

    -inf for keys that are no tokens. `queries` and `keys` are index tiles that broadcast to the tile of the logits, so
    a transposed tile works as well.
    """
    TOKENS: tl.constexpr = WINDOW_H * WINDOW_W
    added = tl.where(keys < TOKENS, 0.0, float("-inf")) + tl.zeros_like(queries)
    if HAS_BIAS:
        mask = (queries < TOKENS) & (keys < TOKENS)
        start = bias + head * (TOKENS * TOKENS)
        added += tl.load(start + queries * TOKENS + keys, mask=mask, other=0.0).to(tl.float32) * LOG2E
    if SHIFT_H + SHIFT_W > 0:
        query_region = came_round(queries, at_bottom, at_right, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W)
        key_region = came_round(keys, at_bottom, at_right, WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W)
        added += tl.where(query_region != key_region, MASKED, 0.0)
    return added


@triton.jit(do_not_specialize=SIZES)
def forward_kernel(
    qkv, padding, bias, out, scale, batch, rows, columns, height, width, windows_per_program,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr,
    WINDOW_H: tl.constexpr, WINDOW_W: tl.constexpr, SHIFT_H: tl.constexpr, SHIFT_W: tl.constexpr,
    HAS_PADDING: tl.constexpr, HAS_BIAS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """out (B, H, W, C) from qkv (B, H, W, 3 C), padding (3 C) and bias (h, T, T)."""
    CHANNELS: tl.constexpr = HEADS * HEAD_DIM
    BLOCKS: tl.constexpr = (WINDOW_H * WINDOW_W + BLOCK_M - 1) // BLOCK_M
    program = tl.program_id(0)
    head = program % HEADS
    first, last, at_bottom, at_right, group_rows, group_columns = share_of_windows(
        program // (HEADS * BLOCKS), windows_per_program, batch, rows, columns, SHIFT_H + SHIFT_W > 0
    )
    queries = program // HEADS % BLOCKS * BLOCK_M + tl.arange(0, BLOCK_M)
    keys = tl.arange(0, BLOCK_N)
    dims = tl.arange(0, BLOCK_D)
    added = load_added(
        bias, head, queries[:, None], keys[None, :], at_bottom, at_right,
        WINDOW_H, WINDOW_W, SHIFT_H, SHIFT_W, HAS_BIAS,
    )  # fmt: skip
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
        logits = product(q, tl.trans(k)) * (scale * LOG2E) + added
        weights = tl.exp2(logits - tl.max(logits, 1)[:, None])
        values = product(weights.to(v.dtype), v) / tl.sum(weights, 1)[:, None]
        base_out = out + pixels * CHANNELS + head * HEAD_DIM
        store_tokens(base_out, q_places, q_inside, dims, values, CHANNELS, HEAD_DIM)
