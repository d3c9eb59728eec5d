"""Image classification: the model and its loss."""

from swinkit.classification.losses import soft_target_cross_entropy
from swinkit.classification.model import SwinClassifier

__all__ = ["SwinClassifier", "soft_target_cross_entropy"]
