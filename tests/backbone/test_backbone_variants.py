"""The published backbones have exactly the published numbers of parameters. Counted on the meta device: no memory."""

import pytest
import torch

from swinkit import VARIANTS, SwinConfig, SwinTransformer

PARAMETERS = {"swin_t": 27_520_698, "swin_s": 48_838_602, "swin_b": 86_745_016, "swin_l": 194_998_164}
LARGER_TABLES = {"swin_b_384": 135_360, "swin_l_384": 203_040}
"""What window 12 adds to the bias tables: 360 rows for every head of every block."""


def parameters(config: SwinConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in SwinTransformer(config).parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_at_224(name: str) -> None:
    assert parameters(VARIANTS[name]) == PARAMETERS[name]


@pytest.mark.parametrize("name", LARGER_TABLES)
def test_parameters_at_384(name: str) -> None:
    config = VARIANTS[name]
    heads = sum(depth * heads for depth, heads in zip(config.depths, config.num_heads, strict=True))
    assert LARGER_TABLES[name] == 360 * heads
    assert parameters(config) == PARAMETERS[name.removesuffix("_384")] + LARGER_TABLES[name]


def test_the_table_of_architectures() -> None:
    table = {name: (c.embed_dim, c.depths, c.num_heads, c.window_size, c.image_size) for name, c in VARIANTS.items()}
    deep = (2, 2, 18, 2)
    assert table == {
        "swin_t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 7, (224, 224)),
        "swin_s": (96, deep, (3, 6, 12, 24), 7, (224, 224)),
        "swin_b": (128, deep, (4, 8, 16, 32), 7, (224, 224)),
        "swin_l": (192, deep, (6, 12, 24, 48), 7, (224, 224)),
        "swin_b_384": (128, deep, (4, 8, 16, 32), 12, (384, 384)),
        "swin_l_384": (192, deep, (6, 12, 24, 48), 12, (384, 384)),
    }
    assert all(c.mlp_ratio == 4 and c.qkv_bias and c.patch_norm and c.drop_path_rate == 0 for c in VARIANTS.values())
