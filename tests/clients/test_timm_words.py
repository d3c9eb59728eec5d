"""A classifier under timm's words, beside timm's own model with the same weights."""

import pytest
import torch
from torch import nn

from swinkit import InputError, SwinClassifier, SwinConfig, SwinTransformer, load_weights

timm = pytest.importorskip("timm")

SMALL = SwinConfig(embed_dim=16, depths=(2, 1, 2), num_heads=(1, 2, 4), window_size=4, image_size=(64, 64))


@pytest.fixture(scope="module")
def pair() -> tuple[SwinClassifier, nn.Module]:
    torch.manual_seed(0)
    theirs = timm.models.SwinTransformer(
        img_size=64, embed_dim=16, depths=(2, 1, 2), num_heads=(1, 2, 4), window_size=4, num_classes=5
    ).eval()
    ours = SwinClassifier(SMALL, num_classes=5).eval()
    load_weights(ours, theirs.state_dict())
    return ours, theirs


IMAGES = torch.randn(2, 3, 64, 64)


def test_features_and_head(pair: tuple[SwinClassifier, nn.Module]) -> None:
    ours, theirs = pair
    features = theirs.forward_features(IMAGES)
    assert torch.allclose(ours.forward_features(IMAGES), features, atol=1e-5)
    for pre_logits in (False, True):
        expected = theirs.forward_head(features, pre_logits=pre_logits)
        assert torch.allclose(ours.forward_head(features, pre_logits=pre_logits), expected, atol=1e-5)
    assert ours.num_features == theirs.num_features == 64
    assert ours.get_classifier() is ours.head


@pytest.mark.parametrize("indices", [None, 1, 2, [0, 2], [-1], (0,)])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("stop_early", [False, True])
def test_intermediates(pair: tuple[SwinClassifier, nn.Module], indices: object, norm: bool, stop_early: bool) -> None:
    found, expected = (model.forward_intermediates(IMAGES, indices, norm=norm, stop_early=stop_early) for model in pair)
    assert torch.allclose(found[0], expected[0], atol=1e-5)
    assert len(found[1]) == len(expected[1])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found[1], expected[1], strict=True))
    alone = pair[0].forward_intermediates(IMAGES, indices, norm=norm, intermediates_only=True)
    assert all(torch.equal(a, b) for a, b in zip(alone, found[1], strict=True))


@pytest.mark.parametrize("indices", [4, 0, [3], [-4], []])
def test_stages_that_do_not_exist(indices: object) -> None:
    with pytest.raises(InputError, match="there are stages 0 to 2"):
        SwinClassifier(SMALL).forward_intermediates(IMAGES, indices)


def test_another_classifier() -> None:
    model = SwinClassifier(SMALL, num_classes=5)
    model.reset_classifier(7, "avg")
    assert model(IMAGES).shape == (2, 7)
    model.reset_classifier(0)
    assert isinstance(model.get_classifier(), nn.Identity)
    with pytest.raises(InputError, match="pools by 'avg', not by 'max'"):
        model.reset_classifier(7, "max")


def test_layer_decay_has_timms_groups(pair: tuple[SwinClassifier, nn.Module]) -> None:
    """Every parameter learns at the rate that timm gives its own, with the same weight decay."""
    from timm.optim import param_groups_layer_decay

    def rates(model: nn.Module) -> dict[str, tuple[float, float]]:
        groups = param_groups_layer_decay(
            model, weight_decay=0.05, layer_decay=0.5, no_weight_decay_list=model.no_weight_decay()
        )
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        return {names[id(p)]: (g["lr_scale"], g["weight_decay"]) for g in groups for p in g["params"]}

    def official(name: str) -> str:
        for stage in (1, 2):
            name = name.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample ")
        return name.replace("downsample ", "downsample").replace("head.fc", "head")

    ours, theirs = map(rates, pair)
    assert ours == {official(name): rate for name, rate in theirs.items()}
    assert len({scale for scale, _ in ours.values()}) == 7


def test_layers_of_a_backbone() -> None:
    from timm.models import group_parameters

    model = SwinTransformer(SMALL)
    fine = group_parameters(model, model.group_matcher(), reverse=True)
    assert fine["patch_embed.proj.weight"] == 0
    assert fine["layers.0.downsample.reduction.weight"] == fine["layers.1.blocks.0.norm1.weight"] == 3
    assert fine["norm0.weight"] == fine["layers.2.blocks.1.norm1.weight"] == 5
    coarse = group_parameters(model, model.group_matcher(coarse=True), reverse=True)
    assert coarse["layers.2.blocks.1.norm1.weight"] == 3
    assert "layers.0.blocks.0.attn.relative_position_bias_table" in model.no_weight_decay()


def test_stages_counted_from_the_end() -> None:
    assert SwinConfig(out_stages=(-1,)) == SwinConfig(out_stages=(3,))
    (feature,) = SwinTransformer(SwinConfig(**{**vars(SMALL), "out_stages": (-1,)}))(IMAGES)
    assert feature.shape == (2, 64, 4, 4)
