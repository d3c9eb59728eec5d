"""Two properties that the official code states: how many parameters its models have, and how a table is indexed."""

import pytest
import torch

from swinkit import SWIN_B, SWIN_S, SWIN_T, SwinClassifier, SwinConfig
from swinkit.ops.relative_position import build_relative_position_index


@pytest.mark.parametrize(("config", "count"), [(SWIN_T, 28_288_354), (SWIN_S, 49_606_258), (SWIN_B, 87_768_224)])
def test_parameters_of_the_model_list(config: SwinConfig, count: int) -> None:
    with torch.device("meta"):
        model = SwinClassifier(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_index_of_the_bias_table() -> None:
    index = build_relative_position_index((2, 2), (2, 2), torch.device("cpu"))
    assert index.tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
