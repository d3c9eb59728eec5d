"""Loading is all or nothing, and the report tells what became of every tensor."""

from dataclasses import replace
from pathlib import Path

import pytest
import small_models
import torch
from small_models import CONFIG
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig
from swinkit.errors import InputError
from swinkit.weights.load import load_weights
from swinkit.weights.save import save_weights

Tensors = dict[str, Tensor]


def copied(model: nn.Module) -> Tensors:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_refused(model: nn.Module, weights: Tensors, *phrases: str, **options: object) -> None:
    """An InputError with these phrases, and a model that is as before."""
    before = copied(model)
    with pytest.raises(InputError) as caught:
        load_weights(model, weights, **options)
    for phrase in phrases:
        assert phrase in str(caught.value)
    assert small_models.same_tensors(before, copied(model))


class Segmentor(nn.Module):
    """A backbone with something like an official head beside it."""

    def __init__(self, classes: int = 4, seed: int = 5) -> None:
        super().__init__()
        self.backbone = small_models.backbone(seed=seed)
        self.decode_head = nn.ModuleDict({"conv_seg": nn.Conv2d(8, classes, 1), "bn": nn.BatchNorm2d(8)})


def test_a_file_of_the_same_model(tmp_path: Path) -> None:
    theirs, ours = small_models.classifier(seed=1), small_models.classifier(seed=2)
    path = save_weights(tmp_path / "w.safetensors", theirs.state_dict(), {})
    report = load_weights(ours, path)
    assert small_models.same_tensors(copied(ours), copied(theirs))
    assert set(report.loaded) == set(ours.state_dict())
    assert not (report.missing or report.dropped or report.resized)


def test_a_classifier_into_a_pyramid() -> None:
    classifier, pyramid = small_models.classifier(), small_models.backbone()
    norms = {name for name in pyramid.state_dict() if name.startswith("norm")}
    before = copied(pyramid)
    report = load_weights(pyramid, classifier.state_dict())
    assert set(report.missing) == norms
    assert set(report.dropped) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert all(torch.equal(pyramid.state_dict()[name], before[name]) for name in norms)
    assert torch.equal(pyramid.patch_embed.proj.weight, classifier.patch_embed.proj.weight)
    assert "left as they were: norm0, norm1, norm2" in str(report)


def test_the_summary_names_a_buffer_of_many_blocks_once() -> None:
    weights = copied(small_models.classifier())
    report = load_weights(small_models.classifier(), weights | small_models.official_buffers(weights))
    assert str(report) == "official weights: 92 tensors loaded; 9 not needed (relative_position_index, attn_mask)"


def test_a_pyramid_into_a_classifier() -> None:
    report = load_weights(small_models.classifier(), small_models.backbone().state_dict())
    assert set(report.missing) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert {name.split(".")[0] for name in report.dropped} == {"norm0", "norm1", "norm2"}


def test_half_a_norm_is_an_error() -> None:
    weights = copied(small_models.classifier())
    del weights["norm.bias"]
    assert_refused(small_models.classifier(seed=9), weights, "norm.bias (96,) of the model is not in the weights")


def test_a_segmentor_gives_its_backbone_to_a_backbone() -> None:
    segmentor, pyramid, classifier = Segmentor(), small_models.backbone(), small_models.classifier()
    report = load_weights(pyramid, segmentor.state_dict())
    assert small_models.same_tensors(copied(pyramid), copied(segmentor.backbone))
    assert "decode_head.conv_seg.weight" in report.dropped
    assert "decode_head.bn.running_mean" in load_weights(classifier, segmentor.state_dict()).dropped


def test_a_segmentor_into_a_segmentor() -> None:
    theirs, ours = Segmentor(seed=5), Segmentor(seed=6)
    theirs.decode_head["bn"].running_var.fill_(3)
    weights = copied(theirs)
    del weights["decode_head.bn.num_batches_tracked"]  # files of old PyTorch versions do without
    report = load_weights(ours, {f"module.{name}": tensor for name, tensor in weights.items()})
    assert ours.decode_head["bn"].running_var[0] == 3
    assert report.missing == ("decode_head.bn.num_batches_tracked",)


