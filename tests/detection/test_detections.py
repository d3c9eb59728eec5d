"""Boxes, masks, names and scores stand where the objects are, on images of any size, with any number of classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from picture_checks import AWKWARD_NAMES, capture_figure, pixels, texts
from PIL import Image

from swinkit.detection.pictures import data as detection_data
from swinkit.detection.pictures import detections
from swinkit.detection.pictures.data import plot_detection_data
from swinkit.detection.pictures.detections import (
    DetectionSample,
    draw_detections,
    picture_of_detections,
    plot_detections,
)
from swinkit.errors import InputError
from swinkit.pictures.palette import class_colours
from swinkit.structures import Detections, Instances

CLASSES = ("red cell", "white cell", "platelet")


def found_in(size: tuple[int, int], *, masks: bool = True) -> Detections:
    """Three detections in an image of `size` (height, width), the last one poor."""
    height, width = size
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.55, 0.55, 0.95, 0.9], [0.1, 0.6, 0.4, 0.9]])
    boxes = boxes * torch.tensor([width, height] * 2)
    return Detections(
        boxes, torch.tensor([0.91, 0.55, 0.05]), torch.tensor([0, 2, 1]), torch.ones(3, 28, 28) if masks else None, size
    )


def true_in(size: tuple[int, int], *, masks: bool = True) -> Instances:
    found = found_in(size)
    covers = torch.zeros(3, *size, dtype=torch.bool)
    for cover, (left, top, right, bottom) in zip(covers, found.boxes.round().int().tolist(), strict=True):
        cover[top:bottom, left:right] = True
    return Instances(found.boxes, found.labels, covers if masks else None)


def boxes_of(axes) -> list[Rectangle]:
    """The coloured outlines that were drawn, in image coordinates."""
    return [patch for patch in axes.patches if not patch.get_fill() and patch.get_edgecolor()[3] == 1.0]


@pytest.mark.parametrize("size", [(12, 16), (1, 1), (480, 640), (3000, 2000), (40, 2000), (2000, 40)])
@pytest.mark.parametrize("masks", [False, True])
def test_any_size_is_legible(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: tuple[int, int], masks: bool
) -> None:
    figure = capture_figure(monkeypatch, detections)
    image = Image.new("RGB", size[::-1], (30, 60, 90))
    draw_detections(image, found_in(size, masks=masks).above(0.3), CLASSES, tmp_path / "found.png")
    (axes,) = figure().axes
    assert 639 <= max(axes.bbox.width, axes.bbox.height) <= 1281
    assert max(pixels(tmp_path / "found.png").shape) < 1400
    assert {"red cell 1", "platelet 1"} <= set(texts(figure()))
    if min(size) > 40:
        assert {"red cell 0.91", "platelet 0.55"} <= set(texts(figure()))
        scale = axes.get_xlim()[1] / size[1]
        drawn = sorted((box.get_x() / scale, box.get_width() / scale) for box in boxes_of(axes))
        np.testing.assert_allclose(drawn, [(0.1 * size[1], 0.4 * size[1]), (0.55 * size[1], 0.4 * size[1])], rtol=1e-3)


def test_a_picture_in_memory_is_the_one_in_a_file(tmp_path: Path) -> None:
    image = Image.effect_noise((64, 48), 90).convert("RGB")
    draw_detections(image, found_in((48, 64)), CLASSES, tmp_path / "found.png")
    picture = picture_of_detections(image, found_in((48, 64)), CLASSES)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels(tmp_path / "found.png"))


@pytest.mark.parametrize("kind", [found_in, true_in])
def test_masks_colour_what_they_cover(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind) -> None:
    figure = capture_figure(monkeypatch, detections)
    image = Image.new("RGB", (640, 480), (30, 60, 90))
    draw_detections(image, kind((480, 640)), CLASSES, tmp_path / "masks.png")
    painted = np.asarray(figure().axes[0].images[0].get_array())
    base, colour = np.array([30, 60, 90]), np.array(class_colours(3)[0])
    assert painted.shape == (480, 640, 3)
    np.testing.assert_allclose(painted[100, 150], 0.6 * base + 0.4 * colour, atol=1)
    np.testing.assert_array_equal(painted[48:50, 150], [colour, colour])  # the contour
    np.testing.assert_array_equal(painted[20, 20], base)
    draw_detections(image, kind((480, 640), masks=False), CLASSES, tmp_path / "boxes.png")
    assert (np.asarray(figure().axes[0].images[0].get_array()) == base).all()


def colours_at(axes, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    """The colours of the masks' contours at (row, column)."""
    return [tuple(axes.images[0].get_array()[place].tolist()) for place in places]


