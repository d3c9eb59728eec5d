"""Formats are told by names, whatever is wrapped around them, with and without heads."""

import pytest
import small_models
import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.weights.formats import recognise

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights() -> Tensors:
    """An official classifier."""
    return small_models.classifier().state_dict()


@pytest.fixture(scope="module")
def dense() -> Tensors:
    """An official feature pyramid."""
    return small_models.backbone().state_dict()


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def headless(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(("norm", "head"))}


def test_official_buffers_are_dropped(weights: Tensors) -> None:
    buffers = small_models.official_buffers(weights)
    recognised = recognise(weights | buffers)
    assert recognised.format == "official"
    assert small_models.same_tensors(recognised.tensors, weights)
    assert set(recognised.dropped) == set(buffers)


def test_data_parallel_and_compile_prefixes_go(weights: Tensors) -> None:
    for prefix in ("module.", "_orig_mod.", "model."):
        assert small_models.same_tensors(recognise(prefixed(weights, prefix)).tensors, weights)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_detectors_keep_their_prefixes(dense: Tensors, prefix: str) -> None:
    whole = prefixed(dense, "backbone.") | {"neck.lateral_convs.0.conv.weight": torch.ones(4, 4, 1, 1)}
    recognised = recognise(prefixed(whole, prefix))
    assert recognised.is_whole_model
    assert small_models.same_tensors(recognised.tensors, whole)


def test_simmim_keeps_the_encoder_alone(weights: Tensors) -> None:
    encoder = prefixed(headless(weights), "encoder.")
    other = {"encoder.mask_token": torch.zeros(1, 1, 24), "decoder.0.weight": torch.zeros(3, 3)}
    recognised = recognise(encoder | other)
    assert small_models.same_tensors(recognised.tensors, headless(weights))
    assert set(recognised.dropped) == set(other)


def test_moby_keeps_the_online_branch(weights: Tensors) -> None:
    online, momentum = prefixed(headless(weights), "encoder."), prefixed(headless(weights), "encoder_k.")
    momentum = {name: tensor + 1 for name, tensor in momentum.items()}
    recognised = recognise(momentum | online | {"projector.fc.weight": torch.zeros(2, 2)})
    assert small_models.same_tensors(recognised.tensors, headless(weights))


@pytest.mark.parametrize("is_headless", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_new_timm_files_are_told_by_where_the_merging_sits(is_headless: bool, prefix: str) -> None:
    model = small_models.timm_classifier()
    tensors = headless(model.state_dict()) if is_headless else model.state_dict()
    recognised = recognise(prefixed(tensors, prefix))
    front = "backbone." if prefix == "backbone." else ""
    assert recognised.format == "timm"
    merging = {name for name in recognised.tensors if name.endswith("downsample.reduction.weight")}
    assert merging == {f"{front}layers.{stage}.downsample.reduction.weight" for stage in (0, 1)}
    assert torch.equal(
        recognised.tensors[f"{front}layers.0.downsample.norm.bias"], model.state_dict()["layers.1.downsample.norm.bias"]
    )


def test_old_timm_files_are_official_even_without_a_head(weights: Tensors) -> None:
    recognised = recognise(headless(weights))
    assert recognised.format == "official"
    assert small_models.same_tensors(recognised.tensors, headless(weights))


def test_timm_features_only(weights: Tensors) -> None:
    new = headless(small_models.timm_classifier().state_dict())
    flat = {name.replace("layers.", "layers_", 1): tensor for name, tensor in new.items()}
    assert small_models.same_tensors(recognise(flat).tensors, recognise(new).tensors)


def test_detectron2_gives_the_backbone(dense: Tensors) -> None:
    other = {"backbone.fpn_lateral2.weight": torch.ones(1), "roi_heads.box_head.fc1.weight": torch.ones(1)}
    recognised = recognise(prefixed(dense, "backbone.bottom_up.") | other)
    assert recognised.format == "detectron2"
    assert small_models.same_tensors(recognised.tensors, prefixed(dense, "backbone."))
    assert set(recognised.dropped) == set(other)


def test_openmmlab_detectors_keep_their_heads(dense: Tensors) -> None:
    heads = {"decode_head.conv_seg.weight": torch.ones(3, 4, 1, 1)}
    recognised = recognise(prefixed(small_models.openmmlab_names(dense), "backbone.") | heads)
    assert recognised.format == "openmmlab"
    assert small_models.same_tensors(recognised.tensors, prefixed(dense, "backbone.") | heads)


def test_mmpretrain_classifiers_lose_their_prefix(weights: Tensors) -> None:
    """Their last output norm is the norm before the head."""

    def their_name(name: str) -> str:
        if name.startswith("head."):
            return name.replace("head.", "head.fc.")
        return "backbone." + (name.replace("norm.", "norm2.") if name.startswith("norm.") else name)

    their = {their_name(name): t for name, t in small_models.openmmlab_names(weights).items()}
    assert small_models.same_tensors(recognise(their).tensors, weights)


def test_transformers_masked_image_models_lose_their_decoder() -> None:
    import transformers

    model = transformers.SwinForMaskedImageModeling(small_models.transformers_config())
    recognised = recognise(model.state_dict())
    expected = small_models.classifier().state_dict().keys() - {"head.weight", "head.bias"}
    assert recognised.tensors.keys() == expected
    assert "decoder.0.weight" in recognised.dropped


def test_half_a_transformers_attention_is_an_error() -> None:
    tensors = dict(small_models.transformers_classifier().state_dict())
    del tensors["swin.encoder.layers.1.blocks.0.attention.k_proj.bias"]
    with pytest.raises(InputError, match=r"layers\.1\.blocks\.0\.attn\.key\.bias"):
        recognise(tensors)


def test_swinkit_files_are_taken_as_they_are() -> None:
    tensors = {"anything.weight": torch.ones(1), "layers.0.blocks.0.attn.attn_mask": torch.ones(1)}
    recognised = recognise(tensors, {"format": "swinkit"})
    assert recognised.format == "swinkit"
    assert recognised.tensors.keys() == tensors.keys()


def test_other_networks_are_unknown() -> None:
    convnext = {"features.0.0.weight": torch.ones(1), "features.1.0.block.0.weight": torch.ones(1)}
    vit = {"patch_embed.proj.weight": torch.ones(1), "blocks.0.attn.qkv.weight": torch.ones(1)}
    for tensors in (convnext, vit):
        assert recognise(tensors).format == "unknown"


def test_swin_v2_and_two_swins_are_errors(weights: Tensors) -> None:
    with pytest.raises(InputError, match="Swin V2"):
        recognise(weights | {"layers.0.blocks.0.attn.logit_scale": torch.ones(1)})
    with pytest.raises(InputError, match=r"several Swins, under 'student\.', 'teacher\.'"):
        recognise(prefixed(weights, "student.") | prefixed(weights, "teacher."))
