"""Other people's parameter names and orders, turned into the official ones: one function a code base.

Each takes the tensors of a backbone, with everything in front of their names already cut off, and returns them under
official names. A name that a function does not know passes unchanged. Shapes: C channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from swinkit.errors import InputError

Tensors = dict[str, Tensor]


def from_official(tensors: Mapping[str, Tensor]) -> Tensors:
    """The official code, older timm files and detectron2: nothing to rename."""
    return dict(tensors)


def from_timm(tensors: Mapping[str, Tensor]) -> Tensors:
    """timm from 0.9 on: patch merging opens a stage instead of closing the one before, and the head is `head.fc`.

    Also the wrapper of `features_only=True`, which writes `layers_0` for `layers.0`.
    """

    def rename(name: str) -> str:
        name = re.sub(r"^layers_(\d+)\.", r"layers.\1.", name)
        name = re.sub(r"^layers\.(\d+)\.downsample\.", lambda m: f"layers.{int(m[1]) - 1}.downsample.", name)
        return re.sub(r"^head\.fc\.", "head.", name)

    return _renamed(tensors, rename)


def is_timm(names: Iterable[str]) -> bool:
    """Whether official-looking names are those of timm from 0.9 on.

    Decided by the place of the patch merging: a new file has none in stage 0, an official or old timm file always has.
    The head alone would not do: files without one exist.
    """
    names = list(names)
    merging = {int(m[1]) for name in names if (m := re.match(r"layers[._](\d+)\.downsample\.", name))}
    starts_stages = bool(merging) and 0 not in merging
    return starts_stages or any(name.startswith(("layers_0.", "head.fc.")) for name in names)


def from_torchvision(tensors: Mapping[str, Tensor]) -> Tensors:
    """torchvision numbers patch embedding, stages and patch mergings in one row, `features.0`, `.1`, `.2`, ..."""

    def rename(name: str) -> str:
        match = re.match(r"features\.(\d+)\.(.*)", name)
        if match is None:
            return name
        index, rest = int(match[1]), match[2]
        if index == 0:
            return "patch_embed." + rest.replace("0.", "proj.", 1).replace("2.", "norm.", 1)
        if index % 2 == 0:
            return f"layers.{index // 2 - 1}.downsample.{rest}"
        rest = rest.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")
        return f"layers.{index // 2}.blocks.{rest}"

    return _renamed(tensors, rename)


_TRANSFORMERS = (
    (r"^swin\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.norm\.", "patch_embed.norm."),
    (r"^embeddings\.position_embeddings$", "absolute_pos_embed"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^encoder\.layers\.", "layers."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.self\.relative_position", ".attn.relative_position"),
    (r"\.attention\.relative_position_bias\.", ".attn."),
    (r"\.attention\.self\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attn\.q\.", ".attn.query."),
    (r"\.attn\.k\.", ".attn.key."),
    (r"\.attn\.v\.", ".attn.value."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"^layernorm\.", "norm."),
    (r"^hidden_states_norms\.(\d+)\.", r"norm\1."),  # MaskFormer's
    (r"^hidden_states_norms\.stage(\d+)\.", r"norm\1."),  # counted from 1, corrected below
    (r"^classifier\.", "head."),
)


def from_transformers(tensors: Mapping[str, Tensor]) -> Tensors:
    """transformers, as on disk and as in memory since version 5: separate query, key and value, other names."""

    def rename(name: str) -> str:
        is_output_norm = "hidden_states_norms.stage" in name
        for pattern, replacement in _TRANSFORMERS:
            name = re.sub(pattern, replacement, name)
        return re.sub(r"^norm(\d+)", lambda m: f"norm{int(m[1]) - 1}", name) if is_output_norm else name

    return _joined_qkv(_renamed(tensors, rename))


def from_transformers_heads(tensors: Mapping[str, Tensor]) -> Tensors:
    """The heads of transformers' UperNet."""

    def rename(name: str) -> str:
        name = name.replace(".batch_norm.", ".bn.")
        return re.sub(r"^(decode_head|auxiliary_head)\.classifier\.", r"\1.conv_seg.", name)

    return _renamed(tensors, rename)


def from_openmmlab(tensors: Mapping[str, Tensor]) -> Tensors:
    """mmdetection, mmsegmentation and mmpretrain since 2021: other names, and patch merging in another channel order.

    Their merging orders its input channel by channel, the official one neighbour by neighbour, and lists the
    neighbours row by row, not column by column.
    """

    def rename(name: str) -> str:
        name = re.sub(r"^stages\.", "layers.", name)
        name = re.sub(r"^patch_embed\.projection\.", "patch_embed.proj.", name)
        name = name.replace(".attn.w_msa.", ".attn.")
        return name.replace(".ffn.layers.0.0.", ".mlp.fc1.").replace(".ffn.layers.1.", ".mlp.fc2.")

    renamed = _renamed(tensors, rename)
    return {name: _official_merging(t) if ".downsample." in name else t for name, t in renamed.items()}


def _official_merging(tensor: Tensor) -> Tensor:
    """(..., 4C) in OpenMMLab's order to the official one."""
    by_neighbour = tensor.unflatten(-1, (-1, 4)).transpose(-2, -1)  # (..., 4, C)
    return by_neighbour[..., [0, 2, 1, 3], :].flatten(-2)


def with_listed_heads(tensors: Mapping[str, Tensor]) -> Tensors:
    """The heads of a detector of one stage as a list of one: `roi_head.bbox_head.0.fc_cls`, as a cascade has them."""
    return _renamed(tensors, lambda name: re.sub(r"^(roi_head\.(?:bbox|mask)_head)\.(?!\d+\.)", r"\1.0.", name))


def _renamed(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> Tensors:
    return {rename(name): tensor for name, tensor in tensors.items()}


def _joined_qkv(tensors: Tensors) -> Tensors:
    joined: Tensors = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.*\.attn\.)(query|key|value)\.(weight|bias)", name)
        if match is None:
            joined[name] = tensor
            continue
        parts = [f"{match[1]}{part}.{match[3]}" for part in ("query", "key", "value")]
        absent = [part for part in parts if part not in tensors]
        if absent:
            raise InputError(f"the weights hold {name} without {absent[0]}; the file is incomplete")
        joined.setdefault(f"{match[1]}qkv.{match[3]}", torch.cat([tensors[part] for part in parts]))
    return joined
