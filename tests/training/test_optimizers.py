"""Weight decay on the right parameters, and the steps of torch's own optimisers."""

import copy
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.classification.model import SwinClassifier
from swinkit.training.optimizers import build_optimizer, parameter_groups
from swinkit.training.settings import OptimizerSettings

CONFIG = SwinConfig(
    embed_dim=8,
    depths=(2, 1),
    num_heads=(2, 4),
    window_size=2,
    image_size=(16, 16),
    patch_size=4,
    absolute_position_embedding=True,
)

# Published code (CLS): nothing on 1-D parameters, biases, position embeddings and bias tables.
DECAYED_IN_CLASSIFICATION = (
    r"patch_embed\.proj\.weight",
    r"layers\.\d\.blocks\.\d\.attn\.(qkv|proj)\.weight",
    r"layers\.\d\.blocks\.\d\.mlp\.fc[12]\.weight",
    r"layers\.0\.downsample\.reduction\.weight",
    r"head\.weight",
)
# Published code (DET, SEG): biases of linear layers and convolutions do decay, norms do not.
DECAYED_IN_DENSE = (
    r"patch_embed\.proj\.(weight|bias)",
    r"layers\.\d\.blocks\.\d\.attn\.(qkv|proj)\.(weight|bias)",
    r"layers\.\d\.blocks\.\d\.mlp\.fc[12]\.(weight|bias)",
    r"layers\.0\.downsample\.reduction\.weight",
)


def decayed_names(model: nn.Module, settings: OptimizerSettings) -> tuple[set[str], set[str]]:
    """Names of the parameters with weight decay, and of those without."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    with_decay, without = set(), set()
    for group in parameter_groups(model, settings):
        chosen = with_decay if group["weight_decay"] else without
        chosen |= {names[id(parameter)] for parameter in group["params"]}
    return with_decay, without


def matching(model: nn.Module, patterns: tuple[str, ...]) -> set[str]:
    return {name for name, _ in model.named_parameters() if any(re.fullmatch(p, name) for p in patterns)}


@pytest.mark.parametrize(
    ("model", "rule", "patterns"),
    [
        pytest.param(
            SwinClassifier(CONFIG, num_classes=3), "classification", DECAYED_IN_CLASSIFICATION, id="classification"
        ),
        pytest.param(SwinTransformer(CONFIG), "dense", DECAYED_IN_DENSE, id="dense"),
    ],
)
def test_the_published_rules_on_a_swin(model, rule, patterns):
    with_decay, without = decayed_names(model, OptimizerSettings(no_decay=rule))
    assert with_decay == matching(model, patterns)
    assert without == {name for name, _ in model.named_parameters()} - with_decay
    assert {"absolute_pos_embed", "layers.0.blocks.1.attn.relative_position_bias_table"} <= without
    assert {"patch_embed.norm.weight", "layers.0.downsample.norm.bias"} <= without


class Head(nn.Module):
    """A convolution and a batch norm, named as in the published heads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)


def test_batch_norms_of_the_published_heads_decay_in_dense_tasks_only():
    everything = {"conv.weight", "conv.bias", "bn.weight", "bn.bias"}
    assert decayed_names(Head(), OptimizerSettings(no_decay="dense")) == (everything, set())
    assert decayed_names(Head(), OptimizerSettings())[0] == {"conv.weight"}


def test_frozen_parameters_are_left_out():
    model = SwinTransformer(replace(CONFIG, frozen_stages=2))
    with_decay, without = decayed_names(model, OptimizerSettings(no_decay="dense"))
    assert with_decay | without == {name for name, p in model.named_parameters() if p.requires_grad}
    assert not any(name.startswith("patch_embed") for name in with_decay | without)


def test_groups_carry_the_published_weight_decay():
    groups = build_optimizer(Head(), OptimizerSettings(weight_decay=0.05), lr=0.1).param_groups
    assert [group["weight_decay"] for group in groups] == [0.05, 0.0]
    assert [len(group["params"]) for group in groups] == [1, 3]


def test_a_group_without_parameters_is_no_group():
    assert len(build_optimizer(nn.Linear(2, 2, bias=False), OptimizerSettings(), lr=0.1).param_groups) == 1


def step_with(optimizer: torch.optim.Optimizer, model: nn.Module, *, steps: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_steps_are_those_of_torch(kind):
    ours = Head()
    theirs = copy.deepcopy(ours)
    settings = OptimizerSettings(kind=kind, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6, momentum=0.7)
    groups = [
        {"params": [theirs.conv.weight], "weight_decay": 0.1},
        {"params": [theirs.conv.bias, theirs.bn.weight, theirs.bn.bias], "weight_decay": 0.0},
    ]
    if kind == "adamw":
        peer: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-6)
    else:
        peer = torch.optim.SGD(groups, lr=0.01, momentum=0.7)
    got = step_with(build_optimizer(ours, settings, lr=0.01), ours)
    for value, expected in zip(got, step_with(peer, theirs), strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_decay_shrinks_weights_and_leaves_biases_alone():
    model = nn.Linear(3, 3)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(model, OptimizerSettings(weight_decay=0.5), lr=0.1).step()
    torch.testing.assert_close(model.weight.detach(), torch.full((3, 3), 0.95))
    torch.testing.assert_close(model.bias.detach(), torch.ones(3))