def test_instances_of_one_class_have_colours_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detections)
    image, truth = Image.new("RGB", (640, 480)), true_in((480, 640))
    tops = (48, 100), (264, 500), (288, 100)
    alone = truth._replace(labels=torch.tensor([1, 1, 1]))
    draw_detections(image, alone, CLASSES, tmp_path / "alone.png")
    expected = class_colours(4)[1:]
    assert colours_at(figure().axes[0], *tops) == expected
    edges = [tuple(round(255 * part) for part in box.get_edgecolor()[:3]) for box in boxes_of(figure().axes[0])]
    assert edges == expected[::-1] and not figure().artists and "white cell 3" in texts(figure())

    mixed = truth._replace(labels=torch.tensor([1, 0, 1]))
    draw_detections(image, mixed, CLASSES, tmp_path / "mixed.png")
    first, other, second = colours_at(figure().axes[0], *tops)
    assert (first, other) == (class_colours(3)[1], class_colours(3)[0]) and second not in class_colours(3)
    edges = [tuple(round(255 * part) for part in box.get_edgecolor()[:3]) for box in boxes_of(figure().axes[0])]
    assert edges == [first, other, first] and len(figure().artists) == 2


def test_colours_on_a_page_mean_the_same_on_every_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detections)
    image, truth = Image.new("RGB", (340, 340)), true_in((340, 340))
    samples = [
        DetectionSample(image, truth._replace(labels=torch.tensor(labels)), None) for labels in ([2, 2, 2], [0, 1, 2])
    ]
    plot_detections(samples, CLASSES, tmp_path / "page.png")
    edges = {tuple(round(255 * part) for part in box.get_edgecolor()[:3]) for box in boxes_of(figure().axes[0])}
    assert edges == {class_colours(3)[2]} and len(figure().artists) == 3


def test_labels_never_cover_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detections)
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(100, 2, generator=generator) * 600
    boxes = torch.cat([corners, corners + 40], 1)
    crowd = Detections(boxes, torch.linspace(1, 0.5, 100), torch.arange(100) % 3, None, (640, 640))
    draw_detections(Image.new("RGB", (640, 640)), crowd, CLASSES, tmp_path / "crowd.png")
    axes = figure().axes[0]
    spots = [text.get_window_extent() for text in axes.texts]
    assert 20 < len(spots) < 100 and "1.00" in [text.get_text() for text in axes.texts]
    for number, one in enumerate(spots):
        assert axes.bbox.x0 - 1 <= one.x0 and one.x1 <= axes.bbox.x1 + 1
        for other in spots[number + 1 :]:
            assert one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 + 3 or other.y1 <= one.y0 + 3
    assert len(boxes_of(axes)) == 100


def test_the_only_class_goes_without_saying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detections)
    boxes = torch.tensor([[10.0, 10, 300, 200]])
    image = Image.new("RGB", (640, 480))
    found = Detections(boxes, torch.tensor([0.5]), torch.zeros(1).long(), None, (480, 640))
    draw_detections(image, found, ["nucleus"], tmp_path / "one.png")
    assert set(texts(figure())) == {"0.50", "nucleus 1"}
    draw_detections(image, Instances(boxes, torch.zeros(1).long(), None), ["nucleus"], tmp_path / "one.png")
    assert set(texts(figure())) == {"nucleus 1"}
    draw_detections(image, found.above(0.6), ["nucleus"], tmp_path / "nothing.png")
    assert texts(figure()) == [] and (tmp_path / "nothing.png").exists()


