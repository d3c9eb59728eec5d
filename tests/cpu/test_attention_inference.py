"""Inference in pieces: wherever the pieces end, attention is that of the definition."""

import pytest
import torch
from attention_cases import GRIDS, make_case

from swinkit.cpu import attention_inference


@torch.no_grad()
@pytest.mark.parametrize("windows_at_once", [1, 2, 5])
@pytest.mark.parametrize("name", GRIDS)
def test_pieces_equal_the_reference(name: str, windows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(GRIDS[name])
    channels = case.x.shape[-1]
    monkeypatch.setattr(attention_inference, "PIECE", windows_at_once * 3 * channels * GRIDS[name].tokens)
    expected = case.attend("reference")
    for _ in range(2):  # the second time with what the first has remembered
        assert torch.allclose(case.attend("cpu"), expected, atol=1e-6)


@torch.no_grad()
def test_a_bias_changed_in_place_is_seen() -> None:
    case = make_case(GRIDS["padded_shifted"])
    assert case.bias is not None
    case.attend("cpu")
    case.bias.mul_(-3)
    assert torch.allclose(case.attend("cpu"), case.attend("reference"), atol=1e-6)
