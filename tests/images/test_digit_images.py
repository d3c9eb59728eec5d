"""The embedded digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from swinkit.errors import InputError
from swinkit.images.digits import open_digits


def test_every_digit_is_in_one_part_with_its_pixels():
    train, val = open_digits()
    assert (len(train), len(val)) == (1438, 359)
    source = load_digits()
    numbers = set()
    for data in (train, val):
        assert data.classes == tuple("0123456789")
        for index in range(0, len(data), 50):
            number = int(data.sample_name(index).removeprefix("digits/"))
            image, label = data[index]
            assert label == data.labels[index] == source.target[number]
            grey = np.asarray(image)
            assert grey.shape == (16, 16, 3)
            assert np.array_equal(grey[1::2, ::2, 2], np.rint(source.images[number] * 255 / 16))
        numbers |= {data.sample_name(index) for index in range(len(data))}
    assert len(numbers) == 1797


def test_split_is_stratified_and_repeatable():
    _, val = open_digits()
    assert np.bincount(val.labels).min() >= 34 and np.bincount(val.labels).max() <= 38
    again = open_digits(magnification=1)[1]
    assert [again.sample_name(i) for i in range(5)] == [val.sample_name(i) for i in range(5)]
    assert again[0][0].size == (8, 8)


def test_magnification_must_be_positive():
    with pytest.raises(InputError, match="magnification of the digits is 0"):
        open_digits(magnification=0)
