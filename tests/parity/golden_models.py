"""Backbones and classifiers from golden files: built, loaded, run, compared.

Shapes: B images, H W map, C channels, N windows, T tokens in a window, K classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from golden_comparison import Comparison, compare_exactly, compare_gradients, compare_trained, compare_values, miss
from golden_file import BUFFERS, WEIGHTS, Golden
from torch import Tensor, nn

from swinkit import InputError, SwinClassifier, SwinConfig, SwinTransformer, load_weights
from swinkit.backbone.stages import SwinStages
from swinkit.ops.relative_position import build_relative_position_index
from swinkit.ops.window_attention import AttentionBackend
from swinkit.ops.windows import build_window_masks

COMMON: dict[str, Any] = {
    "patch_size": 4,
    "in_chans": 3,
    "embed_dim": 96,
    "depths": [2, 2, 6, 2],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "qk_scale": None,
    "drop_rate": 0.0,
    "attn_drop_rate": 0.0,
    "ape": False,
    "patch_norm": True,
    "use_checkpoint": False,
}
CLASSIFICATION = COMMON | {"img_size": 224, "num_classes": 1000, "drop_path_rate": 0.1, "fused_window_process": False}
DENSE = COMMON | {"pretrain_img_size": 224, "drop_path_rate": 0.2, "out_indices": [0, 1, 2, 3], "frozen_stages": -1}
"""Arguments of the two official constructors with their defaults."""


def check_classification(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Pooled features, logits, cross entropy, gradients, and the buffers."""
    arguments = constructor_arguments(golden.config, CLASSIFICATION)
    model = SwinClassifier(
        swin_config(arguments, arguments["img_size"]),
        num_classes=int(arguments["num_classes"]),
        attention_backend=backend,
        checkpoint_activations=bool(arguments["use_checkpoint"]),
    )
    lines = load(model, golden) + compare_buffers(model, golden)
    images = golden.tensor("input").float()
    features = model.forward_head(model.forward_features(images), pre_logits=True)
    ours = {"features": features, "logits": model.head(features)}
    if "target" in golden.stored:
        ours["loss"] = F.cross_entropy(ours["logits"], golden.tensor("target"))
        ours["loss"].backward()
    lines += [compare_values(name, value, golden.stored[name]) for name, value in present(golden, ours)]
    return lines + compare_gradients(golden, _official_gradients(model, flat_position=True))


