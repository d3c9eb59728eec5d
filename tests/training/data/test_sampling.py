"""Which samples come when: the same for any division of the work, any resume point, each once."""

from itertools import chain

import numpy as np
import pytest

from swinkit.errors import InputError
from swinkit.training.data.sampling import BalancedSampler, EvalSampler, TrainSampler


def epoch_of(epoch=0, *, start=0, num_samples=50, batch_size=12, **division):
    return list(TrainSampler(num_samples, batch_size=batch_size, seed=3, **division).batches(epoch, start=start))


def test_an_epoch_is_a_shuffle_without_its_incomplete_batch():
    batches = epoch_of(5)
    assert [len(batch) for batch in batches] == [12] * 4
    assert TrainSampler(50, batch_size=12, seed=3).steps_per_epoch == 4
    assert {epoch for epoch, _ in chain(*batches)} == {5}
    indices = [index for _, index in chain(*batches)]
    assert len(set(indices)) == 48 and indices != sorted(indices) and set(indices) < set(range(50))
    assert batches == epoch_of(5)
    left_out = [set(range(50)) - {index for _, index in chain(*epoch_of(epoch))} for epoch in range(3)]
    assert left_out[0] != left_out[1]


def test_seeds_and_epochs_differ():
    one = TrainSampler(50, batch_size=50, seed=0)
    two = TrainSampler(50, batch_size=50, seed=1)
    orders = [[i for _, i in next(sampler.batches(epoch))] for sampler in (one, two) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(map(tuple, orders))) == 4


def test_starting_inside_an_epoch_gives_its_tail():
    assert epoch_of(2, start=3) == epoch_of(2)[3:]
    assert epoch_of(2, start=4) == []
    split = {"world_size": 2, "rank": 1, "accumulation": 3}
    assert epoch_of(2, start=3, **split) == epoch_of(2, **split)[9:]


@pytest.mark.parametrize(("world_size", "accumulation"), [(1, 1), (2, 1), (1, 2), (3, 1), (2, 3), (3, 4)])
def test_an_update_sees_the_same_samples_and_partners_in_any_division(world_size, accumulation):
    whole = epoch_of(1)
    shares = [epoch_of(1, rank=r, world_size=world_size, accumulation=accumulation) for r in range(world_size)]
    even = 12 // (world_size * accumulation) % 2 == 0
    for update, batch in enumerate(whole):
        steps = range(update * accumulation, (update + 1) * accumulation)
        parts = [shares[rank][step] for rank in range(world_size) for step in steps]
        assert {len(part) for part in parts} == {12 // (world_size * accumulation)}
        assert sorted(chain(*parts)) == sorted(batch)
        if even:
            partner = dict(zip(batch, reversed(batch), strict=True))
            assert all(partner[key] == other for part in parts for key, other in zip(part, part[::-1], strict=True))


@pytest.mark.parametrize(
    ("batch_size", "division", "message"),
    [
        (0, {}, "batch size is 0"),
        (10, {"world_size": 3}, r"does not divide into 3 equal shares .* multiple of 3"),
        (12, {"world_size": 2, "accumulation": 4}, "multiple of 8"),
    ],
)
def test_impossible_batches(batch_size, division, message):
    with pytest.raises(InputError, match=message):
        epoch_of(batch_size=batch_size, **division)


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7])
def test_evaluation_sees_every_sample_once(world_size, batch_size):
    for num_samples in [0, 1, 2, 4, 5, 9, 10, 11, 23, 40]:
        samplers = [
            EvalSampler(num_samples, batch_size=batch_size, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        batches = [list(sampler.batches()) for sampler in samplers]
        assert sorted(chain(*chain(*batches))) == [(0, index) for index in range(num_samples)]
        assert all(0 < len(batch) <= batch_size for batch in chain(*batches))
        counts = {len(mine) for mine in batches}
        assert counts == {len(sampler) for sampler in samplers}
        if batch_size > 1 and num_samples >= world_size:
            assert len(counts) == 1


def test_evaluation_in_one_process_is_in_order():
    batches = list(EvalSampler(10, batch_size=4).batches())
    assert [[index for _, index in batch] for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    with pytest.raises(InputError, match="evaluation batch size is 0"):
        EvalSampler(10, batch_size=0)


def test_a_batch_larger_than_the_data_is_fitted_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="swinkit"):
        sampler = TrainSampler(50, batch_size=64, seed=0, accumulation=4)
    assert (sampler.batch_size, sampler.steps_per_epoch) == (48, 1)
    assert caplog.messages == ["The batch size 64 is larger than the training set of 50 images: it is 48."]
    with pytest.raises(InputError, match="3 images is too small for 4 shares"):
        TrainSampler(3, batch_size=8, seed=0, accumulation=4)


LABELS = np.repeat([0, 2, 3], [90, 8, 3])
"""Class 1 has no samples."""


def balanced_epoch(epoch=0, *, batch_size=1, seed=3, **division):
    sampler = BalancedSampler(LABELS, batch_size=batch_size, seed=seed, **division)
    return [index for batch in sampler.batches(epoch) for _, index in batch]


def test_every_class_comes_equally_often_and_all_of_its_samples_do():
    for epoch in range(3):
        drawn = balanced_epoch(epoch)
        assert len(drawn) == len(LABELS) == 101
        counts = np.bincount(LABELS[drawn], minlength=4)
        assert counts[1] == 0 and sorted(counts[[0, 2, 3]]) == [33, 34, 34]
        times = np.bincount(drawn, minlength=101)
        assert times[:90].max() == 1
        for members in (times[90:98], times[98:]):
            assert members.max() - members.min() <= 1


def test_frequent_classes_show_others_in_every_epoch():
    shown = {index for epoch in range(30) for index in balanced_epoch(epoch)}
    assert shown == set(range(101))
    assert balanced_epoch(0) != balanced_epoch(1)
    assert balanced_epoch(0) != balanced_epoch(0, seed=4)


def test_a_balanced_epoch_depends_on_seed_and_epoch_alone_and_can_be_entered_anywhere():
    sampler = BalancedSampler(LABELS, batch_size=10, seed=3)
    whole = list(sampler.batches(5))
    assert list(BalancedSampler(LABELS, batch_size=10, seed=3).batches(5, start=4)) == whole[4:]
    shares = [
        list(BalancedSampler(LABELS, batch_size=10, seed=3, rank=rank, world_size=2).batches(5)) for rank in (0, 1)
    ]
    assert [sorted(one + other) for one, other in zip(*shares, strict=True)] == [sorted(batch) for batch in whole]
