"""Cross entropy of classes, of mixed targets and of smoothed ones."""

import pytest
import torch

from swinkit.classification.losses import soft_target_cross_entropy

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])


def test_classes_and_shares_agree() -> None:
    targets = torch.tensor([0, 2])
    shares = torch.nn.functional.one_hot(targets, 3).float()
    by_hand = -LOGITS.log_softmax(1)[[0, 1], [0, 2]].mean()
    assert soft_target_cross_entropy(LOGITS, targets).item() == pytest.approx(by_hand.item())
    assert soft_target_cross_entropy(LOGITS, shares).item() == pytest.approx(by_hand.item())


def test_mixed_targets() -> None:
    shares = torch.tensor([[0.3, 0.7, 0.0], [0.1, 0.2, 0.7]])
    by_hand = -(shares * LOGITS.log_softmax(1)).sum(1).mean()
    assert soft_target_cross_entropy(LOGITS, shares).item() == pytest.approx(by_hand.item())


def test_smoothing_spreads_its_share_over_all_classes() -> None:
    targets = torch.tensor([1, 2])
    shares = torch.full((2, 3), 0.1 / 3)
    shares[[0, 1], targets] += 0.9
    expected = soft_target_cross_entropy(LOGITS, shares)
    assert soft_target_cross_entropy(LOGITS, targets, smoothing=0.1).item() == pytest.approx(expected.item())