def test_an_auxiliary_head_may_be_left_out_but_a_layer_may_not() -> None:
    weights = copied(Segmentor())
    report = load_weights(Segmentor(), weights | {"auxiliary_head.conv_seg.weight": torch.ones(1)})
    assert report.dropped == ("auxiliary_head.conv_seg.weight",)
    extra = {"decode_head.bn.1.weight": torch.ones(1)}
    assert_refused(Segmentor(), weights | extra, "decode_head.bn.1.weight (1,) of the weights is not in the model")


def test_a_classifier_into_a_segmentor_is_told_where_to_go() -> None:
    assert_refused(Segmentor(), copied(small_models.classifier()), "load it into model.backbone")


def test_a_segmentors_classes() -> None:
    weights = copied(Segmentor(classes=7))
    assert_refused(Segmentor(classes=4), weights, "conv_seg.weight is (7, 8, 1, 1) in the weights", "replace_head=True")
    ours = Segmentor(classes=4)
    before = copied(ours)["decode_head.conv_seg.weight"]
    report = load_weights(ours, weights, replace_head=True)
    assert report.missing == ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")
    assert report.dropped == report.missing
    assert torch.equal(before, ours.decode_head["conv_seg"].weight)


@pytest.mark.parametrize("shallow_first", [True, False])
def test_other_depths_are_refused_both_ways(shallow_first: bool) -> None:
    deep, shallow = small_models.classifier(replace(CONFIG, depths=(2, 4, 2))), small_models.classifier()
    source, target = (shallow, deep) if shallow_first else (deep, shallow)
    phrase = "of the model is not in the weights" if shallow_first else "of the weights is not in the model"
    assert_refused(target, copied(source), f"layers.1.blocks.2.norm1.weight (48,) {phrase}", "and 23 more")


def test_another_width_names_both_shapes() -> None:
    wide = small_models.classifier(SwinConfig(embed_dim=32, depths=(2, 2, 2), num_heads=(1, 2, 4)))
    phrases = (
        "patch_embed.proj.weight is (32, 3, 4, 4) in the weights and (24, 3, 4, 4) in the model",
        "patch_embed.proj.bias is (32,) in the weights and (24,) in the model",
        "patch_embed.norm.weight is (32,) in the weights",
        "build the model that these weights belong to",
    )
    assert_refused(small_models.classifier(), copied(wide), *phrases)


def test_other_options_are_refused() -> None:
    with_position = small_models.classifier(replace(CONFIG, absolute_position_embedding=True))
    without_bias = small_models.classifier(replace(CONFIG, qkv_bias=False))
    without_patch_norm = small_models.classifier(replace(CONFIG, patch_norm=False))
    plain = small_models.classifier()
    assert_refused(plain, copied(with_position), "absolute_pos_embed (1, 24, 28, 28) of the weights")
    assert_refused(with_position, copied(plain), "absolute_pos_embed (1, 24, 28, 28) of the model")
    assert_refused(without_bias, copied(plain), "attn.qkv.bias (72,) of the weights is not in the model")
    assert_refused(without_patch_norm, copied(plain), "patch_embed.norm.weight (24,) of the weights")


def test_another_window_is_resized_and_reported() -> None:
    model = small_models.classifier(replace(CONFIG, window_size=6, image_size=(96, 96)))
    report = load_weights(model, small_models.classifier().state_dict())
    assert set(report.resized) == {name for name in model.state_dict() if name.endswith("bias_table")}
    assert report.resized["layers.0.blocks.1.attn.relative_position_bias_table"] == ((169, 1), (121, 1))
    assert "6 resized (such as layers.0.blocks.0.attn.relative_position_bias_table (169, 1) -> (121, 1))" in str(report)


def test_another_grid_is_resized_but_another_layout_is_not_called_so() -> None:
    config = replace(CONFIG, absolute_position_embedding=True)
    theirs, same = small_models.classifier(config), small_models.classifier(config, seed=8)
    weights = copied(theirs)
    weights["absolute_pos_embed"] = weights["absolute_pos_embed"].flatten(2).transpose(1, 2)  # official: (1, L, C)
    assert not load_weights(same, weights).resized
    assert torch.equal(same.absolute_pos_embed, theirs.absolute_pos_embed)
    larger = small_models.classifier(replace(config, image_size=(224, 168)))
    assert load_weights(larger, weights).resized == {"absolute_pos_embed": ((1, 784, 24), (1, 24, 56, 42))}


