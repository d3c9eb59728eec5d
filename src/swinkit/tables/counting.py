"""Parameters and multiply-adds of a whole model, by the rule that the paper's tables follow.

Multiplications with an addition: of convolutions, deformable ones among them, of linear layers, and of the two products
of attention, with what pads windows to whole ones. Detectors: an image of 1280 x 800; those of regions have 1000 for
boxes and 100 for masks in every stage; pooling, suppression and pasting are not counted, nor are Sparse R-CNN's
attention among proposals and its products with dynamic weights. UperNet: 2048 x 512, or 2560 x 640 where it is trained
at 640, without the auxiliary head, whose parameters are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.stages import SwinStages
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.classification.size import classifier_multiply_adds, classifier_parameters
from swinkit.detection.atss import ATSS
from swinkit.detection.mask_head import MaskHead
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.rcnn import RCNN
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.segmentation.recipe import SegmentationRecipe

AnyRecipe = ClassificationRecipe | DetectionRecipe | SegmentationRecipe
AnyBackbone = SwinConfig | TimmConfig | DeiTPyramidConfig

DETECTION_SIZE = (800, 1280)
"""Height and width for which table 2 counts, in pixels."""
COCO_CLASSES, ADE_CLASSES = 80, 150
_DEFORMABLE = "deform_conv2d"


@dataclass(frozen=True)
class ModelSize:
    """How large a model is."""

    parameters: int
    multiply_adds: int
    """Of one image."""


def recipe_size(recipe: AnyRecipe) -> ModelSize:
    """Of the model that a recipe trains, on the data set it is for."""
    if isinstance(recipe, ClassificationRecipe):
        return ModelSize(classifier_parameters(recipe.backbone), classifier_multiply_adds(recipe.backbone))
    if isinstance(recipe, DetectionRecipe):
        return detector_size(recipe.detector, recipe.backbone)
    return segmentor_size(recipe)


def timm_size(name: str, side: int) -> ModelSize:
    """Of a classifier of the timm library on images of side x side pixels."""
    import timm

    with torch.device("meta"):
        model: nn.Module = timm.create_model(name)
    unfuse(model)
    return ModelSize(parameters(model), counted(lambda: model.eval()(torch.empty(1, 3, side, side))))


def detector_size(config: Any, backbone: AnyBackbone) -> ModelSize:
    """Of a detector of COCO's classes."""
    if isinstance(config, ATSS | RepPointsV2):
        backbone = backbone.from_stride(8)
    body = built(backbone)
    with torch.device("meta"):
        model = config.build(body, COCO_CLASSES).eval()
    learned = parameters(model)
    total = counted(lambda: model.backbone(torch.empty(1, 3, *DETECTION_SIZE)))
    total += projected_padding(backbone, DETECTION_SIZE)
    with torch.device("meta"):
        features = model.backbone(torch.empty(1, 3, *DETECTION_SIZE))
    total += counted(lambda: model.neck(features))
    if isinstance(model, RCNN):
        total += _regions(model, features)
    elif isinstance(config, SparseRCNN):
        total += _queries(model, config)
    else:
        total += _dense_head(model, config, features)
    return ModelSize(learned, total)


def segmentor_size(recipe: SegmentationRecipe) -> ModelSize:
    """Of an UperNet of ADE20K's classes, at the size of its crops."""
    body, shorter = built(recipe.backbone), recipe.augmentation.crop_size[0]
    size = (shorter, 4 * shorter)
    with torch.device("meta"):
        model = recipe.head.build(body, ADE_CLASSES).eval()
        features = model.backbone(torch.empty(1, 3, *size))
    total = counted(lambda: model.backbone(torch.empty(1, 3, *size))) + projected_padding(recipe.backbone, size)
    return ModelSize(parameters(model), total + counted(lambda: model.decode_head(features)))


def built(backbone: AnyBackbone) -> Any:
    """On the meta device, with attention as two products, which the counter sees."""
    config = backbone if isinstance(backbone, SwinConfig) else replace(backbone, pretrained=False)
    with torch.device("meta"):
        body = config.build()
    if isinstance(body, SwinStages):
        body.use_attention("reference")
    unfuse(body)
    return body


def unfuse(model: nn.Module) -> None:
    """Let timm's attention be two products."""
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            setattr(module, "fused_attn", False)  # noqa: B010  # timm's, which type checkers do not know


def parameters(model: nn.Module) -> int:
    """Weights and biases."""
    return sum(parameter.numel() for parameter in model.parameters())


def counted(work: Callable[[], object]) -> int:
    """Multiply-adds of what `work` does on the meta device."""
    deformable = getattr(torch.ops.torchvision, _DEFORMABLE)
    counter = FlopCounterMode(display=False, custom_mapping={deformable: _deformable_flops})
    with torch.device("meta"), counter, torch.no_grad():
        work()
    return counter.get_total_flops() // 2


def projected_padding(backbone: AnyBackbone, size: tuple[int, int]) -> int:
    """The original cuts the windows' padding off behind the output projection of attention, here it is before:
    multiply-adds that are saved, and that the paper counts."""
    if not isinstance(backbone, SwinConfig):
        return 0
    window, extra = backbone.window_size, 0
    for depth, width, stride in zip(backbone.depths, backbone.widths, backbone.strides, strict=True):
        height, length = (-(-side // stride) for side in size)
        tokens = -(-height // window) * window * (-(-length // window) * window)
        extra += depth * width**2 * (tokens - height * length)
    return extra


def _deformable_flops(
    x: Sequence[int], weight: Sequence[int], *_: object, out_shape: Sequence[int], **__: object
) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _regions(model: RCNN, features: Any) -> int:
    """Proposal network, box and mask heads and, of HTC, the semantic branch."""
    with torch.device("meta"):
        maps = model.neck(features)
    heads: Any = model.roi_head
    total = counted(lambda: model.rpn_head(maps))
    total += counted(lambda: _through(heads.bbox_head, 1000, 7)) + counted(lambda: _through(heads.mask_head, 100, 14))
    return total + counted(lambda: heads.semantic_head and heads.semantic_head(maps))


def _through(heads: Iterable[nn.Module], regions: int, side: int) -> None:
    for number, head in enumerate(heads):
        seen = torch.empty(regions, 256, side, side)
        head(seen, seen) if number and isinstance(head, MaskHead) else head(seen)


def _queries(model: Any, config: SparseRCNN) -> int:
    total, count, width, side = 0, config.proposals, config.channels, config.roi_size
    with torch.device("meta"):
        seen, proposals = torch.empty(count, width, side, side), torch.empty(1, count, width)
    for stage in model.roi_head.bbox_head:
        stage.attention = nn.Identity()
        dynamic = 2 * count * side**2 * width * config.inner
        total += counted(lambda stage=stage: stage(seen, proposals)) - dynamic  # type: ignore[misc]  # a lambda's default
    return total


def _dense_head(model: Any, config: ATSS | RepPointsV2, features: Any) -> int:
    """Everything up to the head's maps; of masks their parameters, and not the branch that they are applied to."""
    with torch.device("meta"):
        maps = model.neck(features)
        levels = model.bbox_head(maps)
    total = counted(lambda: model.bbox_head(maps))
    if isinstance(config, MaskRepPointsV2):
        total += counted(lambda: [model.bbox_head.controller(level.tower) for level in levels])
    return total
