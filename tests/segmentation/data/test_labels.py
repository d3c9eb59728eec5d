"""Values of masks become labels by the rule that is asked for, and a value of no class is named."""

import numpy as np
import pytest

from swinkit.images.masks import MaskError
from swinkit.segmentation.data.labels import as_labels

VALUES = np.array([[0, 1, 2, 7], [255, 3, 3, 0]], dtype=np.uint8)


def test_labels_are_values():
    labels = as_labels(VALUES.astype(np.int64), 8, reduce_zero_label=False, name="m")
    assert labels.dtype == np.uint8 and np.array_equal(labels, VALUES)


def test_reduced_labels_with_known_counts():
    """ADE20K's rule: 0 and 255 are ignored, 1 becomes 0, 150 becomes 149."""
    values = np.repeat([0, 1, 2, 150, 255], [10, 20, 30, 40, 50]).reshape(10, 15)
    labels = as_labels(values, 150, reduce_zero_label=True, name="m")
    numbers, counts = np.unique(labels, return_counts=True)
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == {0: 20, 1: 30, 149: 40, 255: 60}


@pytest.mark.parametrize(
    ("value", "classes", "reduce", "words"),
    [
        (3, 3, False, r"mask m has the value 3, but 3 classes have the values 0 to 2 \(and 255 is ignored\)"),
        (254, 3, False, "the value 254"),
        (4, 3, True, "the value 4, but 3 classes have the values 1 to 3"),
        (256, 3, True, "the value 256"),
        (65535, 3, False, "the value 65535"),
        (-1, 3, False, "the value -1"),
        (-1, 3, True, "the value -1"),
    ],
)
def test_values_outside_the_classes(value, classes, reduce, words):
    with pytest.raises(MaskError, match=words):
        as_labels(np.array([[1, value]]), classes, reduce_zero_label=reduce, name="m")
    as_labels(np.array([[1, 255]]), classes, reduce_zero_label=reduce, name="m")


def test_as_many_classes_as_there_can_be():
    labels = as_labels(np.arange(256)[None], 255, reduce_zero_label=False, name="m")
    assert labels[0].tolist() == list(range(256))
