"""UperNet is the published model: names, totals, multiply-adds, initialisation, files, and its three interfaces."""

from pathlib import Path

import pytest
import torch
from small_segmentation import picture, segmentor
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from swinkit import InputError, load_weights
from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import VARIANTS
from swinkit.segmentation.model import SegmentationOutputs, UperNet, UperNetConfig

TOTALS = {"swin_t": 59_941_862, "swin_s": 81_259_766, "swin_b": 121_279_716, "swin_l": 233_759_936}
slow = pytest.mark.slow


def published(backbone: str) -> UperNet:
    """Of full size, without values."""
    with torch.device("meta"):
        if backbone.startswith("resnet"):
            return UperNet(TimmConfig(backbone).build()).eval()
        return UperNet(SwinTransformer(VARIANTS[backbone], attention_backend="reference")).eval()


@pytest.mark.parametrize("variant", TOTALS)
def test_totals_are_the_published_ones(variant: str) -> None:
    assert sum(p.numel() for p in published(variant).parameters()) == TOTALS[variant]


def test_resnet_101_is_within_a_percent_of_the_papers_total() -> None:
    assert sum(p.numel() for p in published("resnet101").parameters()) == pytest.approx(86e6, rel=0.01)


@pytest.mark.parametrize(
    ("backbone", "size", "giga"),
    [
        ("swin_t", (512, 2048), 945),
        ("resnet101", (512, 2048), 1029),
        pytest.param("swin_s", (512, 2048), 1038, marks=slow),
        pytest.param("swin_b", (512, 2048), 1188, marks=slow),
        pytest.param("swin_b", (640, 2560), 1841, marks=slow),
        # The paper's 3230 is no figure of this model at any size of the table; the ConvNeXt paper (arXiv 2201.03545,
        # table 4) counts 2468 for the same Swin-L and size.
        pytest.param("swin_l", (640, 2560), 2468, marks=slow),
    ],
)
def test_multiply_adds_are_within_3_percent_of_table_3(backbone: str, size: tuple[int, int], giga: float) -> None:
    """Counted are convolutions, linear layers and the two products of attention, without the auxiliary head."""
    model = published(backbone)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, *size, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, rel=0.03)


