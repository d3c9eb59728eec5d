import torch
from torch import nn

from swinkit.training.averaging import WeightAverage


def test_moves_by_one_minus_decay_and_takes_integers_as_they_are() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(11.0)  # it began at 1
        model.num_batches_tracked.fill_(7)
    average.update()
    torch.testing.assert_close(average.average["weight"], torch.full((2,), 2.0))
    assert average.average["num_batches_tracked"] == 7
    average.update()
    torch.testing.assert_close(average.average["weight"], torch.full((2,), 2.9))
    assert (model.weight == 11.0).all()


def test_in_place_swaps_and_swaps_back_even_after_an_error() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay=0.5)
    before = model.weight.item()
    with torch.no_grad():
        model.weight.fill_(before + 8)
    average.update()
    try:
        with average.in_place():
            torch.testing.assert_close(model.weight.item(), before + 4)
            raise KeyError
    except KeyError:
        pass
    torch.testing.assert_close(model.weight.item(), before + 8)
    torch.testing.assert_close(average.average["weight"].item(), before + 4)


def test_load_goes_on_from_a_saved_average() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay=0.5)
    average.load({"weight": torch.full((1, 1), 3.0)})
    with average.in_place():
        assert model.weight.item() == 3.0
