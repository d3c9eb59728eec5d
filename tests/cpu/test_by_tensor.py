"""What is remembered of a tensor is found by that tensor alone, and goes with it."""

import gc

import torch

from swinkit.cpu.by_tensor import ByTensor


def test_found_by_the_tensor_not_by_its_values_and_gone_with_it() -> None:
    known: ByTensor[str] = ByTensor()
    one, other = torch.zeros(2), torch.zeros(2)
    known[one] = "a"
    known[one] = "b"
    assert known.get(one) == "b" and known.get(other) is None and len(known) == 1
    del one
    gc.collect()
    assert len(known) == 0


def test_a_new_tensor_in_the_place_of_an_old_one_is_not_taken_for_it() -> None:
    known: ByTensor[int] = ByTensor()
    places = set()
    for number in range(100):
        tensor = torch.zeros(1)
        assert known.get(tensor) is None
        known[tensor] = number
        places.add(id(tensor))
        del tensor
    assert len(places) < 100, "some lay where others had been"
