"""Patches in, and neighbours merged: orders, borders and errors."""

import pytest
import torch
import torch.nn.functional as F

from swinkit.errors import InputError
from swinkit.layers.patch import PatchEmbed, PatchMerging


def test_merging_joins_neighbours_column_by_column() -> None:
    merging = PatchMerging(5)
    x = torch.randn(2, 4, 6, 5)
    joined = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], dim=-1)
    assert torch.allclose(merging(x), merging.reduction(merging.norm(joined)), atol=1e-6)
    assert merging.reduction.bias is None


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (7, 1), (1, 1)])
def test_merging_pads_odd_sizes_with_zeros(size: tuple[int, int]) -> None:
    merging = PatchMerging(3)
    x = torch.randn(2, *size, 3)
    padded = F.pad(x, (0, 0, 0, size[1] % 2, 0, size[0] % 2))
    assert torch.equal(merging(x), merging(padded))
    assert merging(x).shape == (2, -(-size[0] // 2), -(-size[1] // 2), 6)


def test_embedding_is_a_linear_map_of_each_patch() -> None:
    embed = PatchEmbed(4, 2, 6)
    images = torch.randn(3, 2, 8, 12)
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)  # (B, H, W, C p p)
    expected = embed.norm(F.linear(patches, embed.proj.weight.flatten(1), embed.proj.bias))
    assert torch.allclose(embed(images), expected, atol=1e-5)
    assert PatchEmbed(4, 2, 6, norm=False).norm is None


def test_dense_geometry_pads_the_image_and_classification_leaves_pixels_out() -> None:
    dense, classification = (PatchEmbed(4, 1, 6, geometry=geometry) for geometry in ("dense", "classification"))
    images = torch.randn(1, 1, 9, 15)
    assert torch.equal(dense(images), dense(F.pad(images, (0, 1, 0, 3))))
    assert dense(images).shape[1:3] == (3, 4)
    assert torch.equal(classification(images), classification(images[:, :, :8, :12]))
    assert classification(images).shape[1:3] == (2, 3)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8), (1, 3, 2, 8, 8)])
def test_other_channels_or_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"takes images \(B, 3, H, W\)"):
        PatchEmbed(4, 3, 8)(torch.zeros(shape))


def test_an_image_smaller_than_a_patch_is_refused_where_it_is_not_padded() -> None:
    with pytest.raises(InputError, match="smaller than one patch of 4 x 4"):
        PatchEmbed(4, 3, 8)(torch.zeros(1, 3, 3, 64))
    assert PatchEmbed(4, 3, 8, geometry="dense")(torch.zeros(1, 3, 3, 64)).shape == (1, 1, 16, 8)
    with pytest.raises(InputError, match="smaller than one patch"):
        PatchEmbed(4, 3, 8, geometry="dense")(torch.zeros(1, 3, 0, 64))
