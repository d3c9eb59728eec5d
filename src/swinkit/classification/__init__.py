"""Image classification: the model, its published variants and its loss."""

from swinkit.classification.losses import soft_target_cross_entropy
from swinkit.classification.model import SwinClassifier
from swinkit.classification.variants import (
    build_classifier,
    swin_b,
    swin_b_384,
    swin_l,
    swin_l_384,
    swin_s,
    swin_t,
)

__all__ = [
    "SwinClassifier",
    "build_classifier",
    "soft_target_cross_entropy",
    "swin_b",
    "swin_b_384",
    "swin_l",
    "swin_l_384",
    "swin_s",
    "swin_t",
]
