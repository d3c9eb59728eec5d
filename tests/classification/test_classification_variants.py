"""The published classifiers: exact parameter totals, and multiply-adds within 1 % of the paper's table 1.

How both follow from the architecture is held by test_classification_size.
"""

import pytest
import torch

import swinkit
from swinkit import VARIANTS, SwinClassifier
from swinkit.classification.size import classifier_multiply_adds, classifier_parameters

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


@pytest.mark.parametrize("name", VARIANTS)
def test_sizes_are_the_published_ones(name: str) -> None:
    config = VARIANTS[name]
    totals = tuple(classifier_parameters(config, num_classes=count) for count in (1000, 21841))
    assert totals == PARAMETERS[name]
    billions = classifier_multiply_adds(config, num_classes=1000) / 1e9
    assert billions == pytest.approx(PAPER.get(name, billions), rel=0.01)
    assert billions == pytest.approx(MODELS_TABLE.get(name, billions), rel=0.002)


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
    with torch.device("meta"):
        names = SwinClassifier().state_dict()
    assert len(names) == 173  # 190 in an official file, less 12 position indices and 5 masks
    assert names["layers.2.blocks.5.attn.relative_position_bias_table"].shape == (169, 12)
    assert names["layers.0.downsample.reduction.weight"].shape == (192, 384)
    assert names["head.weight"].shape == (1000, 768)
