"""The cross entropy of maps keeps the published rules on ignored pixels and class weights."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swinkit import InputError
from swinkit.segmentation.losses import segmentation_cross_entropy


def case(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits at the size of the labels, a third of which is ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (2, 6, 8), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.33] = 255
    return torch.randn(2, 4, 6, 8, generator=generator, requires_grad=True), labels


def by_loop(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of weighted costs and of weights over the labelled pixels."""
    costs, total = torch.zeros(()), torch.zeros(())
    for image, label in zip(logits, labels, strict=True):
        for y, x in (label != 255).nonzero().tolist():
            weight = weights[label[y, x]]
            costs = costs - weight * image[:, y, x].log_softmax(0)[label[y, x]]
            total = total + weight
    return costs, total


def test_ignored_pixels_cost_nothing_and_count() -> None:
    logits, labels = case()
    costs, total = by_loop(logits, labels, torch.ones(4))
    assert torch.allclose(segmentation_cross_entropy(logits, labels), costs / labels.numel())
    assert torch.allclose(segmentation_cross_entropy(logits, labels, count_ignored=False), costs / total)


def test_class_weights_weigh_cost_and_count() -> None:
    logits, labels = case(1)
    weights = torch.tensor([0.5, 2.0, 1.0, 3.0])
    costs, total = by_loop(logits, labels, weights)
    ignored = (labels == 255).sum()
    loss = segmentation_cross_entropy(logits, labels, class_weights=weights)
    assert torch.allclose(loss, costs / (total + ignored))
    loss = segmentation_cross_entropy(logits, labels, class_weights=weights, count_ignored=False)
    assert torch.allclose(loss, costs / total)
    assert torch.allclose(loss, F.cross_entropy(logits, labels, weight=weights, ignore_index=255))
    same = segmentation_cross_entropy(logits, labels, class_weights=torch.ones(4))
    assert torch.allclose(same, segmentation_cross_entropy(logits, labels))


def test_smoothing_is_torchs() -> None:
    logits, labels = case(2)
    loss = segmentation_cross_entropy(logits, labels, label_smoothing=0.1, count_ignored=False)
    assert torch.allclose(loss, F.cross_entropy(logits, labels, ignore_index=255, label_smoothing=0.1))
    assert not torch.allclose(loss, segmentation_cross_entropy(logits, labels, count_ignored=False))


@pytest.mark.parametrize("count_ignored", [True, False])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0, 3.0])])
def test_without_any_label_loss_and_gradient_are_zero(count_ignored: bool, weights: Tensor | None) -> None:
    logits, labels = case()
    labels[:] = 255
    loss = segmentation_cross_entropy(logits, labels, class_weights=weights, count_ignored=count_ignored)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_logits_are_resized_to_the_labels() -> None:
    logits = torch.randn(1, 4, 3, 5)
    labels = torch.randint(0, 4, (1, 12, 19), dtype=torch.uint8)
    resized = F.interpolate(logits, (12, 19), mode="bilinear", align_corners=False)
    assert torch.allclose(segmentation_cross_entropy(logits, labels), F.cross_entropy(resized, labels.long()))


def test_half_precision_logits_cost_float32() -> None:
    logits, labels = case()
    loss = segmentation_cross_entropy(logits.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, segmentation_cross_entropy(logits.bfloat16().float(), labels))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.zeros(1, 6, 8, dtype=torch.long), r"shape \(2, H, W\)"),
        (torch.zeros(2, 6, dtype=torch.long), r"shape \(2, H, W\)"),
        (torch.zeros(2, 6, 8), "whole numbers"),
        (torch.full((2, 6, 8), 4), "a label is 4, but 4 classes are numbered 0 to 3"),
        (torch.full((2, 6, 8), -1), "a label is -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        segmentation_cross_entropy(case()[0], labels)
