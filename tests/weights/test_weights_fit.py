"""Resizing of single tensors, against the published rules."""

import pytest
import torch
import torch.nn.functional as F

from swinkit.errors import InputError
from swinkit.weights.fit import fit_channels, fit_tensor, is_head, select_classes


def test_bias_tables_are_resized_as_published() -> None:
    table = torch.randn(169, 3)
    published = F.interpolate(table.T.reshape(1, 3, 13, 13), size=(23, 23), mode="bicubic")
    fitted = fit_tensor("layers.0.blocks.0.attn.relative_position_bias_table", table, torch.Size((529, 3)))
    assert fitted is not None
    assert torch.allclose(fitted, published.reshape(3, 529).T, atol=1e-6)


@pytest.mark.parametrize("shape", [(529, 4), (530, 3), (529,)])
def test_tables_of_other_heads_or_of_no_window_do_not_fit(shape: tuple[int, ...]) -> None:
    assert fit_tensor("attn.relative_position_bias_table", torch.randn(169, 3), torch.Size(shape)) is None
    assert fit_tensor("attn.relative_position_bias_table", torch.randn(168, 3), torch.Size((529, 3))) is None


def test_flat_position_embeddings_are_row_by_row() -> None:
    embedding = torch.randn(1, 6, 5)
    fitted = fit_tensor("absolute_pos_embed", embedding, torch.Size((1, 5, 2, 3)))
    assert fitted is not None
    assert torch.equal(fitted[0, :, 1, 2], embedding[0, 5])
    assert torch.equal(fitted[0, :, 0, 1], embedding[0, 1])


def test_position_embeddings_are_resized_to_another_grid() -> None:
    embedding = torch.randn(1, 16, 5)
    as_map = embedding.transpose(1, 2).reshape(1, 5, 4, 4)
    expected = F.interpolate(as_map, size=(6, 8), mode="bicubic")
    for given in (embedding, as_map):
        fitted = fit_tensor("backbone.absolute_pos_embed", given, torch.Size((1, 5, 6, 8)))
        assert fitted is not None
        assert torch.allclose(fitted, expected, atol=1e-6)


def test_flat_position_embeddings_of_a_wide_image() -> None:
    embedding = torch.randn(1, 2 * 4, 5)
    as_map = embedding.transpose(1, 2).reshape(1, 5, 2, 4)
    fitted = fit_tensor("absolute_pos_embed", embedding, torch.Size((1, 5, 6, 12)))
    assert fitted is not None
    assert torch.allclose(fitted, F.interpolate(as_map, size=(6, 12), mode="bicubic"), atol=1e-6)


def test_flat_position_embeddings_of_the_models_own_grid_are_no_square() -> None:
    embedding = torch.randn(1, 16, 5)
    fitted = fit_tensor("absolute_pos_embed", embedding, torch.Size((1, 5, 2, 8)))
    assert fitted is not None
    assert torch.equal(fitted, embedding.transpose(1, 2).reshape(1, 5, 2, 8))


@pytest.mark.parametrize("given", [(1, 16, 6), (1, 7, 5), (5, 4, 4), (1, 6, 4, 4)])
def test_position_embeddings_that_do_not_fit(given: tuple[int, ...]) -> None:
    assert fit_tensor("absolute_pos_embed", torch.randn(given), torch.Size((1, 5, 6, 8))) is None


def test_a_grey_image_gives_what_it_gave_in_three_channels() -> None:
    weight, grey = torch.randn(8, 3, 4, 4), torch.rand(1, 1, 8, 8)
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), weight, stride=4)
    for channels in (1, 6):
        image = grey.expand(-1, channels, -1, -1)
        assert torch.allclose(F.conv2d(image, fit_channels(weight, channels), stride=4), expected, atol=1e-5)


def test_four_channels_keep_the_first_three_apart() -> None:
    weight = torch.randn(8, 3, 4, 4)
    assert torch.allclose(fit_channels(weight, 4), weight[:, [0, 1, 2, 0]] * 0.75)


def test_classes_are_selected_in_order() -> None:
    tensors = {"head.weight": torch.arange(8.0).view(4, 2), "head.bias": torch.arange(4.0), "norm.bias": torch.ones(2)}
    selected = select_classes(tensors, [3, 0])
    assert selected["head.weight"].tolist() == [[6, 7], [0, 1]]
    assert selected["head.bias"].tolist() == [3, 0]
    assert selected["norm.bias"] is tensors["norm.bias"]


@pytest.mark.parametrize("rows", [[4], [-1], []])
def test_classes_outside_the_head(rows: list[int]) -> None:
    with pytest.raises(InputError, match=r"rows 0\.\.3"):
        select_classes({"head.weight": torch.zeros(4, 2)}, rows)


def test_heads_by_name() -> None:
    heads = ("head.weight", "roi_head.bbox_head.0.fc_cls.bias", "decode_head.conv_seg.weight")
    others = (
        "roi_head.bbox_head.shared_fcs.0.weight",
        "decode_head.bottleneck.conv.weight",
        "neck.fpn_convs.0.conv.bias",
    )
    assert all(is_head(name) for name in heads)
    assert not any(is_head(name) for name in others)
