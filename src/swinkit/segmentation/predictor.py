"""A trained segmentor, ready for images: model, class names and how images are shown to it, from one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from swinkit.backbone.swin import SwinTransformer
from swinkit.errors import InputError
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.training.run_facts import from_plain
from swinkit.weights.describe import read_description
from swinkit.weights.formats import recognise
from swinkit.weights.infer import infer_config
from swinkit.weights.load import load_weights
from swinkit.weights.model_files import model_file
from swinkit.weights.read import read_weights_file


@dataclass(frozen=True)
class Segmentor:
    """What is needed to segment an image."""

    model: UperNet
    classes: tuple[str, ...]
    inference: InferenceSettings
    """How images are shown to the model."""
    description: dict[str, Any]
    """What the file says about itself; empty for files of other code bases."""

    @property
    def device(self) -> torch.device:
        return self.model.decode_head.conv_seg.weight.device

    def predict(self, image: Image.Image, settings: InferenceSettings | None = None) -> Tensor:
        """The class of every pixel of an RGB image, (H, W) int64 on the CPU.

        Raises InputError where the GPU's memory is too small for it.
        """
        try:
            return predict_classes(self.model, pil_to_tensor(image), settings or self.inference).cpu()
        except torch.OutOfMemoryError:
            raise InputError(
                f"{self.device} has too little memory for an image of {image.width} x {image.height} pixels; show "
                "it in windows, with --mode slide"
            ) from None


def open_segmentor(source: str | Path, *, device: torch.device | None = None) -> Segmentor:
    """A segmentor from a file, in evaluation mode.

    swinkit's own files describe themselves. Of files of the official code the architecture is read off the weights,
    classes are those of the file's `meta` or numbers, and images are shown as published: whole, within 512 x 2048.

    Args:
        source: a file, a run's folder, a name of the catalogue, an https address or hf-hub:owner/name.
        device: where the model goes; None is the CPU.

    Raises:
        InputError: where there is no such file or it holds no segmentor.
    """
    path = model_file(source)
    description = read_description(path)
    segmentor = _foreign(path) if description is None else _own(path, description)
    segmentor.model.to(device or torch.device("cpu")).eval()
    return segmentor


def _own(path: Path, description: dict[str, Any]) -> Segmentor:
    model = UperNet.from_description(description)
    load_weights(model, path)
    try:
        inference = from_plain(InferenceSettings, description["inference"])
        classes = tuple(description["classes"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the description in {path} is damaged or from another version ({error})") from None
    if len(classes) != model.num_classes:
        raise InputError(f"{path} names {len(classes)} classes, but its model has {model.num_classes}; save it again")
    return Segmentor(model, classes, inference, description)


def _foreign(path: Path) -> Segmentor:
    file = read_weights_file(path)
    tensors = recognise(file.tensors, file.metadata).tensors
    if "decode_head.fpn_bottleneck.conv.weight" not in tensors:
        raise InputError(f"{path} holds no UperNet: its weights have no decode_head of one; give a segmentor's file")
    backbone = {n.removeprefix("backbone."): t for n, t in tensors.items() if n.startswith("backbone.")}
    num_classes, channels = tensors["decode_head.conv_seg.weight"].shape[:2]
    swin = SwinTransformer(infer_config(backbone))
    config = replace(_auxiliary_config(tensors, swin), channels=channels)
    model = UperNet(swin, config, num_classes=num_classes)
    load_weights(model, path)
    classes = file.classes if len(file.classes) == num_classes else tuple(str(number) for number in range(num_classes))
    return Segmentor(model, classes, InferenceSettings(resize=(512, 2048)), {})


def _auxiliary_config(tensors: Mapping[str, Tensor], backbone: SwinTransformer) -> UperNetConfig:
    """Width and level of the auxiliary head: it takes the feature with as many channels as its convolution."""
    first = tensors.get("auxiliary_head.convs.0.conv.weight")
    if first is None or first.shape[1] not in backbone.channels:
        return UperNetConfig()
    level = backbone.channels.index(first.shape[1])
    return UperNetConfig(auxiliary_channels=first.shape[0], auxiliary_level=level)
