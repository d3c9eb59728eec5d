"""A sample's augmentation follows from (seed, epoch, index) and leaves no trace."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.training.data.seeding import SeededDraws, SeededView, derive_seed, derived_generator


class Squares:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return Image.new("RGB", (4, 4), (index, 0, 0)), index


def draw(image):
    return torch.tensor([image.getpixel((0, 0))[0], torch.rand(()).item(), torch.randn(()).item()])


def test_draws_depend_on_seed_epoch_and_index_only():
    view = SeededView(Squares(), draw, seed=0)
    first = view[3, 7][0]
    torch.rand(5)
    torch.manual_seed(99)
    view[0, 0]
    assert torch.equal(view[3, 7][0], first)
    others = [view[3, 8][0], view[4, 7][0], view[7, 3][0], SeededView(Squares(), draw, seed=1)[3, 7][0]]
    assert len({tuple(drawn[1:].tolist()) for drawn in [first, *others]}) == 5
    assert view[3, 7][1] == 7 and first[0] == 7


def test_every_generator_is_left_as_it_was():
    torch.manual_seed(5)
    torch.randn(3)  # an odd number: one normal is kept for later
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    with SeededDraws("sample", 1, 2, 3):
        torch.randn(7)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]


def test_restored_after_an_error():
    state = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), SeededDraws("sample", 1):
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_differ_by_purpose_and_stay_the_same_between_versions():
    assert derive_seed("sample", 0, 1) != derive_seed("order", 0, 1) != derive_seed("order", 1, 0)
    assert derive_seed("sample", 1, 23) != derive_seed("sample", 12, 3)
    assert derive_seed("sample", 0, 0, 0) == 7238831667829611812
    assert derived_generator("mixing", 4).initial_seed() == derive_seed("mixing", 4)