def check_dense_backbone(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """The features of every level, the sum over levels of their mean square, gradients, and the buffers."""
    arguments = constructor_arguments(golden.config, DENSE)
    stages = sorted(set(arguments["out_indices"]))
    model = SwinTransformer(
        dense_config(arguments),
        attention_backend=backend,
        checkpoint_activations=bool(arguments["use_checkpoint"]),
    )
    lines = load(model, golden) + compare_buffers(model, golden)
    features = model(golden.tensor("input").float())
    ours = dict(zip(_level_names(golden, stages), features, strict=True))
    ours["loss"] = torch.stack([feature.square().mean() for feature in features]).sum()
    ours["loss"].backward()
    lines += [compare_values(name, value, golden.stored[name]) for name, value in present(golden, ours)]
    gradients = _official_gradients(model, flat_position=False)
    if arguments["frozen_stages"] >= 0 and golden.gradient_names:
        lines.append(compare_trained(golden, gradients))
    return lines + compare_gradients(golden, gradients)


def constructor_arguments(config: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(config.keys() - defaults.keys())
    if unknown:
        raise InputError(
            f"its config has {', '.join(unknown)}, which the official constructor does not take; "
            f"it takes {', '.join(sorted(defaults))}"
        )
    return defaults | config


def swin_config(arguments: dict[str, Any], image_size: int | list[int]) -> SwinConfig:
    try:
        return _translated(arguments, _pair(arguments["patch_size"]), _pair(image_size))
    except (TypeError, ValueError) as error:
        raise InputError(f"the config is none that swinkit can build ({error})") from None


def dense_config(arguments: dict[str, Any]) -> SwinConfig:
    """The backbone of detectors and segmentors."""
    return replace(
        swin_config(arguments, arguments["pretrain_img_size"]),
        out_stages=tuple(sorted(set(arguments["out_indices"]))),
        frozen_stages=int(arguments["frozen_stages"]),
    )


def _translated(arguments: dict[str, Any], patch: tuple[int, int], image_size: tuple[int, int]) -> SwinConfig:
    if patch[0] != patch[1]:
        raise InputError(f"patches of {patch[0]} x {patch[1]} pixels are not square")
    return SwinConfig(
        embed_dim=arguments["embed_dim"],
        depths=tuple(arguments["depths"]),
        num_heads=tuple(arguments["num_heads"]),
        window_size=arguments["window_size"],
        image_size=image_size,
        patch_size=patch[0],
        in_channels=arguments["in_chans"],
        mlp_ratio=arguments["mlp_ratio"],
        patch_norm=bool(arguments["patch_norm"]),
        qkv_bias=bool(arguments["qkv_bias"]),
        qk_scale=arguments["qk_scale"] or None,  # the official code takes 0 for "not given"
        absolute_position_embedding=bool(arguments["ape"]),
        drop_rate=arguments["drop_rate"],
        attn_drop_rate=arguments["attn_drop_rate"],
        drop_path_rate=arguments["drop_path_rate"],
    )


def _pair(value: int | list[int]) -> tuple[int, int]:
    height, width = value if isinstance(value, list) else (value, value)
    return height, width


def load(model: nn.Module, golden: Golden) -> list[Comparison]:
    """The file's weights into the model, by the public loader; a tensor that is not taken as it is is a miss."""
    try:
        report = load_weights(model.eval(), golden.weights)
    except InputError as error:
        return [miss("weights", str(error))]
    unused = [name for name in report.dropped if not name.endswith(BUFFERS)]
    lines = [miss(WEIGHTS + name, "not in the file") for name in report.missing]
    lines += [miss(WEIGHTS + name, "resized to the model's shape") for name in report.resized]
    lines += [miss(WEIGHTS + name, "not in the model") for name in unused]
    return lines


def compare_buffers(model: SwinStages, golden: Golden, *, prefix: str = "") -> list[Comparison]:
    """Position indices and shift masks, which official files carry and swinkit computes when it needs them."""
    lines = []
    cpu = torch.device("cpu")
    rows, columns = (side // model.config.patch_size for side in model.config.image_size)
    for number, stage in enumerate(model.stages):
        for position, block in enumerate(stage.blocks):
            window = (block.attn.window, block.attn.window)
            index_name = f"{prefix}layers.{number}.blocks.{position}.attn.relative_position_index"
            if index_name in golden.weights:
                index = build_relative_position_index(window, window, cpu)
                lines.append(compare_exactly(WEIGHTS + index_name, index, golden.weights[index_name]))
            mask_name = f"{prefix}layers.{number}.blocks.{position}.attn_mask"
            if mask_name in golden.weights:
                grid = block.attn.grid(rows // 2**number, columns // 2**number)
                mask = build_window_masks(grid, cpu).squeeze(1)  # (N, T, T)
                lines.append(compare_exactly(WEIGHTS + mask_name, mask, golden.weights[mask_name]))
    return lines


def _level_names(golden: Golden, stages: list[int]) -> list[str]:
    """The names of the stored levels, numbered by stage, or by position where the numbers can only be that."""
    stored = {name for name in golden.stored if name.startswith("features.")}
    by_stage = [f"features.{stage}" for stage in stages]
    by_position = [f"features.{position}" for position in range(len(stages))]
    return by_position if stored == set(by_position) else by_stage


def present(golden: Golden, ours: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    return [(name, value.detach()) for name, value in ours.items() if name in golden.stored]


def _official_gradients(model: SwinStages, *, flat_position: bool) -> dict[str, Tensor | None]:
    """Gradients by official name; the classification code keeps the position embedding as (1, H W, C)."""
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    position = gradients.get("absolute_pos_embed")
    if position is not None and flat_position:
        gradients["absolute_pos_embed"] = position.flatten(2).transpose(1, 2)
    return gradients
