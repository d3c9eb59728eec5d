"""Convolutions and their norms where `torch.nn` would refuse."""

import pytest
import torch

from swinkit.errors import InputError
from swinkit.layers.conv import GroupNorm


def test_group_norm_gives_one_image_the_same_as_many() -> None:
    norm = GroupNorm(4, 4)
    torch.nn.init.normal_(norm.bias)
    images = torch.randn(2, 4, 1, 1)
    torch.testing.assert_close(torch.cat([norm(image[None]) for image in images]), norm(images), rtol=0, atol=0)


def test_group_norm_of_a_number_of_groups_that_does_not_divide() -> None:
    with pytest.raises(InputError, match="3 groups of group norm do not divide 8 channels"):
        GroupNorm(3, 8)
