"""The classifier: pooling, head, descriptions, files and errors."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from swinkit import InputError, SwinClassifier, SwinConfig

SMALL = SwinConfig(embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4, image_size=(32, 32))


def test_logits_are_the_head_of_the_mean_of_the_normalised_last_map() -> None:
    model = SwinClassifier(SMALL, num_classes=5).eval()
    images = torch.randn(2, 3, 37, 50)
    last = F.layer_norm(model.last_map(images), (16,))
    assert torch.allclose(model.forward_features(images), last, atol=1e-5)
    pooled = last.flatten(1, 2).mean(1)
    assert torch.allclose(model.forward_head(last, pre_logits=True), pooled, atol=1e-5)
    assert torch.allclose(model(images), F.linear(pooled, model.head.weight, model.head.bias), atol=1e-5)


def test_both_ways_through_the_stages_agree() -> None:
    model = SwinClassifier(SMALL).eval()
    images = torch.randn(1, 3, 40, 40)
    assert torch.equal(list(model.stage_maps(images))[-1], model.last_map(images))


@pytest.mark.parametrize("size", [(32, 32), (4, 4), (5, 90), (91, 6), (64, 48)])
def test_any_image_of_a_patch_or_more(size: tuple[int, int]) -> None:
    model = SwinClassifier(SMALL, num_classes=7)
    images = torch.randn(2, 3, *size)
    logits = {}
    for backend in ("reference", "matmul", "sdpa", "cpu"):
        model.use_attention(backend)
        logits[backend] = model(images)
    assert logits["reference"].shape == (2, 7)
    assert all(torch.allclose(value, logits["reference"], atol=1e-5) for value in logits.values())


def test_no_classes_means_pooled_features() -> None:
    model = SwinClassifier(SMALL, num_classes=0).eval()
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(images), model.forward_features(images).mean((1, 2)))
    assert not any(name.startswith("head") for name in model.state_dict())


def test_another_head() -> None:
    model = SwinClassifier(SMALL, num_classes=5).double()
    others = {name: p for name, p in copy.deepcopy(model.state_dict()).items() if not name.startswith("head")}
    model.reset_classifier(9)
    assert model.num_classes == 9
    assert model.head.weight.dtype == torch.float64
    assert model.head.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert model(torch.randn(2, 3, 32, 32, dtype=torch.float64)).shape == (2, 9)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in others.items())
    assert all(parameter.requires_grad for parameter in model.head.parameters())
    model.reset_classifier(0)
    assert isinstance(model.head, nn.Identity)


@pytest.mark.parametrize("num_classes", [-1, -1000])
def test_a_negative_number_of_classes_is_refused(num_classes: int) -> None:
    with pytest.raises(InputError, match="must be 0"):
        SwinClassifier(SMALL, num_classes=num_classes)
    with pytest.raises(InputError, match="must be 0"):
        SwinClassifier(SMALL).reset_classifier(num_classes)


def test_a_description_builds_the_same_model() -> None:
    config = replace(SMALL, absolute_position_embedding=True, qk_scale=0.3, drop_path_rate=0.1, geometry="dense")
    model = SwinClassifier(config, num_classes=6)
    twin = SwinClassifier.from_description(model.description())
    assert (twin.config, twin.num_classes, twin.geometry) == (config, 6, "dense")
    assert twin.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    "change",
    [
        {"task": "detection"},
        {"num_classes": None},
        {"backbone": None},
        {"backbone": {"architecture": "swin", "config": {"depth": 3}}},
        {"backbone": {"architecture": "timm", "config": {}}},
    ],
)
def test_a_description_of_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        SwinClassifier.from_description(SwinClassifier(SMALL).description() | change)


def test_a_saved_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = SwinClassifier(SMALL, num_classes=2).eval()
    model.known = {"classes": ["cat", "dog"], "preprocessing": {"image_size": 32}, "results": {"val/top1": 0.5}}
    folder = model.save_pretrained(tmp_path / "model")
    images = torch.randn(1, 3, 40, 40)
    for source in (folder, folder / "model.safetensors"):
        again = SwinClassifier.from_pretrained(source)
        assert torch.equal(again(images), model(images))
        assert again.description() == model.description()
    assert "classes" not in replaced_head(again).description()
    save_file(model.state_dict(), tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="does not describe its model"):
        SwinClassifier.from_pretrained(tmp_path / "foreign.safetensors")


def replaced_head(model: SwinClassifier) -> SwinClassifier:
    model.reset_classifier(7)
    return model


def test_fake_tensors_tell_shapes_and_spoil_nothing() -> None:
    config = replace(SMALL, window_size=5)  # a window that no other test has put into the caches
    model = SwinClassifier(config, num_classes=10).eval()
    images = torch.randn(2, 3, 50, 61)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert model(mode.from_tensor(images)).shape == (2, 10)
    model.use_attention("reference")
    expected = model(images)
    for backend in ("matmul", "sdpa", "cpu"):
        model.use_attention(backend)
        assert type(model(images)) is Tensor
        assert torch.allclose(model(images), expected, atol=1e-6)
