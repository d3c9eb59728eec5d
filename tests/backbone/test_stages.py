"""What classifier and feature pyramid share: initialisation, stochastic depth, checkpointing, position embedding."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from swinkit import SWIN_T, InputError, SwinClassifier, SwinConfig, SwinTransformer
from swinkit.layers.drop_path import DropPath

SMALL = SwinConfig(embed_dim=8, depths=(2, 3), num_heads=(1, 2), window_size=4, image_size=(32, 32))
WIDE = SwinConfig(embed_dim=64, depths=(2, 2), num_heads=(2, 4), absolute_position_embedding=True)


def test_stochastic_depth_grows_linearly_over_all_blocks() -> None:
    model = SwinClassifier(SwinConfig(drop_path_rate=0.22))
    rates = [block.drop_path.rate for stage in model.stages for block in stage.blocks]
    assert rates == pytest.approx([0.02 * number for number in range(12)])
    assert all(m.rate == 0 for m in SwinClassifier(SMALL).modules() if isinstance(m, DropPath))


def test_every_second_block_is_shifted_by_half_a_window() -> None:
    model = SwinTransformer(SwinConfig(embed_dim=8, depths=(1, 3), num_heads=(1, 2), window_size=5))
    shifts = [[block.attn.shift for block in stage.blocks] for stage in model.stages]
    assert shifts == [[0], [0, 2, 0]]


def test_a_classifier_has_no_window_larger_than_its_map() -> None:
    config = SwinConfig(embed_dim=8, depths=(1, 1, 1), num_heads=(1, 1, 1), image_size=(80, 48))
    windows = {
        kind: [stage.blocks[0].attn.window for stage in kind(config).stages]
        for kind in (SwinClassifier, SwinTransformer)
    }
    assert windows == {SwinClassifier: [7, 6, 3], SwinTransformer: [7, 7, 7]}


@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
def test_initial_weights(kind: type[SwinClassifier | SwinTransformer]) -> None:
    torch.manual_seed(0)
    model = kind(WIDE)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert abs(module.weight.mean().item()) < 6 * 0.02 / math.sqrt(module.weight.numel())
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.LayerNorm):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
    named = dict(model.named_parameters())
    tables = torch.cat([p.flatten() for name, p in named.items() if name.endswith("relative_position_bias_table")])
    assert tables.std().item() == pytest.approx(0.02, rel=0.05)
    assert named["absolute_pos_embed"].std().item() == pytest.approx(0.02, rel=0.02)


def test_the_patch_projection_keeps_pytorchs_own_start() -> None:
    torch.manual_seed(0)
    projection = SwinClassifier(WIDE).patch_embed.proj
    bound = 1 / math.sqrt(3 * 4 * 4)
    assert projection.weight.abs().max() <= bound
    assert projection.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert projection.bias.any()


@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
def test_checkpointing_gives_the_same_gradients_bit_for_bit(kind: type[SwinClassifier | SwinTransformer]) -> None:
    config = replace(SMALL, drop_path_rate=0.5, drop_rate=0.1, attn_drop_rate=0.1)
    plain = kind(config).train()
    saving = copy.deepcopy(plain)
    saving.checkpoint_activations()
    images = torch.randn(3, 3, 37, 45)
    for model in (plain, saving):
        torch.manual_seed(1)
        out = model(images)
        (out if isinstance(out, torch.Tensor) else out[-1]).square().sum().backward()
    named = dict(saving.named_parameters())
    compared = [name for name, parameter in plain.named_parameters() if parameter.grad is not None]
    assert len(compared) > 50
    assert all(torch.equal(plain.get_parameter(name).grad, named[name].grad) for name in compared)


def test_checkpointing_computes_each_block_twice() -> None:
    calls = {}
    for enabled in (False, True):
        model = SwinClassifier(SMALL, checkpoint_activations=enabled)
        calls[enabled] = 0

        def count(*_: object, enabled: bool = enabled) -> None:
            calls[enabled] += 1

        model.stages[1].blocks[0].mlp.register_forward_pre_hook(count)
        model(torch.randn(1, 3, 32, 32)).sum().backward()
    assert calls == {False: 1, True: 2}


def test_position_embedding_is_added_and_resized_to_other_grids() -> None:
    config = SwinConfig(embed_dim=8, depths=(1,), num_heads=(1,), image_size=(24, 40), absolute_position_embedding=True)
    model = SwinTransformer(config)
    assert model.absolute_pos_embed.shape == (1, 8, 6, 10)
    for size in ((24, 40), (40, 30)):
        images = torch.randn(2, 3, *size)
        tokens = model.patch_embed(images)
        position = F.interpolate(model.absolute_pos_embed, size=tokens.shape[1:3], mode="bicubic", align_corners=False)
        assert torch.allclose(model.embed(images), tokens + position.permute(0, 2, 3, 1), atol=1e-6)


def test_options_decide_the_parameters() -> None:
    def names(**options: bool) -> set[str]:
        config = SwinConfig(embed_dim=8, depths=(1,), num_heads=(1,), **options)
        return set(SwinClassifier(config).state_dict())

    default = names()
    assert names(absolute_position_embedding=True) - default == {"absolute_pos_embed"}
    assert default - names(patch_norm=False) == {"patch_embed.norm.weight", "patch_embed.norm.bias"}
    assert default - names(qkv_bias=False) == {"layers.0.blocks.0.attn.qkv.bias"}
    no_position = names(relative_position_bias=False)
    assert default - no_position == {"layers.0.blocks.0.attn.relative_position_bias_table"}


def test_without_any_position_term_shuffled_windows_give_shuffled_tokens() -> None:
    config = SwinConfig(embed_dim=8, depths=(1,), num_heads=(2,), window_size=4, relative_position_bias=False)
    x = torch.randn(1, 4, 4, 8)
    shuffle = torch.randperm(16)
    moved = x.flatten(1, 2)[:, shuffle].view_as(x)
    plain, positioned = (
        SwinTransformer(c).stages[0]
        for c in (config, SwinConfig(embed_dim=8, depths=(1,), num_heads=(2,), window_size=4))
    )
    assert torch.allclose(plain(x).flatten(1, 2)[:, shuffle], plain(moved).flatten(1, 2), atol=1e-5)
    assert not torch.allclose(positioned(x).flatten(1, 2)[:, shuffle], positioned(moved).flatten(1, 2), atol=1e-5)


def test_another_attention_gives_the_same_result_in_every_block() -> None:
    model = SwinClassifier(SMALL).eval()
    images = torch.randn(2, 3, 41, 30)
    expected = model(images)
    for backend in ("reference", "matmul", "sdpa", "cpu"):
        model.use_attention(backend)
        assert {block.attn.backend for stage in model.stages for block in stage.blocks} == {backend}
        assert torch.allclose(model(images), expected, atol=1e-5)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(InputError, match="no attention backend"):
        SwinClassifier(SMALL, attention_backend="fast")
    with pytest.raises(InputError, match="no attention backend"):
        SwinClassifier(SMALL).use_attention("fast")


def test_copies_are_independent() -> None:
    model = SwinClassifier(SMALL).eval()
    images = torch.randn(1, 3, 32, 32)
    expected = model(images)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(images), expected)
    with torch.no_grad():
        twin.norm.weight.zero_()
    assert torch.equal(model(images), expected)


def test_the_defaults_are_swin_t() -> None:
    assert SwinConfig() == SWIN_T
