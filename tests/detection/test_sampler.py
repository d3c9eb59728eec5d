"""Which boxes are learned from: how many, of what kind, and the same ones for the same seed."""

import pytest
import torch

from swinkit.detection.config import MatcherConfig, SamplerConfig
from swinkit.detection.matcher import BACKGROUND, IGNORED
from swinkit.detection.sampler import choose, sample_proposals

MATCHES = torch.tensor([0] * 40 + [BACKGROUND] * 100 + [IGNORED] * 30 + [1] * 10)


@pytest.mark.parametrize(
    ("config", "foreground", "background"),
    [
        (SamplerConfig(count=64, foreground=0.25), 16, 48),
        (SamplerConfig(count=120, foreground=0.5), 50, 70),
        (SamplerConfig(count=512, foreground=0.25), 50, 100),
        (SamplerConfig(count=64, foreground=0.25, background_limit=2), 16, 32),
        (SamplerConfig(count=7, foreground=0.5), 3, 4),
    ],
)
def test_counts(config, foreground, background):
    chosen, rest = choose(MATCHES, config)
    assert (len(chosen), len(rest)) == (foreground, background)
    assert (MATCHES[chosen] >= 0).all() and (MATCHES[rest] == BACKGROUND).all()
    for numbers in (chosen, rest):
        assert numbers.tolist() == sorted(set(numbers.tolist()))


def test_without_foreground_the_background_limit_counts_one():
    config = SamplerConfig(count=64, foreground=0.5, background_limit=3)
    foreground, background = choose(torch.full((50,), BACKGROUND), config)
    assert (len(foreground), len(background)) == (0, 3)


def test_torch_s_seed_decides():
    config = SamplerConfig(count=64, foreground=0.25)

    def drawn(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return torch.cat(choose(MATCHES, config)).tolist()

    assert drawn(0) == drawn(0) != drawn(1)


def test_all_boxes_are_drawn_evenly():
    torch.manual_seed(0)
    config = SamplerConfig(count=20, foreground=0.5)
    counts = torch.zeros(len(MATCHES))
    for _ in range(500):
        counts[choose(MATCHES, config)[0]] += 1
    assert counts[MATCHES < 0].sum() == 0
    assert counts[MATCHES >= 0].min() > 60 and counts[MATCHES >= 0].max() < 145  # 100 on average


def test_nothing_is_drawn_where_all_are_taken():
    state = torch.random.get_rng_state()
    choose(MATCHES, SamplerConfig(count=1000, foreground=0.5))
    assert torch.equal(state, torch.random.get_rng_state())


PROPOSALS = torch.tensor([[0.0, 0, 10, 9], [50, 50, 60, 60], [0, 0, 3, 3]])
OBJECTS = torch.tensor([[0.0, 0, 10, 10], [30, 30, 44, 40]])


def test_objects_are_candidates_and_marked():
    samples = sample_proposals(PROPOSALS, OBJECTS, MatcherConfig(), SamplerConfig(foreground=0.5))
    assert samples.objects.tolist() == [0, 1, 0]
    assert torch.equal(samples.boxes, torch.cat([OBJECTS, PROPOSALS]))
    assert samples.are_objects.tolist() == [True, True, False, False, False]
    assert torch.equal(samples.foreground, samples.boxes[:3])
    alone = sample_proposals(PROPOSALS, OBJECTS, MatcherConfig(), SamplerConfig(adds_objects=False))
    assert alone.objects.tolist() == [0] and not alone.are_objects.any() and len(alone.boxes) == 3


@pytest.mark.parametrize(("proposals", "objects"), [(0, 2), (3, 0), (0, 0)])
def test_none_of_one_kind(proposals, objects):
    samples = sample_proposals(PROPOSALS[:proposals], OBJECTS[:objects], MatcherConfig(), SamplerConfig())
    assert len(samples.boxes) == proposals + objects and samples.objects.tolist() == list(range(objects))
