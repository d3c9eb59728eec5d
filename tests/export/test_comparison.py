"""An exported file that differs from its model, or fails, is found out."""

import pytest
import torch
from torch import nn

from swinkit.errors import InputError
from swinkit.export.comparison import compare, random_trial

SHAPES = ((1, 4, 5), (2, 3, 3))
TRIAL = random_trial(shapes=SHAPES)


def test_equal_results_are_reported_with_their_error() -> None:
    found = compare(lambda x: (x + 1e-6,), nn.Identity(), TRIAL)
    assert [each.shape for each in found] == list(SHAPES)
    assert all(1e-8 < each.error < 1e-5 for each in found)


def test_a_difference_at_one_size_is_an_error() -> None:
    with pytest.raises(InputError, match=r"differs from the model by .* on 2 images of 3 x 3"):
        compare(lambda x: (x + (1e-2 if len(x) == 2 else 0),), nn.Identity(), TRIAL)


def test_not_a_number_is_an_error() -> None:
    with pytest.raises(InputError, match="differs from the model by nan"):
        compare(lambda x: (x * torch.nan,), nn.Identity(), TRIAL)


def test_not_a_number_in_one_of_two_outputs_is_an_error() -> None:
    class Both(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return x, x

    for factors in ((torch.nan, 1.0), (1.0, torch.nan)):
        with pytest.raises(InputError, match="by nan"):
            compare(lambda x, factors=factors: tuple(x * each for each in factors), Both(), TRIAL)


def test_another_shape_is_an_error() -> None:
    with pytest.raises(InputError, match="other shapes"):
        compare(lambda x: (x[..., :1],), nn.Identity(), TRIAL)


def test_a_program_that_fails_is_an_error() -> None:
    def fail(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise RuntimeError("Where\nthe last line says why")

    with pytest.raises(InputError, match="fails on 1 image of 4 x 5: the last line says why"):
        compare(fail, nn.Identity(), TRIAL)
