"""Golden files of our own making: any configuration, run by `golden_reference`, written as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import golden_reference
import torch
import torch.nn.functional as F
from golden_models import CLASSIFICATION, DENSE
from safetensors.torch import save_file
from torch import Tensor


def write_classification(path: Path, config: dict[str, Any], *, batch: int = 2, buffers: bool = True) -> Path:
    """A file as of the official classifier of this config, for images of its own size."""
    full = CLASSIFICATION | config
    weights = random_weights(common_shapes(full) | _head_shapes(full))
    height, width = full["img_size"] if isinstance(full["img_size"], list) else [full["img_size"]] * 2
    images = random(batch, full["in_chans"], height, width)
    target = torch.arange(batch) % max(1, full["num_classes"])
    features = golden_reference.classifier_features(weights, full, images)
    logits = golden_reference.classifier_logits(weights, features)
    loss = F.cross_entropy(logits, target)
    loss.backward()
    outputs = {"input": images.half(), "target": target, "features": features, "logits": logits, "loss": loss}
    state = weights | (_buffers(full, height, width) if buffers else {})
    return write(path, config, outputs, state, weights, list(weights))


def write_dense(
    path: Path,
    config: dict[str, Any],
    *,
    size: tuple[int, int],
    batch: int = 1,
    by_position: bool = False,
    zeros: bool = False,
) -> Path:
    """A file as of the official dense backbone.

    Args:
        path: the file.
        config: what differs from the official defaults.
        size: height and width of the images.
        batch: how many.
        by_position: number the levels by their position instead of their stage.
        zeros: list gradients of 0 for frozen and unused parameters instead of leaving them out.
    """
    full = DENSE | config
    weights = random_weights(common_shapes(full) | norm_shapes(full))
    frozen = _frozen(full, weights)
    for name in frozen:
        weights[name].requires_grad_(False)
    images = random(batch, full["in_chans"], *size)
    features = golden_reference.dense_features(weights, full, images)
    loss = golden_reference.dense_loss(features)
    loss.backward()
    levels = enumerate(features.values()) if by_position else features.items()
    outputs = {"input": images.half(), "loss": loss} | {f"features.{level}": feature for level, feature in levels}
    names = [name for name in weights if zeros or weights[name].grad is not None]
    return write(path, config, outputs, weights, weights, names)


def write(
    path: Path,
    config: dict[str, Any],
    outputs: dict[str, Tensor],
    state: dict[str, Tensor],
    parameters: dict[str, Tensor],
    gradient_names: list[str],
) -> Path:
    gradients = {name: _gradient(parameters[name]) for name in gradient_names}
    tensors = outputs | {f"weights.{name}": t.half() if t.is_floating_point() else t for name, t in state.items()}
    tensors["gradient_norms"] = torch.stack([gradient.norm() for gradient in gradients.values()])
    stored = ("relative_position_bias_table", "patch_embed.proj.weight", "absolute_pos_embed", "qkv.bias")
    tensors |= {f"gradients.{name}": gradients[name] for name in gradient_names if name.endswith(stored)}
    metadata = {"config": json.dumps(config), "gradient_names": json.dumps(gradient_names)}
    save_file({name: t.detach().contiguous().clone() for name, t in tensors.items()}, path, metadata)
    return path


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


_GENERATOR = torch.Generator()


def random(*shape: int) -> Tensor:
    """Normal numbers that fp16 holds exactly."""
    return torch.randn(shape, generator=_GENERATOR).half().float()


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Norms around 1, all else around 0 and large enough to matter; the same numbers on every call."""
    _GENERATOR.manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        is_scale = "norm" in name and name.endswith("weight")
        fan_in = shape[1] if len(shape) == 2 and not name.endswith("table") else 1
        values = 1 + 0.2 * random(*shape) if is_scale else 0.5 * fan_in**-0.5 * random(*shape)
        weights[name] = values.half().float().requires_grad_()
    return weights


