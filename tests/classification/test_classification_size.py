"""Sizes by arithmetic against the model itself: parameters, and multiply-adds as PyTorch's counter has them."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import VARIANTS
from swinkit.classification.model import SwinClassifier
from swinkit.classification.size import classifier_multiply_adds, classifier_parameters

ODD = SwinConfig(embed_dim=48, depths=(1, 3, 2), num_heads=(3, 6, 12), image_size=(230, 170))
"""Padded windows, maps of odd sides, pixels beyond the last patch."""

CASES = {
    **VARIANTS,
    "odd": ODD,
    "all switched": replace(
        ODD,
        in_channels=1,
        mlp_ratio=2.7,
        patch_norm=False,
        qkv_bias=False,
        relative_position_bias=False,
        absolute_position_embedding=True,
    ),
    "unshifted": replace(ODD, attention="unshifted"),
    "shift by padding": replace(ODD, attention="padded_shift"),
    "performer": replace(ODD, attention="performer", relative_position_bias=False),
    "maps below the window": replace(ODD, image_size=(64, 40), patch_size=8),
    "one stage": replace(ODD, depths=(2,), num_heads=(3,)),
}


@pytest.mark.parametrize("num_classes", [1000, 0])
@pytest.mark.parametrize("name", CASES)
def test_sizes_are_those_of_the_model(name: str, num_classes: int) -> None:
    config = CASES[name]
    with torch.device("meta"):
        model = SwinClassifier(config, num_classes=num_classes).eval()
        image = torch.empty(1, config.in_channels, *config.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert classifier_parameters(config, num_classes=num_classes) == parameters
    assert 2 * classifier_multiply_adds(config, num_classes=num_classes) == counter.get_total_flops()


def test_a_sliding_window_counts_what_its_formula_has() -> None:
    """Naive products per token: of queries with their keys, and of weights with values, without the mask."""
    config = replace(ODD, attention="sliding", image_size=(224, 224))
    with torch.device("meta"):
        model = SwinClassifier(config, attention_backend="reference").eval()
        image = torch.empty(1, 3, 224, 224)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    assert classifier_parameters(config) == sum(parameter.numel() for parameter in model.parameters())
    assert 2 * classifier_multiply_adds(config) == counter.get_total_flops()
    assert classifier_multiply_adds(config) == classifier_multiply_adds(replace(config, attention="unshifted"))
