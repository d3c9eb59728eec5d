"""What classes weigh, as told or by how much there is of each."""

import pytest
import torch

from swinkit.errors import InputError
from swinkit.training.class_weights import ClassWeights, weights_of_classes


@pytest.mark.parametrize(
    ("told", "weights"), [("balanced", [2 / 3, 0.0, 2.0]), ((1.0, 5.0, 2.0), [0.8, 4.0, 1.6]), ((0.0, 1.0, 1.0), None)]
)
def test_an_image_weighs_1_in_the_mean(told: ClassWeights, weights: list[float] | None) -> None:
    counts = [30, 0, 10]
    found = weights_of_classes(told, counts)
    assert float((found * torch.tensor(counts)).sum() / sum(counts)) == pytest.approx(1.0)
    if weights is not None:
        assert found.tolist() == pytest.approx(weights)


@pytest.mark.parametrize("told", [(1.0, 2.0), (1.0, -1.0, 1.0), (0.0, 1.0, 0.0), (float("nan"), 1.0, 1.0)])
def test_weights_that_cannot_be(told: ClassWeights) -> None:
    with pytest.raises(InputError, match="--class-weights must be 3 numbers from 0 on, not all 0, one for each"):
        weights_of_classes(told, [30, 0, 10])
