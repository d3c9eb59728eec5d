"""Which boxes are learned from: how many, of what kind, and the same ones for the same seed."""

import pytest
import torch

from swinkit.detection.assigners import IGNORED, NEGATIVE, MatcherConfig
from swinkit.detection.samplers import SamplerConfig, choose, sample_proposals

MATCHES = torch.tensor([0] * 40 + [NEGATIVE] * 100 + [IGNORED] * 30 + [1] * 10)


@pytest.mark.parametrize(
    ("config", "positives", "negatives"),
    [
        (SamplerConfig(count=64, positive_fraction=0.25), 16, 48),
        (SamplerConfig(count=120, positive_fraction=0.5), 50, 70),
        (SamplerConfig(count=512, positive_fraction=0.25), 50, 100),
        (SamplerConfig(count=64, positive_fraction=0.25, negatives_per_positive=2), 16, 32),
        (SamplerConfig(count=7, positive_fraction=0.5), 3, 4),
    ],
)
def test_counts(config, positives, negatives):
    chosen, rest = choose(MATCHES, config)
    assert (len(chosen), len(rest)) == (positives, negatives)
    assert (MATCHES[chosen] >= 0).all() and (MATCHES[rest] == NEGATIVE).all()
    for numbers in (chosen, rest):
        assert numbers.tolist() == sorted(set(numbers.tolist()))


def test_without_positives_the_limit_of_negatives_counts_one():
    config = SamplerConfig(count=64, positive_fraction=0.5, negatives_per_positive=3)
    positives, negatives = choose(torch.full((50,), NEGATIVE), config)
    assert (len(positives), len(negatives)) == (0, 3)


def test_torch_s_seed_decides_where_not_all_are_taken():
    config = SamplerConfig(count=64, positive_fraction=0.25)

    def drawn(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return torch.cat(choose(MATCHES, config)).tolist()

    assert drawn(0) == drawn(0) != drawn(1)
    state = torch.random.get_rng_state()
    choose(MATCHES, SamplerConfig(count=1000, positive_fraction=0.5))
    assert torch.equal(state, torch.random.get_rng_state())


def test_all_boxes_are_drawn_evenly():
    torch.manual_seed(0)
    config = SamplerConfig(count=20, positive_fraction=0.5)
    counts = torch.zeros(len(MATCHES))
    for _ in range(500):
        counts[choose(MATCHES, config)[0]] += 1
    assert counts[MATCHES < 0].sum() == 0
    assert counts[MATCHES >= 0].min() > 60 and counts[MATCHES >= 0].max() < 145  # 100 on average


PROPOSALS = torch.tensor([[0.0, 0, 10, 9], [50, 50, 60, 60], [0, 0, 3, 3]])
TRUTH = torch.tensor([[0.0, 0, 10, 10], [30, 30, 44, 40]])


def test_ground_truth_is_a_candidate_and_marked():
    samples = sample_proposals(PROPOSALS, TRUTH, MatcherConfig(), SamplerConfig(positive_fraction=0.5))
    assert samples.matched.tolist() == [0, 1, 0]
    assert torch.equal(samples.boxes, torch.cat([TRUTH, PROPOSALS]))
    assert samples.are_gt.tolist() == [True, True, False, False, False]
    assert torch.equal(samples.positives, samples.boxes[:3])
    alone = sample_proposals(PROPOSALS, TRUTH, MatcherConfig(), SamplerConfig(add_gt_proposals=False))
    assert alone.matched.tolist() == [0] and not alone.are_gt.any() and len(alone.boxes) == 3


@pytest.mark.parametrize(("proposals", "truth"), [(0, 2), (3, 0), (0, 0)])
def test_none_of_one_kind(proposals, truth):
    samples = sample_proposals(PROPOSALS[:proposals], TRUTH[:truth], MatcherConfig(), SamplerConfig())
    assert len(samples.boxes) == proposals + truth and samples.matched.tolist() == list(range(truth))
