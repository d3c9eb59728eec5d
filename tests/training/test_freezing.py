"""What is frozen does not change in any bit, and rates fall towards the input as in timm."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from run_results import assert_same_run, equal
from small_detectors import detector
from torch import Tensor, nn
from toy_task import STEPS, ToyBatches, ToyTask, run_toy, settings

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.classification.model import SwinClassifier
from swinkit.errors import InputError
from swinkit.segmentation.model import UperNetConfig
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.freezing import Frozen, rate_scales
from swinkit.training.interruption import Interrupted
from swinkit.training.optimizers import build_optimizer, set_rate
from swinkit.training.settings import Freeze, OptimizerSettings

SMALL = SwinConfig(
    embed_dim=8,
    depths=(2, 1, 2),
    num_heads=(1, 2, 4),
    window_size=2,
    image_size=(32, 32),
    absolute_position_embedding=True,
    drop_path_rate=0.2,
)


class Layered(nn.Module):
    """A backbone of two stages with batch norm and dropout, a neck, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neck(self.backbone(x)))


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.one = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 8))
        self.two = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(self.stem(x)).relu())

    def first_stages(self, count: int) -> tuple[str, ...]:
        return ("stem", "one", "two")[: count + 1]

    def layer_depths(self) -> dict[str, int]:
        parts = ["stem", "one", "two"]
        return {name: parts.index(name.split(".")[0]) for name, _ in self.named_parameters()}


class LayeredTask(ToyTask):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = Layered()


def optimizer(**values: Any) -> OptimizerSettings:
    return OptimizerSettings(lr=1e-2, reference_batch=None, **values)


KEPT: dict[Freeze, tuple[str, ...]] = {
    "all-but-head": ("backbone.", "neck."),
    "backbone": ("backbone.",),
    ("stages", 1): ("backbone.stem.", "backbone.one."),
}


@pytest.mark.parametrize("freeze", KEPT, ids=str)
@pytest.mark.parametrize("loop", [{}, {"ema_decay": 0.9}], ids=["plain", "average"])
def test_what_is_frozen_is_bit_equal_after_a_run_and_has_no_optimizer_state(
    freeze: Freeze, loop: dict[str, Any], tmp_path: Path
) -> None:
    told = settings(optimizer=optimizer(freeze=freeze), **loop)
    before = {name: tensor.clone() for name, tensor in LayeredTask().model.state_dict().items()}
    _, run = run_toy(tmp_path, told, task=LayeredTask())
    state = load_checkpoint(run.checkpoint)
    assert state is not None
    for found in (state["model"], *([state["average"]] if loop else [])):
        kept = {name for name in before if equal(before[name], found[name])}
        assert kept == {name for name in before if name.startswith(KEPT[freeze])}
    learning = {name for name, _ in LayeredTask().model.named_parameters() if not name.startswith(KEPT[freeze])}
    assert state["optimizer"]["state"].keys() == learning
    assert {name for group in state["optimizer"]["param_groups"] for name in group["params"]} == learning


def test_a_frozen_run_with_layer_decay_goes_on_bit_for_bit(tmp_path: Path) -> None:
    told = settings(optimizer=optimizer(freeze=("stages", 1), layer_decay=0.5), epochs=2, checkpoint_every=2)
    _, whole = run_toy(tmp_path / "whole", told, task=LayeredTask())

    class Stopping(ToyBatches):
        def batches(self, start: int, stop: int) -> Any:
            yield from super().batches(start, STEPS - 2)
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        run_toy(tmp_path / "parts", told, task=LayeredTask(), batches=Stopping())
    _, parts = run_toy(tmp_path / "parts", told, task=LayeredTask())
    assert_same_run(whole.root, parts.root)


def test_without_the_setting_everything_learns(tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in LayeredTask().model.state_dict().items()}
    _, run = run_toy(tmp_path, settings(), task=LayeredTask())
    state = load_checkpoint(run.checkpoint)
    assert state is not None and not any(equal(before[name], state["model"][name]) for name in before)


def learning(model: nn.Module, freeze: Freeze) -> set[str]:
    Frozen(model, freeze)
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def below(model: nn.Module, *prefixes: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith(prefixes)}


@pytest.mark.parametrize("freeze", ["all-but-head", "backbone"])
def test_of_a_classifier_the_head_learns(freeze: Freeze) -> None:
    model = SwinClassifier(SMALL, num_classes=3)
    assert learning(model, freeze) == {"head.weight", "head.bias"}


def test_of_a_classifier_the_later_stages_learn_and_the_frozen_ones_drop_nothing() -> None:
    model = SwinClassifier(SMALL, num_classes=3)
    frozen = Frozen(model, ("stages", 2))
    assert {name for name, p in model.named_parameters() if p.requires_grad} == below(
        model, "layers.2.", "norm", "head"
    )
    model.train()
    frozen.hold()
    assert not any(module.training for stage in model.stages[:2] for module in stage.modules())
    assert all(module.training for module in model.stages[2].modules())
    assert frozen.learning < frozen.all == sum(parameter.numel() for parameter in model.parameters())


