"""Files are told apart by content and read without executing anything."""

import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fake_yacs import CfgNode, pretend_yacs
from safetensors.torch import save_file

from swinkit.errors import InputError
from swinkit.weights.pickles import TORCH_LEGACY_START
from swinkit.weights.read import read_weights_file

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


class Evaluated(Malicious):
    """The same by way of a built-in."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return eval, (f"open({str(self.proof)!r}, 'w')",)


def save_torch(path: Path, payload: object, *, is_zip: bool) -> None:
    torch.save(payload, path, _use_new_zipfile_serialization=is_zip)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "payload",
    [
        WEIGHTS,
        {"model": WEIGHTS, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(())}}}},
        {"meta": {"CLASSES": ("cat", "dog")}, "state_dict": WEIGHTS},
        {"model": {"state_dict": WEIGHTS}, "max_accuracy": 81.2},
        {**WEIGHTS, "epoch": 7, "note": "plain values are ignored"},
    ],
)
def test_torch_files_of_both_formats_and_all_wrappers(tmp_path: Path, payload: object, is_zip: bool) -> None:
    path = tmp_path / "any.suffix"
    save_torch(path, payload, is_zip=is_zip)
    file = read_weights_file(path)
    assert file.path == path
    assert file.tensors.keys() == WEIGHTS.keys()
    assert torch.equal(file.tensors["a.weight"], WEIGHTS["a.weight"])
    assert file.tensors["a.bias"].dtype == torch.float16


def test_safetensors_by_content_with_its_header(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    save_file(WEIGHTS, path, {"format": "pt", "epoch": "3"})
    file = read_weights_file(path)
    assert torch.equal(file.tensors["a.weight"], WEIGHTS["a.weight"])
    assert file.metadata == {"format": "pt", "epoch": "3"}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(("kind", "name"), [(Malicious, "posix.system"), (Evaluated, "eval")])
def test_a_malicious_pickle_in_a_torch_file_executes_nothing(
    tmp_path: Path, kind: type[Malicious], name: str, is_zip: bool
) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "executed"
    save_torch(path, {"model": WEIGHTS, "config": kind(proof)}, is_zip=is_zip)
    with pytest.raises(InputError, match=rf"pickled objects \({name}\)"):
        read_weights_file(path)
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the file does what it is meant to do
    assert proof.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_plain_pickle_executes_nothing(tmp_path: Path, protocol: int) -> None:
    path, proof = tmp_path / "evil.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Malicious(proof), protocol=protocol))
    with pytest.raises(InputError, match=r"Python pickle with objects \(posix\.system\)"):
        read_weights_file(path)
    assert not proof.exists()


def test_a_malicious_text_pickle_is_no_weights_file(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Malicious(proof), protocol=0))
    with pytest.raises(InputError, match="not a weights file"):
        read_weights_file(path)
    assert not proof.exists()


def test_a_newer_pickle_protocol_in_a_torch_file_names_the_object(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "executed"
    torch.save({"model": Malicious(proof)}, path, pickle_protocol=4)
    with pytest.raises(InputError, match=r"posix\.system"):
        read_weights_file(path)
    assert not proof.exists()


def test_a_whole_saved_module_is_named(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        read_weights_file(tmp_path / "module.pth")


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_yacs_config_is_passed_over(tmp_path: Path, is_zip: bool) -> None:
    path = tmp_path / "ckpt_epoch_299.pth"
    with pretend_yacs():
        save_torch(path, {"model": WEIGHTS, "config": CfgNode.example()}, is_zip=is_zip)
    assert read_weights_file(path).tensors.keys() == WEIGHTS.keys()


def test_a_yacs_config_beside_something_worse_is_refused(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "executed"
    with pretend_yacs():
        save_torch(path, {"model": WEIGHTS, "config": CfgNode.example(), "x": Malicious(proof)}, is_zip=True)
    with pytest.raises(InputError, match=r"posix\.system"):
        read_weights_file(path)
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.97])
def test_truncated_files(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / "weights"
    weights = {f"layers.{i}.weight": torch.randn(50, 10) for i in range(20)}
    if kind == "safetensors":
        save_file(weights, path)
    else:
        save_torch(path, weights, is_zip=kind == "zip")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError, match=str(path)):
        read_weights_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"x", "not a weights file"),
        (b"<!DOCTYPE html><html>not found</html>", "not a weights file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a weights file"),
        (b"PK\x03\x04" + bytes(100), "truncated, damaged"),
        (bytes(8) + b"{" + bytes(100), "truncated, damaged"),
        (b"\xff" * 8 + b"{}", "truncated, damaged"),
        (pickle.dumps({"a": 1}), "pickle without tensors"),
        (b"\x80\x04garbage", "pickle without tensors"),
    ],
)
def test_files_that_hold_no_weights(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_weights_file(path)


@pytest.mark.parametrize(
    "payload", [{}, [torch.ones(1)], torch.ones(1), {"epoch": 3}, {"model": {}}, {1: torch.ones(1)}]
)
def test_torch_files_without_named_tensors(tmp_path: Path, payload: object) -> None:
    torch.save(payload, tmp_path / "w.pth")
    with pytest.raises(InputError, match="holds no tensors under names"):
        read_weights_file(tmp_path / "w.pth")


def test_archives_of_other_things(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="no weights file"):
        read_weights_file(tmp_path / "a.zip")


def test_a_length_that_an_old_file_does_not_have_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "claims.pth"
    path.write_bytes(b"\x80\x02" + TORCH_LEGACY_START + b"\x80\x02X" + (2**31 - 1).to_bytes(4, "little") + b"a" * 100)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"claims\.pth is truncated"):
            read_weights_file(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_weights_file(tmp_path / "nothing.pth")
    with pytest.raises(InputError, match="is a folder"):
        read_weights_file(tmp_path)
