"""Golden files of UperNets of our own making: mmsegmentation's rules once more, from nothing of swinkit's heads.

Shapes: B images, H W image, h w map of logits, C channels, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import golden_reference
import torch
import torch.nn.functional as F
from golden_models import DENSE
from golden_writer import common_shapes, norm_shapes, random, random_weights, write
from torch import Tensor

Weights = dict[str, Tensor]
MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def write_upernet(
    path: Path,
    backbone: dict[str, Any],
    *,
    head: dict[str, Any],
    auxiliary: dict[str, Any],
    test: dict[str, Any],
    size: tuple[int, int],
    loss: dict[str, Any] | None = None,
) -> Path:
    """A file as of mmsegmentation's EncoderDecoder; arguments are those of its parts, `loss` of both heads' losses."""
    config = _config(DENSE | backbone, head, auxiliary, test, loss or {})
    full, decode, fcn = DENSE | backbone, config["decode_head"], config["auxiliary_head"]
    inside = random_weights(common_shapes(full) | norm_shapes(full))
    outside = _head_weights(decode, fcn)
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(2 * size[0] * size[1]).reshape(2, *size) // 7 % decode["num_classes"]
    if not (loss or {}).get("class_weight"):  # mmsegmentation cannot weigh classes and ignore pixels at once
        labels[:, -3:] = 255
    features = list(golden_reference.dense_features(inside, full, (images - MEAN) / STD).values())
    logits, aside = _uper_head(outside, decode, features), _fcn_head(outside, fcn, features)
    outputs = {"images": images, "labels": labels.byte(), "head_logits": logits, "auxiliary_logits": aside}
    for name, values, part in (("decode", logits, decode), ("aux", aside, fcn)):
        cost, accuracy = _loss(values, labels, part["loss_decode"])
        outputs |= {f"losses.{name}.loss_ce": cost, f"losses.{name}.acc_seg": accuracy}
    sum(value for name, value in outputs.items() if name.endswith("loss_ce")).backward()

    def model(part: Tensor) -> Tensor:
        found = list(golden_reference.dense_features(inside, full, (part - MEAN) / STD).values())
        return _resize(_uper_head(outside, decode, found), part.shape[2:])

    with torch.no_grad():
        maps = {"whole": _resize(logits, size)}
        if test["mode"] == "slide":
            maps["slide"] = _slide(model, images, decode["num_classes"], test["crop_size"], test["stride"])
    for name, values in maps.items():
        outputs[f"{name}_logits_argmax"] = values.argmax(1).byte()
        outputs[f"{name}_logits_sample"] = values[..., ::8, ::8]
    parameters = {f"backbone.{name}": weight for name, weight in inside.items()} | outside
    trained = [name for name, weight in parameters.items() if weight.grad is not None]
    return write(path, config, outputs, parameters, parameters, trained)


def _config(
    backbone: dict[str, Any],
    head: dict[str, Any],
    auxiliary: dict[str, Any],
    test: dict[str, Any],
    loss: dict[str, Any],
) -> dict[str, Any]:
    channels = [backbone["embed_dim"] * 2**stage for stage in backbone["out_indices"]]
    common = {"norm_cfg": {"type": "SyncBN", "requires_grad": True}, "align_corners": False}
    costs = {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0} | loss
    decode = {"type": "UPerHead", "in_channels": channels, "in_index": list(range(len(channels)))}
    decode |= {"pool_scales": [1, 2, 3, 6]} | common | head | {"loss_decode": costs}
    fcn = {"type": "FCNHead", "in_index": 2, "num_convs": 1, "concat_input": False} | common | auxiliary
    fcn |= {"in_channels": channels[fcn["in_index"]], "num_classes": decode["num_classes"]}
    fcn["loss_decode"] = costs | {"loss_weight": 0.4}
    whole = {"type": "EncoderDecoder", "backbone": {"type": "ForkSwin"} | backbone, "decode_head": decode}
    return whole | {"auxiliary_head": fcn, "train_cfg": {}, "test_cfg": test}


def _head_weights(decode: dict[str, Any], fcn: dict[str, Any]) -> Weights:
    channels, width, side = decode["in_channels"], decode["channels"], fcn["channels"]
    weights: Weights = {}
    for number in range(len(decode["pool_scales"])):
        weights |= _brick(f"decode_head.psp_modules.{number}.1", channels[-1], width, 1)
    weights |= _brick("decode_head.bottleneck", channels[-1] + len(decode["pool_scales"]) * width, width, 3)
    for number, each in enumerate(channels[:-1]):
        weights |= _brick(f"decode_head.lateral_convs.{number}", each, width, 1)
        weights |= _brick(f"decode_head.fpn_convs.{number}", width, width, 3)
    weights |= _brick("decode_head.fpn_bottleneck", len(channels) * width, width, 3)
    for number in range(fcn["num_convs"]):
        weights |= _brick(f"auxiliary_head.convs.{number}", side if number else fcn["in_channels"], side, 3)
    for name, dim in (("decode_head", width), ("auxiliary_head", side)):
        weights[f"{name}.conv_seg.weight"] = random(decode["num_classes"], dim, 1, 1).requires_grad_()
        weights[f"{name}.conv_seg.bias"] = random(decode["num_classes"]).requires_grad_()
    return weights


def _brick(name: str, channels: int, width: int, kernel: int) -> Weights:
    """Convolution and batch norm."""
    convolution = (random(width, channels, kernel, kernel) * (2 / (channels * kernel**2)) ** 0.5).half().float()
    scale, shift = (1 + 0.2 * random(width)).half().float(), (0.2 * random(width)).half().float()
    weights = {f"{name}.conv.weight": convolution, f"{name}.bn.weight": scale, f"{name}.bn.bias": shift}
    for weight in weights.values():
        weight.requires_grad_()
    mean, variance = (0.2 * random(width)).half().float(), (0.5 + random(width).abs()).half().float()
    statistics = {f"{name}.bn.running_mean": mean, f"{name}.bn.running_var": variance}
    return weights | statistics | {f"{name}.bn.num_batches_tracked": torch.tensor(0)}


def _run(weights: Weights, name: str, x: Tensor) -> Tensor:
    kernel = weights[f"{name}.conv.weight"]
    x = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
    mean, variance, scale, shift = (
        weights[f"{name}.bn.{leaf}"][:, None, None] for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()


def _uper_head(weights: Weights, decode: dict[str, Any], features: list[Tensor]) -> Tensor:
    last = features[-1]
    pooled = [last]
    for number, scale in enumerate(decode["pool_scales"]):
        cells = F.adaptive_avg_pool2d(last, scale)
        pooled.append(_resize(_run(weights, f"decode_head.psp_modules.{number}.1", cells), last.shape[2:]))
    carried = _run(weights, "decode_head.bottleneck", torch.cat(pooled, 1))
    maps = [carried]
    for number in reversed(range(len(features) - 1)):
        lateral = _run(weights, f"decode_head.lateral_convs.{number}", features[number])
        carried = lateral + _resize(carried, lateral.shape[2:])
        maps.insert(0, _run(weights, f"decode_head.fpn_convs.{number}", carried))
    fused = torch.cat([_resize(x, maps[0].shape[2:]) for x in maps], 1)
    return _classify(weights, "decode_head", _run(weights, "decode_head.fpn_bottleneck", fused))


def _fcn_head(weights: Weights, fcn: dict[str, Any], features: list[Tensor]) -> Tensor:
    x = features[fcn["in_index"]]
    for number in range(fcn["num_convs"]):
        x = _run(weights, f"auxiliary_head.convs.{number}", x)
    return _classify(weights, "auxiliary_head", x)


def _classify(weights: Weights, head: str, x: Tensor) -> Tensor:
    return F.conv2d(x, weights[f"{head}.conv_seg.weight"], weights[f"{head}.conv_seg.bias"])


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _loss(logits: Tensor, labels: Tensor, costs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Weighted cross entropy and accuracy in percent."""
    resized = _resize(logits, labels.shape[1:])
    labelled = labels != 255
    true = labels.where(labelled, 0)
    weights = torch.tensor(costs.get("class_weight") or [1.0] * logits.shape[1])[true]
    each = -resized.log_softmax(1).gather(1, true[:, None])[:, 0] * weights * labelled
    count = (weights * labelled).sum() if costs.get("avg_non_ignore") else weights.sum()
    accuracy = 100 * (resized.argmax(1) == labels)[labelled].float().mean()
    return costs["loss_weight"] * each.sum() / count, accuracy


def _slide(model: Any, images: Tensor, classes: int, crop: list[int], stride: list[int]) -> Tensor:
    batch, _, height, width = images.shape
    total, count = torch.zeros(batch, classes, height, width), torch.zeros(height, width)
    for row in range(max(height - crop[0] + stride[0] - 1, 0) // stride[0] + 1):
        for column in range(max(width - crop[1] + stride[1] - 1, 0) // stride[1] + 1):
            bottom, right = min(row * stride[0] + crop[0], height), min(column * stride[1] + crop[1], width)
            place = slice(max(bottom - crop[0], 0), bottom), slice(max(right - crop[1], 0), right)
            total[:, :, place[0], place[1]] += model(images[:, :, place[0], place[1]])
            count[place] += 1
    return total / count
