"""What is predicted in one image: as text, as plain data, and drawn beside the image."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from picture_checks import AWKWARD_NAMES, pixels, texts
from PIL import Image

from swinkit.classification.pictures.annotation import annotated_image
from swinkit.classification.result import Classification
from swinkit.errors import InputError
from swinkit.pictures.figure import figure_to_image

ROWS = [("tench", 0.9), ("black swan", 0.075), ("otter", 0.0)]


def result(*, count: int = 3) -> Classification:
    return Classification(
        tuple(f"class {number}" for number in range(count)), (1 / count,) * count, Image.new("RGB", (40, 30), "red")
    )


def test_plain_data_and_a_short_text() -> None:
    assert json.loads(json.dumps(result(count=2).to_dict())) == {
        "predictions": [{"class": "class 0", "probability": 0.5}, {"class": "class 1", "probability": 0.5}]
    }
    assert repr(result(count=2)) == "Classification('class 0' 0.5000, 'class 1' 0.5000)"
    assert len(repr(result(count=1000))) < 200
    assert result().best == "class 0" and result() == result()


def test_saved_and_drawn_are_the_same(tmp_path: Path) -> None:
    result().save(tmp_path / "a.png")
    assert (pixels(tmp_path / "a.png") == result().draw()).all()
    assert result(count=1000).draw().height == result(count=20).draw().height
    with pytest.raises(InputError, match="pictures are written as PNG"):
        result().save(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3000, 200), (200, 3000), (640, 480)])
def test_any_size_fits_beside_the_chart(size: tuple[int, int]) -> None:
    figure = annotated_image(Image.new("RGB", size, (200, 30, 60)), ROWS)
    figure_to_image(figure)
    image, chart = figure.axes
    ratio = image.bbox.width / image.bbox.height
    assert ratio == pytest.approx(size[0] / size[1], rel=0.2) or max(size) / min(size) > 10
    assert image.bbox.x1 <= chart.bbox.x0
    assert all(box.y0 >= 0 and box.y1 <= figure.bbox.height for box in (image.bbox, chart.bbox))


def test_bars_are_the_probabilities_under_their_names() -> None:
    figure = annotated_image(Image.new("L", (30, 30)), ROWS)
    chart = figure.axes[1]
    assert texts(figure) == ["tench", "90.0 %", "black swan", "7.5 %"]  # no bar for what rounds to 0.0 %
    assert [bar.get_width() for bar in chart.patches[1::2]] == [0.9, 0.075]
    assert all(upper.get_position()[1] < lower.get_position()[1] for upper, lower in pairwise(chart.texts[::2]))


def test_the_best_class_is_always_there() -> None:
    assert texts(annotated_image(Image.new("L", (30, 30)), [("cat", 0.0002), ("dog", 0.0001)])) == ["cat", "<0.1 %"]


@pytest.mark.filterwarnings("error")
def test_awkward_names_leave_room_for_the_percentage() -> None:
    figure = annotated_image(Image.new("RGB", (90, 60)), [(name, 1.0) for name in AWKWARD_NAMES])
    figure_to_image(figure)
    labels = figure.axes[1].texts
    assert "$x^2$" in texts(figure)
    for name, percent in zip(labels[::2], labels[1::2], strict=True):
        assert name.get_window_extent().x1 <= percent.get_window_extent().x0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "at least one class"),
        ([("cat", 1.5)], "probability of 'cat' should be in 0..1, not 1.5"),
        ([("cat", math.nan)], "not nan"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(rows: list[tuple[str, float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        annotated_image(Image.new("RGB", (9, 9)), rows)
