"""What was seen in an image draws itself, becomes files and plain data, and says briefly what it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swinkit.errors import InputError
from swinkit.segmentation.result import Segmentation

CLASSES = ("sky", "road", "car", "sign", "tree")


@pytest.fixture
def result() -> Segmentation:
    mask = np.full((10, 20), 2, dtype=np.int64)
    mask[:2], mask[2, :10], mask[3, :4] = 0, 1, 4
    return Segmentation(mask, CLASSES, Image.new("RGB", (20, 10), "white"))


def test_shares_are_those_of_the_classes_that_occur_largest_first(result: Segmentation) -> None:
    assert list(result.shares.items()) == [("car", 0.73), ("sky", 0.2), ("road", 0.05), ("tree", 0.02)]
    assert json.loads(json.dumps(result.to_dict())) == {"shares": result.shares}
    assert repr(result) == "Segmentation(10 x 20: car 73.0 %, sky 20.0 %, road 5.0 %, 1 more)"


def test_files_are_what_is_drawn(result: Segmentation, tmp_path: Path) -> None:
    with Image.open(result.save(tmp_path / "new" / "a.png", side_by_side=True)) as file:
        assert file.format == "PNG"
        assert np.array_equal(np.asarray(file.convert("RGB")), np.asarray(result.draw(side_by_side=True)))
        assert file.width > result.draw().width + 300
    with Image.open(result.save_mask(str(tmp_path / "mask.png"))) as mask:
        assert (mask.format, mask.mode) == ("PNG", "P") and np.array_equal(np.asarray(mask), result.mask)
    with pytest.raises(InputError, match="cannot write"):
        result.save_mask(tmp_path)
