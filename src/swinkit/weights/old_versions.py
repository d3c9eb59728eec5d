"""What files of earlier versions say about their model, in the words of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swinkit.errors import InputError, border

VERSION = 2
"""Of the descriptions that this version writes; those of swinkit 0.1 had no number."""


def upgraded(description: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A description of any version in the form of `VERSION`.

    Raises InputError, naming `where`, where it is of a later version or damaged.
    """
    version = description.get("version", 1)
    if version == VERSION:
        return dict(description)
    if version != 1:
        raise InputError(f"{where} was written by a later version of swinkit; update with pip install -U swinkit")
    upgrades = {"classification": _classification, "detection": _detection, "segmentation": _segmentation}
    with border(f"the description in {where} is damaged", "save the model again"):
        return {"version": VERSION, **upgrades[description["task"]](description)}


def _kept(description: Mapping[str, Any]) -> dict[str, Any]:
    """What has the same name and meaning as before."""
    names = ("task", "num_classes", "classes", "recipe", "results")
    return {name: description[name] for name in names if name in description}


def _classification(description: Mapping[str, Any]) -> dict[str, Any]:
    config = description["model"] | {"geometry": description["geometry"]}
    results = description.get("results", {})
    shares = {name: results[name] / 100 for name in ("val/top1", "val/top5") if name in results}  # they were percent
    return _kept(description) | {
        "architecture": "swin_classifier",
        "config": {},
        "backbone": {"architecture": "swin", "config": config},
        "preprocessing": description.get("preprocessing"),
        "results": results | shares,
    }


def _segmentation(description: Mapping[str, Any]) -> dict[str, Any]:
    return _kept(description) | {
        "architecture": description["architecture"],
        "config": description["head"],
        "backbone": _backbone(description["backbone"]),
        "preprocessing": description["inference"],
    }


def _detection(description: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(description["detector"])
    config.pop("is_cascade")
    rpn = config["rpn"]
    return _kept(description) | {
        "architecture": description["architecture"],
        "config": config
        | {
            "masks": description["has_masks"],
            "rpn": rpn
            | {
                "matcher": _matcher(rpn["matcher"]),
                "sampler": _sampler(rpn["sampler"]),
                "training": _proposals(rpn["training"]),
                "inference": _proposals(rpn["inference"]),
            },
            "stages": [
                stage | {"matcher": _matcher(stage["matcher"]), "sampler": _sampler(stage["sampler"])}
                for stage in config["stages"]
            ],
        },
        "backbone": _backbone(description["backbone"]),
        "preprocessing": description["resize"],
    }


def _backbone(old: Mapping[str, Any]) -> dict[str, Any]:
    if "timm" in old:
        return {"architecture": "timm", "config": {"name": old["timm"], "levels": old["levels"]}}
    own = {"out_stages": old["out_stages"], "geometry": old["geometry"]}
    return {"architecture": "swin", "config": old["swin"] | own}


def _matcher(old: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "positive_iou": old["foreground"],
        "negative_iou": old["background"],
        "low_quality_iou": old["low_quality"],
    }


def _sampler(old: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "count": old["count"],
        "positive_fraction": old["foreground"],
        "negatives_per_positive": old["background_limit"],
        "add_gt_proposals": old["adds_objects"],
    }


def _proposals(old: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pre_nms": old["before_nms"],
        "post_nms": old["kept"],
        "nms_iou": old["nms_iou"],
        "min_size": old["min_size"],
    }
