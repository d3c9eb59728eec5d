"""UperNets from golden files: built from mmsegmentation's config, loaded, run, compared.

Shapes: B images, H W image, h w map of logits, K classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from golden_comparison import Comparison, compare_gradients, compare_values, miss
from golden_file import Golden
from golden_models import DENSE, compare_buffers, constructor_arguments, load, present, swin_config
from torch import Tensor

from swinkit import InputError, SwinTransformer
from swinkit.layers.pixels import IMAGENET_MEAN, IMAGENET_STD
from swinkit.ops.labels import IGNORE
from swinkit.ops.window_attention import AttentionBackend
from swinkit.segmentation.inference import InferenceSettings, predict_classes, sliding_bands
from swinkit.segmentation.model import SegmentationOutputs, UperNet, UperNetConfig

MODEL = dict.fromkeys(("type", "data_preprocessor", "backbone", "decode_head", "auxiliary_head")) | {
    "train_cfg": {},
    "test_cfg": {},
    "pretrained": None,
}
PREPROCESSOR = {"type": "", "mean": IMAGENET_MEAN, "std": IMAGENET_STD, "bgr_to_rgb": False, "pad_val": 0}
PREPROCESSOR |= {"seg_pad_val": IGNORE, "size": None}
LOSS = {"type": "CrossEntropyLoss", "use_sigmoid": False, "use_mask": False, "reduction": "mean", "class_weight": None}
LOSS |= {"loss_weight": 1.0, "loss_name": "loss_ce", "avg_non_ignore": False}
HEAD = {"type": "", "in_channels": None, "in_index": None, "channels": None, "dropout_ratio": 0.1, "num_classes": None}
HEAD |= {"norm_cfg": None, "align_corners": False, "loss_decode": LOSS, "ignore_index": IGNORE}
DECODE = HEAD | {"pool_scales": [1, 2, 3, 6]}
AUXILIARY = HEAD | {"num_convs": 2, "kernel_size": 3, "concat_input": True, "dilation": 1}
"""Arguments of mmsegmentation's constructors with their defaults."""

SAMPLE = 8
"""Of resized logits, the files store every 8th row and column."""
TIE = 1e-4
"""Share of the largest logit by which two classes must differ for their order to be more than rounding."""


