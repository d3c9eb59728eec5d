"""What the tests of export share: a tiny classifier, and the shapes to compare it at."""

import importlib.util

import pytest
import torch

from swinkit import SwinClassifier, SwinConfig
from swinkit.export.onnx_file import PACKAGES

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in PACKAGES), reason="needs pip install 'swinkit[export]'"
)

TINY = SwinConfig(embed_dim=8, depths=(2, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
EXAMPLE = (2, 48, 72)
SHAPES = ((1, 32, 32), (5, 97, 131), (2, 40, 17), (3, 64, 48))


def tiny_classifier() -> SwinClassifier:
    """Weights large enough for position and mask to matter."""
    torch.manual_seed(0)
    model = SwinClassifier(TINY, num_classes=5).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    return model