def common_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what both official models have."""
    dim, side = config["embed_dim"], config["patch_size"]
    shapes: dict[str, tuple[int, ...]] = {}
    if config["ape"]:
        shapes["absolute_pos_embed"] = _position_shape(config)
    shapes |= {"patch_embed.proj.weight": (dim, config["in_chans"], side, side), "patch_embed.proj.bias": (dim,)}
    if config["patch_norm"]:
        shapes |= _norm("patch_embed.norm", dim)
    for stage, depth in enumerate(config["depths"]):
        width = dim * 2**stage
        for block in range(depth):
            shapes |= _block_shapes(config, f"layers.{stage}.blocks.{block}", stage, width)
        if stage + 1 < len(config["depths"]):
            shapes[f"layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
            shapes |= _norm(f"layers.{stage}.downsample.norm", 4 * width)
    return shapes


def _position_shape(config: dict[str, Any]) -> tuple[int, ...]:
    size = config.get("img_size", config.get("pretrain_img_size"))
    height, width = (s // config["patch_size"] for s in (size if isinstance(size, list) else [size] * 2))
    return (1, height * width, config["embed_dim"]) if "img_size" in config else (1, config["embed_dim"], height, width)


def _block_shapes(config: dict[str, Any], name: str, stage: int, width: int) -> dict[str, tuple[int, ...]]:
    hidden = int(width * config["mlp_ratio"])
    shapes = _norm(f"{name}.norm1", width)
    table = (2 * _window(config, stage) - 1) ** 2
    shapes[f"{name}.attn.relative_position_bias_table"] = (table, config["num_heads"][stage])
    shapes[f"{name}.attn.qkv.weight"] = (3 * width, width)
    if config["qkv_bias"]:
        shapes[f"{name}.attn.qkv.bias"] = (3 * width,)
    shapes |= {f"{name}.attn.proj.weight": (width, width), f"{name}.attn.proj.bias": (width,)}
    shapes |= _norm(f"{name}.norm2", width)
    shapes |= {f"{name}.mlp.fc1.weight": (hidden, width), f"{name}.mlp.fc1.bias": (hidden,)}
    return shapes | {f"{name}.mlp.fc2.weight": (width, hidden), f"{name}.mlp.fc2.bias": (width,)}


def _window(config: dict[str, Any], stage: int) -> int:
    """The official classifier shrinks its windows to its maps, the dense backbone never does."""
    if "img_size" not in config:
        return config["window_size"]
    size = config["img_size"]
    sides = size if isinstance(size, list) else [size]
    return min(config["window_size"], *(side // config["patch_size"] // 2**stage for side in sides))


def _head_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width, classes = config["embed_dim"] * 2 ** (len(config["depths"]) - 1), config["num_classes"]
    head = {"head.weight": (classes, width), "head.bias": (classes,)} if classes else {}
    return _norm("norm", width) | head


def norm_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    norms = [_norm(f"norm{stage}", config["embed_dim"] * 2**stage) for stage in config["out_indices"]]
    return {name: shape for norm in norms for name, shape in norm.items()}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _buffers(config: dict[str, Any], height: int, width: int) -> dict[str, Tensor]:
    """What official files hold beside their weights."""
    buffers = {}
    for stage, depth in enumerate(config["depths"]):
        sides = [side // config["patch_size"] // 2**stage for side in (height, width)]
        window = _window(config, stage)
        for block in range(depth):
            name = f"layers.{stage}.blocks.{block}"
            buffers[f"{name}.attn.relative_position_index"] = golden_reference.offset_rows(window)
            shift = window // 2 if block % 2 and min(sides) > config["window_size"] else 0
            if shift:
                region = golden_reference.regions(*sides, window, shift)
                region = region.unflatten(1, (-1, window)).unflatten(0, (-1, window)).transpose(1, 2).flatten(2)
                region = region.flatten(0, 1)  # (N, T)
                buffers[f"{name}.attn_mask"] = torch.where(region[:, None] == region[:, :, None], 0.0, -100.0)
    return buffers


def _frozen(config: dict[str, Any], names: dict[str, Tensor]) -> list[str]:
    """The official rule: 0 the patch embedding, 1 also the position embedding, k + 1 also the first k stages."""
    level = config["frozen_stages"]
    prefixes = ["patch_embed."] if level >= 0 else []
    prefixes += ["absolute_pos_embed"] if level >= 1 else []
    prefixes += [f"layers.{stage}." for stage in range(level - 1)]
    return [name for name in names if name.startswith(tuple(prefixes))] if prefixes else []
