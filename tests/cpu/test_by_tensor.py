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


def test_an_entry_that_another_tensor_left_behind_is_not_taken() -> None:
    known: ByTensor[str] = ByTensor()
    one, other = torch.zeros(2), torch.zeros(2)
    known[one] = "a"
    known._entries[id(other)] = known._entries[id(one)]
    assert known.get(other) is None and known.get(one) == "a"
