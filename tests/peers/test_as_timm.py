"""Thirteen properties that timm's tests ask of every model; twelve hold."""

from dataclasses import replace

import pytest
import torch
from peer_models import SMALL, backbone, classifier, pictures

from swinkit import SwinClassifier, load_weights


def test_logits_are_finite_and_one_for_each_class() -> None:
    logits = classifier()(pictures())
    assert logits.shape == (2, 5) and logits.isfinite().all()


def test_other_and_oblong_sizes_of_image() -> None:
    assert classifier()(pictures(96, 48)).isfinite().all()


def test_every_parameter_gets_a_finite_gradient() -> None:
    model = classifier().train()
    model(pictures()).mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_without_a_classifier_the_features_come_out() -> None:
    model = classifier()
    pooled = model.forward_head(model.forward_features(pictures()), pre_logits=True)
    model.reset_classifier(0)
    assert torch.equal(model(pictures()), pooled) and pooled.shape == (2, model.num_features)


def test_features_unpooled_keep_the_map() -> None:
    assert classifier().forward_features(pictures()).shape == (2, 4, 4, 32)


def test_pyramid_has_the_channels_and_reductions_it_says() -> None:
    model = backbone()
    for feature, channels, stride in zip(model(pictures()), model.channels, model.strides, strict=True):
        assert feature.shape == (2, channels, 64 // stride, 64 // stride)


def test_intermediates_are_one_for_each_stage() -> None:
    last, maps = classifier().forward_intermediates(pictures())
    assert [x.shape[1] for x in maps] == [8, 16, 32] and torch.equal(last, classifier().forward_features(pictures()))


def test_checkpointed_gradients_are_the_same() -> None:
    gradients = []
    for enabled in (False, True):
        model = classifier().train()
        model.checkpoint_activations(enabled)
        model(pictures()).sum().backward()
        gradients.append(model.patch_embed.proj.weight.grad)
    assert torch.allclose(*gradients, atol=1e-6)


@pytest.mark.xfail(strict=True, reason="torch deprecates TorchScript; swinkit goes to torch.export, and traces")
def test_compiles_as_torchscript() -> None:
    torch.jit.script(classifier())


def test_fx_gives_the_same() -> None:
    model = classifier()
    assert torch.equal(torch.fx.symbolic_trace(model)(pictures()), model(pictures()))


def test_fx_gives_every_gradient() -> None:
    model = torch.fx.symbolic_trace(classifier())
    model(pictures()).mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("channels", [1, 4])
def test_other_image_channels(channels: int) -> None:
    model = classifier(replace(SMALL, in_channels=channels))
    load_weights(model, classifier().state_dict(), adapt_channels=True)
    assert model(pictures(channels=channels)).isfinite().all()


def test_weights_of_another_size_and_window() -> None:
    larger = SwinClassifier(replace(SMALL, window_size=6, image_size=(96, 96)), num_classes=5)
    assert load_weights(larger, classifier().state_dict()).resized
    assert larger(pictures(96, 96)).isfinite().all()