@pytest.mark.filterwarnings("error")
def test_awkward_names_and_many_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detections)
    names = [*AWKWARD_NAMES, *(f"class {number}" for number in range(300))]
    labels = torch.arange(40) * 7
    corners = torch.stack([torch.arange(40) % 8 * 80.0, torch.arange(40) // 8 * 120.0 + 20], 1)
    objects = Instances(torch.cat([corners, corners + 60], 1), labels, None)
    draw_detections(Image.new("RGB", (640, 640)), objects, names, tmp_path / "many.png")
    assert "$x^2$" in texts(figure()) and "29 more 29" in texts(figure())


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_page_shows_truth_and_prediction_side_by_side(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int
) -> None:
    figure = capture_figure(monkeypatch, detections)
    sizes = [(480, 640), (640, 480), (30, 40)]
    samples = [
        DetectionSample(
            Image.new("RGB", sizes[n % 3][::-1]), true_in(sizes[n % 3]), found_in(sizes[n % 3]), f"image {n}"
        )
        for n in range(count)
    ]
    palette = [(1, 2, 3), (4, 5, 6), (7, 8, 9)][: len(CLASSES)]
    plot_detections(samples, CLASSES, tmp_path / "page.png", palette=palette)
    assert {to_hex(box.get_facecolor()) for box in figure().artists} <= {"#010203", "#040506", "#070809"}
    assert figure().artists and len(figure().axes) == 2 * count
    shown = texts(figure())
    assert shown.count("found, 2") == count and "image 0: truth, 3" in shown
    for truth, found in zip(figure().axes[::2], figure().axes[1::2], strict=True):
        assert truth.bbox.y1 == pytest.approx(found.bbox.y1) and truth.bbox.x1 < found.bbox.x0
    assert all(axes.bbox.y0 >= 0 and axes.bbox.x1 <= figure().bbox.width for axes in figure().axes)
    plot_detections([replace(each, found=None) for each in samples], CLASSES, tmp_path / "page.png")
    assert len(figure().axes) == count and "image 0: truth, 3" in texts(figure())


def test_a_sheet_of_a_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = capture_figure(monkeypatch, detection_data)
    samples = [(f"{n}.png", Image.new("RGB", (64, 48 + 10 * n)), true_in((48 + 10 * n, 64))) for n in range(6)]
    plot_detection_data(samples, CLASSES, [1500, 0, 70], tmp_path / "sheet.png", title="cells, train")
    *tiles, bars = figure().axes
    assert len(tiles) == 6 and [bar.get_width() for bar in bars.patches] == [1500, 70]
    assert "Objects of each class; 1 of 3 classes have none" in texts(figure())
    assert {"cells, train", "1,500", "red cell", "0.png (64 x 48, 3 objects)"} <= set(texts(figure()))
    assert all(axes.bbox.y0 >= 0 and axes.bbox.y1 <= figure().bbox.height for axes in figure().axes)
    many = [f"class {number}" for number in range(100)]
    plot_detection_data(samples[:1], many, list(range(100)), tmp_path / "sheet.png")
    assert "Objects of each class, the 40 most frequent of 99 classes that occur" in texts(figure())
    assert len(figure().axes[-1].patches) == 40 and "class 99" in texts(figure()) and "class 59" not in texts(figure())


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    image, out = Image.new("RGB", (64, 48)), tmp_path / "out.png"
    with pytest.raises(InputError, match=r"\(30, 40\) pixels \(height, width\) do not belong to one of \(48, 64\)"):
        draw_detections(image, found_in((30, 40)), CLASSES, out)
    with pytest.raises(InputError, match="do not belong"):
        draw_detections(image, true_in((30, 40)), CLASSES, out)
    with pytest.raises(InputError, match="label 2 has no name: there are 2 classes"):
        draw_detections(image, found_in((48, 64)), CLASSES[:2], out)
    with pytest.raises(InputError, match="at least one image"):
        plot_detections([], CLASSES, out)
    with pytest.raises(InputError, match="at least one image"):
        plot_detection_data([], CLASSES, [0, 0, 0], out)
    with pytest.raises(InputError, match=r"ending \.png"):
        draw_detections(image, found_in((48, 64)), CLASSES, tmp_path / "out.jpg")
    assert list(tmp_path.iterdir()) == []
