"""The paper's alternatives of attention as a field of the configuration: parameters, behaviour, files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swinkit
from swinkit import InputError, SwinClassifier, SwinConfig, SwinTransformer
from swinkit.backbone.variants import SWIN_T
from swinkit.compilation import compile_model
from swinkit.cpu.switch import fast_cpu
from swinkit.layers.performer_attention import REDRAW_EVERY, PerformerAttention
from swinkit.weights.infer import infer_backbone, infer_config
from swinkit.weights.load import load_weights

SMALL = SwinConfig(embed_dim=32, depths=(2, 2), num_heads=(1, 2), window_size=4, image_size=(64, 64))
NO_POSITION: dict[str, Any] = {"relative_position_bias": False}
VARIANTS: dict[str, SwinConfig] = {
    "shifted": SMALL,
    "unshifted": replace(SMALL, attention="unshifted"),
    "padded_shift": replace(SMALL, attention="padded_shift"),
    "sliding": replace(SMALL, attention="sliding", window_size=5),
    "performer": replace(SMALL, attention="performer", **NO_POSITION),
    "performer with positions": replace(SMALL, attention="performer", absolute_position_embedding=True, **NO_POSITION),
    "no position": replace(SMALL, **NO_POSITION),
    "absolute": replace(SMALL, absolute_position_embedding=True, **NO_POSITION),
    "both": replace(SMALL, absolute_position_embedding=True),
    "without appearance": replace(SMALL, qk_scale=0.0),
}


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, 28_288_354),
        ({"attention": "unshifted"}, 28_288_354),
        ({"attention": "padded_shift"}, 28_288_354),
        ({"qk_scale": 0.0}, 28_288_354),
        (NO_POSITION, 28_265_032),
        ({"absolute_position_embedding": True, **NO_POSITION}, 28_566_088),
        ({"absolute_position_embedding": True}, 28_589_410),
        ({"attention": "sliding"}, 28_271_794),
        ({"attention": "performer", **NO_POSITION}, 28_265_032),
    ],
)
def test_parameters_of_swin_t(changes: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        model = SwinClassifier(replace(SWIN_T, **changes))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("config", "given"),
    [(config, name) for config in ({"attention": "performer"},) for name in ("relative_position_bias",)],
)
def test_performer_takes_no_bias(config: dict[str, Any], given: str) -> None:
    with pytest.raises(InputError, match=given):
        SwinConfig(**config)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(InputError, match="no attention 'flash'"):
        SwinConfig(attention="flash")  # type: ignore[arg-type]


def built(name: str, kind: type[Any] = SwinClassifier, **options: Any) -> Any:
    torch.manual_seed(0)
    model = kind(VARIANTS[name], **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def seen_from(model: nn.Module, size: int = 64) -> Tensor:
    """Which pixels change the last block's first token of the first stage: (H, W)."""
    x = torch.randn(1, size // 4, size // 4, 32, requires_grad=True)
    model.layers[0].double()(x.double())[0, 0, 0].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum(-1)[0] > 0


def test_what_a_token_sees_after_two_blocks() -> None:
    windows = seen_from(built("unshifted"))
    assert windows[:4, :4].all() and windows.sum() == 16
    assert seen_from(built("sliding"))[:5, :5].all()  # the window of 5 around (0, 0), twice
    assert seen_from(built("sliding")).sum() == 25
    assert seen_from(built("performer")).all()


def test_padded_shift_is_the_same_model() -> None:
    shifted, padded, unshifted = (built(name, num_classes=5) for name in ("shifted", "padded_shift", "unshifted"))
    images = torch.randn(2, 3, 76, 84)
    with torch.no_grad():
        assert torch.allclose(padded(images), shifted(images), atol=1e-5)
        assert not torch.allclose(unshifted(images), shifted(images), atol=1e-2)


@pytest.mark.parametrize("backend", ["reference", "matmul", "sdpa", "auto"])
def test_without_appearance_all_images_have_the_same_weights(backend: Any) -> None:
    """The attention is a fixed mixture of the values: linear in them."""
    attention = built("without appearance").layers[0].blocks[1].attn
    attention.backend = backend
    attention.qkv.bias.data.zero_(), attention.proj.bias.data.zero_()
    one, two = torch.randn(2, 1, 9, 10, 32).unbind(0)
    with torch.no_grad():
        assert torch.allclose(attention(one + two), attention(one) + attention(two), atol=1e-5)
        attention.scale = 0.5
        assert not torch.allclose(attention(one + two), attention(one) + attention(two), atol=1e-3)


def test_without_appearance_queries_and_keys_are_idle() -> None:
    model = built("without appearance").train()
    model(torch.randn(1, 3, 64, 64)).sum().backward()
    attention = model.layers[0].blocks[1].attn
    queries_keys, values = attention.qkv.weight.grad.split((64, 32))
    assert not queries_keys.any() and values.any() and attention.relative_position_bias_table.grad.any()


@pytest.mark.parametrize("name", VARIANTS)
def test_trains_at_any_size(name: str) -> None:
    for kind in (SwinClassifier, SwinTransformer):
        model = built(name, kind, checkpoint_activations=True).train()
        out = model(torch.randn(2, 3, 37, 90))
        sum(feature.square().mean() for feature in (out if isinstance(out, list) else [out])).backward()
        idle = [key for key, parameter in model.named_parameters() if parameter.grad is None]
        assert not idle


@pytest.mark.parametrize("name", VARIANTS)
def test_files_of_every_variant_open_and_give_the_same(name: str, tmp_path: Path) -> None:
    model = built(name, num_classes=3)
    model.save_pretrained(tmp_path)
    again = swinkit.open(tmp_path).model
    images = torch.randn(1, 3, 64, 64)
    assert again.config == VARIANTS[name]
    with torch.no_grad():
        assert torch.equal(again(images), model(images))


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {"unshifted", "padded_shift", "without appearance"}))
def test_the_official_layout_tells_what_has_tensors_of_its_own(name: str, tmp_path: Path) -> None:
    """Of files that say nothing of their model; three variants differ in no tensor and need a description."""
    model, body = built(name), built(name, SwinTransformer)
    config = infer_config(model.state_dict())
    for field in ("attention", "num_heads", "relative_position_bias", "absolute_position_embedding"):
        assert getattr(config, field) == getattr(VARIANTS[name], field)
        assert getattr(infer_backbone(body.state_dict()), field) == getattr(VARIANTS[name], field)
    path = tmp_path / "official.pth"
    torch.save({"model": model.state_dict()}, path)
    fresh = SwinClassifier(VARIANTS[name])
    load_weights(fresh, path)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(images), model(images))


