"""The configuration: widths, strides, and mistakes that are named at once."""

from typing import Any

import pytest

from swinkit.backbone.swin import SwinConfig
from swinkit.errors import InputError


def test_widths_and_strides_double() -> None:
    config = SwinConfig(embed_dim=12, depths=(1, 1, 1), num_heads=(1, 2, 4), patch_size=2)
    assert config.widths == (12, 24, 48)
    assert config.strides == (2, 4, 8)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"depths": (2, 2)}, "same number of stages"),
        ({"depths": (), "num_heads": ()}, "at least one"),
        ({"num_heads": (3, 6, 12, 25)}, "768 cannot have 25 heads"),
        ({"embed_dim": 0}, "at least 1"),
        ({"window_size": 0}, "at least 1"),
        ({"patch_size": -4}, "at least 1"),
        ({"in_channels": 0}, "at least 1"),
        ({"depths": (2, 0, 6, 2)}, "at least 1"),
        ({"image_size": (224,)}, "at least 1"),
        ({"image_size": (224, 0)}, "at least 1"),
        ({"image_size": 224}, "image_size must be a tuple"),
        ({"depths": 2}, "depths must be a tuple"),
        ({"image_size": (3, 224)}, "must hold a patch"),
        ({"mlp_ratio": 0.0}, "mlp_ratio"),
        ({"mlp_ratio": -4.0}, "mlp_ratio"),
        ({"drop_path_rate": 1.0}, "drop rates"),
        ({"drop_rate": -0.1}, "drop rates"),
        ({"attn_drop_rate": 1.5}, "drop rates"),
    ],
)
def test_a_mistake_is_one_sentence(mistake: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        SwinConfig(**mistake)
    assert "\n" not in str(error.value)
