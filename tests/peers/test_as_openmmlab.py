"""Eleven properties that mmdetection's and mmsegmentation's tests ask of their Swin, and nine of mmpretrain's; all but
one hold."""

from dataclasses import replace

import pytest
import torch
from peer_models import SMALL, backbone, classifier, pictures

from swinkit import SWIN_L, SWIN_T, VARIANTS, InputError, SwinConfig, SwinTransformer, load_weights
from swinkit.backbone.table import named_backbone
from swinkit.layers.drop_path import DropPath

# mmdetection, mmsegmentation


def test_oblong_size_that_it_is_made_for() -> None:
    model = backbone(replace(SMALL, image_size=(64, 96), absolute_position_embedding=True))
    assert model.absolute_pos_embed.shape == (1, 8, 16, 24)


def test_depths_and_heads_must_fit() -> None:
    with pytest.raises(InputError, match="same number of stages"):
        replace(SMALL, num_heads=(1, 2))


def test_pyramid_of_swin_t_at_224() -> None:
    with torch.device("meta"):
        features = SwinTransformer(SWIN_T)(torch.empty(1, 3, 224, 224))
    assert [tuple(x.shape) for x in features] == [(1, 96 * 2**i, 56 // 2**i, 56 // 2**i) for i in range(4)]


def test_absolute_position_embedding() -> None:
    model = backbone(replace(SMALL, absolute_position_embedding=True))
    torch.nn.init.normal_(model.absolute_pos_embed)
    assert not torch.allclose(model(pictures())[0], backbone()(pictures())[0], atol=1e-3)


def test_without_the_norm_of_patches() -> None:
    model = backbone(replace(SMALL, patch_norm=False))
    assert model.patch_embed.norm is None and len(model(pictures())) == 3


@pytest.mark.parametrize("size", [(63, 64), (64, 50), (31, 33)])
def test_sides_that_nothing_divides(size: tuple[int, int]) -> None:
    for stride, feature in zip((4, 8, 16), backbone()(pictures(*size)), strict=True):
        assert feature.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))


def test_frozen_stages_do_not_learn() -> None:
    model = backbone(replace(SMALL, frozen_stages=2)).train()
    frozen = [*model.patch_embed.parameters(), *model.stages[0].parameters()]
    assert not any(parameter.requires_grad for parameter in frozen) and not model.stages[0].training
    assert all(parameter.requires_grad for parameter in model.stages[1].parameters())


def test_recomputed_activations_change_nothing() -> None:
    torch.manual_seed(0)
    model = SwinTransformer(SMALL, checkpoint_activations=True).eval()
    assert torch.equal(model(pictures())[-1], backbone()(pictures())[-1])


def test_official_classifiers_weights_start_a_backbone() -> None:
    report = load_weights(backbone(), classifier().state_dict())
    assert {name.split(".")[0] for name in report.missing} == {"norm0", "norm1", "norm2"}
    assert set(report.dropped) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}


def test_bias_tables_are_resized_for_another_window() -> None:
    model = backbone(replace(SMALL, window_size=7))
    report = load_weights(model, backbone().state_dict())
    assert report.resized["layers.0.blocks.0.attn.relative_position_bias_table"] == ((49, 1), (169, 1))


def test_map_smaller_than_the_window() -> None:
    assert [tuple(x.shape[2:]) for x in backbone()(pictures(8, 8))] == [(2, 2), (1, 1), (1, 1)]


# mmpretrain


@pytest.mark.parametrize("name", VARIANTS)
def test_architectures_by_name(name: str) -> None:
    assert named_backbone(name, SwinConfig()) == VARIANTS[name]


def test_a_name_that_is_none() -> None:
    with pytest.raises(InputError, match="there is no backbone 'swin_x'"):
        named_backbone("swin_x", SwinConfig())


def test_architecture_by_its_numbers() -> None:
    assert [len(stage.blocks) for stage in backbone().stages] == [1, 2, 1] and SWIN_L.widths == (192, 384, 768, 1536)


def test_outputs_of_chosen_stages() -> None:
    assert len(backbone(replace(SMALL, out_stages=(1, 2)))(pictures())) == 2


@pytest.mark.xfail(strict=True, reason="a feature is what leaves a stage's blocks, as in the paper's figure 3")
def test_outputs_after_the_merging() -> None:
    backbone(replace(SMALL, out_after_downsample=True))


def test_small_maps_are_padded_or_take_a_smaller_window() -> None:
    dense, published = (backbone(replace(SMALL, geometry=kind)) for kind in ("dense", "classification"))
    features = [model(pictures(12, 12))[0] for model in (dense, published)]
    assert features[0].shape == features[1].shape and not torch.allclose(*features, atol=1e-6)


def test_drop_path_grows_from_block_to_block() -> None:
    model = classifier(replace(SMALL, drop_path_rate=0.3))
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_depth_of_every_layer() -> None:
    models = pytest.importorskip("timm.models")
    depths = models.group_parameters(classifier(), classifier().group_matcher(), reverse=True)
    names = ("patch_embed.proj.weight", "layers.0.blocks.0.norm1.weight", "layers.2.blocks.0.norm1.weight", "head.bias")
    assert [depths[name] for name in names] == [0, 1, 4, 5]


def test_frozen_whole_it_stays_in_evaluation_mode() -> None:
    model = backbone(replace(SMALL, frozen_stages=4)).train()
    assert not any(module.training for stage in model.stages for module in stage.modules())
