"""What a place attends to: the weights of the definition, in the window in which the place lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_exports import noise, predictor
from small_segmentation import segmentor

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.errors import InputError
from swinkit.explanation.attention import PlaceAttention, place_attention
from swinkit.explanation.frame import whole_frame
from swinkit.layers.attention import WindowAttention
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor

CONFIG = SwinConfig(embed_dim=16, depths=(2, 2), num_heads=(2, 4), window_size=4, image_size=(48, 64))


def classifier(config: SwinConfig = CONFIG) -> Classifier:
    torch.manual_seed(0)
    model = SwinClassifier(config, num_classes=2)
    for name, parameter in model.named_parameters():
        if name.endswith(("qkv.weight", "bias_table")):
            torch.nn.init.normal_(parameter, std=0.5)
    return Classifier(model, classes="ab", preprocessing=EvalPreprocessing(config.image_size, shorter_side=None))


def attention(place: tuple[float, float], *, stage: int | None = None) -> PlaceAttention:
    return classifier().attention(noise(64, 48), place, stage=stage)


def test_weights_sum_to_one_within_the_window_of_the_place() -> None:
    """A map of 12 x 16 tokens: rows 4 to 8, columns 8 to 12, and shifted by two rows 2 to 6, columns 6 to 10."""
    plain, shifted = attention((38, 18), stage=0).blocks  # token (4, 9)
    assert plain.token == shifted.token == (4, 9) and plain.weights.shape == (12, 16)
    for block, rows, columns in ((plain, (4, 8), (8, 12)), (shifted, (2, 6), (6, 10))):
        inside = np.zeros((12, 16), dtype=bool)
        inside[slice(*rows), slice(*columns)] = True
        assert (block.weights[inside] > 0).all() and not block.weights[~inside].any()
        assert block.weights.sum() == pytest.approx(1, abs=1e-5)
        assert block.to_dict()["window"] == [*rows, *columns]
    assert plain.borders == ([4, 8], [4, 8, 12]) and shifted.borders == ([2, 6, 10], [2, 6, 10, 14])


def test_tokens_that_were_no_neighbours_before_the_roll_take_nothing_of_each_other() -> None:
    """The corner of a shifted map: its window holds four corners, of which its own is two tokens a side."""
    (_, shifted) = attention((0, 0), stage=0).blocks
    inside = np.zeros((12, 16), dtype=bool)
    inside[:2, :2] = True
    assert (shifted.weights[inside] > 0).all() and not shifted.weights[~inside].any()


@pytest.mark.parametrize("backend", ["auto", "matmul", "cpu"])
def test_what_takes_part_is_what_changes_the_output(backend: str) -> None:
    """By another way, on other backends: move a token, and see whether the place's output moves."""
    torch.manual_seed(0)
    module = WindowAttention(8, 2, window=4, shift=2, geometry="dense", backend=backend).eval()  # type: ignore[arg-type]
    torch.nn.init.normal_(module.qkv.weight)
    x = torch.randn(1, 10, 9, 8)  # which is padded to 12 x 12
    weights, grid = module.weights(x)
    assert weights.shape == (grid.counts[0] * grid.counts[1], 2, 16, 16)
    result = place_attention(
        OneBlock(module), lambda: module(x), noise(36, 40), whole_frame((40, 36), (40, 36)), (13, 25)
    )
    taken = result.blocks[0].weights > 0
    with torch.no_grad():
        before = module(x)[0, 6, 3]
        for row in range(10):
            for column in range(9):
                moved = x.clone()
                moved[0, row, column] += 1
                if (row, column) != (6, 3):
                    assert bool((module(moved)[0, 6, 3] - before).abs().max() > 1e-6) == bool(taken[row, column])


class OneBlock(SwinTransformer):
    """A Swin that is asked for one attention alone."""

    def __init__(self, module: WindowAttention) -> None:
        super().__init__(SwinConfig(embed_dim=8, depths=(1,), num_heads=(2,), window_size=4))
        self.layers[0].blocks[0].attn = module


def test_padding_takes_its_share() -> None:
    """A dense map of 10 x 9 tokens in windows of 4: the last row of windows holds two rows of padding."""
    torch.manual_seed(0)
    module = WindowAttention(8, 2, window=4, geometry="dense").eval()
    x = torch.randn(1, 10, 9, 8)
    result = place_attention(
        OneBlock(module), lambda: module(x), noise(36, 40), whole_frame((40, 36), (40, 36)), (2, 38)
    )
    assert 0 < result.blocks[0].weights.sum() < 1


@pytest.mark.parametrize("kind", ["padded_shift", "unshifted"])
def test_alternatives_with_windows(kind: str) -> None:
    result = classifier(replace(CONFIG, attention=kind)).attention(noise(64, 48), (30, 20))  # type: ignore[arg-type]
    assert len(result.blocks) == 4 and all(block.weights.sum() == pytest.approx(1, abs=1e-4) for block in result.blocks)


def test_detectors_and_segmentors_show_it_too() -> None:
    found = predictor("mask_rcnn").attention(noise(90, 60), (70.5, 20))
    assert [(block.stage, block.block) for block in found.blocks] == [(0, 0), (1, 0)]
    assert found.blocks[0].token == (int(20 * 64 / 60 // 4), int(70.5 * 96 / 90 // 4))
    model = segmentor()
    painted = Segmentor(model, tuple("abcde"), InferenceSettings(), {"architecture": "uper_net"})
    assert len(painted.attention(noise(70, 50), (10, 10), stage=-1).blocks) == 1


def test_the_picture_has_a_panel_for_each_block_with_borders_and_the_place() -> None:
    result = attention((38, 18))
    assert result.heatmap.shape == (48, 64) and 0 < result.heatmap.max() <= 1
    picture = np.asarray(result.draw()).astype(int)
    assert picture.shape[1] > 4 * 200  # four panels beside each other
    assert (abs(picture - (0, 229, 255)).sum(2) < 60).sum() > 20
    assert [block["shift"] for block in result.to_dict()["blocks"]] == [[0, 0], [2, 2], [0, 0], [2, 2]]


def test_what_cannot_be_shown_is_one_sentence() -> None:
    made = classifier()
    with pytest.raises(InputError, match="the place 64, 3 lies outside"):
        made.attention(noise(64, 48), (64, 3))
    with pytest.raises(InputError, match="there are stages 0 to 1, not 2"):
        made.attention(noise(64, 48), (6, 3), stage=2)
    with pytest.raises(InputError, match="performer, which has no windows"):
        classifier(replace(CONFIG, attention="performer", relative_position_bias=False)).attention(
            noise(64, 48), (6, 3)
        )
    backbone = TimmConfig("resnet18", levels=(8, 16)).build()
    with pytest.raises(InputError, match="no Swin"):
        frame = whole_frame((64, 64), (64, 64))
        place_attention(backbone, lambda: None, Image.new("RGB", (64, 64)), frame, (1, 1))
