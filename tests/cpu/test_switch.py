"""One switch turns off all that is laid out by hand for CPUs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import torch

import swinkit.cpu
from swinkit import SwinClassifier, SwinConfig
from swinkit.cpu import mlp, switch
from swinkit.errors import InputError

SMALL = SwinConfig(embed_dim=8, depths=(2,), num_heads=(1,), window_size=4, image_size=(32, 32))
FOLDER = str(Path(swinkit.cpu.__file__).parent)
ASKS = ("obstacle", "is_fast_cpu", "fast_cpu", "pieces_pay", "softmax_without_denormals")
"""Functions that ask whether a way may or should run: these are called whatever the answer is."""


@contextmanager
def watched() -> Iterator[set[str]]:
    """The functions of swinkit.cpu that are called, but for those that only ask."""
    called: set[str] = set()

    def watch(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(FOLDER) and not code.co_name.endswith(ASKS):
            called.add(code.co_name)

    sys.setprofile(watch)
    try:
        yield called
    finally:
        sys.setprofile(None)


def called_by_a_model() -> set[str]:
    """What is called by inference, and by training with and without dropout of attention weights."""
    torch.manual_seed(0)
    images = torch.randn(1, 3, 40, 40)
    with watched() as called:
        for rate in (0.0, 0.1):
            model = SwinClassifier(SMALL, num_classes=2)
            for stage in model.stages:
                for block in stage.blocks:
                    block.attn.attn_drop_rate = rate
            model(images).sum().backward()
        with torch.no_grad():
            model.eval()(images)
    return called


def test_off_turns_off_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "LEAST_TO_SPLIT", 0)
    attention = {"attention_with_explicit_gradient", "attention_in_pieces", "remembered_bias"}
    softmax = {"setup_context"}  # of the autograd function of softmax_without_denormals
    assert attention | softmax | {"mlp_in_pieces", "fused_linear", "in_best_layout"} <= called_by_a_model()
    with switch.fast_cpu(False):
        assert called_by_a_model() == set()


def test_on_by_default_and_back_after_a_with() -> None:
    assert switch.is_fast_cpu()
    with switch.fast_cpu(False):
        assert not switch.is_fast_cpu()
        with switch.fast_cpu(True):
            assert switch.is_fast_cpu()
        assert not switch.is_fast_cpu()
    assert switch.is_fast_cpu()


def test_results_are_the_same() -> None:
    model, images = SwinClassifier(SMALL, num_classes=2), torch.randn(1, 3, 40, 40)
    gradients = []
    for enabled in (True, False):
        with switch.fast_cpu(enabled):
            model.zero_grad()
            model(images).sum().backward()
            gradients.append([parameter.grad.clone() for parameter in model.parameters()])
            with torch.no_grad():
                gradients[-1].append(model(images))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(("value", "expected"), [(None, True), ("", True), ("1", True), ("0", False)])
def test_the_environment_variable(value: str | None, expected: bool) -> None:
    assert switch.read_switch({} if value is None else {switch.VARIABLE: value}) == expected


def test_another_value_of_the_variable_is_refused() -> None:
    with pytest.raises(InputError, match="SWINKIT_FAST_CPU is 'off'; set it to 0 or 1"):
        switch.read_switch({switch.VARIABLE: "off"})


def test_the_variable_is_read_on_import() -> None:
    environment = {**os.environ, switch.VARIABLE: "0"}
    command = "from swinkit.cpu.switch import is_fast_cpu; print(is_fast_cpu())"
    found = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