def test_of_detectors_and_segmentors_the_heads_learn() -> None:
    model = detector()
    assert learning(model, "backbone") == below(model, "neck", "rpn_head", "roi_head")
    model = detector()
    assert learning(model, "all-but-head") == below(model, "rpn_head", "roi_head")
    segmentor = UperNetConfig(channels=8, auxiliary_channels=8, auxiliary_level=1).build(SwinTransformer(SMALL), 3)
    assert learning(segmentor, "all-but-head") == below(segmentor, "decode_head", "auxiliary_head")


def test_stages_of_a_resnet() -> None:
    pytest.importorskip("timm")
    backbone = TimmConfig("resnet18").build()
    assert backbone.first_stages(2) == tuple(
        f"model.{part}" for part in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2")
    )
    segmentor = UperNetConfig(channels=8, auxiliary_channels=8).build(backbone, 3)
    kept = below(segmentor, "backbone.") - learning(segmentor, ("stages", 2))
    assert kept == below(segmentor, *(f"backbone.model.{part}." for part in ("conv1", "bn1", "layer1", "layer2")))
    depths = backbone.layer_depths()
    assert (depths["model.conv1.weight"], depths["model.layer4.1.bn2.bias"]) == (0, 3)


@pytest.mark.parametrize(
    ("model", "freeze", "message"),
    [
        (SwinClassifier(SMALL, num_classes=3), ("stages", 4), "there are 3 stages to freeze, not 4"),
        (nn.Sequential(nn.Linear(2, 2)), ("stages", 1), "Sequential has no stages to freeze; give --freeze backbone"),
        (nn.Sequential(nn.Linear(2, 2)), "backbone", "everything would be frozen, and nothing learn"),
    ],
    ids=str,
)
def test_what_cannot_be_frozen(model: nn.Module, freeze: Freeze, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Frozen(model, freeze)


@pytest.mark.parametrize("values", [{"layer_decay": 0.0}, {"layer_decay": 1.5}, {"freeze": ("stages", 0)}], ids=str)
def test_values_that_cannot_be(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        OptimizerSettings(**values)


def test_rates_are_those_of_timm() -> None:
    optim = pytest.importorskip("timm.optim")
    model = SwinClassifier(SMALL, num_classes=3)
    groups = optim.param_groups_layer_decay(model, layer_decay=0.7, no_weight_decay_list=model.no_weight_decay())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    expected = {names[id(parameter)]: group["lr_scale"] for group in groups for parameter in group["params"]}
    assert rate_scales(model, 0.7) == pytest.approx(expected)
    assert len(set(expected.values())) == 7  # patch embedding, five blocks, head


def test_layers_of_every_swin_are_those_of_its_group_matcher() -> None:
    models = pytest.importorskip("timm.models")
    backbone = SwinTransformer(SMALL)
    assert backbone.layer_depths() == models.group_parameters(backbone, backbone.group_matcher(), reverse=True)


def test_heads_and_necks_around_a_backbone_have_the_full_rate() -> None:
    model = Layered()
    scales = rate_scales(model, 0.5)
    assert {scales[name] for name in below(model, "neck", "head")} == {1.0}
    assert (scales["backbone.stem.bias"], scales["backbone.one.2.bias"], scales["backbone.two.1.bias"]) == (
        0.125,
        0.25,
        0.5,
    )
    with pytest.raises(InputError, match="Sequential does not tell its layers; leave layer_decay out"):
        rate_scales(nn.Sequential(nn.Linear(2, 2)), 0.5)


def test_layers_of_deit() -> None:
    pytest.importorskip("timm")
    depths = DeiTPyramidConfig("vit_tiny_patch16_224").build().layer_depths()
    assert (depths["vit.patch_embed.proj.weight"], depths["vit.blocks.11.mlp.fc2.bias"]) == (0, 12)
    assert not any(name.startswith("up") for name in depths)


def test_the_rate_of_every_group_in_a_step_and_what_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    built = build_optimizer(Layered(), optimizer(layer_decay=0.5), lr=0.8)
    assert [group["lr"] for group in built.param_groups] == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8])
    assert [group["weight_decay"] for group in built.param_groups] == [0.05, 0.0] * 4
    set_rate(built, 0.4)
    assert [group["lr"] for group in built.param_groups][::2] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    with caplog.at_level(logging.INFO):
        _, run = run_toy(tmp_path, settings(optimizer=optimizer(layer_decay=0.5)), task=LayeredTask())
    assert "Peak learning rates of 4 layers, from the input to the heads: 0.00125 0.0025 0.005 0.01." in caplog.messages
    state = load_checkpoint(run.checkpoint)
    assert state is not None
    rates = sorted({group["lr"] for group in state["optimizer"]["param_groups"]})
    assert [rate / rates[-1] for rate in rates] == pytest.approx([0.125, 0.25, 0.5, 1.0])
