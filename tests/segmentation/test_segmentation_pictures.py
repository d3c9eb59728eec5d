"""Masks are painted in their classes' colours, index masks hold the classes, and legends say what is seen."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from picture_checks import AWKWARD_NAMES, texts
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.masks import read_mask
from swinkit.pictures.figure import figure_to_image
from swinkit.pictures.palette import class_colours
from swinkit.segmentation import pictures as segmentation
from swinkit.segmentation.pictures import (
    SegmentationSample,
    index_mask,
    legend_lines,
    painted,
    plot_class_iou,
    plot_segmentations,
    segmentation_figure,
)

NAMES = ("sky", "road", "car")
GREY = (128, 128, 128)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list:
    """Every figure that is saved."""
    saved = []
    save = segmentation.save_figure

    def save_and_keep(figure, out, **options):
        saved.append(figure)
        save(figure, out, **options)

    monkeypatch.setattr(segmentation, "save_figure", save_and_keep)
    return saved


def halves(height: int = 40, width: int = 60) -> np.ndarray:
    """Class 0 above, class 2 below."""
    classes = np.zeros((height, width), dtype=np.int64)
    classes[height // 2 :] = 2
    return classes


def test_painting_mixes_image_and_colour():
    image = Image.new("L", (60, 40), 200)
    mixed = painted(image, halves(), NAMES, opacity=0.5).getpixel((5, 5))
    assert mixed == pytest.approx([(200 + value) / 2 for value in class_colours(3)[0]], abs=1)


def test_the_background_is_left_as_it_is():
    image = Image.effect_noise((60, 40), 90).convert("RGB")
    over = np.asarray(painted(image, halves(), ("Background", "road", "car")))
    np.testing.assert_array_equal(over[:20], np.asarray(image)[:20])
    assert (over[20:] != np.asarray(image)[20:]).any(axis=2).all()
    lines = legend_lines(halves(), ("Background", "road", "car"))
    assert lines == [("Background  50.0 %", None), ("car  50.0 %", class_colours(3)[2])]
    figure = segmentation_figure(image, halves(), ("Background", "road", "car"))
    empty, filled = figure.artists
    assert empty.get_facecolor()[3] == 0 and filled.get_facecolor()[3] == 1


def test_another_size_is_refused():
    with pytest.raises(InputError, match=r"classes \(40, 60\) do not belong to an image of 60 x 40 pixels"):
        painted(Image.new("RGB", (40, 60)), halves(), NAMES)


def test_index_masks_hold_the_classes():
    values = np.arange(256).reshape(16, 16)
    names = ["background", *(f"class {number}" for number in range(1, 255))]
    mask = index_mask(values, names)
    assert mask.mode == "P" and np.array_equal(np.asarray(mask), values)
    shown = np.asarray(mask.convert("RGB")).reshape(256, 3)
    assert [tuple(colour) for colour in shown.tolist()] == [(0, 0, 0), *class_colours(255)[1:], GREY]
    with pytest.raises(InputError, match="a mask of 255 classes has values up to 255, not 256"):
        index_mask(values + 1, names)


def test_more_classes_than_8_bits_hold(tmp_path):
    names = [f"class {number}" for number in range(300)]
    values = (np.arange(40 * 60) % 300).reshape(40, 60)
    index_mask(values, names).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), values)
    over = np.asarray(painted(Image.new("RGB", (60, 40), "white"), values, names, opacity=1.0))
    assert np.array_equal(over, np.array(class_colours(300), dtype=np.uint8)[values])


def test_pages_have_the_colours_of_the_weights(figures, tmp_path):
    palette = [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    plot_segmentations([sample(predicted=True)], NAMES, tmp_path / "a.png", palette=palette)
    assert {to_hex(box.get_facecolor()) for box in figures[-1].artists} == {"#010203", "#070809"}


def test_legend_says_what_is_seen_largest_first():
    classes = halves(10, 10)
    classes[0, :5] = 1
    colours = class_colours(3)
    expected = [("car  50.0 %", colours[2]), ("sky  45.0 %", colours[0]), ("road  5.0 %", colours[1])]
    assert legend_lines(classes, NAMES) == expected
    assert [text for text, _ in legend_lines(classes, NAMES, shares=False)] == ["car", "sky", "road"]
    assert [text for text, _ in legend_lines(np.array([[2, 255]]), NAMES)] == ["car  50.0 %"]
    rare = np.zeros((100, 100), dtype=int)
    rare[0, 0] = 1
    assert [text for text, _ in legend_lines(rare, NAMES)] == ["sky  100.0 %", "road  <0.1 %"]


def test_long_legends_end_in_a_sum():
    names = [f"class {number}" for number in range(150)]
    lines = legend_lines(np.repeat(np.arange(150), 2), names)
    assert len(lines) == 25 and lines[-1] == ("126 more  84.0 %", GREY)


def test_a_picture_with_its_legend():
    image = Image.new("RGB", (600, 400), "white")
    figure = segmentation_figure(image, halves(400, 600), NAMES)
    assert texts(figure) == ["sky  50.0 %", "car  50.0 %"]
    shown = np.asarray(figure_to_image(figure))
    for row, colour in ((50, class_colours(3)[0]), (350, class_colours(3)[2])):
        assert shown[row, 100].tolist() == pytest.approx([255 + 0.55 * (value - 255) for value in colour], abs=2)
    both = np.asarray(figure_to_image(segmentation_figure(image, halves(400, 600), NAMES, side_by_side=True)))
    assert both.shape[1] - shown.shape[1] == pytest.approx(612, abs=2) and both.shape[0] == shown.shape[0]
    assert both[50, 100].tolist() == [255, 255, 255] and both[50, 712].tolist() == shown[50, 100].tolist()


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 1500), (2500, 2000)])
@pytest.mark.filterwarnings("error")
def test_images_of_any_size(size):
    figure = segmentation_figure(Image.new("RGB", size), np.zeros(size[::-1], dtype=int), NAMES)
    assert max(figure_to_image(figure).size) < 1400


def sample(*, predicted: bool, title: str = "") -> SegmentationSample:
    truth = halves()
    truth[:3] = 255
    return SegmentationSample(Image.new("RGB", (60, 40), "white"), truth, halves() if predicted else None, title)


def test_pages(figures, tmp_path):
    plot_segmentations([sample(predicted=False, title="a.png"), sample(predicted=False)], NAMES, tmp_path / "a.png")
    plot_segmentations([sample(predicted=True), sample(predicted=False)], NAMES, tmp_path / "b.png")
    common = ["image", "ground truth", "ground truth", "sky", "car"]
    assert sorted(texts(figures[0])) == sorted(["a.png", *common])
    assert sorted(texts(figures[1])) == sorted(["image", "prediction", *common])
    assert [len(figure.axes) for figure in figures] == [4, 5]


def test_nothing_overlaps_on_a_page(figures, tmp_path):
    names = [f"a very long name of class {number}" for number in range(40)]
    tall = SegmentationSample(
        Image.new("RGB", (30, 90)), np.arange(2700).reshape(90, 30) % 40, np.zeros((90, 30), dtype=int), "x" * 90
    )
    plot_segmentations([tall, sample(predicted=True)] * 3, names, tmp_path / "a.png")
    (figure,) = figures
    boxes = [axes.get_window_extent() for axes in figure.axes] + [text.get_window_extent() for text in figure.texts]
    overlaps = [
        (a, b) for a in range(len(boxes)) for b in range(a) if boxes[a].padded(-1).overlaps(boxes[b].padded(-1))
    ]
    assert not overlaps
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


@pytest.mark.filterwarnings("error")
def test_awkward_names(tmp_path):
    classes = np.arange(60).reshape(6, 10) % len(AWKWARD_NAMES)
    figure_to_image(segmentation_figure(Image.new("RGB", (10, 6)), classes, AWKWARD_NAMES))
    page = [SegmentationSample(Image.new("RGB", (10, 6)), classes, classes, name) for name in AWKWARD_NAMES]
    plot_segmentations(page, AWKWARD_NAMES, tmp_path / "b.png")
    plot_class_iou([0.5] * len(AWKWARD_NAMES), AWKWARD_NAMES, tmp_path / "c.png")
    assert len(list(Path(tmp_path).iterdir())) == 2


def test_a_page_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one image"):
        plot_segmentations([], NAMES, tmp_path / "a.png")


def test_iou_of_each_class_best_first(figures, tmp_path):
    plot_class_iou([0.25, float("nan"), 0.75], NAMES, tmp_path / "a.png")
    shown = [text for text in texts(figures[0]) if text in NAMES or text[0] in "0n"]
    assert shown[:4] == ["car", "0.750", "sky", "0.250"]
    assert "IoU of each class; mean 0.5000\n1 of 3 classes have no pixels" in texts(figures[0])
    bars = [patch.get_width() for patch in figures[0].axes[0].patches]
    assert bars == [0.75, 0.25]
    plot_class_iou([float("nan")] * 3, NAMES, tmp_path / "a.png")
    assert not figures[1].axes[0].patches
