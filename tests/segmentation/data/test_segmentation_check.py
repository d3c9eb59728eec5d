"""What is wrong with images and masks is found before training, and counted right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mask_folders import CLASSES, sample, write_masks
from PIL import Image

from swinkit.errors import InputError
from swinkit.segmentation.data.check import SegmentationReport, check_segmentation, problems_text, require_sound
from swinkit.segmentation.data.folders import match_pairs
from swinkit.segmentation.data.samples import SegmentationImages

FIRST = "train/train00.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_masks(tmp_path)


def training_split(root: Path, *, reduce_zero_label: bool = False) -> SegmentationImages:
    pairs = match_pairs(root, Path("images/train"), Path("masks/train"))
    return SegmentationImages(root, pairs.images, pairs.masks, CLASSES, reduce_zero_label=reduce_zero_label)


def report_on(root: Path, *, reduce_zero_label: bool = False) -> SegmentationReport:
    pairs = match_pairs(root, Path("images/train"), Path("masks/train"))
    return check_segmentation(training_split(root, reduce_zero_label=reduce_zero_label), pairs)


def save(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint8)).save(path)


def test_sound_data(root):
    require_sound(training_split(root))
    report = report_on(root)
    labels = np.stack([sample(number)[1] for number in range(12)])
    expected = [(labels == value).sum() for value in (0, 1, 2, 255)]
    assert report.pixels.tolist() == expected
    assert report.images == 12 and report.sizes == {(40, 48): 12} and report.classes == CLASSES
    assert report.problems == report.remarks == []


def test_steps_are_told(root):
    steps: list[int] = []
    pairs = match_pairs(root, Path("images/train"), Path("masks/train"))
    check_segmentation(training_split(root), pairs, step=steps.append)
    assert steps == list(range(1, 13))


def test_reduced_labels_are_counted_as_they_are_used(root):
    for path in (root / "masks/train").iterdir():
        save(path, np.repeat([0, 1, 3, 255], 480).reshape(40, 48))
    report = report_on(root, reduce_zero_label=True)
    assert report.pixels.tolist() == [12 * 480, 0, 12 * 480, 12 * 960]
    assert report.remarks == [f"in {root} no mask has the class red"] and not report.problems


def wrong_size(root: Path) -> str:
    save(root / "masks" / FIRST, np.zeros((40, 47)))
    return f"the mask {root / 'masks' / FIRST} has 40 x 47 pixels, its image 40 x 48"


def outside(root: Path) -> str:
    save(root / "masks" / FIRST, np.full((40, 48), 3))
    return f"the mask {root / 'masks' / FIRST} has the value 3, but 3 classes have the values 0 to 2"


def no_mask(root: Path) -> str:
    (root / "masks" / FIRST).write_bytes(b"no mask")
    return f"{root / 'masks' / FIRST} is no mask that can be read"


def no_image(root: Path) -> str:
    (root / "images" / FIRST).write_bytes(b"no image")
    return f"{root / 'images' / FIRST} is not an image in a format that can be read"


def turned(root: Path) -> str:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 40)).save(root / "images" / FIRST, exif=exif)
    return f"the mask {root / 'masks' / FIRST} has 40 x 48 pixels, its image 48 x 40"


BAD = (wrong_size, outside, no_mask, no_image, turned)


@pytest.mark.parametrize("spoil", BAD)
def test_bad_files_are_found(root, spoil):
    sentence = spoil(root)
    with pytest.raises(InputError) as caught:
        require_sound(training_split(root))
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)
    (problem,) = report_on(root).problems
    assert problem.startswith(sentence)


@pytest.mark.parametrize("spoil", [bad for bad in BAD if bad is not outside])
def test_headers_of_all_files_are_looked_at(root, spoil):
    """Also of those whose masks are not read as a whole: of twelve, the first alone."""
    sentence = spoil(root)
    data = training_split(root).subset(range(11, -1, -1))  # the spoilt one is the last
    with pytest.raises(InputError) as caught:
        require_sound(data, masks=1)
    assert str(caught.value).startswith(sentence)


def test_no_more_masks_than_asked_for_are_read(root, monkeypatch):
    read: list[int] = []
    labels = SegmentationImages.labels

    def count(self, index, size=None):
        read.append(index)
        return labels(self, index, size)

    monkeypatch.setattr(SegmentationImages, "labels", count)
    require_sound(training_split(root), masks=4)
    assert read == [0, 4, 7, 11]


def test_nothing_but_ignored_pixels(root):
    for path in (root / "masks/train").iterdir():
        save(path, np.full((40, 48), 255))
    with pytest.raises(InputError, match=r"no pixel of the masks in .* is labelled.*reduce_zero_label"):
        require_sound(training_split(root))
    (problem,) = report_on(root).problems
    assert problem.startswith(f"no pixel of the masks in {root} is labelled")
    for path in (root / "masks/train").iterdir():
        save(path, np.zeros((40, 48)))
    with pytest.raises(InputError, match="no pixel of the masks"):
        require_sound(training_split(root, reduce_zero_label=True))
    with pytest.raises(
        InputError, match=r"every labelled pixel in .* is of the class ground, so nothing can be learned"
    ):
        require_sound(training_split(root))


def test_one_mask_of_ignored_pixels_is_remarked(root):
    save(root / "masks" / FIRST, np.full((40, 48), 255))
    require_sound(training_split(root))
    report = report_on(root)
    assert report.remarks == [
        f"in the mask {root / 'masks' / FIRST} every pixel is ignored: nothing is learned from it"
    ]


def test_images_one_pixel_high_are_remarked(root):
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        Image.new(mode, (48, 1)).save(root / kind / FIRST)
    require_sound(training_split(root))
    assert report_on(root).remarks == [f"the image {root / 'images' / FIRST} is only one pixel high or wide"]


def test_what_does_not_match(root):
    (root / "masks/train/train01.png").unlink()
    (root / "images/train/train02.png").unlink()
    Image.new("L", (48, 40)).save(root / "masks/train/train03.bmp")
    report = report_on(root)
    assert report.problems == [
        "masks/train/train03.bmp and masks/train/train03.png have the same name",
        "the image images/train/train01.png has no mask",
    ]
    assert report.remarks == ["the mask masks/train/train02.png has no image"]


def test_a_split_without_images(root):
    for path in (root / "images/train").iterdir():
        path.unlink()
    report = report_on(root)
    assert report.problems == ["there is no image with a mask"] and len(report.remarks) == 12


def test_long_lists_are_cut():
    report = replace(SegmentationReport(CLASSES), problems=[str(n) for n in range(5)], remarks=["r"])
    assert list(problems_text(report, most=3)) == [
        *("problem: 0", "problem: 1", "problem: 2", "... and 2 more problems", "remark: r")
    ]
