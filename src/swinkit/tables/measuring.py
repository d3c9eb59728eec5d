"""Speeds of the rows on this machine: interleaved, after a warm-up, as medians; random weights and images.

Classifiers and table 5 with `batch` images at a time, detectors and segmentors with one image of the size that they are
counted for, detectors to their detections. Each classifier runs once, unmeasured, before its turn. Rows without a
published speed are left out.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from swinkit.backbone.attentions import build_attention
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_B, SWIN_S, SWIN_T
from swinkit.benchmark.timing import interleave
from swinkit.classification.model import SwinClassifier
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.detection.recipe import DetectionRecipe
from swinkit.errors import InputError
from swinkit.ops.window_attention import AttentionBackend
from swinkit.recipes import RECIPES
from swinkit.tables.counting import ADE_CLASSES, COCO_CLASSES, DETECTION_SIZE
from swinkit.tables.paper import SPEED, PaperRow, PaperTable
from swinkit.tables.rows import Speed

_log = logging.getLogger(__name__)

Work = Callable[[], object]
Speeds = dict[str, dict[str, Speed]]
"""By row and column."""

METHODS: dict[str, tuple[SwinConfig, AttentionBackend]] = {
    "sliding window (naive)": (replace(SWIN_T, attention="sliding"), "reference"),
    "sliding window (kernel)": (replace(SWIN_T, attention="sliding"), "auto"),
    "Performer": (replace(SWIN_T, attention="performer", relative_position_bias=False), "auto"),
    "window (w/o shifting)": (replace(SWIN_T, attention="unshifted"), "auto"),
    "shifted window (padding)": (replace(SWIN_T, attention="padded_shift"), "auto"),
    "shifted window (cyclic)": (SWIN_T, "auto"),
}
"""Rows of table 5. All stages shift, also the last one at 224, as the times of the paper's table say."""


def measure_table(table: PaperTable, *, device: torch.device, batch: int, rounds: int, columns: set[str]) -> Speeds:
    """Speeds of a table's rows; empty where it has none.

    Args:
        table: one of the paper's.
        device: where to compute.
        batch: images at a time, of classifiers and table 5.
        rounds: measured rounds; every row runs once in each.
        columns: of table 5, which to measure; all where empty.
    """
    torch.manual_seed(0)
    _log.info("measuring table %s", table.name)
    if table.name == "5":
        wanted = [column for column in table.columns if not columns or column in columns]
        return _merged((column, _timed(_methods(column, batch, device), rounds, device), batch) for column in wanted)
    work = {row.name: made for row in table.rows if SPEED in row.figures and (made := _work(row, batch, device))}
    if not work:
        return {}
    images = {row.name: batch if _is_classifier(row) else 1 for row in table.rows}
    timings = _timed(work, rounds, device, settle=any(map(_is_classifier, table.rows)))
    return {name: {SPEED: _speed(seconds, images[name])} for name, seconds in timings.items()}


def _merged(measured: Any) -> Speeds:
    speeds: Speeds = {}
    for column, timings, batch in measured:
        for name, seconds in timings.items():
            speeds.setdefault(name, {})[column] = _speed(seconds, batch)
    return speeds


def _timed(work: dict[str, Work], rounds: int, device: torch.device, *, settle: bool = False) -> dict[str, list[float]]:
    with torch.no_grad():
        return interleave(work, rounds=rounds, warm_up=2, settle=settle, device=device)


def _speed(seconds: list[float], images: int) -> Speed:
    median = statistics.median(seconds)
    return Speed(images / median, median / images * 1e3)


def _methods(column: str, batch: int, device: torch.device) -> dict[str, Work]:
    """Of table 5: two neighbouring attention modules of a stage, or whole classifiers."""
    if column.startswith("S") and column[1:].isdigit():
        return {
            name: _stage(config, backend, int(column[1:]) - 1, batch, device)
            for name, (config, backend) in METHODS.items()
        }
    like = {"T": SWIN_T, "S": SWIN_S, "B": SWIN_B}[column]
    return {name: _whole(config, backend, like, batch, device) for name, (config, backend) in METHODS.items()}


def _stage(config: SwinConfig, backend: AttentionBackend, stage: int, batch: int, device: torch.device) -> Work:
    """An unshifted and a shifted module, half the time of which is one module's, on maps of 224 pixels."""
    pair = nn.Sequential(
        *(build_attention(config, stage, block, geometry="dense", backend=backend) for block in (0, 1))
    )
    side = 224 // config.strides[stage]
    return _call(pair, torch.randn(batch, side, side, config.widths[stage]), device)


def _whole(config: SwinConfig, backend: AttentionBackend, like: SwinConfig, batch: int, device: torch.device) -> Work:
    own = {name: getattr(config, name) for name in ("attention", "relative_position_bias")}
    model = SwinClassifier(replace(like, geometry="dense", **own), attention_backend=backend)
    return _call(model, torch.randn(batch, 3, 224, 224), device)


def _call(model: nn.Module, images: torch.Tensor, device: torch.device) -> Work:
    model, images = model.to(device).eval(), images.to(device)
    return lambda: model(images)


def _is_classifier(row: PaperRow) -> bool:
    return row.timm is not None or (row.recipe or "").startswith("imagenet")


def _work(row: PaperRow, batch: int, device: torch.device) -> Work | None:
    if row.timm is not None:
        return _call(_timm(row.timm), torch.randn(batch, 3, row.side, row.side), device)
    if row.recipe is None:
        return None
    recipe = RECIPES[row.recipe]()
    if isinstance(recipe, ClassificationRecipe):
        return _call(SwinClassifier(recipe.backbone), torch.randn(batch, 3, *recipe.backbone.image_size), device)
    backbone = recipe.backbone
    body = (backbone if isinstance(backbone, SwinConfig) else replace(backbone, pretrained=False)).build()
    if isinstance(recipe, DetectionRecipe):
        return _detector(recipe.detector.build(body, COCO_CLASSES).to(device).eval(), device)
    shorter = recipe.augmentation.crop_size[0]
    return _call(recipe.head.build(body, ADE_CLASSES), 255 * torch.rand(1, 3, shorter, 4 * shorter), device)


def _detector(model: Any, device: torch.device) -> Work:
    images, sizes = 255 * torch.rand(1, 3, *DETECTION_SIZE, device=device), [DETECTION_SIZE]
    return lambda: model.postprocess(model(images, sizes), sizes)


def _timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise InputError("the speeds of other architectures need the timm library: pip install timm") from None
    model: nn.Module = timm.create_model(name)
    return model