def test_a_table_of_offsets_is_not_taken_for_one_of_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="local_relative_position_bias_table"):
        load_weights(SwinClassifier(VARIANTS["sliding"]), built("shifted").state_dict())


def test_naive_and_fast_sliding_windows_are_one_switch_apart() -> None:
    fast, naive = built("sliding"), built("sliding")
    naive.use_attention("reference")
    images = torch.randn(2, 3, 70, 61)
    assert {block.attn.backend for block in naive.layers[0].blocks} == {"reference"}
    with torch.no_grad():
        assert torch.allclose(fast(images), naive(images), atol=1e-5)


def test_performer_draws_features_every_thousand_steps_and_not_in_evaluation() -> None:
    model = built("performer").train()
    attention = model.layers[0].blocks[0].attn
    assert isinstance(attention, PerformerAttention)
    before, images = attention.features.clone(), torch.randn(1, 3, 64, 64)
    attention.steps.fill_(REDRAW_EVERY - 2)
    model(images)
    assert torch.equal(attention.features, before)
    copy = built("performer").train()
    copy.load_state_dict(model.state_dict())
    for each in (model, copy):
        each(images)
    assert not torch.equal(attention.features, before)
    assert torch.equal(copy.layers[0].blocks[0].attn.features, attention.features)  # after a restart, too
    drawn = attention.features.clone()
    attention.steps.fill_(REDRAW_EVERY - 1)
    model.eval()(images)
    assert torch.equal(attention.features, drawn)


@pytest.mark.parametrize("name", ["padded_shift", "sliding", "performer"])
def test_compiled_blocks_give_the_same(name: str) -> None:
    torch._dynamo.reset()
    model = built(name)
    images = torch.randn(1, 3, 64, 64)
    with fast_cpu(False), torch.no_grad():
        expected = model(images)
        assert torch.allclose(compile_model(model, backend="eager")(images), expected, atol=1e-5)
    torch._dynamo.reset()
