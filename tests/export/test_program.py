"""torch.export: one program for every batch size, height and width."""

import pytest
import torch
from torch import Tensor

from swinkit import SwinClassifier, SwinConfig, SwinTransformer, export_program

SMALL = SwinConfig(
    embed_dim=8,
    depths=(2, 1),
    num_heads=(1, 2),
    window_size=4,
    image_size=(32, 32),
    absolute_position_embedding=True,
)
SHAPES = [(1, 97, 131), (5, 97, 131), (2, 32, 32), (1, 40, 17), (3, 33, 150), (1, 20, 20)]
"""Padded and not, one image and many, the size of the position embedding, and maps smaller than the window."""


def as_list(out: Tensor | list[Tensor]) -> list[Tensor]:
    return [out] if isinstance(out, Tensor) else out


@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
@torch.no_grad()
def test_one_program_for_every_size(kind: type[SwinClassifier | SwinTransformer]) -> None:
    torch.manual_seed(0)
    model = kind(SMALL).eval()
    program = export_program(model, torch.randn(2, 3, 48, 72)).module()
    for batch, height, width in SHAPES:
        images = torch.randn(batch, 3, height, width)
        for ours, theirs in zip(as_list(program(images)), as_list(model(images)), strict=True):
            assert ours.shape == theirs.shape
            assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max().clamp_min(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
@torch.no_grad()
def test_four_stages(kind: type[SwinClassifier | SwinTransformer]) -> None:
    torch.manual_seed(0)
    config = SwinConfig(embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8))
    model = kind(config).eval()
    program = export_program(model, torch.randn(2, 3, 224, 256)).module()
    for batch, height, width in [(1, 224, 224), (3, 150, 203), (1, 97, 1001), (5, 97, 131)]:
        images = torch.randn(batch, 3, height, width)
        for ours, theirs in zip(as_list(program(images)), as_list(model(images)), strict=True):
            assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max().clamp_min(1)
