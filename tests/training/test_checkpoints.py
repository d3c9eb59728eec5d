import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from swinkit.errors import InputError
from swinkit.training.checkpoints import load_checkpoint, save_checkpoint


def state(step: int = 3) -> dict[str, Any]:
    return {
        "step": step,
        "best": None,
        "results": {"val/top1": 12.5},
        "model": {"weight": torch.arange(6.0).view(2, 3), "count": torch.tensor(7)},
        "optimizer": {
            "state": {"weight": {"step": torch.tensor(3.0)}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}],
        },
    }


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    assert load_checkpoint(path) is None
    save_checkpoint(path, state())
    back = load_checkpoint(path)
    assert back is not None
    assert torch.equal(back["model"].pop("weight"), torch.arange(6.0).view(2, 3))
    assert back["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.99)
    assert (back["step"], back["best"], back["results"]) == (3, None, {"val/top1": 12.5})
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from swinkit.training.checkpoints import save_checkpoint
from swinkit.errors import InputError

resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    save_checkpoint(Path(sys.argv[1]), {"step": 4, "model": {"a": torch.zeros(100_000)}, "optimizer": {}})
except InputError as error:
    print(error)
    sys.exit(2)
"""


def test_file_that_outgrows_what_the_system_allows(tmp_path: Path) -> None:
    """The real thing, not a patched one: the system call fails in the middle of the file."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state(step=3))
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"cannot write {path} (File too large); free some space")
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    back = load_checkpoint(path)
    assert back is not None and back["step"] == 3


@pytest.mark.parametrize("size", [0, 1, 10, 200, -1])
def test_cut_off_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"checkpoint\.pt is not a whole checkpoint .*; delete it to start anew"):
        load_checkpoint(path)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickle_is_not_executed(tmp_path: Path, writer: str) -> None:
    path, target = tmp_path / "checkpoint.pt", tmp_path / "executed"
    payload = state() | {"extra": Malicious(target)}
    if writer == "torch":
        torch.save(payload, path)
    else:
        path.write_bytes(pickle.dumps(payload))
    with pytest.raises(InputError, match="is not a whole checkpoint"):
        load_checkpoint(path)
    assert not target.exists()
    torch.load(path, weights_only=False) if writer == "torch" else pickle.loads(path.read_bytes())
    assert target.exists()  # so the file is as dangerous as it looks


@pytest.mark.parametrize("foreign", [{"model": {}}, {"step": 1}, [1, 2]])
def test_file_of_something_else(tmp_path: Path, foreign: object) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(foreign, path)
    with pytest.raises(InputError, match="is not a checkpoint of a run"):
        load_checkpoint(path)
