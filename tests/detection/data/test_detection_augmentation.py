"""Boxes and masks follow every transform, sizes are the published ones, and draws come from torch's generator."""

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.detection.data.augmentation import (
    DetectionAugmentation,
    DetectionResize,
    SmallDetectionAugmentation,
    detection_transform,
)
from swinkit.detection.data.geometry import cut_out, mirror, resize_within
from swinkit.detection.data.samples import collate_detection
from swinkit.errors import InputError
from swinkit.structures import Instances


def scene(height=120, width=200, *, masks=True):
    """Four bright rectangles on black, with their boxes and masks."""
    boxes = torch.tensor([[10, 20, 50, 60], [60, 5, 190, 40], [0, 100, 30, 120], [120, 60, 170, 110]]).float()
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    covers = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for number, (left, top, right, bottom) in enumerate(boxes.int().tolist()):
        pixels[top:bottom, left:right] = 255
        covers[number, top:bottom, left:right] = True
    return Image.fromarray(pixels), Instances(boxes, torch.arange(4), covers if masks else None)


def box_of(mask):
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()


def assert_together(image, objects, tolerance):
    """What is bright in the image is where the masks are, and the boxes enclose them."""
    assert image.dtype == torch.uint8 and objects.masks.dtype == torch.bool
    assert objects.masks.shape == (len(objects.boxes), *image.shape[1:])
    bright = image[0] > 127
    assert (bright != objects.masks.any(0)).float().mean() < 0.06
    for mask, box in zip(objects.masks, objects.boxes, strict=True):
        assert (box_of(mask) - box).abs().max() <= tolerance


SETTINGS = [
    DetectionAugmentation(
        shorter_sides=(90, 100, 150), longest_side=300, sides_before_crop=(80, 110), crop_range=(60, 100)
    ),
    SmallDetectionAugmentation((60, 160), longest_side=250, vertical_flip=0.5, crop_probability=0.7, smallest_crop=0.4),
    DetectionResize(83, 1000),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: type(settings).__name__)
def test_pixels_boxes_and_masks_stay_together(settings):
    transform = detection_transform(settings)
    counts, sizes = set(), set()
    for seed in range(40):
        torch.manual_seed(seed)
        image, objects = transform(*scene())
        assert_together(image, objects, tolerance=2.01 * image.shape[1] / 60)
        counts.add(len(objects.labels))
        sizes.add(tuple(image.shape))
        torch.manual_seed(seed)
        again, same = transform(*scene(masks=False))
        assert torch.equal(again, image) and same.masks is None
        if len(same.labels) == len(objects.labels):
            assert torch.equal(same.boxes, objects.boxes)
    is_random = not isinstance(settings, DetectionResize)
    assert (len(sizes) > 3) == is_random and (min(counts) < 4) == is_random and max(counts) == 4


def test_objects_keep_their_labels_when_others_are_dropped():
    image, objects = cut_out(*tensor_scene(), top=0, left=100, height=50, width=100)
    assert objects.labels.tolist() == [1] and objects.boxes.tolist() == [[0, 5, 90, 40]]
    assert image.shape == (3, 50, 100) and objects.masks.shape == (1, 50, 100)


def tensor_scene():
    image, objects = scene()
    return torch.from_numpy(np.array(image)).permute(2, 0, 1), objects


def test_objects_whose_mask_is_cut_away_are_dropped_though_their_box_is_not():
    image, objects = tensor_scene()
    objects.masks[1, :, 100:] = False
    assert cut_out(image, objects, top=0, left=110, height=40, width=50)[1].labels.tolist() == []
    boxes = Instances(objects.boxes, objects.labels, None)
    assert cut_out(image, boxes, top=0, left=110, height=40, width=50)[1].labels.tolist() == [1]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 640), (800, 1067)), ((427, 640), (800, 1199)), ((200, 1000), (267, 1333)), ((1000, 333), (1333, 444))],
)
def test_evaluation_has_the_published_sizes(size, expected):
    image = Image.new("RGB", size[::-1])
    objects = Instances(torch.tensor([[0.0, 0.0, size[1], size[0]]]), torch.zeros(1, dtype=torch.long), None)
    resized, found = detection_transform(DetectionResize())(image, objects)
    assert tuple(resized.shape[1:]) == expected
    assert found.boxes.tolist() == [[0, 0, expected[1], expected[0]]]


def test_resizing_rounds_as_the_published_code():
    """OpenCV's values: bilinear from the pixel centres, rounded; masks from the pixel before."""
    image = torch.tensor([[[0, 100], [200, 255]]], dtype=torch.uint8).expand(3, 2, 2)
    masks = torch.tensor([[[True, False], [False, False]]])
    objects = Instances(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.zeros(1, dtype=torch.long), masks)
    resized, found = resize_within(image, objects, shorter_side=4, longest_side=4)
    assert resized[0].tolist() == [[0, 25, 75, 100], [50, 72, 117, 139], [150, 167, 200, 216], [200, 214, 241, 255]]
    assert found.masks[0].int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]
    assert found.boxes.tolist() == [[0, 0, 2, 2]]
    three = resize_within(image, objects, shorter_side=3, longest_side=3)[1].masks[0]
    assert three.int().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_mirroring_twice_is_nothing():
    image, objects = tensor_scene()
    once = mirror(image, objects)
    assert once[1].boxes[0].tolist() == [150, 20, 190, 60] and not torch.equal(once[0], image)
    assert_together(*once, tolerance=0)
    assert_together(*mirror(image, objects, vertically=True), tolerance=0)
    twice, back = mirror(*once)
    assert (
        torch.equal(twice, image) and torch.equal(back.boxes, objects.boxes) and torch.equal(back.masks, objects.masks)
    )