def test_other_image_channels_only_when_asked() -> None:
    weights = copied(small_models.classifier())
    grey = small_models.classifier(replace(CONFIG, in_channels=1))
    assert_refused(grey, weights, "patch_embed.proj.weight is (24, 3, 4, 4)", "pass adapt_channels=True")
    report = load_weights(grey, weights, adapt_channels=True)
    assert report.resized == {"patch_embed.proj.weight": ((24, 3, 4, 4), (24, 1, 4, 4))}
    assert torch.allclose(grey.patch_embed.proj.weight[:, 0], weights["patch_embed.proj.weight"].sum(1))


def test_other_classes_only_when_asked() -> None:
    weights = copied(small_models.classifier(classes=5))
    assert_refused(small_models.classifier(classes=3), weights, "head.weight is (5, 96)", "pass replace_head=True")
    ours = small_models.classifier(classes=3)
    before = copied(ours)
    report = load_weights(ours, weights, replace_head=True)
    assert report.missing == ("head.weight", "head.bias")
    assert torch.equal(ours.head.weight, before["head.weight"])
    assert torch.equal(ours.norm.weight, weights["norm.weight"])
    same = small_models.classifier(classes=5, seed=7)
    assert not load_weights(same, weights, replace_head=True).missing  # nothing to replace


def test_a_model_without_head_takes_a_file_with_one() -> None:
    model = small_models.classifier(classes=0)
    assert load_weights(model, small_models.classifier().state_dict()).dropped == ("head.weight", "head.bias")


def test_a_class_map_picks_rows() -> None:
    weights, ours = copied(small_models.classifier(classes=9)), small_models.classifier(classes=3)
    load_weights(ours, weights, class_map=[8, 0, 4])
    assert torch.equal(ours.head.weight, weights["head.weight"][[8, 0, 4]])
    assert torch.equal(ours.head.bias, weights["head.bias"][[8, 0, 4]])
    assert_refused(small_models.classifier(classes=4), weights, "head.weight is (3, 96)", class_map=[8, 0, 4])
    assert_refused(ours, copied(small_models.backbone()), "have none", class_map=[0])


def test_half_precision_files_are_cast(tmp_path: Path) -> None:
    theirs, ours = small_models.classifier(), small_models.classifier(seed=4)
    path = save_weights(tmp_path / "w.safetensors", {n: t.half() for n, t in theirs.state_dict().items()}, {})
    load_weights(ours, path)
    assert {tensor.dtype for tensor in ours.state_dict().values()} == {torch.float32}
    assert torch.equal(ours.head.weight, theirs.head.weight.half().float())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    weights = copied(small_models.classifier())
    weights["layers.2.blocks.1.mlp.fc2.bias"][3] = value
    assert_refused(small_models.classifier(seed=3), weights, "layers.2.blocks.1.mlp.fc2.bias", "NaN or infinite")


def test_values_beyond_the_models_dtype_are_refused() -> None:
    weights = copied(small_models.classifier())
    weights["norm.weight"][0] = 1e6
    assert_refused(small_models.classifier().half(), weights, "norm.weight", "torch.float16")


def test_values_whose_sum_is_beyond_the_dtype_are_fine() -> None:
    weights = copied(small_models.classifier())
    weights["norm.weight"].fill_(3e38)
    assert not load_weights(small_models.classifier(), weights).missing


def test_integers_are_no_weights() -> None:
    weights = copied(small_models.classifier())
    weights["norm.weight"] = weights["norm.weight"].to(torch.int8)
    assert_refused(small_models.classifier(), weights, "norm.weight is (96,) int8 in the weights")


def test_another_network() -> None:
    weights = {"conv1.weight": torch.ones(2), "fc.weight": torch.ones(2)}
    assert_refused(small_models.classifier(), weights, "no known Swin (conv1.weight, fc.weight)")


def test_a_model_that_is_no_swin_takes_its_own_weights() -> None:
    """A detector on another backbone, say: names that are the same need no renaming."""
    theirs, ours = nn.Linear(3, 2), nn.Linear(3, 2)
    assert load_weights(ours, theirs.state_dict()).format == "unknown"
    assert torch.equal(ours.weight, theirs.weight)


def test_frozen_and_training_state_stay() -> None:
    model = small_models.backbone().train()
    model.patch_embed.requires_grad_(False)
    load_weights(model, small_models.backbone(seed=6).state_dict())
    assert model.training
    assert not model.patch_embed.proj.weight.requires_grad
    assert model.norm0.weight.requires_grad
