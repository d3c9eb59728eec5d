"""Scores equal scikit-learn's, whatever the batches and the processes."""

import math

import pytest
import torch
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from torch import Tensor

from swinkit.classification.scores import ClassificationScores
from swinkit.errors import InputError


def answers(images: int, classes: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that are right about half of the time, and the labels; the last class never occurs."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, max(1, classes - 1), (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator)
    logits[torch.arange(images), labels] += 1.5
    return logits, labels


def scored(logits: Tensor, labels: Tensor, *, batch: int = 32, confusion_limit: int = 1000) -> ClassificationScores:
    scores = ClassificationScores(logits.shape[1], confusion_limit=confusion_limit)
    for part, truth in zip(logits.split(batch), labels.split(batch), strict=True):
        scores.update(part, truth)
    return scores


@pytest.mark.parametrize("confusion_limit", [1000, 3])
def test_scores_equal_those_of_scikit_learn(confusion_limit: int) -> None:
    logits, labels = answers(403, 12)
    scores = scored(logits, labels, confusion_limit=confusion_limit)
    classes = list(range(12))
    top1 = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=1, labels=classes)
    top5 = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=5, labels=classes)
    assert scores.images == 403
    assert scores.top1 == pytest.approx(top1, abs=1e-12)
    assert scores.top5 == pytest.approx(top5, abs=1e-12)
    assert 0.2 < scores.top1 < scores.top5 < 1
    probabilities = logits.double().softmax(1).numpy()
    assert scores.loss == pytest.approx(log_loss(labels.numpy(), probabilities, labels=classes), rel=1e-6)


def test_confusion_has_the_truth_in_rows() -> None:
    logits, labels = answers(200, 6)
    confusion = scored(logits, labels).confusion
    expected = confusion_matrix(labels.numpy(), logits.argmax(1).numpy(), labels=list(range(6)))
    assert confusion is not None
    assert confusion.dtype == torch.int64
    assert confusion.tolist() == expected.tolist()
    assert confusion.tolist() != expected.T.tolist()


@pytest.mark.parametrize("confusion_limit", [1000, 3])
def test_class_accuracies_are_nan_for_absent_classes_and_average_to_the_balanced_accuracy(confusion_limit: int) -> None:
    logits, labels = answers(300, 7)
    accuracy = scored(logits, labels, confusion_limit=confusion_limit).per_class_accuracy()
    assert accuracy.shape == (7,)
    assert accuracy.isnan().tolist() == [False] * 6 + [True]
    logits[:, 6] = -100  # scikit-learn warns about predicted classes that never occur
    accuracy = scored(logits, labels, confusion_limit=confusion_limit).per_class_accuracy()
    assert float(accuracy.nanmean()) == pytest.approx(balanced_accuracy_score(labels.numpy(), logits.argmax(1).numpy()))


@pytest.mark.parametrize("confusion_limit", [1000, 3])
def test_precision_recall_and_f1_equal_those_of_scikit_learn(confusion_limit: int) -> None:
    """Of nine classes one never occurs, one is never predicted, and one that never occurs is predicted."""
    logits, labels = answers(300, 9)
    logits[:, 4] = -100
    scores = scored(logits, labels, confusion_limit=confusion_limit)
    given = {"y_true": labels.numpy(), "y_pred": logits.argmax(1).numpy(), "labels": list(range(8)), "zero_division": 0}
    assert (given["y_pred"] == 8).any() and not (given["y_pred"] == 4).any()
    *expected, images = precision_recall_fscore_support(**given)
    each = scores.per_class()
    for found, values in zip((each.precision, each.recall, each.f1), expected, strict=True):
        assert found[:8].tolist() == pytest.approx(values.tolist(), abs=1e-12)
        assert found[8].isnan()
    assert scores.class_images().tolist() == [*images.tolist(), 0]
    means = precision_recall_fscore_support(**given, average="macro")[:3]
    assert list(each.means().values()) == pytest.approx(list(means), abs=1e-12)
    assert list(each.means()) == ["precision", "recall", "f1"]
    assert all(math.isnan(value) for value in ClassificationScores(3).per_class().means().values())


