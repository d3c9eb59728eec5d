import pytest
import torch
from torch import Tensor, nn

from swinkit.training.nonfinite import describe_nonfinite, describe_nonfinite_gradient


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


class Mean(nn.Module):
    def __init__(self, *layers: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)
        self.factor = factor

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": self.net(batch[0]).mean() * self.factor}


def batch(value: float = -1.0) -> tuple[Tensor, Tensor]:
    return torch.full((2, 3), value), torch.zeros(2, dtype=torch.int64)


def test_names_the_tensor_of_the_batch() -> None:
    assert describe_nonfinite(Mean(nn.ReLU()), batch(torch.nan)) == "tensor 0 of the batch is not finite"


def test_names_the_parameter() -> None:
    task = Mean(nn.Linear(3, 3), nn.Linear(3, 3))
    with torch.no_grad():
        task.net[1].bias[0] = torch.inf
    assert describe_nonfinite(task, batch()) == "the parameter net.1.bias is not finite"


def test_names_the_first_module() -> None:
    task = Mean(nn.Identity(), Log(), nn.ReLU())
    assert describe_nonfinite(task, batch()) == "the output of net.1 is the first that is not finite"
    assert not any(module._forward_hooks for module in task.modules())


def test_tells_the_loss_from_nothing() -> None:
    assert describe_nonfinite(Mean(nn.ReLU(), factor=torch.nan), batch()) == "the loss itself is not finite"
    assert describe_nonfinite(Mean(nn.ReLU()), batch()) is None


@pytest.mark.slow
def test_looks_inside_a_compiled_model() -> None:
    task = Mean(nn.Linear(3, 3), Log(), nn.ReLU())
    task.net.compile(backend="eager")
    with torch.no_grad():
        task.net[0].weight.zero_()
        task.net[0].bias.fill_(1.0)
    assert task(batch())["loss"] == 0.0
    with torch.no_grad():
        task.net[0].bias.fill_(-1.0)
    assert describe_nonfinite(task, batch()) == "the output of net.1 is the first that is not finite"


def test_names_the_gradient_that_the_backward_pass_met_first() -> None:
    task = Mean(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    task(batch())["loss"].backward()
    assert describe_nonfinite_gradient(task) is None
    for layer in (0, 1):
        task.net[layer].weight.grad.fill_(torch.nan)
    assert describe_nonfinite_gradient(task) == "the gradient of net.1.weight is not finite"
