"""Segmentors as plain data: what a model's file says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swinkit.backbone.table import backbone_config, describe_backbone
from swinkit.errors import InputError
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.serialization import from_plain, to_plain

SEGMENTORS: dict[str, type[UperNetConfig]] = {"upernet": UperNetConfig}
"""What files call an architecture, to its configuration; for reading files only."""


@dataclass(frozen=True)
class DescribedSegmentor:
    """What a file tells about a segmentor besides its architecture."""

    num_classes: int
    classes: tuple[str, ...]
    """Names of the K classes."""
    preprocessing: InferenceSettings
    """How images are shown to the model."""


def describe_segmentor(model: UperNet, classes: Sequence[str], preprocessing: InferenceSettings) -> dict[str, Any]:
    """What a file says about this model: plain data, from which `read_described` builds it again."""
    name = next(name for name, kind in SEGMENTORS.items() if type(model.config) is kind)
    return {
        "task": "segmentation",
        "architecture": name,
        "config": to_plain(model.config),
        "backbone": describe_backbone(model.backbone),
        "num_classes": model.num_classes,
        "classes": list(classes),
        "preprocessing": to_plain(preprocessing),
    }


def read_described(description: Mapping[str, Any]) -> tuple[UperNet, DescribedSegmentor]:
    """The model that `describe_segmentor` described, with fresh weights, and what else is known about it.

    Raises InputError where the description is not one of a segmentor.
    """
    name = description.get("architecture")
    if description.get("task") != "segmentation" or not isinstance(name, str) or name not in SEGMENTORS:
        raise InputError(f"this is a {description.get('task')} model, {name}, not one of {', '.join(SEGMENTORS)}")
    fields = ("num_classes", "classes", "preprocessing")
    told = from_plain(DescribedSegmentor, {field: description.get(field) for field in fields}, where="the segmentor")
    if len(told.classes) != told.num_classes:
        raise InputError(f"{len(told.classes)} classes are named, but the model has {told.num_classes}")
    config = from_plain(SEGMENTORS[name], description.get("config"), where=f"the {name}")
    backbone = backbone_config(description.get("backbone") or {}).build()
    return config.build(backbone, told.num_classes), told
