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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_classes_weigh_costs_and_not_their_number(smoothing: float) -> None:
    weights = torch.tensor([0.5, 1.0, 3.0])
    targets = torch.tensor([0, 2])
    shares = torch.nn.functional.one_hot(targets, 3) * (1 - smoothing) + smoothing / 3
    by_hand = -(weights * shares * LOGITS.log_softmax(1)).sum(1).mean()
    for given in ((shares, 0.0), (targets, smoothing)):
        loss = soft_target_cross_entropy(LOGITS, given[0], smoothing=given[1], class_weights=weights)
        assert loss.item() == pytest.approx(by_hand.item())
    halves = [soft_target_cross_entropy(LOGITS[[n]], shares[[n]], class_weights=weights) for n in (0, 1)]
    assert float(sum(halves)) / 2 == pytest.approx(by_hand.item())
    plain = soft_target_cross_entropy(LOGITS, shares, class_weights=torch.ones(3))
    assert plain.item() == pytest.approx(soft_target_cross_entropy(LOGITS, shares).item())
    half = soft_target_cross_entropy(LOGITS.bfloat16(), shares, class_weights=weights)
    assert half.dtype == torch.float32
