from typing import Any

import pytest

from swinkit.errors import InputError
from swinkit.training.settings import LoopSettings, OptimizerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("accumulate", -1),
        ("evaluate_every", 0),
        ("checkpoint_every", 0),
        ("log_every", 0),
        ("ema_decay", 1.0),
        ("ema_decay", 0.0),
        ("clip_grad", 0.0),
        ("clip_grad", float("nan")),
        ("workers", -1),
    ],
)
def test_loop_values_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must .*{value}"):
        LoopSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1.0),
        ("lr", float("nan")),
        ("eps", -1e-8),
        ("momentum", -0.1),
        ("betas", (0.9, 1.0)),
        ("reference_batch", 0),
    ],
)
def test_optimizer_values_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"optimizer\.{name} must"):
        OptimizerSettings(**{name: value})


def test_batch_of_a_process() -> None:
    loop = LoopSettings(batch_size=96, accumulate=3)
    assert loop.batch_of_process(1) == 32
    assert loop.batch_of_process(4) == 8
    with pytest.raises(InputError, match=r"a batch of 96 images .* over 5 process.*3 part.*a multiple of 15"):
        loop.batch_of_process(5)
