"""Small models of other code bases give the same logits after their weights went into ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
import small_models
import torch
from torch import nn
from torch.nn import functional as F

from swinkit.layers.patch import PatchMerging
from swinkit.weights.formats import recognise
from swinkit.weights.load import load_weights

TOLERANCE = 1e-5


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, small_models.SIZE, small_models.SIZE, generator=torch.Generator().manual_seed(3))


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        (small_models.timm_classifier, "timm"),
        (small_models.torchvision_classifier, "torchvision"),
        (small_models.transformers_classifier, "transformers"),
    ],
)
@torch.no_grad()
def test_a_peers_classifier_gives_the_same_logits(
    peer: Callable[[], nn.Module], name: str, images: torch.Tensor
) -> None:
    theirs, ours = peer(), small_models.classifier()
    report = load_weights(ours, theirs.state_dict())
    assert report.format == name
    assert not report.missing
    logits = theirs(images)
    assert_close(ours(images), getattr(logits, "logits", logits))


@torch.no_grad()
def test_transformers_files_on_disk_have_other_names_than_in_memory(tmp_path: Path, images: torch.Tensor) -> None:
    theirs, ours = small_models.transformers_classifier(), small_models.classifier()
    theirs.save_pretrained(tmp_path)
    report = load_weights(ours, tmp_path / "model.safetensors")
    assert report.format == "transformers"
    assert_close(ours(images), theirs(images).logits)


@pytest.mark.parametrize("is_saved", [False, True])
@torch.no_grad()
def test_a_transformers_backbone_brings_its_output_norms(tmp_path: Path, images: torch.Tensor, is_saved: bool) -> None:
    theirs, ours = small_models.transformers_backbone(), small_models.backbone()
    if is_saved:
        theirs.save_pretrained(tmp_path)
    report = load_weights(ours, tmp_path / "model.safetensors" if is_saved else theirs.state_dict())
    assert not report.missing
    small = images[..., :96, :100]  # dense geometry, as the backbones of both have it
    for feature, other in zip(ours(small), theirs(small).feature_maps, strict=True):
        assert_close(feature, other)


def test_openmmlab_weights_come_back_bit_for_bit() -> None:
    weights = small_models.backbone().state_dict()
    recognised = recognise(small_models.openmmlab_names(weights))
    assert recognised.format == "openmmlab"
    assert small_models.same_tensors(recognised.tensors, weights)


@torch.no_grad()
def test_openmmlab_patch_merging_is_an_unfold() -> None:
    """Their merging orders by nn.Unfold: run it and ours on the same map, theirs on the weights before renaming."""
    norm, reduction = small_models.randomised(nn.LayerNorm(16)), torch.randn(8, 16)
    x = torch.randn(1, 4, 6, 6)
    unfolded = F.unfold(x, kernel_size=2, stride=2).transpose(1, 2)  # (1, 9, 4C), channel by channel
    theirs = F.linear(norm(unfolded), reduction)
    marker = {"stages.0.blocks.0.attn.w_msa.qkv.weight": torch.zeros(1)}
    names = {"norm.weight": norm.weight, "norm.bias": norm.bias, "reduction.weight": reduction}
    recognised = recognise(marker | {f"stages.0.downsample.{name}": tensor for name, tensor in names.items()})
    ours = PatchMerging(4)
    ours.load_state_dict({name: recognised.tensors[f"layers.0.downsample.{name}"] for name in names})
    assert torch.allclose(ours(x.permute(0, 2, 3, 1)).flatten(1, 2), theirs, atol=1e-5)
