"""Saved files are whole, or not there at all."""

import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from swinkit.errors import InputError
from swinkit.weights.read import read_weights_file
from swinkit.weights.save import save_weights


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    shared = torch.arange(12.0).view(3, 4)
    tensors = {"a": shared, "b": shared, "row": shared[1], "transposed": shared.T, "half": shared.half()}
    path = save_weights(tmp_path / "w.safetensors", tensors, {"format": "swinkit"})
    file = read_weights_file(path)
    assert file.metadata == {"format": "swinkit"}
    assert file.tensors.keys() == tensors.keys()
    assert all(torch.equal(file.tensors[name], tensors[name]) for name in tensors)
    assert file.tensors["half"].dtype == torch.float16
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_saving_replaces(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for value in (1.0, 2.0):
        save_weights(path, {"a": torch.full((2,), value)}, {})
    assert read_weights_file(path).tensors["a"][0] == 2


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.ones(2)}, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # no file may grow beyond 1 MiB: the write itself fails
    try:
        with pytest.raises(InputError, match=rf"cannot write {path}"):
            save_weights(path, {"a": torch.ones(1 << 20)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
    with safe_open(path, "pt") as file:
        assert file.get_tensor("a").shape == (2,)
