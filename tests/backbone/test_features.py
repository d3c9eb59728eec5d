"""The feature pyramid: what it promises beside its outputs, frozen stages, and no state."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from swinkit import InputError, SwinConfig, SwinTransformer
from swinkit.layers.drop_path import DropPath

SMALL = SwinConfig(embed_dim=8, depths=(2, 1, 2), num_heads=(1, 2, 4), window_size=4, image_size=(32, 32))
POSITIONED = replace(SMALL, absolute_position_embedding=True, drop_path_rate=0.5, drop_rate=0.3)


@pytest.mark.parametrize("out_stages", [None, (0,), (2,), (0, 2), (1, 2)])
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (5, 3)])
def test_shapes_are_what_channels_and_strides_say(size: tuple[int, int], out_stages: tuple[int, ...] | None) -> None:
    model = SwinTransformer(replace(SMALL, out_stages=out_stages))
    stages = (0, 1, 2) if out_stages is None else out_stages
    assert model.channels == tuple((8, 16, 32)[stage] for stage in stages)
    assert model.strides == tuple((4, 8, 16)[stage] for stage in stages)
    features = model(torch.randn(2, 3, *size))
    assert isinstance(features, list)
    for feature, channels, stride in zip(features, model.channels, model.strides, strict=True):
        assert feature.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        assert feature.is_contiguous(memory_format=torch.channels_last)


def test_each_feature_has_a_norm_of_its_own() -> None:
    model = SwinTransformer(replace(SMALL, out_stages=(0, 2))).eval()
    assert {name.split(".")[0] for name in model.state_dict()} == {"patch_embed", "layers", "norm0", "norm2"}
    images = torch.randn(1, 3, 40, 40)
    maps = list(model.stage_maps(images))
    features = model(images)
    assert torch.allclose(features[1], F.layer_norm(maps[2], (32,)).permute(0, 3, 1, 2), atol=1e-5)
    with torch.no_grad():
        model.norm0.bias += 1
    assert torch.allclose(model(images)[0], features[0] + 1, atol=1e-5)
    assert torch.equal(model(images)[1], features[1])


def test_stages_behind_the_last_output_are_not_computed() -> None:
    model = SwinTransformer(replace(SMALL, out_stages=(0,)))
    model.stages[1].register_forward_pre_hook(lambda *_: pytest.fail("stage 1 was computed"))
    model.stages[0].downsample.register_forward_pre_hook(lambda *_: pytest.fail("a map was merged for nothing"))
    assert len(model(torch.randn(1, 3, 32, 32))) == 1


@pytest.mark.parametrize("out_stages", [(), (3,), (-4,), (-1, 0), (1, 0), (0, 0), (0, 5)])
def test_stages_that_do_not_exist_are_refused(out_stages: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="must be ascending stages"):
        SwinTransformer(replace(SMALL, out_stages=out_stages))


FROZEN = {
    -1: (),
    0: ("patch_embed.",),
    1: ("patch_embed.", "absolute_pos_embed"),
    2: ("patch_embed.", "absolute_pos_embed", "layers.0."),
    3: ("patch_embed.", "absolute_pos_embed", "layers.0.", "layers.1."),
    9: ("patch_embed.", "absolute_pos_embed", "layers."),
}


@pytest.mark.parametrize("frozen_stages", FROZEN)
def test_frozen_parameters_by_the_official_counting(frozen_stages: int) -> None:
    model = SwinTransformer(replace(POSITIONED, frozen_stages=frozen_stages))
    is_trained = {name: not name.startswith(FROZEN[frozen_stages]) for name, _ in model.named_parameters()}
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == is_trained
    torch.stack([feature.square().mean() for feature in model(torch.randn(1, 3, 32, 32))]).sum().backward()
    has_gradient = {name: parameter.grad is not None for name, parameter in model.named_parameters()}
    assert has_gradient == is_trained


@pytest.mark.parametrize("frozen_stages", FROZEN)
def test_frozen_parts_stay_in_evaluation_mode(frozen_stages: int) -> None:
    model = SwinTransformer(replace(POSITIONED, frozen_stages=frozen_stages))
    assert model.train() is model
    parts = {"patch_embed": model.patch_embed, "pos_drop": model.pos_drop}
    parts |= {f"layers.{number}": stage for number, stage in enumerate(model.stages)}
    in_evaluation = {"patch_embed"} if frozen_stages >= 0 else set()
    if frozen_stages >= 2:
        in_evaluation |= {"pos_drop", *(f"layers.{stage}" for stage in range(min(3, frozen_stages - 1)))}
    for name, part in parts.items():
        assert all(module.training == (name not in in_evaluation) for module in part.modules()), name
    assert model.norm0.training
    assert not any(module.training for module in model.eval().modules())


def test_nothing_random_is_left_in_what_is_frozen() -> None:
    model = SwinTransformer(replace(POSITIONED, frozen_stages=3)).train()
    images = torch.randn(4, 3, 32, 32)
    first, second = model(images), model(images)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[2], second[2])
    assert any(isinstance(module, DropPath) and module.rate > 0 for module in model.stages[1].modules())


@pytest.mark.parametrize("backend", ["reference", "matmul", "sdpa", "cpu"])
def test_changing_sizes_back_and_forth_changes_nothing(backend: str) -> None:
    for model in (
        SwinTransformer(SMALL, attention_backend=backend),
        SwinTransformer(replace(SMALL, geometry="classification")),
    ):
        state = copy.deepcopy(model.state_dict())
        images = [torch.randn(2, 3, *size) for size in ((64, 64), (9, 50), (37, 41), (5, 5), (128, 16))]
        before = [model.eval()(x) for x in images]
        model.train()(images[2])
        after = [model.eval()(x) for x in reversed(images)]
        for old, new in zip(before, reversed(after), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(old, new, strict=True))
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
        assert not list(model.buffers())


def test_an_image_gives_the_same_features_alone_and_in_a_batch() -> None:
    model = SwinTransformer(SMALL).eval()
    images = torch.randn(3, 3, 45, 38)
    together = model(images)
    for number in range(3):
        alone = model(images[number : number + 1])
        assert all(torch.allclose(a[0], b[number], atol=1e-5) for a, b in zip(alone, together, strict=True))


def test_padding_of_the_image_is_that_of_the_dense_code() -> None:
    model = SwinTransformer(SMALL).eval()
    images = torch.randn(1, 3, 30, 41)
    padded = model(F.pad(images, (0, 3, 0, 2)))
    assert all(torch.equal(a, b) for a, b in zip(model(images), padded, strict=True))


def test_channels_last_images_and_odd_strides_are_welcome() -> None:
    model = SwinTransformer(SMALL).eval()
    images = torch.randn(2, 3, 40, 48)
    expected = model(images)
    strided = torch.randn(2, 3, 40, 96)
    strided[..., ::2] = images
    for same in (images.to(memory_format=torch.channels_last), strided[..., ::2]):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(model(same), expected, strict=True))


def test_wrong_images_are_refused() -> None:
    model = SwinTransformer(SMALL)
    with pytest.raises(InputError, match="build it with in_channels"):
        model(torch.zeros(1, 1, 32, 32))
    with pytest.raises(InputError, match="smaller than one patch"):
        SwinTransformer(replace(SMALL, geometry="classification"))(torch.zeros(1, 3, 2, 32))


def test_inference_mode_first_and_training_after() -> None:
    config = replace(SMALL, window_size=3)  # a window that no other test has put into the caches
    model = SwinTransformer(config)
    images = torch.randn(1, 3, 53, 71)
    with torch.inference_mode():
        model(images)
    sum(feature.mean() for feature in model(images)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_is_a_plain_module() -> None:
    model = SwinTransformer(SMALL)
    assert isinstance(model, nn.Module)
    twin = SwinTransformer(SMALL)
    twin.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 32, 32)
    assert all(torch.equal(a, b) for a, b in zip(model.eval()(images), twin.eval()(images), strict=True))
