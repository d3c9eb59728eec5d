"""The published classifiers by their usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_L, SWIN_L_384, SWIN_S, SWIN_T
from swinkit.classification.model import SwinClassifier
from swinkit.weights.formats import recognise
from swinkit.weights.load import load_recognised
from swinkit.weights.read import read_weights_file
from swinkit.weights.source import resolve


def build_classifier(
    config: SwinConfig,
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
    class_map: Sequence[int] | None = None,
) -> SwinClassifier:
    """A classifier of architecture `config`, with weights if given.

    Args:
        config: the architecture.
        weights: a file, a name of the catalogue, an https address or `hf-hub:owner/name`; of any code base.
        num_classes: classes; None takes as many as the weights have, or 1000. Where it differs from the weights'
            number, the head is new and everything else is loaded.
        in_channels: channels of the images; where it differs from the weights' 3, the patch embedding is adapted.
        drop_path_rate: stochastic depth of the last block, 0..1, for training.
        class_map: rows to take from the weights' head, in this order (ImageNet-22K to 1K).

    Raises:
        InputError: where the weights cannot be found, read, or do not fit.
    """
    config = replace(config, in_channels=in_channels, drop_path_rate=drop_path_rate)
    if weights is None:
        return SwinClassifier(config, num_classes=1000 if num_classes is None else num_classes)
    file = read_weights_file(resolve(weights))
    recognised = recognise(file.tensors, file.metadata)
    if num_classes is None:
        head = recognised.tensors.get("head.weight")
        num_classes = len(class_map) if class_map is not None else 1000 if head is None else head.shape[0]
    model = SwinClassifier(config, num_classes=num_classes)
    load_recognised(
        model,
        recognised,
        str(file.path),
        adapt_channels=in_channels != 3,
        replace_head=True,
        class_map=class_map,
    )
    return model


def swin_t(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-T for 224 x 224 images: window 7, 28 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_T, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )


def swin_s(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-S for 224 x 224 images: window 7, 50 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_S, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )


def swin_b(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-B for 224 x 224 images: window 7, 88 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_B, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )


def swin_l(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-L for 224 x 224 images: window 7, 197 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_L, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )


def swin_b_384(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-B for 384 x 384 images: window 12, 88 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_B_384, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )


def swin_l_384(
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
) -> SwinClassifier:
    """Swin-L for 384 x 384 images: window 12, 197 million parameters (paper table 7). See `build_classifier`."""
    return build_classifier(
        SWIN_L_384, weights=weights, num_classes=num_classes, in_channels=in_channels, drop_path_rate=drop_path_rate
    )
