"""Confusion pictures show shares of the true class, with readable names for any number of classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from picture_checks import AWKWARD_NAMES, capture_figure
from torch import Tensor

from swinkit.classification.pictures import confusion as confusion_module
from swinkit.classification.pictures.confusion import most_confused, plot_confusion
from swinkit.errors import InputError


def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, confusion: Tensor, classes: list[str]) -> Figure:
    figure = capture_figure(monkeypatch, confusion_module)
    plot_confusion(confusion, classes, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size <= 300_000
    return figure()


def diagonal(size: int) -> Tensor:
    return 50 * torch.eye(size, dtype=torch.int64)


def test_colours_are_shares_of_the_true_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = torch.tensor([[8, 2, 0], [0, 1, 0], [0, 0, 0]])
    figure = drawn(monkeypatch, tmp_path, counts, ["cat", "dog", "fox"])
    axes = figure.axes[0]
    shares = axes.images[0].get_array()
    assert np.allclose(shares[:2], [[0.8, 0.2, 0], [0, 1, 0]])
    assert shares.mask[2].all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "fox (no images)"]
    assert [text.get_text() for text in axes.texts] == ["8", "2", "1"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    assert "81.82 % of 11 images right" in axes.get_title(loc="left")


@pytest.mark.parametrize(("size", "numbered"), [(20, True), (21, False), (60, False)])
def test_counts_are_printed_as_long_as_they_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int, numbered: bool
) -> None:
    figure = drawn(monkeypatch, tmp_path, diagonal(size), [f"class {index}" for index in range(size)])
    assert bool(figure.axes[0].texts) is numbered
    assert len(figure.axes[0].get_xticklabels()) == size


def test_of_many_classes_the_most_confused_are_shown_as_neighbours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = diagonal(100)
    counts[70, 3], counts[3, 70], counts[90, 12] = 20, 4, 22
    figure = drawn(monkeypatch, tmp_path, counts, [f"class {index}" for index in range(100)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[:6] == ["class 3", "class 70", "class 12", "class 90", "class 0", "class 1"]
    assert len(names) == 30
    assert figure.axes[0].images[0].get_array()[1, 0] == pytest.approx(20 / 70)
    assert "the 30 most confused of 100 classes" in figure.axes[0].get_title(loc="left")


def test_most_confused_counts_both_directions_and_ends_at_its_limit() -> None:
    counts = np.zeros((6, 6), dtype=np.int64)
    counts[0, 1], counts[2, 3], counts[3, 2], counts[4, 0] = 5, 3, 3, 1
    assert most_confused(counts, limit=5).tolist() == [2, 3, 0, 1, 4]


@pytest.mark.filterwarnings("error")
def test_awkward_names_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    size = len(AWKWARD_NAMES)
    figure = drawn(monkeypatch, tmp_path, diagonal(size), list(AWKWARD_NAMES))
    assert figure.axes[0].get_yticklabels()[0].get_text() == "$x^2$"


@pytest.mark.parametrize(
    ("confusion", "words"),
    [
        (torch.zeros(3, 3), "of 2 classes should hold counts"),
        (torch.tensor([[1, -1], [0, 1]]), "with negative values"),
        (torch.zeros(2), r"not \(2,\)"),
    ],
)
def test_what_is_no_confusion_is_refused(tmp_path: Path, confusion: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plot_confusion(confusion, ["a", "b"], tmp_path / "confusion.png")


def test_a_model_that_saw_nothing_has_an_empty_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = drawn(monkeypatch, tmp_path, torch.zeros(2, 2, dtype=torch.int64), ["a", "b"])
    assert "no images" in figure.axes[0].get_title(loc="left")
