"""Groups of one orientation, the same for any division of the work and any resume point, each image once."""

from itertools import chain

import pytest

from swinkit.detection.data.aspect_sampling import AspectRatioSampler
from swinkit.errors import InputError

SIZES = [(480, 640) if number % 3 else (640, 480) for number in range(50)]


def is_wide(index):
    return SIZES[index][1] > SIZES[index][0]


def epoch_of(epoch=0, *, start=0, sizes=SIZES, batch_size=12, **division):
    return list(AspectRatioSampler(sizes, batch_size=batch_size, seed=3, **division).batches(epoch, start=start))


def test_an_epoch_shows_each_image_at_most_once():
    batches = epoch_of(5)
    assert [len(batch) for batch in batches] == [12] * 4
    assert AspectRatioSampler(SIZES, batch_size=12, seed=3).steps_per_epoch == 4
    assert {epoch for epoch, _ in chain(*batches)} == {5}
    indices = [index for _, index in chain(*batches)]
    assert len(set(indices)) == 48 and set(indices) < set(range(50)) and indices != sorted(indices)
    assert batches == epoch_of(5) and batches != epoch_of(4)
    left_out = {frozenset(set(range(50)) - {index for _, index in chain(*epoch_of(epoch))}) for epoch in range(4)}
    assert len(left_out) > 1


@pytest.mark.parametrize("group_size", [2, 4, 6])
def test_all_groups_but_the_rest_are_of_one_orientation(group_size):
    for epoch in range(4):
        mixed = 0
        for batch in epoch_of(epoch, group_size=group_size):
            for start in range(0, 12, group_size):
                mixed += len({is_wide(index) for _, index in batch[start : start + group_size]}) > 1
        assert mixed <= 2
    assert len({tuple(map(is_wide, chain(*[[i for _, i in b] for b in epoch_of(epoch)]))) for epoch in range(4)}) > 1


def test_wide_images_come_first_in_an_update():
    for batch in epoch_of(1):
        wide = [is_wide(batch[start][1]) + is_wide(batch[start + 1][1]) for start in range(0, 12, 2)]
        assert wide == sorted(wide, reverse=True) and len(set(wide)) > 1


def test_starting_inside_an_epoch_gives_its_tail():
    assert epoch_of(2, start=3) == epoch_of(2)[3:]
    assert epoch_of(2, start=4) == []
    split = {"world_size": 2, "rank": 1, "accumulation": 3}
    assert epoch_of(2, start=3, **split) == epoch_of(2, **split)[9:]


@pytest.mark.parametrize(("world_size", "accumulation"), [(1, 1), (2, 1), (1, 2), (3, 1), (2, 3), (3, 4)])
def test_an_update_sees_the_same_samples_in_any_division(world_size, accumulation):
    whole = epoch_of(1)
    shares = [epoch_of(1, rank=r, world_size=world_size, accumulation=accumulation) for r in range(world_size)]
    for update, batch in enumerate(whole):
        steps = range(update * accumulation, (update + 1) * accumulation)
        parts = [shares[rank][step] for rank in range(world_size) for step in steps]
        assert {len(part) for part in parts} == {12 // (world_size * accumulation)}
        assert sorted(chain(*parts)) == sorted(batch)


def test_few_images_of_either_orientation_still_make_batches():
    sizes = [(10, 20)] * 5 + [(20, 10)] * 3
    (batch,) = epoch_of(sizes=sizes, batch_size=8)
    assert sorted(index for _, index in batch) == list(range(8))
    assert len(epoch_of(sizes=sizes, batch_size=3)) == 2
    assert AspectRatioSampler(sizes, batch_size=3, seed=0).group_size == 1


@pytest.mark.parametrize(
    ("batch_size", "division", "message"),
    [
        (0, {}, "batch size is 0"),
        (10, {"world_size": 3}, "does not divide into 3 equal shares"),
    ],
)
def test_batches_that_cannot_be_made(batch_size, division, message):
    with pytest.raises(InputError, match=message):
        epoch_of(batch_size=batch_size, **division)
