from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from run_results import assert_same_run, equal, losses, metrics
from safetensors.torch import load_file
from torch import Tensor
from toy_task import ONE, STEPS, ToyBatches, ToyTask, run_toy, settings

from swinkit.errors import InputError
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.settings import OptimizerSettings, ScheduleSettings


class Stop(Exception):
    pass


class StoppingBatches(ToyBatches):
    """Like a kill: no more batches from one step on."""

    def __init__(self, stop: int, *, accumulate: int = 1) -> None:
        super().__init__(accumulate=accumulate)
        self.last = stop

    def batches(self, start: int, stop: int) -> Any:
        yield from super().batches(start, min(stop, self.last))
        raise Stop


SGD = OptimizerSettings(kind="sgd", lr=0.1, reference_batch=None)
ADAMW = OptimizerSettings(lr=0.01, reference_batch=None)
PLAIN_SGD = OptimizerSettings(kind="sgd", lr=0.1, momentum=0.0, reference_batch=None)


@pytest.mark.parametrize("optimizer", [ADAMW, SGD, PLAIN_SGD], ids=["adamw", "sgd", "sgd without momentum"])
@pytest.mark.parametrize(
    "loop", [{}, {"accumulate": 2, "ema_decay": 0.9}, {"precision": "fp16"}], ids=["plain", "average", "fp16"]
)
def test_a_run_stopped_twice_ends_like_one_never_stopped(
    tmp_path: Path, optimizer: OptimizerSettings, loop: dict[str, Any]
) -> None:
    told = settings(optimizer=optimizer, checkpoint_every=2, epochs=3, **loop)
    whole, run = run_toy(tmp_path / "whole", told)
    assert (whole.steps, whole.steps_now) == (3 * STEPS, 3 * STEPS)
    for stop in (3, 11):
        with pytest.raises(Stop):
            run_toy(tmp_path / "parts", told, batches=StoppingBatches(stop, accumulate=told.loop.accumulate))
    parts, other = run_toy(tmp_path / "parts", told)
    assert (parts.steps, parts.steps_now) == (3 * STEPS, 3 * STEPS - 10)
    assert (parts.results, parts.best) == (whole.results, whole.best)
    assert_same_run(run.root, other.root)


