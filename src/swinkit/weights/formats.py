"""Whose weights these are, told by the names in them, and the same weights under the official names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from swinkit.errors import InputError
from swinkit.weights.renaming import (
    Tensors,
    from_official,
    from_openmmlab,
    from_timm,
    from_torchvision,
    from_transformers,
    from_transformers_heads,
    is_timm,
    with_listed_heads,
)

SWINKIT = "swinkit"
"""`format` in the header of files that swinkit wrote: official names, nothing to rename."""

UNKNOWN = "unknown"
"""`Recognised.format` where no known Swin is in the tensors; their names are then left as they are."""

_MARKERS = {
    "layers.0.blocks.0.attn.qkv.weight": "official",
    "layers_0.blocks.0.attn.qkv.weight": "official",
    "features.1.0.attn.qkv.weight": "torchvision",
    "encoder.layers.0.blocks.0.attention.self.query.weight": "transformers",
    "encoder.layers.0.blocks.0.attention.q_proj.weight": "transformers",
    "stages.0.blocks.0.attn.w_msa.qkv.weight": "openmmlab",
}
"""A name that every file of a code base has, to that code base; what stands before it is the prefix of the backbone."""

_RENAMINGS: dict[str, Callable[[Mapping[str, Tensor]], Tensors]] = {
    "official": from_official,
    "timm": from_timm,
    "torchvision": from_torchvision,
    "transformers": from_transformers,
    "openmmlab": from_openmmlab,
    "detectron2": from_official,
}

COMPUTED = ("relative_position_index", "relative_coords_table", "attn_mask", "mask_token")
"""Endings of names that are no weights of the model: buffers that follow from its sizes, and SimMIM's mask token.
SimMIM's `decoder.` is left out too."""


@dataclass(frozen=True)
class Recognised:
    """Weights under official names.

    A file that holds a detector or segmentor keeps `backbone.`, `neck.` and so on; one that holds a backbone or a
    classifier has no prefix.
    """

    format: str
    """official, timm, torchvision, transformers, openmmlab, detectron2, vision_transformer, swinkit or unknown."""
    tensors: Tensors
    dropped: tuple[str, ...]
    """Names in the file that are not passed on: buffers, decoders, momentum branches."""

    @property
    def is_whole_model(self) -> bool:
        """Whether these are a backbone with heads, each under its own prefix."""
        return any(name.startswith("backbone.") for name in self.tensors)


class _Place(NamedTuple):
    """Where in a file the Swin lies: prefixes of the whole and of the backbone in it, and whether heads lie beside."""

    format: str
    outer: str
    root: str
    is_whole: bool


def recognise(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Recognised:
    """Tell by their names where weights come from, and give them their official names.

    Knows the official classification, detection and segmentation code (with `module.`, `backbone.` or `encoder.`
    before the names), timm, torchvision, transformers, OpenMMLab, detectron2 and swinkit's own files; and of other
    models DeiT and ViT of timm. Layout and values follow: split queries, keys and values are joined and OpenMMLab's
    patch merging is put into the official order.

    Args:
        tensors: names to tensors, as in the file.
        metadata: the header of a safetensors file.

    Raises:
        InputError: where the weights are Swin V2's, or hold several Swins.
    """
    if (metadata or {}).get("format") == SWINKIT:
        return Recognised(SWINKIT, with_listed_heads(tensors), ())
    place = _find_swin(tensors)
    if place is None and is_vision_transformer(tensors):
        return from_vision_transformer(tensors)
    if place is None:
        return Recognised(UNKNOWN, dict(tensors), ())
    names_inside = _names_inside(tensors, place)
    inside = {short: tensors[name] for name, short in names_inside.items()}
    if any(name.endswith(".logit_scale") for name in inside):
        raise InputError("these are weights of Swin V2, which swinkit does not have; give weights of the first Swin")
    heads = {
        name.removeprefix(place.outer): tensor
        for name, tensor in tensors.items()
        if place.is_whole and name.startswith(place.outer) and not name.startswith(place.root)
    }
    kind = "timm" if place.format == "official" and is_timm(inside) else place.format
    backbone = _RENAMINGS[kind]({name: tensor for name, tensor in inside.items() if not _is_no_weight(name)})
    used = {name for name, short in names_inside.items() if not _is_no_weight(short)}
    used |= {place.outer + name for name in heads}
    dropped = tuple(name for name in tensors if name not in used)
    if not place.is_whole:
        return Recognised(kind, backbone, dropped)
    if _is_openmmlab_classifier(kind, heads):
        return Recognised(kind, _as_classifier(backbone, heads), dropped)
    heads = from_transformers_heads(heads) if kind == "transformers" else with_listed_heads(heads)
    whole = {f"backbone.{name}": tensor for name, tensor in backbone.items()} | heads
    return Recognised(kind, whole, dropped)


def is_vision_transformer(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are a DeiT or ViT of timm's or the official DeiT code, which has the same names."""
    return {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"} <= tensors.keys()


def from_vision_transformer(tensors: Mapping[str, Tensor]) -> Recognised:
    """As they are called in `swinkit.backbone.deit`; the head has no place there."""
    dropped = tuple(name for name in tensors if name.startswith(("head", "head_dist")))
    kept = {f"vit.{name}": tensor for name, tensor in tensors.items() if name not in dropped}
    return Recognised("vision_transformer", kept, dropped)


def _names_inside(names: Iterable[str], place: _Place) -> dict[str, str]:
    """Names of the Swin's tensors in the file, to the same without what stands before them.

    MaskFormer's wrapper of a Swin has the output norms beside the `model` that is the Swin.
    """
    wrapper = place.root.removesuffix("model.") if place.format == "transformers" else place.root
    beside = f"{wrapper}hidden_states_norms."
    return {
        name: name.removeprefix(place.root if name.startswith(place.root) else wrapper)
        for name in names
        if name.startswith((place.root, beside))
    }


def _is_no_weight(name: str) -> bool:
    return name.endswith(COMPUTED) or name.startswith("decoder.")


def _find_swin(tensors: Mapping[str, Tensor]) -> _Place | None:
    found = {
        (name.removesuffix(marker), kind)
        for name in tensors
        for marker, kind in _MARKERS.items()
        if name == marker or name.endswith("." + marker)
    }
    online = {place for place in found if place[0].removeprefix("module.") == "encoder."}
    if online:
        found = online  # MoBY: the branch that is trained, not its momentum copy
    if not found:
        return None
    if len(found) > 1:
        prefixes = ", ".join(sorted(repr(root) for root, _ in found))
        raise InputError(f"the weights hold several Swins, under {prefixes}; give a file or dict with one of them")
    root, kind = found.pop()
    if kind == "transformers":
        root = root.removesuffix("swin.")
    outer, backbone, _ = root.partition("backbone.")
    if root.endswith("backbone.bottom_up."):
        return _Place("detectron2", root, root, True)
    return _Place(kind, outer if backbone else root, root, bool(backbone))


def _is_openmmlab_classifier(kind: str, heads: Tensors) -> bool:
    """mmpretrain's classifiers, unlike detectors and segmentors, have nothing but `head.fc` beside their backbone."""
    return kind == "openmmlab" and bool(heads) and all(name.startswith("head.fc.") for name in heads)


def _as_classifier(backbone: Tensors, heads: Tensors) -> Tensors:
    """An mmpretrain classifier without its prefix; its last output norm is the norm before the head."""
    named = {re.sub(r"^norm\d+\.", "norm.", name): tensor for name, tensor in backbone.items()}
    return named | {name.replace("head.fc.", "head."): tensor for name, tensor in heads.items()}
