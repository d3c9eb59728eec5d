"""The two official forward passes once more, straight from their published rules and from nothing of swinkit.

Loops where the package gathers, so that an error made there is not made here too. Weights are a dict of tensors under
official names. Slow, for small models.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]
Config = dict[str, Any]
"""Arguments of an official constructor, all of them."""


def classifier_features(weights: Weights, config: Config, images: Tensor) -> Tensor:
    """The official classifier up to its pooling: (B, C). Sizes must divide evenly, as it asserts."""
    x = _embed(weights, config, images)
    if config["ape"]:
        x = x + weights["absolute_pos_embed"].view(1, x.shape[1], x.shape[2], -1)
    for stage in range(len(config["depths"])):
        sides = x.shape[1:3]
        is_whole = min(sides) <= config["window_size"]
        window = min(sides) if is_whole else config["window_size"]
        assert sides[0] % window == 0 and sides[1] % window == 0, "the official classifier cannot do this"
        shift = 0 if is_whole else config["window_size"] // 2
        x = _blocks(weights, config, stage, x, window, shift)
        if stage + 1 < len(config["depths"]):
            assert sides[0] % 2 == 0 and sides[1] % 2 == 0, "the official classifier cannot do this"
            x = _merge(weights, stage, x)
    return _norm(weights, "norm", x).flatten(1, 2).mean(1)


def classifier_logits(weights: Weights, features: Tensor) -> Tensor:
    return F.linear(features, weights["head.weight"], weights["head.bias"]) if "head.weight" in weights else features


def dense_features(weights: Weights, config: Config, images: Tensor) -> dict[int, Tensor]:
    """The official dense backbone: stage to (B, C, H, W)."""
    side = config["patch_size"]
    x = _embed(weights, config, F.pad(images, (0, -images.shape[3] % side, 0, -images.shape[2] % side)))
    if config["ape"]:
        position = F.interpolate(weights["absolute_pos_embed"], size=x.shape[1:3], mode="bicubic")
        x = x + position.permute(0, 2, 3, 1)
    features = {}
    for stage in range(len(config["depths"])):
        x = _blocks(weights, config, stage, x, config["window_size"], config["window_size"] // 2)
        if stage in config["out_indices"]:
            features[stage] = _norm(weights, f"norm{stage}", x).permute(0, 3, 1, 2)
        if stage + 1 < len(config["depths"]):
            x = _merge(weights, stage, F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2)))
    return features


def dense_loss(features: dict[int, Tensor]) -> Tensor:
    return torch.stack([(feature**2).mean() for feature in features.values()]).sum()


@functools.cache
def offset_rows(window: int) -> Tensor:
    """Row of the bias table for tokens i (attending) and j (attended): (T, T)."""
    tokens = [(y, x) for y in range(window) for x in range(window)]
    rows = [
        [(yi - yj + window - 1) * (2 * window - 1) + xi - xj + window - 1 for yj, xj in tokens] for yi, xi in tokens
    ]
    return torch.tensor(rows)


@functools.cache
def regions(height: int, width: int, window: int, shift: int) -> Tensor:
    """Which of nine regions each token of a rolled map belongs to: (H, W). Tokens of two regions do not attend."""

    def band(position: int, size: int) -> int:
        return (position >= size - window) + (position >= size - shift)

    return torch.tensor([[3 * band(y, height) + band(x, width) for x in range(width)] for y in range(height)])


def _embed(weights: Weights, config: Config, images: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, H / p, W / p, C)."""
    name = "patch_embed.proj"
    x = F.conv2d(images, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=config["patch_size"])
    x = x.movedim(1, 3)
    return _norm(weights, "patch_embed.norm", x) if config["patch_norm"] else x


def _norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-5)


def _linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def _merge(weights: Weights, stage: int, x: Tensor) -> Tensor:
    x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
    return _linear(
        weights, f"layers.{stage}.downsample.reduction", _norm(weights, f"layers.{stage}.downsample.norm", x)
    )


def _blocks(weights: Weights, config: Config, stage: int, x: Tensor, window: int, shift: int) -> Tensor:
    """All blocks of a stage; every second one is shifted."""
    heads = config["num_heads"][stage]
    scale = config["qk_scale"] or (x.shape[-1] // heads) ** -0.5
    for number in range(config["depths"][stage]):
        name = f"layers.{stage}.blocks.{number}"

        def attend(tokens: Tensor, region: Tensor | None, name: str = name) -> Tensor:
            return _attend(weights, f"{name}.attn", tokens, region, heads, scale)

        x = x + _in_windows(_norm(weights, f"{name}.norm1", x), window, shift if number % 2 else 0, attend)
        hidden = F.gelu(_linear(weights, f"{name}.mlp.fc1", _norm(weights, f"{name}.norm2", x)))
        x = x + _linear(weights, f"{name}.mlp.fc2", hidden)
    return x


def _in_windows(x: Tensor, window: int, shift: int, attend: Callable[[Tensor, Tensor | None], Tensor]) -> Tensor:
    """Pad, roll, `attend` in one window after the other, roll back, crop: (B, H, W, C)."""
    height, width = x.shape[1:3]
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    region = regions(x.shape[1], x.shape[2], window, shift) if shift else None
    x = x.roll((-shift, -shift), (1, 2))
    bands = []
    for top in range(0, x.shape[1], window):
        band = []
        for left in range(0, x.shape[2], window):
            place = slice(top, top + window), slice(left, left + window)
            tokens = x[:, place[0], place[1]].flatten(1, 2)  # (B, T, C)
            out = attend(tokens, None if region is None else region[place].flatten())
            band.append(out.unflatten(1, (window, window)))
        bands.append(torch.cat(band, 2))
    return torch.cat(bands, 1).roll((shift, shift), (1, 2))[:, :height, :width]


def _attend(weights: Weights, name: str, tokens: Tensor, region: Tensor | None, heads: int, scale: float) -> Tensor:
    """Multi-head attention among the tokens of one window, one head after the other: (B, T, C)."""
    width = tokens.shape[-1] // heads
    query, key, value = _linear(weights, f"{name}.qkv", tokens).chunk(3, -1)
    table = weights[f"{name}.relative_position_bias_table"]
    rows = offset_rows(round(tokens.shape[1] ** 0.5))
    outputs = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        logits = torch.einsum("bic,bjc->bij", query[..., part] * scale, key[..., part]) + table[rows, head]
        if region is not None:
            logits = logits + torch.where(region[:, None] == region, 0.0, -100.0)
        outputs.append(logits.softmax(-1) @ value[..., part])
    return _linear(weights, f"{name}.proj", torch.cat(outputs, -1))
