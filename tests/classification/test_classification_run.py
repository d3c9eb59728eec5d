import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from run_results import assert_same_run, losses
from safetensors.torch import load_file

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.model import SwinClassifier
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.classification.task import ClassificationTask
from swinkit.errors import InputError
from swinkit.recipes.digits import digits
from swinkit.training.processes import Processes
from swinkit.training.run import train
from swinkit.training.settings import OptimizerSettings, ScheduleSettings

MODEL = SwinConfig(embed_dim=16, depths=(2, 1), num_heads=(1, 2), window_size=2, image_size=(16, 16))
FROZEN = OptimizerSettings(lr=0.0, reference_batch=None)


def tiny(*, optimizer: OptimizerSettings | None = None, **loop: object) -> ClassificationRecipe:
    """22 steps in which the loss falls from 2.3 to 1.6."""
    recipe = digits()
    values = {"epochs": 1, "batch_size": 64, "log_every": 1, "workers": 0, "threads": 1, "device": "cpu"} | loop
    return replace(
        recipe,
        backbone=MODEL,
        optimizer=optimizer or OptimizerSettings(lr=0.01, reference_batch=None),
        schedule=ScheduleSettings(warmup_epochs=0.0),
        loop=replace(recipe.loop, **values),
    )


@pytest.fixture(scope="module", autouse=True)
def _without_pictures() -> Iterator[None]:
    """They take longer than the runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ClassificationTask, "draw", lambda *_: ())
        yield


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of the run that others are compared with."""
    folder = tmp_path_factory.mktemp("plain")
    train(tiny(), folder)
    assert losses(folder)[-1] < 1.9
    return losses(folder)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_follows_full_precision(tmp_path: Path, precision: str, curve: list[float]) -> None:
    run = train(tiny(precision=precision), tmp_path)
    assert losses(tmp_path) == pytest.approx(curve, abs=0.05)
    assert losses(tmp_path) != curve
    assert run.result.best is not None and run.result.best > 0.3


def test_recomputed_activations_change_nothing(tmp_path: Path, curve: list[float]) -> None:
    train(tiny(checkpoint_activations=True), tmp_path)
    assert losses(tmp_path) == pytest.approx(curve, abs=1e-5)


@pytest.mark.slow
def test_compiled_model_follows_the_plain_one(tmp_path: Path, curve: list[float]) -> None:
    train(tiny(compile=True), tmp_path)
    assert losses(tmp_path) == pytest.approx(curve, abs=1e-3)


def test_starts_from_weights_with_a_new_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(7)
    source = SwinClassifier(MODEL, num_classes=12).save_pretrained(tmp_path / "source")
    monkeypatch.chdir(tmp_path)
    recipe = replace(tiny(optimizer=FROZEN), weights=str(source / "model.safetensors"))
    with caplog.at_level(logging.INFO, "swinkit"):
        run = train(recipe)
    assert run.folder.root == Path("runs") / "digits"
    assert any("tensors loaded" in message and "not needed (head)" in message for message in caplog.messages)
    before, after = load_file(source / "model.safetensors"), load_file(run.folder.last_model)
    assert after["head.weight"].shape == (10, 32)
    for name in before.keys() - {"head.weight", "head.bias"}:
        assert torch.equal(before[name], after[name]), name


def test_starts_from_chosen_rows_of_a_head(tmp_path: Path) -> None:
    torch.manual_seed(7)
    source = SwinClassifier(MODEL, num_classes=12).save_pretrained(tmp_path / "source") / "model.safetensors"
    rows = [11, 0, 3, 4, 5, 6, 7, 8, 9, 10]
    (tmp_path / "map.txt").write_text("\n".join(map(str, rows)))
    recipe = replace(tiny(optimizer=FROZEN), weights=str(source), class_map=tmp_path / "map.txt")
    run = train(recipe, tmp_path / "run")
    assert torch.equal(load_file(run.folder.last_model)["head.weight"], load_file(source)["head.weight"][rows])


def test_seed_decides_weights_and_order(tmp_path: Path, curve: list[float]) -> None:
    train(tiny(), tmp_path / "same")
    train(tiny(seed=1), tmp_path / "other")
    assert losses(tmp_path / "same") == curve
    assert losses(tmp_path / "other")[0] != curve[0]


def test_data_without_a_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the recipe digits needs images; say where they are with --data DIR"):
        train(replace(tiny(), dataset="folder"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_weights_of_classes_reach_the_loss(tmp_path: Path, curve: list[float]) -> None:
    recipe = replace(tiny(optimizer=FROZEN), class_weights=(1.0,) * 9 + (0.0,))
    train(recipe, tmp_path / "nine")
    train(tiny(optimizer=FROZEN), tmp_path / "all")
    nine, all_ten = (losses(tmp_path / name) for name in ("nine", "all"))
    assert nine != all_ten and sum(nine) == pytest.approx(sum(all_ten), rel=0.05)
    train(replace(tiny(), class_weights="balanced"), tmp_path / "balanced")  # digits nearly are
    assert losses(tmp_path / "balanced") == pytest.approx(curve, abs=0.1)
    assert losses(tmp_path / "balanced") != curve


def test_balanced_sampling_of_a_run_stopped_and_gone_on(tmp_path: Path, curve: list[float]) -> None:
    recipe = replace(tiny(checkpoint_every=5), sampling="balanced")
    train(recipe, tmp_path / "whole")
    assert losses(tmp_path / "whole") != curve
    with pytest.MonkeyPatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(ClassificationTask, "evaluate", lambda *_: 1 // 0)
        train(recipe, tmp_path / "parts")
    train(recipe, tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_rare_classes_count_once(tmp_path: Path) -> None:
    recipe = replace(tiny(), sampling="balanced", class_weights="balanced")
    with pytest.raises(InputError, match="--class-weights balanced and --sampling balanced together would make"):
        train(recipe, tmp_path)


def test_a_frozen_backbone_gives_back_its_weights(tmp_path: Path) -> None:
    train(tiny(), tmp_path / "first")
    first = tmp_path / "first" / "best.safetensors"
    recipe = tiny(optimizer=OptimizerSettings(lr=0.01, reference_batch=None, freeze="all-but-head"))
    train(replace(recipe, weights=str(first)), tmp_path / "second")
    before, after = load_file(first), load_file(tmp_path / "second" / "last.safetensors")
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"usual_weights": "swin_t"}, "digits starts from nothing, as no --weights are given: a model of this size"),
        ({"optimizer": OptimizerSettings(freeze=("stages", 1))}, "What --freeze keeps is random, as no --weights are"),
        ({}, None),
    ],
    ids=str,
)
def test_what_is_said_of_a_run_without_weights(
    changed: dict[str, object], said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        replace(tiny(), **changed).build(Processes(0, 1, torch.device("cpu")))
    lines = [line for line in caplog.messages if "no --weights" in line]
    assert len(lines) == (said is not None) and all(line.startswith(str(said)) for line in lines)
