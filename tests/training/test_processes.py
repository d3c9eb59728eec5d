import pytest
import torch
from toy_task import ONE, ToyTask

from swinkit.errors import InputError
from swinkit.training.processes import choose_device, distribute, joined_processes


def test_chooses_the_gpu_if_there_is_one() -> None:
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "abacus", ""])
def test_device_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match=rf"the device '{name}' cannot be used here; try --device cpu"):
        choose_device(name)


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes("cpu") as processes:
        assert (processes.rank, processes.count, processes.is_first) == (0, 1, True)
        assert not torch.distributed.is_initialized()
        processes.wait()
        tensor = torch.ones(2)
        assert processes.sum(tensor) is tensor
        with processes.first_before_others():
            pass


def test_announced_processes_that_nobody_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    message = r"the 4 processes of WORLD_SIZE cannot be joined .*start them with torchrun"
    with pytest.raises(InputError, match=message), joined_processes("cpu"):
        pass


def test_one_process_is_not_wrapped() -> None:
    task = ToyTask()
    assert distribute(task, ONE, sharding="ddp") is task
    assert distribute(task, ONE, sharding="fsdp") is task
