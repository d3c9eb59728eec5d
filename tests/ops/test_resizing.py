"""8-bit images are resized to the values that OpenCV gives, which the published code's models have seen."""

import numpy as np
import pytest
import torch

from swinkit.ops.resizing import resized_image

OPENCV = [  # cv2.resize of OpenCV 5.0
    [[0, 102, 255, 120, 30], [50, 107, 193, 105, 47], [150, 117, 69, 76, 82], [200, 123, 7, 62, 99]],
    [[64, 86], [108, 81], [152, 76]],
    [[100, 119, 106, 65]],
]


@pytest.mark.parametrize("expected", OPENCV)
def test_values_of_opencv(expected: list[list[int]]) -> None:
    image = torch.tensor([[[0, 255, 30], [200, 7, 99]]], dtype=torch.uint8).repeat(3, 1, 1)
    resized = resized_image(image, (len(expected), len(expected[0])))
    assert resized.dtype == torch.uint8 and resized.tolist() == [expected] * 3


def test_opencv_itself() -> None:
    cv2 = pytest.importorskip("cv2")
    draw = np.random.default_rng(0)
    sizes = [tuple(draw.integers(1, 200, 4)) for _ in range(40)] + [(40, 60, 20, 30), (1, 1, 3, 3), (100, 100, 50, 33)]
    for height, width, *size in sizes:
        image = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = torch.from_numpy(cv2.resize(image, (int(size[1]), int(size[0])))).permute(2, 0, 1)
        resized = resized_image(torch.from_numpy(image).permute(2, 0, 1), (int(size[0]), int(size[1])))
        assert torch.equal(resized, expected), (height, width, size)


def test_other_values_are_resized_in_single_precision_and_rounded() -> None:
    image = torch.tensor([[[0.0, 100.0]]])
    assert resized_image(image, (1, 4)).tolist() == [[[0.0, 25.0, 75.0, 100.0]]]
    assert resized_image(image, (1, 2)) is image