@pytest.mark.parametrize("confusion_limit", [1000, 3])
def test_counts_of_two_processes_add_up_to_those_of_one(confusion_limit: int) -> None:
    logits, labels = answers(150, 9)
    whole = scored(logits, labels, confusion_limit=confusion_limit)
    first = scored(logits[:70], labels[:70], confusion_limit=confusion_limit)
    second = scored(logits[70:], labels[70:], confusion_limit=confusion_limit)
    total = first.counts() + second.counts()
    merged = ClassificationScores.from_counts(total, num_classes=9, confusion_limit=confusion_limit)
    assert (merged.images, merged.top1, merged.top5) == (150, whole.top1, whole.top5)
    assert merged.loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.equal(merged.per_class().f1.nan_to_num(), whole.per_class().f1.nan_to_num())
    if confusion_limit == 1000:
        assert merged.confusion is not None and whole.confusion is not None
        assert torch.equal(merged.confusion, whole.confusion)


def test_merged_scores_go_on_without_touching_their_source() -> None:
    logits, labels = answers(40, 5)
    first = scored(logits, labels)
    counts = first.counts()
    kept = counts.clone()
    ClassificationScores.from_counts(counts, num_classes=5).update(logits, labels)
    assert torch.equal(counts, kept)
    assert torch.equal(first.counts(), kept)


def test_over_the_limit_there_is_no_confusion_but_all_else() -> None:
    scores = ClassificationScores(21841)
    scores.update(torch.eye(3, 21841), torch.tensor([0, 1, 7]))
    assert scores.confusion is None
    assert scores.counts().numel() == 2 + 3 * 21841
    assert scores.top1 == pytest.approx(2 / 3)
    assert scores.per_class_accuracy()[[0, 1, 7]].tolist() == [1.0, 1.0, 0.0]


def test_top5_of_three_classes_is_top3() -> None:
    logits, labels = answers(20, 3)
    scores = scored(logits, labels)
    assert scores.top5 == 1.0
    assert scores.top1 < 1.0


def test_a_model_that_says_the_same_of_everything_earns_chance() -> None:
    scores = scored(torch.zeros(100, 10), torch.arange(100) % 10)
    assert scores.top1 == 0.1
    assert scores.top5 == 0.5
    assert scores.loss == pytest.approx(math.log(10))


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits, labels = answers(64, 10)
    low = logits.bfloat16()
    assert scored(low, labels).loss == pytest.approx(scored(low.float(), labels).loss, rel=1e-7)


def test_scores_of_no_images_are_nan() -> None:
    scores = ClassificationScores(4)
    assert scores.images == 0
    assert all(math.isnan(value) for value in (scores.top1, scores.top5, scores.loss))


def test_nan_logits_show_in_the_loss() -> None:
    assert math.isnan(scored(torch.full((2, 4), math.nan), torch.tensor([0, 1])).loss)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (torch.zeros(2, 4), torch.tensor([0, 1]), "is this the model of these classes"),
        (torch.zeros(2, 5), torch.tensor([0, 1, 2]), r"labels \(3,\)"),
        (torch.zeros(2, 5), torch.tensor([0, 5]), "from 0 to 5, but 5 classes"),
        (torch.zeros(2, 5), torch.tensor([-1, 0]), "from -1 to 0"),
    ],
)
def test_what_does_not_fit_is_refused(logits: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ClassificationScores(5).update(logits, labels)


def test_counts_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"should have the shape \(27,\), not \(18,\)"):
        ClassificationScores.from_counts(ClassificationScores(4).counts(), num_classes=5)
    with pytest.raises(InputError, match="at least one class"):
        ClassificationScores(0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_counts_on_a_gpu_equal_those_on_the_cpu() -> None:
    logits, labels = answers(100, 12)
    scores = ClassificationScores(12, device="cuda")
    scores.update(logits.cuda(), labels.cuda())
    assert scores.counts().is_cuda
    assert torch.allclose(scores.counts().cpu(), scored(logits, labels).counts())