def test_names_and_shapes_of_the_heads_are_the_official_ones() -> None:
    state = published("swin_t").state_dict()
    assert sum(name.startswith("backbone.") for name in state) == 189 - 12  # the file's, without the indices it stores
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if "backbone." not in name}
    expected = {"decode_head.conv_seg.weight": (150, 512, 1, 1), "decode_head.conv_seg.bias": (150,)}
    expected |= {"auxiliary_head.conv_seg.weight": (150, 256, 1, 1), "auxiliary_head.conv_seg.bias": (150,)}
    convolutions = {f"decode_head.psp_modules.{i}.1": (512, 768, 1, 1) for i in range(4)}
    convolutions |= {f"decode_head.lateral_convs.{i}": (512, 96 * 2**i, 1, 1) for i in range(3)}
    convolutions |= {f"decode_head.fpn_convs.{i}": (512, 512, 3, 3) for i in range(3)}
    convolutions |= {"decode_head.bottleneck": (512, 2816, 3, 3), "decode_head.fpn_bottleneck": (512, 2048, 3, 3)}
    convolutions |= {"auxiliary_head.convs.0": (256, 384, 3, 3)}
    for name, shape in convolutions.items():
        expected[f"{name}.conv.weight"] = shape
        expected |= {f"{name}.bn.{leaf}": shape[:1] for leaf in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{name}.bn.num_batches_tracked"] = ()
    assert shapes == expected


def test_weights_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    model = UperNet(SwinTransformer(), num_classes=150)
    for head in (model.decode_head, model.auxiliary_head):
        assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert not head.conv_seg.bias.any()
    weight = model.decode_head.fpn_convs[0].conv.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert model.decode_head.dropout.p == model.auxiliary_head.dropout.p == 0.1


@pytest.mark.parametrize("size", [(64, 96), (33, 50), (1, 70), (3, 2)])
def test_outputs_have_the_sizes_of_their_features(size: tuple[int, int]) -> None:
    model, images = segmentor(), picture(2, 3, *size)
    outputs = model(images)
    assert isinstance(outputs, SegmentationOutputs) and outputs.auxiliary is None
    assert outputs.head.shape == (2, 5, -(-size[0] // 4), -(-size[1] // 4))
    outputs = model.train()(images)
    assert outputs.head.shape == (2, 5, -(-size[0] // 4), -(-size[1] // 4))
    assert outputs.auxiliary.shape == (2, 5, -(-size[0] // 16), -(-size[1] // 16))


def seen_by_backbone(model: UperNet, images: Tensor, sizes: list[tuple[int, int]] | None = None) -> Tensor:
    seen: list[Tensor] = []
    with model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        model(images, sizes)
    return seen[0]


def test_images_are_normalised_like_those_of_the_classifiers_and_their_padding_is_0() -> None:
    images = picture(2, 3, 8, 12)
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = (images / 255 - mean) / std
    assert torch.allclose(seen_by_backbone(segmentor(), images), expected, atol=1e-5)
    seen = seen_by_backbone(segmentor(), images, [(8, 12), (5, 7)])
    assert torch.allclose(seen[0], expected[0], atol=1e-5) and torch.allclose(
        seen[1, :, :5, :7], expected[1, :, :5, :7], atol=1e-5
    )
    assert not seen[1, :, 5:].any() and not seen[1, :, :, 7:].any()


def test_other_sizes_are_not_compiled_anew() -> None:
    counter = CompileCounter()
    model, images = torch.compile(segmentor().train(), backend=counter), picture(2, 3, 32, 32)
    for height in (32, 20, 21, 30, 7):
        model(images, [(32, 32), (height, 25)])
    assert counter.frame_count == 1


def test_dropout_is_of_whole_channels_and_of_training_alone() -> None:
    model, images = segmentor(dropout=0.5), picture(2, 3, 32, 32)
    assert torch.equal(model(images).head, model(images).head)
    kept = model.train().decode_head.dropout(torch.ones(2, 16, 4, 4)).flatten(2)
    assert torch.equal(kept.amin(2), kept.amax(2))
    assert {0.0, 2.0} == set(kept.unique().tolist())


def test_every_parameter_is_trained() -> None:
    model = segmentor().train()
    labels = torch.randint(0, 5, (2, 64, 64))
    sum(model.losses(model(picture(2, 3, 64, 64)), labels).values()).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def test_the_losses_are_the_weighted_cross_entropies() -> None:
    model, images, labels = segmentor(), picture(2, 3, 50, 40), torch.randint(0, 5, (2, 50, 40))
    outputs = model.train()(images)
    losses = model.losses(outputs, labels, auxiliary_weight=0.3)
    for name, logits, weight in (("loss_decode", outputs.head, 1.0), ("loss_auxiliary", outputs.auxiliary, 0.3)):
        expected = weight * F.cross_entropy(F.interpolate(logits, (50, 40), mode="bilinear"), labels)
        assert torch.allclose(losses[name], expected)
    assert torch.allclose(model.losses(outputs, labels)["loss_auxiliary"], losses["loss_auxiliary"] / 0.3 * 0.4)
    with pytest.raises(InputError, match=r"model\.train\(\)"):
        model.losses(model.eval()(images), labels)


def test_batch_norm_can_be_synchronised_under_the_same_names() -> None:
    model = segmentor()
    names = list(model.state_dict())
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert list(converted.state_dict()) == names
    assert not [m for m in converted.modules() if isinstance(m, nn.BatchNorm2d)]


def test_a_single_image_in_training_is_one_sentence() -> None:
    with pytest.raises(InputError, match="at least 2 images in a batch"):
        segmentor().train()(picture(1, 3, 64, 64))


def test_a_timm_backbone_carries_the_heads_and_its_weights_load(tmp_path: Path) -> None:
    config, backbone = (
        UperNetConfig(channels=8, auxiliary_channels=8, auxiliary_level=1),
        TimmConfig("resnet18", (8, 16, 32)),
    )
    theirs, ours = (config.build(backbone.build(), 3).eval() for _ in range(2))
    images = picture(1, 3, 70, 50)
    assert theirs(images).head.shape == (1, 3, 9, 7)
    torch.save(theirs.state_dict(), tmp_path / "model.pth")
    assert not load_weights(ours, tmp_path / "model.pth").missing
    assert torch.equal(ours(images).head, theirs(images).head)


@pytest.mark.parametrize(
    ("stages", "classes", "level"), [((3,), 5, 0), ((0, 1), 5, 2), ((0, 1, 2, 3), 0, 2), ((0, 1), 5, -1)]
)
def test_impossible_models_are_refused(stages: tuple[int, ...], classes: int, level: int) -> None:
    with torch.device("meta"), pytest.raises(InputError, match="at least one class and two features"):
        UperNetConfig(auxiliary_level=level).build(SwinConfig(out_stages=stages).build(), classes)
