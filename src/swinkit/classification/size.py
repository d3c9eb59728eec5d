"""How large a classifier is: parameters and multiply-adds by arithmetic, without building it.

Letters: C width of a stage, T tokens of its map, M side of a window, h heads, r MLP ratio.
"""

from __future__ import annotations

from collections.abc import Iterator

from swinkit.backbone.architecture import SwinArchitecture
from swinkit.ops.feature_count import feature_count


def classifier_parameters(architecture: SwinArchitecture, *, num_classes: int = 1000) -> int:
    """Weights and biases that are learned, with a head of `num_classes`; 0 leaves the head out."""
    width, last = architecture.embed_dim, architecture.widths[-1]
    total = _linear(architecture.in_channels * architecture.patch_size**2, width)
    total += 2 * width if architecture.patch_norm else 0
    if architecture.absolute_position_embedding:
        total += width * _whole_patches(architecture)[0] * _whole_patches(architecture)[1]
    for stage, depth in enumerate(architecture.depths):
        total += depth * _block_parameters(architecture, stage)
    for width in architecture.widths[:-1]:
        total += 2 * 4 * width + 4 * width * 2 * width  # patch merging: norm, reduction without bias
    return total + 2 * last + (_linear(last, num_classes) if num_classes else 0)


def _block_parameters(architecture: SwinArchitecture, stage: int) -> int:
    width, hidden = architecture.widths[stage], int(architecture.widths[stage] * architecture.mlp_ratio)
    total = 2 * 2 * width + _linear(width, 3 * width) + _linear(width, width)  # norms, qkv, projection
    total -= 0 if architecture.qkv_bias else 3 * width
    if architecture.relative_position_bias:
        total += _table_rows(architecture, stage) * architecture.num_heads[stage]
    return total + _linear(width, hidden) + _linear(hidden, width)


def _table_rows(architecture: SwinArchitecture, stage: int) -> int:
    """Of a sliding window there is one for each place in it, of others one for each offset of two of its places."""
    if architecture.attention == "sliding":
        return architecture.window_size**2
    return (2 * _window(architecture, stage) - 1) ** 2


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def classifier_multiply_adds(architecture: SwinArchitecture, *, num_classes: int = 1000) -> int:
    """Multiplications with an addition for one image of the size that it is made for: those of the patch convolution,
    the linear layers and both matrix products of attention, as in the paper's table 1; of padded windows, too. Of a
    sliding window the 2 M^2 C of a token that the formula has, however it is computed."""
    maps = list(_maps(architecture))
    height, width = maps[0]
    total = height * width * architecture.in_channels * architecture.patch_size**2 * architecture.embed_dim
    for stage, depth in enumerate(architecture.depths):
        total += sum(_block_multiply_adds(architecture, stage, block, *maps[stage]) for block in range(depth))
    for (height, width), channels in zip(maps[1:], architecture.widths[:-1], strict=True):
        total += height * width * 4 * channels * 2 * channels  # patch merging, on the map that it makes
    return total + architecture.widths[-1] * num_classes


def _block_multiply_adds(architecture: SwinArchitecture, stage: int, block: int, height: int, width: int) -> int:
    """Attention and its qkv on the tokens that it pads to, T C^2 of its projection, 2 r T C^2 of the MLP."""
    channels = architecture.widths[stage]
    hidden = int(channels * architecture.mlp_ratio)
    attention = _attention_multiply_adds(architecture, stage, block, height, width)
    return attention + height * width * (channels**2 + 2 * channels * hidden)


def _attention_multiply_adds(architecture: SwinArchitecture, stage: int, block: int, height: int, width: int) -> int:
    """3 T C^2 of q, k and v; of windows 2 M^2 T C (equation 2); of m random features 4 m T C and, for the sum that
    normalises, m T for each head."""
    channels = architecture.widths[stage]
    if architecture.attention == "performer":
        heads = architecture.num_heads[stage]
        features = feature_count(channels // heads)
        return height * width * (3 * channels**2 + features * (4 * channels + heads))
    if architecture.attention == "sliding":
        return height * width * (3 * channels**2 + 2 * architecture.window_size**2 * channels)
    window = min(_window(architecture, stage), height, width)
    rows, columns = -(-height // window), -(-width // window)
    is_shifted = block % 2 and window // 2 and min(height, width) > window
    if architecture.attention == "padded_shift" and is_shifted:
        rows, columns = rows + 1, columns + 1
    return rows * columns * window**2 * (3 * channels**2 + 2 * window**2 * channels)


def _maps(architecture: SwinArchitecture) -> Iterator[tuple[int, int]]:
    """Height and width of each stage's map, in tokens."""
    height, width = _whole_patches(architecture)
    for _ in architecture.depths:
        yield height, width
        height, width = (height + 1) // 2, (width + 1) // 2


def _whole_patches(architecture: SwinArchitecture) -> tuple[int, int]:
    """Pixels beyond the last whole patch are left out."""
    height, width = architecture.image_size
    return height // architecture.patch_size, width // architecture.patch_size


def _window(architecture: SwinArchitecture, stage: int) -> int:
    """No larger than the stage's map, as in `swinkit.backbone.stages`."""
    return min(architecture.window_size, *list(_maps(architecture))[stage])
