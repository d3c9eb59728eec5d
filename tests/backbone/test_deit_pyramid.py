"""DeiT with a pyramid: the counts of tables 2b and 3 that its construction was inferred from, and timm's weights."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from swinkit import InputError
from swinkit.backbone.deit import DeiTPyramid, DeiTPyramidConfig
from swinkit.backbone.table import backbone_config, describe_backbone, named_backbone
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.segmentation.model import UperNetConfig
from swinkit.weights.load import load_weights

timm = pytest.importorskip("timm")

TINY = DeiTPyramidConfig("deit_tiny_patch16_224")


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_of_both_tables() -> None:
    """79.80 M and 51.78 M with nothing but maps of 384: the deconvolutions have 6,528."""
    with torch.device("meta"):
        body = DeiTPyramidConfig().build()
        cascade = CascadeMaskRCNN().build(DeiTPyramidConfig().build(), 80)
        upernet = UperNetConfig().build(DeiTPyramidConfig().build(), 150)
    assert parameters(body) == 21_665_664 + 6_528
    assert parameters(cascade) == 79_799_346 + 6_528 == pytest.approx(79.80e6, rel=1e-3)
    assert parameters(upernet) == 51_776_684 + 6_528 == pytest.approx(51.78e6, rel=1e-3)


def multiply_adds(height: int, width: int) -> float:
    """Of the backbone, billions; with attention as two products, as the counter sees no fused one."""
    with torch.device("meta"):
        model = DeiTPyramidConfig().build().eval()
        for block in model.vit.blocks:
            block.attn.fused_attn = False
        images = torch.empty(1, 3, height, width)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(images)
    return counter.get_total_flops() / 2e9


def test_multiply_adds_of_the_backbone() -> None:
    """At 1280 x 800, 86.1 of linear layers and 147.5 of attention among 4000 tokens, and the deconvolutions."""
    tokens = 50 * 80 + 1
    assert multiply_adds(800, 1280) == pytest.approx(86.1 + 24 * tokens**2 * 384 / 1e9, abs=0.3)


@pytest.mark.parametrize("size", [(64, 96), (50, 33), (32, 32)])
def test_features_of_four_strides(size: tuple[int, int]) -> None:
    model = TINY.build().eval()
    features = model(torch.randn(2, 3, *size))
    height, width = (-(-side // 32) * 32 for side in size)
    assert [tuple(each.shape) for each in features] == [
        (2, 192, height // stride, width // stride) for stride in (4, 8, 16, 32)
    ]
    assert model.strides == (4, 8, 16, 32) and model.channels == (192,) * 4
    assert torch.equal(features[3], torch.nn.functional.max_pool2d(features[2], 2))


def test_stride_16_is_what_timm_gives_without_the_class_token() -> None:
    model = TINY.build().eval()
    images = torch.randn(1, 3, 224, 224)
    expected = model.vit.forward_features(images)[:, 1:].transpose(1, 2).view(1, 192, 14, 14)
    assert torch.equal(model(images)[2], expected)


def test_levels() -> None:
    config = DeiTPyramidConfig("deit_tiny_patch16_224").from_stride(8)
    model = config.build()
    assert model.strides == (8, 16, 32) and not hasattr(model, "up4")
    assert DeiTPyramidConfig(drop_path_rate=0.2).without_dropout() == DeiTPyramidConfig()
    with pytest.raises(InputError, match="all finer"):
        config.from_stride(64)
    for levels in ((), (8, 4), (5,)):
        with pytest.raises(InputError, match="ascending strides"):
            DeiTPyramidConfig(levels=levels)
    with pytest.raises(InputError, match="drop_path_rate"):
        DeiTPyramidConfig(drop_path_rate=1.0)


def test_weights_of_timm_and_of_the_authors_load() -> None:
    torch.manual_seed(0)
    original = timm.create_model("deit_tiny_patch16_224")
    model = TINY.build()
    report = load_weights(model, original.state_dict())
    assert report.format == "vision_transformer"
    assert set(report.dropped) == {"head.weight", "head.bias"}
    assert all(name.startswith("up") for name in report.missing)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = original.eval().forward_features(images)
        assert torch.equal(model.eval().vit.forward_features(images), expected)
    damaged = original.state_dict()
    del damaged["blocks.3.mlp.fc1.weight"]
    with pytest.raises(InputError, match=r"blocks\.3\.mlp\.fc1\.weight"):
        load_weights(TINY.build(), damaged)


def test_it_is_described_in_files_and_trains() -> None:
    model = DeiTPyramid(TINY, checkpoint_activations=True)
    assert backbone_config(describe_backbone(model)) == TINY
    sum(feature.square().mean() for feature in model(torch.randn(2, 3, 40, 64))).backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not idle


def test_names() -> None:
    assert named_backbone("deit_s_pyramid", SWIN_T) == DeiTPyramidConfig(pretrained=True)
    assert named_backbone("deit_s_pyramid", DeiTPyramidConfig(drop_path_rate=0.2)).drop_path_rate == 0.2
    assert named_backbone("timm:resnet50", TINY) == TimmConfig("resnet50", pretrained=True)
    with pytest.raises(InputError, match="deit_s_pyramid"):
        named_backbone("deit", SWIN_T)
    for name, sentence in (("nothing", "no vision transformer"), ("vit_small_patch32_224", "patches of")):
        with pytest.raises(InputError, match=sentence):
            DeiTPyramidConfig(name).build()
