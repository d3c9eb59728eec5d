"""Box heads: what each region is, and where its ground truth really is.

Shapes: R regions, C channels, S side of a region's features, K classes; background is the last class, number K.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from swinkit.detection.box_losses import box_distance
from swinkit.detection.samplers import Samples
from swinkit.layers.conv import ConvNorm, ConvReLU
from swinkit.ops.boxes import Stds, decode_boxes, encode_boxes
from swinkit.structures import Instances


class BoxOutputs(NamedTuple):
    """What a box head says of R regions."""

    logits: Tensor
    """(R, K + 1), background last."""
    deltas: Tensor
    """Encoded boxes (R, K, 4), or (R, 1, 4) where boxes do not depend on the class."""


class BoxHead(nn.Module):
    """Region features (R, C, S, S) to class logits and encoded boxes.

    The published cascade has 4 convolutions and 1 fully connected layer, Mask R-CNN 2 fully connected layers. Names are
    those of the official code's `bbox_head`; weights are drawn as there (Xavier uniform; the last layers normal of 0.01
    and 0.001).

    Args:
        channels: C.
        side: S.
        num_classes: K.
        convs: 3 x 3 convolutions.
        conv_norm: whether they have batch norm, else a bias.
        fcs: fully connected layers after these.
        fc_channels: their width.
        class_agnostic: one box for a region, instead of one for each class.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        num_classes: int,
        *,
        convs: int = 0,
        conv_norm: bool = True,
        fcs: int = 2,
        fc_channels: int = 1024,
        class_agnostic: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels * side**2] + [fc_channels] * fcs
        kind = ConvNorm if conv_norm else ConvReLU
        self.shared_convs = nn.ModuleList(kind(channels, channels, 3) for _ in range(convs))
        self.shared_fcs = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.fc_cls = nn.Linear(fc_channels, num_classes + 1)
        self.fc_reg = nn.Linear(fc_channels, 4 * (1 if class_agnostic else num_classes))
        for module in self.shared_fcs.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer, std in ((self.fc_cls, 0.01), (self.fc_reg, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> BoxOutputs:
        for convolve in self.shared_convs:
            x = convolve(x)
        x = x.flatten(1)
        for layer in self.shared_fcs:
            x = F.relu(layer(x))
        boxes = self.fc_reg.out_features // 4
        deltas = self.fc_reg(x).float().view(-1, boxes, 4).clone()  # FSDP warns of outputs that are views
        return BoxOutputs(self.fc_cls(x).float(), deltas)


def box_head_losses(
    outputs: BoxOutputs,
    samples: Sequence[Samples],
    targets: Sequence[Instances],
    *,
    stds: Stds,
    decoded: bool,
    beta: float,
    box_weight: float,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """Cross entropy over all samples, and the box loss of the positives over the number of all samples.

    Args:
        outputs: of all images' samples, one image after the other.
        samples: of each image.
        targets: ground truth of each image.
        stds: units of the encoded boxes.
        decoded: GIoU loss on the boxes, else L1 on their encoding.
        beta: differences of the encoding below it are squared (smooth L1); 0 squares none.
        box_weight: what the box loss is multiplied with.
        class_weights: (K,) what samples of each class weigh in the cross entropy, background 1; None weighs all 1. Its
            sum is divided by the number of samples all the same.
        label_smoothing: 0..1: this share of every label is spread evenly over all classes and background.
    """
    classes = outputs.logits.shape[1] - 1
    truth = torch.cat([sample_labels(s, t.labels, classes) for s, t in zip(samples, targets, strict=True)])
    wanted = torch.cat([t.boxes[s.matched] for s, t in zip(samples, targets, strict=True)]).float()
    regions = torch.cat([s.positives for s in samples])
    deltas = deltas_of(outputs, truth.clamp(max=classes - 1))[truth < classes]
    if decoded:
        found = decode_boxes(regions, deltas, stds)
        distance = generalized_box_iou_loss(found, wanted, reduction="sum", eps=1e-6)
    else:
        distance = box_distance(deltas, encode_boxes(regions, wanted, stds), beta)
    count = max(1, len(truth))
    weights = None if class_weights is None else F.pad(class_weights, (0, 1), value=1.0).to(outputs.logits)
    costs = F.cross_entropy(outputs.logits, truth, weight=weights, label_smoothing=label_smoothing, reduction="sum")
    return {
        "loss_cls": costs / count,
        "loss_bbox": (distance + outputs.deltas.sum() * 0) * box_weight / count,
    }


def deltas_of(outputs: BoxOutputs, labels: Tensor) -> Tensor:
    """The encoded box of each region's class, (R, 4); `labels` (R,) are 0..K-1."""
    if outputs.deltas.shape[1] == 1:
        return outputs.deltas[:, 0]
    return outputs.deltas[torch.arange(labels.shape[0], device=labels.device), labels]


def sample_labels(samples: Samples, labels: Tensor, num_classes: int) -> Tensor:
    """The class of every sample, (P + Q,), background K."""
    truth = labels.new_full((len(samples.boxes),), num_classes)
    truth[: len(samples.matched)] = labels[samples.matched]
    return truth


def top_classes(logits: Tensor) -> Tensor:
    """The likeliest class of each region besides background, (R,)."""
    return logits[:, :-1].argmax(1)
