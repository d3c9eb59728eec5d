"""Segmentation scores equal their definition, written out in numpy and taken from scikit-learn, to the last digit."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from torch import Tensor

from swinkit import InputError
from swinkit.segmentation.scores import SegmentationScores


def maps(seed: int, *, classes: int, absent: tuple[int, ...] = (), unlabelled: tuple[int, ...] = ()) -> list[Tensor]:
    """Predictions and labels (B, H, W) with ignored pixels. `absent` classes occur in neither, `unlabelled` ones in
    the predictions alone."""
    generator = np.random.default_rng(seed)
    present = np.array([number for number in range(classes) if number not in absent])
    guesses = generator.choice(present, (3, 41, 29))
    labels = generator.choice(present[~np.isin(present, unlabelled)], guesses.shape)
    labels = np.where(generator.random(guesses.shape) < 0.4, guesses, labels)
    labels[np.isin(labels, unlabelled) | (generator.random(guesses.shape) < 0.1)] = 255
    return [torch.from_numpy(guesses), torch.from_numpy(labels.astype(np.uint8))]


def scored(guesses: Tensor, labels: Tensor, classes: int) -> SegmentationScores:
    scores = SegmentationScores(classes)
    for guess, label in zip(guesses, labels, strict=True):
        scores.update(guess, label)
    return scores


def by_definition(guesses: Tensor, labels: Tensor, classes: int) -> dict[str, object]:
    """Straight from the definition: sets of pixels, class by class."""
    guess, label = guesses.numpy(), labels.numpy()
    valid = label != 255
    ious, accuracies = [], []
    for number in range(classes):
        guessed, true = (guess == number) & valid, (label == number) & valid
        union = (guessed | true).sum()
        ious.append((guessed & true).sum() / union if union else math.nan)
        accuracies.append((guessed & true).sum() / true.sum() if true.any() else math.nan)
    right = ((guess == label) & valid).sum() / valid.sum()
    return {"ious": ious, "accuracies": accuracies, "right": right}


CASES = {
    "all": {"classes": 7},
    "absent": {"classes": 9, "absent": (0, 5)},
    "unlabelled": {"classes": 6, "unlabelled": (0, 3)},
    "many": {"classes": 150, "absent": (3, 149), "unlabelled": (7, 8, 9)},
    "one": {"classes": 1},
}


@pytest.mark.parametrize("name", CASES)
def test_equals_the_definition_exactly(name: str) -> None:
    classes = CASES[name]["classes"]
    guesses, labels = maps(3, **CASES[name])
    scores, expected = scored(guesses, labels, classes), by_definition(guesses, labels, classes)
    np.testing.assert_array_equal(scores.per_class_iou().numpy(), expected["ious"])
    np.testing.assert_array_equal(scores.per_class_accuracy().numpy(), expected["accuracies"])
    assert scores.pixel_accuracy == expected["right"]
    assert scores.miou == pytest.approx(np.nanmean(expected["ious"]), rel=1e-15)
    assert scores.mean_accuracy == pytest.approx(np.nanmean(expected["accuracies"]), rel=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_equals_sklearn(name: str) -> None:
    classes = CASES[name]["classes"]
    guesses, labels = maps(4, **CASES[name])
    scores, valid = scored(guesses, labels, classes), (labels != 255).numpy()
    truth, guess = labels.numpy()[valid], guesses.numpy()[valid]
    numbers = list(range(classes))
    np.testing.assert_array_equal(scores.confusion.numpy(), confusion_matrix(truth, guess, labels=numbers))
    occurring = sorted(set(truth) | set(guess))
    ious = jaccard_score(truth, guess, labels=occurring, average=None)
    np.testing.assert_array_equal(scores.per_class_iou().numpy()[occurring], ious)
    assert scores.pixel_accuracy == accuracy_score(truth, guess)


def test_what_is_absent_and_what_is_only_predicted() -> None:
    scores = SegmentationScores(4)
    scores.update(torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 0, 0, 255]]))
    assert scores.pixels == 3
    iou, accuracy = scores.per_class_iou().tolist(), scores.per_class_accuracy().tolist()
    assert iou[:2] == [2 / 3, 0.0]
    assert all(math.isnan(value) for value in (*iou[2:], *accuracy[1:]))
    assert scores.miou == 1 / 3
    assert scores.mean_accuracy == scores.pixel_accuracy == 2 / 3


def test_counts_of_processes_add_up() -> None:
    guesses, labels = maps(5, classes=6)
    parts = [scored(guesses[part], labels[part], 6).counts() for part in (slice(0, 1), slice(1, 3))]
    together = SegmentationScores.from_counts(parts[0] + parts[1], num_classes=6)
    assert torch.equal(together.confusion, scored(guesses, labels, 6).confusion)
    assert together.miou == scored(guesses, labels, 6).miou


def test_counts_are_exact_beyond_float32() -> None:
    counts = torch.tensor([2**30 + 1, 0, 0, 2**30 + 3])
    assert SegmentationScores.from_counts(counts.double(), num_classes=2).pixels == 2**31 + 4


def test_scores_of_nothing_are_nan() -> None:
    scores = SegmentationScores(3)
    scores.update(torch.zeros(2, 2, dtype=torch.uint8), torch.full((2, 2), 255))
    assert scores.pixels == 0
    assert all(math.isnan(value) for value in (scores.miou, scores.pixel_accuracy, scores.mean_accuracy))


@pytest.mark.parametrize(
    ("classes", "labels", "words"),
    [
        (torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 3, dtype=torch.long), "one shape"),
        (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.long), "whole numbers"),
        (torch.zeros(1, 2, dtype=torch.long), torch.tensor([[0, 3]]), "labels run from 0 to 3"),
        (torch.zeros(1, 2, dtype=torch.long), torch.tensor([[0, -1]]), "labels run from -1"),
        (torch.tensor([[0, 200]]), torch.zeros(1, 2, dtype=torch.long), "predictions run from 0 to 200"),
    ],
)
def test_what_does_not_fit_is_refused(classes: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SegmentationScores(3).update(classes, labels)


@pytest.mark.parametrize("number", [0, 256])
def test_impossible_numbers_of_classes_are_refused(number: int) -> None:
    with pytest.raises(InputError, match="needs 1 to 255 classes"):
        SegmentationScores(number)


def test_counts_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(9,\), not \(4,\)"):
        SegmentationScores.from_counts(SegmentationScores(2).counts(), num_classes=3)
