"""The published classifiers: exact parameter totals, and multiply-adds within 1 % of the paper's table 1.

Built and run on the meta device, which has shapes and no numbers. Multiply-adds are half of what PyTorch's counter
calls FLOPs; it counts the patch convolution, all linear layers and both matrix products of attention, as the paper
does, but no norms, softmax or activations.
"""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import swinkit
from swinkit import VARIANTS, SwinClassifier, SwinConfig

PARAMETERS = {
    "swin_t": (28_288_354, 44_315_083),
    "swin_s": (49_606_258, 65_632_987),
    "swin_b": (87_768_224, 109_130_249),
    "swin_l": (196_532_476, 228_565_093),
    "swin_b_384": (87_903_584, 109_265_609),
    "swin_l_384": (196_735_516, 228_768_133),
}
"""With heads of 1000 and of 21841 classes."""

PAPER = {"swin_t": 4.5, "swin_s": 8.7, "swin_b": 15.4, "swin_b_384": 47.0, "swin_l_384": 103.9}
"""Multiply-adds of table 1, in billions. Swin-L at 224 is not in it."""

MODELS_TABLE = {"swin_t": 4.494, "swin_s": 8.747, "swin_b": 15.438, "swin_l": 34.487, "swin_l_384": 103.952}
"""What the official code counts, norms included."""


def on_meta(config: SwinConfig, num_classes: int) -> SwinClassifier:
    with torch.device("meta"):
        return SwinClassifier(config, num_classes=num_classes)


def multiply_adds(config: SwinConfig) -> float:
    """Of one image at the model's own size, in billions."""
    images = torch.zeros(1, 3, *config.image_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        on_meta(config, 1000)(images)
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_both_heads(name: str) -> None:
    totals = [sum(p.numel() for p in on_meta(VARIANTS[name], k).parameters()) for k in (1000, 21841)]
    assert tuple(totals) == PARAMETERS[name]


@pytest.mark.parametrize("name", PAPER)
def test_multiply_adds_of_the_paper(name: str) -> None:
    assert multiply_adds(VARIANTS[name]) == pytest.approx(PAPER[name], rel=0.01)


@pytest.mark.parametrize("name", MODELS_TABLE)
def test_multiply_adds_of_the_official_code(name: str) -> None:
    assert multiply_adds(VARIANTS[name]) == pytest.approx(MODELS_TABLE[name], rel=0.002)


@pytest.mark.parametrize("name", VARIANTS)
def test_names_build_their_architecture(name: str) -> None:
    with torch.device("meta"):
        model = getattr(swinkit, name)(num_classes=3, in_channels=1, drop_path_rate=0.2)
    assert (model.config.embed_dim, model.config.depths) == (VARIANTS[name].embed_dim, VARIANTS[name].depths)
    assert (model.num_classes, model.config.in_channels, model.config.drop_path_rate) == (3, 1, 0.2)
    assert getattr(swinkit, name).__name__ == name


def test_default_number_of_classes() -> None:
    with torch.device("meta"):
        assert swinkit.swin_t().num_classes == 1000


def test_official_names_of_swin_t() -> None:
    names = on_meta(VARIANTS["swin_t"], 1000).state_dict()
    assert len(names) == 173  # 190 in an official file, less 12 position indices and 5 masks
    assert names["layers.2.blocks.5.attn.relative_position_bias_table"].shape == (169, 12)
    assert names["layers.0.downsample.reduction.weight"].shape == (192, 384)
    assert names["head.weight"].shape == (1000, 768)
