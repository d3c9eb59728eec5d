"""An annotated image shows any image beside its classes."""

import math
from pathlib import Path

import numpy as np
import pytest
from picture_checks import AWKWARD_NAMES, capture_figure, pixels, texts
from PIL import Image

from swinkit.classification.pictures import annotation
from swinkit.classification.pictures.annotation import annotate_image
from swinkit.errors import InputError

ROWS = [("tench", 0.9), ("black swan", 0.075), ("otter", 0.0)]


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3000, 200), (200, 3000), (640, 480)])
def test_any_size_fits_beside_the_chart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: tuple[int, int]) -> None:
    figure = capture_figure(monkeypatch, annotation)
    out = tmp_path / "annotated.png"
    annotate_image(Image.new("RGB", size, (200, 30, 60)), ROWS, out)
    image, chart = figure().axes
    assert (pixels(out) == (200, 30, 60)).all(axis=2).sum() == pytest.approx(np.prod(image.bbox.size), rel=0.02)
    ratio = image.bbox.width / image.bbox.height
    assert ratio == pytest.approx(size[0] / size[1], rel=0.2) or max(size) / min(size) > 10
    assert image.bbox.x1 <= chart.bbox.x0
    assert all(box.y0 >= 0 and box.y1 <= figure().bbox.height for box in (image.bbox, chart.bbox))
    assert out.stat().st_size <= 300_000


def test_bars_are_the_probabilities_under_their_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, annotation)
    annotate_image(Image.new("L", (30, 30)), ROWS, tmp_path / "annotated.png")
    chart = figure().axes[1]
    assert texts(figure()) == ["tench", "90.0 %", "black swan", "7.5 %", "otter", "0.0 %"]
    assert [bar.get_width() for bar in chart.patches[1::2]] == [0.9, 0.075, 0.0]
    tops = [text.get_window_extent().y0 for text in chart.texts[::2]]
    assert tops == sorted(tops, reverse=True)


@pytest.mark.filterwarnings("error")
def test_awkward_names_leave_room_for_the_percentage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, annotation)
    annotate_image(Image.new("RGB", (90, 60)), [(name, 1.0) for name in AWKWARD_NAMES], tmp_path / "annotated.png")
    labels = figure().axes[1].texts
    assert "$x^2$" in texts(figure())
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
def test_rows_that_are_no_probabilities_are_refused(tmp_path: Path, rows: list[tuple[str, float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        annotate_image(Image.new("RGB", (9, 9)), rows, tmp_path / "annotated.png")