def test_published_draws():
    """Sides from the published lists, half of the images cropped, half mirrored."""
    transform = detection_transform(DetectionAugmentation())
    image = Image.new("RGB", (640, 480))
    objects = Instances(torch.tensor([[0.0, 0.0, 100.0, 100.0]]), torch.zeros(1, dtype=torch.long), None)
    sides, ratios, mirrored = set(), [], 0
    for seed in range(60):
        torch.manual_seed(seed)
        found, moved = transform(image, objects)
        height, width = found.shape[1:]
        assert max(height, width) <= 1333
        is_whole = abs(width / height - 4 / 3) < 0.005
        ratios.append(is_whole)
        if is_whole:
            sides.add(min(height, width))
            mirrored += bool(len(moved.boxes) and moved.boxes[0, 0] > 0)
    assert sides <= set(range(480, 801, 32)) and len(sides) > 6
    assert 20 <= sum(ratios) <= 45 and 0 < mirrored < sum(ratios)


def test_stronger_multi_scale_training_draws_any_side():
    """The paper's best system: 400 to 1400 pixels, the longer side up to 1600."""
    settings = DetectionAugmentation(crop_probability=0.0, shorter_side_range=(400, 1400), longest_side=1600)
    transform, image = detection_transform(settings), Image.new("RGB", (64, 48))
    objects = Instances(torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.zeros(1, dtype=torch.long), None)
    sizes = []
    for seed in range(60):
        torch.manual_seed(seed)
        sizes.append(tuple(transform(image, objects)[0].shape[1:]))
    sides = sorted({min(size) for size in sizes})
    assert 400 <= sides[0] < 500 and 1100 < sides[-1] <= 1200 and len(sides) > 35
    assert any(side % 32 for side in sides) and all(max(size) <= 1600 for size in sizes)
    assert sizes.count((1200, 1600)) >= 5  # where the longer side limits


def test_paper_text_never_crops():
    transform = detection_transform(DetectionAugmentation(crop_probability=0.0, horizontal_flip=1.0))
    image, objects = (
        Image.new("RGB", (64, 48)),
        Instances(torch.tensor([[0.0, 0, 16, 12]]), torch.zeros(1).long(), None),
    )
    for seed in range(10):
        torch.manual_seed(seed)
        found, moved = transform(image, objects)
        assert abs(found.shape[2] / found.shape[1] - 4 / 3) < 0.005
        assert moved.boxes[0, 2] == found.shape[2] and moved.boxes[0, 0] == pytest.approx(
            0.75 * found.shape[2], rel=1e-3
        )


def test_colours_change_and_objects_do_not():
    transform = detection_transform(SmallDetectionAugmentation((120, 120), horizontal_flip=0.0, color_jitter=0.5))
    torch.manual_seed(0)
    image, objects = transform(Image.new("RGB", (200, 120), (100, 150, 50)), scene()[1])
    assert image[:, 0, 0].tolist() != [100, 150, 50] and torch.equal(objects.boxes, scene()[1].boxes)


def test_images_without_objects_pass():
    nothing = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 120, 200, dtype=torch.bool))
    for settings in SETTINGS:
        for seed in range(5):
            torch.manual_seed(seed)
            image, objects = detection_transform(settings)(scene()[0], nothing)
            assert objects.boxes.shape == (0, 4) and objects.masks.shape == (0, *image.shape[1:])


def test_a_batch_is_padded_and_knows_the_sizes():
    samples = [detection_transform(resize)(*scene()) for resize in (DetectionResize(60, 90), DetectionResize(40, 90))]
    batch, sizes, targets = collate_detection(samples)
    assert batch.dtype == torch.uint8 and [side % 32 for side in batch.shape[2:]] == [0, 0]
    assert sizes == [tuple(image.shape[1:]) for image, _ in samples] and sizes[0] != sizes[1]
    for row, (height, width), (image, _) in zip(batch, sizes, samples, strict=True):
        assert torch.equal(row[:, :height, :width], image) and row.sum() == image.sum()
    assert all(target is sample[1] for target, sample in zip(targets, samples, strict=True))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DetectionAugmentation(shorter_sides=()), "shorter_sides"),
        (lambda: DetectionAugmentation(crop_range=(600, 384)), "crop_range"),
        (lambda: DetectionAugmentation(shorter_side_range=(1400, 400)), "shorter_side_range"),
        (lambda: DetectionAugmentation(crop_probability=1.5), "crop_probability is 1.5"),
        (lambda: DetectionAugmentation(longest_side=0), "longest_side"),
        (lambda: SmallDetectionAugmentation(shorter_side=(9, 8)), "shorter_side"),
        (lambda: SmallDetectionAugmentation(vertical_flip=-1), "vertical_flip"),
        (lambda: SmallDetectionAugmentation(smallest_crop=0), "smallest_crop 0"),
        (lambda: SmallDetectionAugmentation(color_jitter=1), "color_jitter 1"),
        (lambda: DetectionResize(0), "shorter_side"),
    ],
)
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
