"""Whole segmentors and detectors of several libraries, from the pixels of an image to classes or masks.

Weights are random; class scores of detectors lie far apart, so that about a hundred objects are found, as in a crowded
image. Shapes: B images, H W image, K classes.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.backbone.swin import SwinConfig
from swinkit.detection.detector import DetectorConfig, DetectorModel
from swinkit.detection.predictor import make_ready
from swinkit.layers.pixels import pad_batch
from swinkit.ops.masks import paste_masks
from swinkit.segmentation.inference import predict_classes
from swinkit.segmentation.model import SegmentorModel, UperNet, UperNetConfig

SEGMENTED, DETECTED = 150, 80
"""K of ADE20K and of COCO."""


class ClassMaps(nn.Module):
    """A segmentor as its predictor runs it: images (B, 3, H, W), 0..255, to the class of every pixel, (B, H, W)."""

    def __init__(self, model: SegmentorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return predict_classes(self.model, images)


class WholeMasks(nn.Module):
    """A detector as its predictor runs it: 8-bit images (B, 3, H, W) to how many objects are found in each, their masks
    pasted into the whole image."""

    def __init__(self, model: DetectorModel) -> None:
        super().__init__()
        self.model = model

    @torch.inference_mode()
    def forward(self, images: Tensor) -> list[int]:
        batch, sizes = pad_batch(list(images))
        found = self.model.postprocess(self.model(batch, sizes), sizes)
        for each in found:
            if each.masks is not None:
                for mask in paste_masks(each.masks, each.boxes, each.size):
                    mask.any()
        return [len(each.boxes) for each in found]


class _LogitsToClasses(nn.Module):
    """transformers' segmentor, to the class of every pixel."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        classes: Tensor = self.model(images).logits.argmax(1)
        return classes


class _ListOfImages(nn.Module):
    """torchvision's detector, which takes a list of images 0..1 and pastes its masks itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @torch.inference_mode()
    def forward(self, images: Tensor) -> list[int]:
        return [len(found["boxes"]) for found in self.model([image.float() / 255 for image in images])]


def segmentor(config: SwinConfig) -> nn.Module:
    """UperNet around a Swin."""
    head = UperNetConfig(auxiliary_level=len(config.depths) - 2)
    return ClassMaps(UperNet(config.build(), head, num_classes=SEGMENTED).eval())


def transformers_segmentor(settings: dict[str, Any]) -> nn.Module:
    """transformers' UperNet around its Swin; `settings` are those of its SwinConfig."""
    transformers: Any = importlib.import_module("transformers")
    stages = [f"stage{number + 1}" for number in range(len(settings["depths"]))]
    backbone = transformers.SwinConfig(out_features=stages, **settings)
    third = settings["embed_dim"] * 4  # what its auxiliary head takes
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=512, auxiliary_in_channels=third, num_labels=SEGMENTED
    )
    return _LogitsToClasses(transformers.UperNetForSemanticSegmentation(config).eval())


def detector(config: DetectorConfig, backbone: Backbone) -> nn.Module:
    """A detector of this kind around a backbone."""
    model = config.build(backbone, DETECTED)
    for name, module in model.named_modules():
        if name.endswith("fc_cls") and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.3)
        elif name.endswith(("atss_cls", "reppoints_cls_out")) and isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.1)
    make_ready(model)
    return WholeMasks(model)


def torchvision_detector() -> nn.Module:
    """torchvision's Mask R-CNN with its ResNet-50."""
    models: Any = importlib.import_module("torchvision.models.detection")
    model = models.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=DETECTED + 1).eval()
    nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=0.3)
    return _ListOfImages(model)
