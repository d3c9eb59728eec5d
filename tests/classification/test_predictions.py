"""A page of predictions is a fair choice, marks what is wrong, and takes any image and any name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from picture_checks import AWKWARD_NAMES, capture_figure, texts
from PIL import Image

from swinkit.classification.pictures import predictions
from swinkit.classification.pictures.predictions import PredictionSample, choose_predictions, plot_predictions
from swinkit.errors import InputError


def sample(predicted: str = "cat", truth: str = "cat", *, probability: float = 0.87) -> PredictionSample:
    return PredictionSample(Image.new("RGB", (90, 60), "lightgrey"), predicted, probability, truth)


def drawn(monkeypatch: pytest.MonkeyPatch, out: Path, *groups: list[PredictionSample]) -> Figure:
    figure = capture_figure(monkeypatch, predictions)
    plot_predictions(groups[0], out, worst=groups[1] if len(groups) > 1 else ())
    return figure()


def test_half_are_random_and_half_the_worst_mistakes_of_the_rest() -> None:
    generator = torch.Generator().manual_seed(1)
    correct = torch.rand(500, generator=generator) < 0.8
    probabilities = torch.rand(500, generator=generator)
    drawn, worst = choose_predictions(correct, probabilities, count=24, seed=3)
    assert len(drawn) == len(worst) == 12
    assert not set(drawn) & set(worst)
    rest = [index for index in range(500) if index not in drawn and not correct[index]]
    assert worst == sorted(rest, key=lambda index: -float(probabilities[index]))[:12]
    assert (drawn, worst) == choose_predictions(correct, probabilities, count=24, seed=3)
    assert drawn != choose_predictions(correct, probabilities, count=24, seed=4)[0]


def test_the_random_half_does_not_depend_on_what_is_right() -> None:
    probabilities = torch.rand(100)
    all_right, _ = choose_predictions(torch.ones(100, dtype=torch.bool), probabilities)
    mixed, _ = choose_predictions(torch.arange(100) % 2 == 0, probabilities)
    assert mixed == all_right[:12]


@pytest.mark.parametrize(("images", "mistakes", "sizes"), [(100, 3, (21, 3)), (100, 0, (24, 0)), (5, 5, (5, 0))])
def test_few_mistakes_leave_room_for_more_random_ones(images: int, mistakes: int, sizes: tuple[int, int]) -> None:
    correct = torch.ones(images, dtype=torch.bool)
    order, _ = choose_predictions(correct, torch.ones(images), count=images)
    correct[order[images - mistakes :]] = False
    drawn, worst = choose_predictions(correct, torch.ones(images))
    assert (len(drawn), len(worst)) == sizes
    assert len(set(drawn) | set(worst)) == sum(sizes)


def test_titles_say_how_images_were_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = drawn(monkeypatch, tmp_path / "page.png", [sample(), sample("dog")], [sample("fox")])
    assert "Drawn at random: 1 of 2 right" in texts(page)
    assert "The worst mistakes: wrong with the highest probability" in texts(page)
    page = drawn(monkeypatch, tmp_path / "page.png", [sample()])
    assert "The worst mistakes: wrong with the highest probability" not in texts(page)


def test_wrong_ones_have_a_red_frame_a_cross_and_the_truth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = drawn(monkeypatch, tmp_path / "right.png", [sample()])
    assert {"✓ cat", "87 %"} <= set(texts(figure))
    assert not any(text.startswith("true") for text in texts(figure))
    figure = drawn(monkeypatch, tmp_path / "wrong.png", [sample("dog")])
    assert {"✗ dog", "87 %", "true: cat"} <= set(texts(figure))


def test_a_full_page_of_photographs_stays_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noisy = [Image.fromarray(generator.integers(0, 256, (200, 200, 3), dtype=np.uint8)) for _ in range(24)]
    page = [PredictionSample(image, "a very long name of a class", 1.0, "another very long name") for image in noisy]
    drawn(monkeypatch, tmp_path / "page.png", page[:12], page[12:])
    assert (tmp_path / "page.png").stat().st_size <= 300_000


@pytest.mark.filterwarnings("error")
def test_awkward_images_and_names_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images = [Image.new(mode, size) for mode in ("L", "RGBA", "CMYK", "I;16", "P", "F") for size in ((1, 1), (900, 2))]
    page = [
        PredictionSample(image, AWKWARD_NAMES[place % len(AWKWARD_NAMES)], 0.5, AWKWARD_NAMES[-place % 7])
        for place, image in enumerate(images)
    ]
    figure = drawn(monkeypatch, tmp_path / "page.png", page)
    assert "✗ $x^2$" in texts(figure)
    assert f"Drawn at random: {sum(one.right for one in page)} of 12 right" in texts(figure)


def test_an_empty_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one image"):
        plot_predictions([], tmp_path / "page.png")