@pytest.mark.parametrize("moment", ["evaluate", "save_model"])
def test_a_run_stopped_at_the_end_of_an_epoch_does_that_end_again(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run_toy(tmp_path / "whole", settings(checkpoint_every=2))

    def stop(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(ToyTask, moment, stop)
        with pytest.raises(Stop):
            run_toy(tmp_path / "parts", settings(checkpoint_every=2))
    state = load_checkpoint(tmp_path / "parts" / "checkpoint.pt")
    assert state is not None and state["step"] == 4
    _, parts = run_toy(tmp_path / "parts", settings(checkpoint_every=2))
    assert_same_run(whole.root, parts.root)


def test_finished_run_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_toy(tmp_path, settings())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    task = ToyTask()
    result, _ = run_toy(tmp_path, settings(), task=task)
    assert (result.steps, result.steps_now, task.evaluations) == (2 * STEPS, 0, 0)
    assert result.results == {"val/score": result.best}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert capsys.readouterr().out == ""


def test_parts_of_a_batch_make_the_same_update(tmp_path: Path) -> None:
    class WithoutDropout(ToyTask):
        def __init__(self) -> None:
            super().__init__()
            self.model[2].p = 0.0

    runs = [run_toy(tmp_path / str(parts), settings(accumulate=parts), task=WithoutDropout())[1] for parts in (1, 2, 4)]
    curves = [losses(run.root) for run in runs]
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    assert curves[2] == pytest.approx(curves[0], abs=1e-5)
    assert curves[0][-1] < curves[0][0]


def test_learns_and_writes_down_what_it_did(tmp_path: Path) -> None:
    result, run = run_toy(tmp_path, settings(epochs=40, optimizer=OptimizerSettings(lr=0.02, reference_batch=None)))
    lines = metrics(run.root)
    training = [line for line in lines if "train/loss" in line]
    assert [line["step"] for line in training] == list(range(1, 40 * STEPS + 1))
    assert {line["epoch"] for line in lines} == set(range(1, 41))
    assert training[0].keys() == {
        "step",
        "epoch",
        *(f"train/{name}" for name in ("loss", "square", "absolute", "grad_norm", "lr")),
    }
    assert all(line["train/loss"] == pytest.approx(line["train/square"] + line["train/absolute"]) for line in training)
    assert result.best is not None and result.best > -0.1 > lines[STEPS]["val/score"]
    state = load_checkpoint(run.checkpoint)
    assert state is not None
    assert {group["lr"] for group in state["optimizer"]["param_groups"]} == {training[-1]["train/lr"]}


@pytest.mark.parametrize(
    ("scores", "best_epoch"),
    [([1.0, 3.0, 2.0], 2), ([2.0, 2.0, 1.0], 2), ([float("nan"), 1.0, 0.5], 2), ([3.0, 2.0, 1.0], 1)],
)
def test_keeps_the_best_and_the_last_model(tmp_path: Path, scores: list[float], best_epoch: int) -> None:
    result, run = run_toy(tmp_path / "all", settings(epochs=3), task=ToyTask(scores))
    assert (result.best, result.results) == (scores[best_epoch - 1], {"val/score": scores[-1]})
    with pytest.raises(Stop):
        run_toy(
            tmp_path / "part", settings(epochs=3), task=ToyTask(scores), batches=StoppingBatches(best_epoch * STEPS)
        )
    assert equal(load_file(run.best_model), load_file(tmp_path / "part" / "last.safetensors"))
    state = load_checkpoint(run.checkpoint)
    assert state is not None and equal(load_file(run.last_model), dict(state["model"]))


def test_evaluates_every_n_epochs_and_at_the_end(tmp_path: Path) -> None:
    _, run = run_toy(tmp_path, settings(epochs=5, evaluate_every=2))
    assert [line["epoch"] for line in metrics(run.root) if "val/score" in line] == [2, 4, 5]


def test_saves_and_evaluates_the_average(tmp_path: Path) -> None:
    _, run = run_toy(tmp_path, settings(ema_decay=0.9))
    state = load_checkpoint(run.checkpoint)
    assert state is not None
    assert equal(load_file(run.last_model), state["average"])
    assert not equal(load_file(run.last_model), dict(state["model"]))
    task = ToyTask()
    first = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    task.model.load_state_dict(state["average"])
    assert task.eval().evaluate() == state["results"]
    # After ten steps with decay 0.9 the first weights still count 35 %, and the rest lies on the way to the last.
    way = [
        (state["average"][name] - first[name]).norm() / (state["model"][name] - first[name]).norm() for name in first
    ]
    assert all(0.1 < share < 0.9 for share in way)


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    """With SGD of rate 1, without momentum and decay, the step is the clipped gradient."""
    plain = OptimizerSettings(kind="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, reference_batch=None)
    before = dict(ToyTask().model.named_parameters())
    steps: dict[float | None, float] = {}
    for clip in (None, 0.5, 1e9):
        told = settings(optimizer=plain, clip_grad=clip, checkpoint_every=1, epochs=1)
        told = replace(told, schedule=ScheduleSettings(decay="constant"))
        with pytest.raises(Stop):
            run_toy(tmp_path / str(clip), told, batches=StoppingBatches(1))
        state = load_checkpoint(tmp_path / str(clip) / "checkpoint.pt")
        assert state is not None
        moved = torch.cat([(state["model"][name] - tensor).detach().flatten() for name, tensor in before.items()])
        steps[clip] = moved.norm().item()
        assert metrics(tmp_path / str(clip))[0]["train/grad_norm"] == pytest.approx(steps[None], rel=1e-5)
    assert steps[None] > 1.0
    assert steps[1e9] == steps[None]
    assert steps[0.5] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_and_keeps_full_weights(tmp_path: Path, precision: str) -> None:
    result, run = run_toy(tmp_path, settings(epochs=20, precision=precision))
    state = load_checkpoint(run.checkpoint)
    assert state is not None
    assert all(tensor.dtype == torch.float32 for tensor in state["model"].values())
    assert bool(state["scaler"]) == (precision == "fp16")
    first = next(line["val/score"] for line in metrics(run.root) if "val/score" in line)
    assert result.best is not None and result.best > first


def test_fp16_leaves_out_an_update_whose_gradient_overflows(tmp_path: Path) -> None:
    class Steep(ToyTask):
        def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            return {name: loss * 1e2 for name, loss in super().forward(batch).items()}

    _, run = run_toy(tmp_path, settings(precision="fp16"), task=Steep())
    norms = [line["train/grad_norm"] for line in metrics(run.root) if "train/grad_norm" in line]
    assert norms[0] is None  # infinite, with the scale the scaler begins with
    assert norms[-1] is not None


@pytest.mark.slow
def test_compiled_model(tmp_path: Path) -> None:
    _, plain = run_toy(tmp_path / "plain", settings(epochs=1), task=_without_dropout())
    _, compiled = run_toy(tmp_path / "compiled", settings(epochs=1, compile=True), task=_without_dropout())
    curves = [losses(run.root) for run in (plain, compiled)]
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    assert load_file(plain.best_model).keys() == load_file(compiled.best_model).keys()


def _without_dropout() -> ToyTask:
    task = ToyTask()
    task.model[2].p = 0.0
    return task


class Exploding(ToyTask):
    """Its loss is not finite in one step, or only its gradient."""

    def __init__(self, update: int, *, gradient_only: bool = False) -> None:
        super().__init__()
        self.update, self.gradient_only, self.calls = update, gradient_only, 0

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        losses = super().forward(batch)
        if self.calls > self.update:
            weight = self.model[0].weight
            # The derivative of sqrt is infinite at 0, its value is not.
            losses["extra"] = (
                (weight - weight.detach()).abs().sqrt() if self.gradient_only else weight * torch.nan
            ).sum()
        return losses


def test_stops_where_a_loss_is_not_finite(tmp_path: Path) -> None:
    told = settings(checkpoint_every=2, accumulate=2)
    with pytest.raises(InputError) as stopped:
        run_toy(tmp_path, told, batches=ToyBatches(accumulate=2, spoiled=(7,)))
    assert str(stopped.value).startswith("the loss is nan in step 8 (epoch 2, learning rate ")
    # The NaN is in the first of the two parts.
    assert "): tensor 0 of the batch is not finite; the last checkpoint is untouched: lower --optimizer.lr" in str(
        stopped.value
    )
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None and state["step"] == 6
    assert all(tensor.isfinite().all() for tensor in state["model"].values())
    assert [line["step"] for line in metrics(tmp_path) if "train/loss" in line] == list(range(1, 8))


def test_stops_before_a_broken_gradient_reaches_the_weights(tmp_path: Path) -> None:
    told = settings(checkpoint_every=1)
    with pytest.raises(
        InputError, match=r"the gradient's norm is (nan|inf) in step 4 .*: the gradient of model\.0\.weight is not"
    ):
        run_toy(tmp_path, told, task=Exploding(3, gradient_only=True))
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None and state["step"] == 3
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_names_the_loss_itself_where_every_module_is_fine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the loss is nan in step 3 .*: the loss itself is not finite; the last"):
        run_toy(tmp_path, settings(), task=Exploding(2))


def test_checkpoint_of_another_model(tmp_path: Path) -> None:
    run_toy(tmp_path, settings(epochs=1))

    class Wider(ToyTask):
        def __init__(self) -> None:
            super().__init__()
            self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Linear(8, 1))

    with pytest.raises(InputError, match=r"checkpoint\.pt does not fit .*"):
        run_toy(tmp_path, settings(epochs=2), task=Wider())


@pytest.mark.parametrize("number", ["best", "result", "step of the optimiser"])
def test_a_checkpoint_with_numbers_beyond_reason(tmp_path: Path, number: str) -> None:
    _, run = run_toy(tmp_path, settings(epochs=1))
    state = torch.load(run.checkpoint, weights_only=True)
    if number == "best":
        state["best"] = 10**400
    elif number == "result":
        state["results"]["val/top1"] = -(10**400)
    else:
        next(iter(state["optimizer"]["state"].values()))["step"].fill_(-1e9)
    torch.save(state, run.checkpoint)
    with pytest.raises(InputError, match=r"checkpoint\.pt .*delete it to start anew"):
        run_toy(tmp_path, settings(epochs=2))


def test_too_little_gpu_memory_is_one_sentence(tmp_path: Path) -> None:
    class Greedy(ToyTask):
        def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(InputError, match=r"cpu has too little memory for a batch of 8; .*--accumulate"):
        run_toy(tmp_path, settings(), task=Greedy())


def test_sharding_and_average_exclude_each_other_in_many_processes_only(tmp_path: Path) -> None:
    run_toy(tmp_path, settings(epochs=1, sharding="fsdp", ema_decay=0.9))
    assert ONE.count == 1
