"""The stratified split."""

import numpy as np
import pytest

from swinkit.errors import InputError
from swinkit.training.data.splits import stratified_split


def test_order_of_the_samples_does_not_matter():
    labels = np.repeat([0, 1, 2], [50, 20, 5])
    names = [f"{i}.jpg" for i in range(75)]
    train, val = stratified_split(labels, names, fraction=0.2)
    assert np.bincount(labels[val]).tolist() == [10, 4, 1]
    assert sorted([*train, *val]) == list(range(75))
    mixed = np.random.default_rng(0).permutation(75)
    _, other = stratified_split(labels[mixed], [names[i] for i in mixed], fraction=0.2)
    assert {names[i] for i in val} == {names[mixed[i]] for i in other}


def test_both_sides_get_one_where_there_are_two():
    train, val = stratified_split(np.array([0, 0, 1]), ["a", "b", "c"], fraction=0.01)
    assert (len(train), len(val)) == (2, 1)
    train, val = stratified_split(np.array([0, 0, 1]), ["a", "b", "c"], fraction=0.99)
    assert (len(train), len(val)) == (2, 1)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1, 20])
def test_fraction_must_be_a_part(fraction):
    with pytest.raises(InputError, match="validation fraction"):
        stratified_split(np.array([0, 0]), ["a", "b"], fraction=fraction)
