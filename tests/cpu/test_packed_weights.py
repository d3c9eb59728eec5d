"""Weights in oneDNN's layout: never old ones, and gone with their model."""

import copy
import gc
import weakref

import pytest
import torch

from swinkit import SwinClassifier, SwinConfig
from swinkit.compilation import compile_model
from swinkit.cpu import packed_weights

DEEP = SwinConfig(embed_dim=8, depths=(2, 10), num_heads=(1, 2), window_size=4, image_size=(64, 64))


@pytest.mark.parametrize("change", ["in place", "through .data", "another tensor"])
@torch.no_grad()
def test_changed_weights_are_packed_again(change: str) -> None:
    torch.manual_seed(0)
    model = compile_model(SwinClassifier(DEEP, num_classes=3).eval())
    images = torch.randn(2, 3, 64, 64)
    before = model(images)
    assert torch.equal(model(images), before)
    for parameter in model.parameters():
        if change == "in place":
            parameter.mul_(1.1)
        elif change == "through .data":
            parameter.data.mul_(1.1)
        else:
            parameter.data = parameter.data * 1.1
    assert not torch.allclose(model(images), before, atol=1e-3)
    assert torch.allclose(model(images), copy.deepcopy(model)(images), atol=1e-6)


@torch.no_grad()
def test_packed_weights_go_with_their_model() -> None:
    model = compile_model(SwinClassifier(DEEP, num_classes=3).eval())
    model(torch.randn(1, 3, 64, 64))
    known = [packed_weights._packed.get(parameter) for parameter in model.parameters()]
    kept = [weakref.ref(each.weight) for each in known if each is not None and each.weight.numel() > 0]
    assert len(kept) >= 4 * sum(DEEP.depths), "qkv, proj, fc1 and fc2 of every block"
    del model, known
    gc.collect()
    assert all(weight() is None for weight in kept)
