"""Records of other libraries beside the weights become placeholders: the weights are read, and nothing is run."""

import argparse
import datetime
import pathlib
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from old_torch import not_read_by_old_torch
from small_models import backbone, openmmlab_names, same_tensors

from swinkit.errors import InputError
from swinkit.weights.convert import convert
from swinkit.weights.load import load_weights
from swinkit.weights.read import read_weights_file

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3)}


class HistoryBuffer:
    """As mmengine's: arrays and a dict of functions by name."""

    def __init__(self) -> None:
        self._log_history = np.array([0.5, 0.25])
        self._count_history = np.array([1, 2], dtype=np.int64)
        self._statistics_methods = {"mean": None}


class ConfigDict(dict):
    """As mmengine's: a dict that is none."""


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 3


class WithState(HistoryBuffer):
    def __getstate__(self) -> tuple[int, str]:
        return (1, "state")

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("this is run by an unsafe reader alone")


class Record(list):
    """A list that is none."""


class Reduced:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[int, str]]:
        return (make_reduced, (1, "argument"))


def make_reduced(*_: object) -> Reduced:
    return Reduced()


FOREIGN = (HistoryBuffer, ConfigDict, Slotted, WithState, Record, Reduced, make_reduced)


@contextmanager
def elsewhere(name: str = "mmengine.logging.history_buffer") -> Iterator[None]:
    """While active, the classes above are importable from the module `name` alone."""
    parts = name.split(".")
    modules = {".".join(parts[: n + 1]): types.ModuleType(".".join(parts[: n + 1])) for n in range(len(parts))}
    before = {kind: kind.__module__ for kind in FOREIGN}
    for kind in FOREIGN:
        setattr(modules[name], kind.__name__, kind)
        kind.__module__ = name
    sys.modules.update(modules)
    try:
        yield
    finally:
        for module in modules:
            del sys.modules[module]
        for kind, module in before.items():
            kind.__module__ = module


def saved(path: Path, extra: object, *, is_zip: bool = True, weights: dict[str, torch.Tensor] | None = None) -> Path:
    with elsewhere():
        payload = {"state_dict": weights or WEIGHTS, "message_hub": extra}
        torch.save(payload, path, _use_new_zipfile_serialization=is_zip)
    return path


def config() -> ConfigDict:
    inner = ConfigDict(depths=[2, 2], name="swin")
    return ConfigDict(model=inner, lr=0.1)


def record() -> Record:
    return Record([1, {"loss": HistoryBuffer()}])


RECORDS: dict[str, Callable[[], object]] = {
    "history buffer": lambda: {"log_scalars": OrderedDict(loss=HistoryBuffer(), lr=HistoryBuffer())},
    "config": config,
    "list": record,
    "slots": Slotted,
    "state": WithState,
    "reduced": Reduced,
    "function": lambda: make_reduced,
    "numpy": lambda: {"mean": np.float64(0.5), "table": np.eye(3), "names": np.array(["a", "b"], dtype=object)},
    "python": lambda: [datetime.datetime(2026, 1, 2), Counter("ab"), deque([1]), {1, 2}, frozenset({3}), 1j, slice(2)],
    "paths": lambda: {"work_dir": pathlib.PurePosixPath("/work"), "args": argparse.Namespace(lr=0.1)},
    "default dict": lambda: defaultdict(list, {"a": [HistoryBuffer()]}),
}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=not_read_by_old_torch if name == "list" else ()) for name in RECORDS]
)
def test_harmless_records_are_passed_over(tmp_path: Path, name: str, is_zip: bool) -> None:
    file = read_weights_file(saved(tmp_path / "mm.pth", RECORDS[name](), is_zip=is_zip))
    assert file.tensors.keys() == WEIGHTS.keys() and torch.equal(file.tensors["a.weight"], WEIGHTS["a.weight"])
    assert "mmengine" not in sys.modules


def test_an_mmengine_checkpoint_fills_a_backbone(tmp_path: Path) -> None:
    model = backbone()
    wrapped = {f"backbone.{name}": tensor for name, tensor in openmmlab_names(model.state_dict()).items()}
    path = saved(tmp_path / "mm.pth", {"log_scalars": {"loss": HistoryBuffer()}}, weights=wrapped)
    out = tmp_path / "mm.safetensors"
    convert(path, out)
    for source in (path, out):
        fresh = backbone(seed=7)
        assert load_weights(fresh, source).missing == ()
        assert same_tensors(fresh.state_dict(), model.state_dict())


def test_class_names_of_mmengine(tmp_path: Path) -> None:
    payload = {"state_dict": WEIGHTS, "meta": {"dataset_meta": {"classes": ("cat", "dog"), "palette": [(1, 2, 3)]}}}
    torch.save(payload, tmp_path / "mm.pth")
    assert read_weights_file(tmp_path / "mm.pth").classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["os", "subprocess", "builtins", "importlib", "torch.nn"])
def test_names_of_python_and_torch_are_refused(tmp_path: Path, name: str) -> None:
    function = {"os": "system", "subprocess": "run", "builtins": "getattr", "importlib": "import_module"}

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return getattr(sys.modules[name], function[name]), ("touch x",)

    extra = torch.nn.Linear(1, 1) if name == "torch.nn" else [HistoryBuffer(), Evil()]
    with pytest.raises(InputError, match="swinkit will not execute"):
        read_weights_file(saved(tmp_path / "mm.pth", extra))
