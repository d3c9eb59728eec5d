"""What features say of a data set: planted near-duplicates and wrong labels are found, and every number is repeated."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swinkit.embedding.labels import separability
from swinkit.embedding.layout import MOST_PLACED, drawn, places
from swinkit.embedding.neighbours import near_duplicates, nearest, voted
from swinkit.embedding.picture import plot_map
from swinkit.embedding.table import write_features
from swinkit.errors import InputError

COUNT, CHANNELS = 90, 12


def blobs(*, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Features of three classes, 30 each, around centres of their own."""
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), COUNT // 3)
    centres = draw.normal(0, 1, (3, CHANNELS))
    return (centres[labels] + spread * draw.normal(0, 1, (COUNT, CHANNELS))).astype(np.float32), labels


def test_neighbours_are_the_nearest_others() -> None:
    features, _ = blobs()
    found = nearest(features, 4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for number in (0, 31, 89):
        cosines = unit @ unit[number]
        cosines[number] = -2
        assert found.numbers[number].tolist() == np.argsort(-cosines)[:4].tolist()
    assert nearest(features[:3], 20).numbers.shape == (3, 2) and nearest(features[:1]).numbers.shape == (1, 0)


def test_an_image_has_no_vote_on_itself() -> None:
    """Of two classes with alternating labels among equal features, the own label would decide."""
    features = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 2, 3, 3]]
    labels = np.array([0, 1] * 4)
    assert (voted(nearest(features, 1), labels, 2).argmax(1) == 1 - labels).all()


def test_well_separated_classes_are_told_apart_and_random_labels_are_not() -> None:
    features, labels = blobs()
    found = separability(features, labels, nearest(features), 3)
    assert found is not None and found.counted == COUNT
    assert found.knn_accuracy > 0.95 and found.probe_accuracy > 0.95
    random = np.random.default_rng(1).permutation(labels)
    found = separability(features, random, nearest(features), 3)
    assert found is not None and max(found.knn_accuracy, found.probe_accuracy) < 0.6


def test_planted_wrong_labels_come_first() -> None:
    features, labels = blobs()
    planted = {3: 1, 17: 2, 40: 0, 66: 1, 85: 0}
    wrong = labels.copy()
    wrong[list(planted)] = list(planted.values())
    found = separability(features, wrong, nearest(features), 3)
    assert found is not None
    first = found.wrong[: len(planted)]
    assert {each.number for each in first} == set(planted)
    assert all(each.suggested == labels[each.number] and each.confidence < 0.5 for each in first)
    confidences = [each.confidence for each in found.wrong]
    assert confidences == sorted(confidences) and len(set(confidences)) > 1
    assert separability(features, wrong, nearest(features), 3) == found


def test_classes_of_one_image_are_not_asked_about() -> None:
    features, labels = blobs()
    labels[0] = 3
    found = separability(features, labels, nearest(features), 4)
    assert found is not None and found.counted == COUNT - 1 and all(each.number != 0 for each in found.wrong)
    assert separability(features[:3], np.arange(3), nearest(features[:3]), 3) is None


def pictures() -> np.ndarray:
    """Thumbnails, of which 7 is a brighter 2, 9 a mirrored 4."""
    thumbnails = np.random.default_rng(0).integers(20, 200, (12, 8, 8, 3), dtype=np.uint8)
    thumbnails[7] = thumbnails[2] + 30
    thumbnails[9] = thumbnails[4][:, ::-1]
    return thumbnails


def test_near_duplicates_share_features_and_pixels() -> None:
    """Features alone, which a trained classifier makes alike for a class, are not enough."""
    features = np.random.default_rng(0).normal(0, 1, (12, 6)).astype(np.float32)
    features[[7, 9]] = features[[2, 4]]
    features[11] = features[10]
    found = near_duplicates(nearest(features), pictures())
    assert [(pair.first, pair.second, pair.is_mirrored) for pair in sorted(found)] == [(2, 7, False), (4, 9, True)]
    assert all(pair.similarity > 0.99 for pair in found)
    features[7] = -features[2]
    assert [(pair.first, pair.second) for pair in near_duplicates(nearest(features), pictures())] == [(4, 9)]


def test_the_page_is_always_the_same_and_keeps_classes_together() -> None:
    features, labels = blobs(spread=0.2)
    found = places(features)
    assert np.array_equal(found, places(features))
    assert found.shape == (COUNT, 2) and found.min() == 0 and found.max() == 1
    distance = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(distance, 9)
    assert (labels[distance.argmin(1)] == labels).mean() > 0.95
    assert np.array_equal(drawn(5), np.arange(5)) and len(set(drawn(10**5).tolist())) == MOST_PLACED


@pytest.mark.parametrize("count", [1, 2, 3, 9, 11])
def test_few_images_have_places_too(count: int) -> None:
    found = places(blobs()[0][:count])
    assert found.shape == (count, 2) and found.min() >= 0 and found.max() <= 1
    assert np.isfinite(places(np.ones((count, 4), dtype=np.float32))).all()


def test_the_picture_has_images_framed_in_the_colours_of_their_classes(tmp_path: Path) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 1.0], [0.01, 0.01]])
    shown: list[int] = []

    def read(number: int) -> Image.Image:
        shown.append(number)
        return Image.new("RGB", (30, 20), "white")

    plot_map(corners, read, tmp_path / "map.png", labels=np.array([0, 1, 0]), classes=("a", "b"))
    assert sorted(shown) == [1, 2]  # of two in one cell the one nearer to its middle
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    assert (abs(pixels - (0x00, 0x78, 0xF0)).sum(2) < 30).sum() > 200
    assert (abs(pixels - (0x00, 0xD2, 0x00)).sum(2) < 30).sum() > 200


@pytest.mark.parametrize("labels", [None, ("x", "y, z")])
def test_features_come_back_from_both_kinds_of_file(tmp_path: Path, labels: tuple[str, ...] | None) -> None:
    features, images = np.array([[1.5, -2.25], [0.1, 3e-8]], dtype=np.float32), ["a/1.png", "ü,2.png"]
    for name in ("f.npz", "f.csv"):
        write_features(tmp_path / name, features, images, labels)
    stored = np.load(tmp_path / "f.npz", allow_pickle=False)
    assert np.array_equal(stored["features"], features) and stored["images"].tolist() == images
    assert ("labels" in stored) == (labels is not None)
    with (tmp_path / "f.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["image", *([] if labels is None else ["label"]), "f0", "f1"]
    for row, image, expected in zip(rows[1:], images, features, strict=True):
        assert row[0] == image and np.array_equal(np.array(row[-2:], dtype=np.float32), expected)
        assert labels is None or row[1] in labels
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "f.npz"]
    with pytest.raises(InputError, match=r"written as \.npz or \.csv"):
        write_features(tmp_path / "f.txt", features, images, labels)