def check_upernet(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Both heads' logits, losses, accuracies, gradients, and what whole images and sliding windows give."""
    model, decode, auxiliary = build_upernet(golden.config, backend)
    backbone = model.backbone
    assert isinstance(backbone, SwinTransformer)
    lines = load(model, golden) + compare_buffers(backbone, golden, prefix="backbone.")
    images = golden.tensor("images")
    features = backbone(model.normalise(images))
    model.training = True  # of the whole alone, for the auxiliary head; its parts stay in evaluation mode
    outputs = model(images)
    model.training = False
    ours = {f"features.{level}": feature for level, feature in enumerate(features)}
    ours |= {"head_logits": outputs.head, "auxiliary_logits": outputs.auxiliary}
    ours |= _losses(model, outputs, golden.tensor("labels"), decode, auxiliary)
    lines += [compare_values(name, value, golden.stored[name]) for name, value in present(golden, ours)]
    sum(value for name, value in ours.items() if "loss_" in name).backward()
    lines += compare_gradients(golden, {name: parameter.grad for name, parameter in model.named_parameters()})
    return lines + _compare_predictions(golden, model, outputs.head.detach(), golden.config.get("test_cfg") or {})


def build_upernet(config: dict[str, Any], backend: AttentionBackend) -> tuple[UperNet, dict[str, Any], dict[str, Any]]:
    """The model, and the arguments of its two heads with their losses."""
    config = constructor_arguments(config, MODEL)
    if not all(isinstance(config[part], dict) for part in ("backbone", "decode_head", "auxiliary_head")):
        raise InputError("its config has no backbone, decode_head or auxiliary_head")
    preprocessor = constructor_arguments(config["data_preprocessor"] or {}, PREPROCESSOR)
    decode = constructor_arguments(config["decode_head"], DECODE)
    auxiliary = constructor_arguments(config["auxiliary_head"], AUXILIARY)
    _check_supported(preprocessor, decode, auxiliary)
    return _model(_backbone(config["backbone"], backend), decode, auxiliary), decode, auxiliary


def _check_supported(preprocessor: dict[str, Any], decode: dict[str, Any], auxiliary: dict[str, Any]) -> None:
    for head in (decode, auxiliary):
        head["loss_decode"] = constructor_arguments(head["loss_decode"], LOSS)
    first, second = decode["loss_decode"], auxiliary["loss_decode"]
    wanted = {
        "the normalisation": [*preprocessor["mean"], *preprocessor["std"]] == [*IMAGENET_MEAN, *IMAGENET_STD],
        "bgr_to_rgb": not preprocessor["bgr_to_rgb"],
        "align_corners": not (decode["align_corners"] or auxiliary["align_corners"]),
        "ignore_index": decode["ignore_index"] == auxiliary["ignore_index"] == IGNORE,
        "concat_input": not auxiliary["concat_input"],
        "kernel_size or dilation": auxiliary["kernel_size"] == 3 and auxiliary["dilation"] == 1,
        "in_index": decode["in_index"] == list(range(len(decode["in_channels"]))),
        "a loss that differs between the heads": all(
            first[key] == second[key] for key in ("class_weight", "avg_non_ignore", "loss_name")
        ),
        "a loss other than cross entropy": not (first["use_sigmoid"] or first["use_mask"]),
    }
    refused = [name for name, is_met in wanted.items() if not is_met]
    if refused:
        raise InputError(f"its config asks of UperNet what swinkit does not have: {', '.join(refused)}")


def _backbone(config: dict[str, Any], backend: AttentionBackend) -> SwinTransformer:
    given = {key: value for key, value in config.items() if key not in ("type", "init_cfg")}
    arguments = constructor_arguments(given, DENSE)
    return SwinTransformer(
        replace(
            swin_config(arguments, arguments["pretrain_img_size"]),
            out_stages=tuple(sorted(set(arguments["out_indices"]))),
            frozen_stages=int(arguments["frozen_stages"]),
        ),
        attention_backend=backend,
        checkpoint_activations=bool(arguments["use_checkpoint"]),
    )


def _model(backbone: SwinTransformer, decode: dict[str, Any], auxiliary: dict[str, Any]) -> UperNet:
    if list(backbone.channels) != decode["in_channels"]:
        raise InputError(f"its head takes features of {decode['in_channels']} channels, not {backbone.channels}")
    settings = UperNetConfig(
        channels=decode["channels"],
        pool_scales=tuple(decode["pool_scales"]),
        dropout=decode["dropout_ratio"],
        auxiliary_channels=auxiliary["channels"],
        auxiliary_level=auxiliary["in_index"],
        auxiliary_convs=auxiliary["num_convs"],
    )
    return UperNet(backbone, settings, num_classes=decode["num_classes"])


def _losses(
    model: UperNet, outputs: SegmentationOutputs, labels: Tensor, decode: dict[str, Any], auxiliary: dict[str, Any]
) -> dict[str, Tensor]:
    """Under the names of the file."""
    loss = decode["loss_decode"]
    losses = model.losses(
        outputs,
        labels,
        class_weights=None if loss["class_weight"] is None else torch.tensor(loss["class_weight"]),
        auxiliary_weight=auxiliary["loss_decode"]["loss_weight"],
        count_ignored=not loss["avg_non_ignore"],
    )
    return {
        f"losses.decode.{loss['loss_name']}": loss["loss_weight"] * losses["loss_decode"],
        f"losses.aux.{loss['loss_name']}": losses["loss_auxiliary"],
        "losses.decode.acc_seg": pixel_accuracy(outputs.head, labels),
        "losses.aux.acc_seg": pixel_accuracy(outputs.auxiliary, labels),
    }


def pixel_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Percent of the labelled pixels whose class has the highest logit, as the published code logs it (`acc_seg`)."""
    resized = F.interpolate(logits.detach().float(), size=labels.shape[1:], mode="bilinear", align_corners=False)
    labelled = labels != IGNORE
    right = ((resized.argmax(1) == labels) & labelled).sum().double()
    tiny = torch.finfo(torch.float32).eps
    return (100 * (right + tiny) / (labelled.sum() + tiny)).float()


@torch.no_grad()
def _compare_predictions(golden: Golden, model: UperNet, head: Tensor, test: dict[str, Any]) -> list[Comparison]:
    images = golden.tensor("images")
    size = (images.shape[2], images.shape[3])
    crop = tuple(test["crop_size"]) if test.get("crop_size") else None
    whole = F.interpolate(head, size=size, mode="bilinear", align_corners=False)
    lines = _compare_maps(golden, "whole", model, whole, InferenceSettings())
    name = "whole_logits_sample"
    if crop and name in golden.stored and golden.stored[name].shape != whole[..., ::SAMPLE, ::SAMPLE].shape:
        # mmsegmentation's sliding windows leave the size of a crop behind in the images' metadata, and whole images
        # that go through the same metadata afterwards have their logits resized to that instead of their own.
        crop = (min(crop[0], size[0]), min(crop[1], size[1]))
        at_crop = F.interpolate(head, size=crop, mode="bilinear", align_corners=False)
        lines = [line for line in lines if line.name != name]
        lines.append(compare_values(name, at_crop[..., ::SAMPLE, ::SAMPLE], golden.stored[name]))
    if crop:
        settings = InferenceSettings(crop=tuple(test["crop_size"]), stride=tuple(test["stride"]))
        slid = torch.cat(list(sliding_bands(model, images, settings)), 2)
        lines += _compare_maps(golden, "slide", model, slid, settings)
    return lines


def _compare_maps(
    golden: Golden, kind: str, model: UperNet, logits: Tensor, settings: InferenceSettings
) -> list[Comparison]:
    """Logits (B, K, H, W) and the public prediction beside what the file has of this kind."""
    ours = {f"{kind}_logits": logits, f"{kind}_logits_sample": logits[..., ::SAMPLE, ::SAMPLE]}
    lines = [compare_values(name, value, golden.stored[name]) for name, value in present(golden, ours)]
    name = f"{kind}_logits_argmax"
    if name in golden.stored:
        classes = predict_classes(model, golden.tensor("images"), settings)
        lines.append(_compare_classes(name, classes, golden.stored[name], logits))
    return lines


def _compare_classes(name: str, ours: Tensor, theirs: Tensor, logits: Tensor) -> Comparison:
    """Share of the pixels that are of another class, near-ties aside."""
    if ours.shape != theirs.shape:
        return miss(name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}")
    best = logits.topk(min(2, logits.shape[1]), 1).values  # (B, 2, H, W)
    is_clear = best[:, 0] - best[:, -1] > TIE * logits.abs().max() if best.shape[1] == 2 else best[:, 0] == best[:, 0]
    wrong = (ours != theirs) & is_clear
    return Comparison(name, wrong.double().mean().item(), 0.0, f"{int((~is_clear).sum())} near-ties not compared")
