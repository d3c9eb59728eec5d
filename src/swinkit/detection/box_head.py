"""Box heads: what each region is, and where its object really is.

Shapes: R regions, C channels, S side of a region's features, K classes; background is the last class, number K.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import batched_nms, generalized_box_iou_loss

from swinkit.detection.config import DetectorConfig
from swinkit.detection.rpn import box_distance
from swinkit.detection.sampler import Samples
from swinkit.ops.boxes import Stds, decode_boxes, encode_boxes


class BoxOutputs(NamedTuple):
    """What a box head says of R regions."""

    logits: Tensor
    """(R, K + 1), background last."""
    deltas: Tensor
    """Encoded boxes (R, K, 4), or (R, 1, 4) where boxes do not depend on the class."""


class ConvBatchNorm(nn.Module):
    """A bias-free 3 x 3 convolution, batch norm, ReLU; parameters `conv` and `bn` as in the official files."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(dim)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class BoxHead(nn.Module):
    """Region features (R, C, S, S) to class logits and encoded boxes.

    With `shared_convs` the head of the published cascade (4 convolutions with batch norm, 1 fully connected layer),
    without that of Mask R-CNN (2 fully connected layers). Names are those of the official code's `bbox_head`; weights
    are drawn as there (Xavier uniform; the last layers normal of 0.01 and 0.001).

    Args:
        config: widths and layers.
        num_classes: K.
        stds: units of the encoded boxes.
    """

    def __init__(self, config: DetectorConfig, num_classes: int, stds: Stds) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.stds: Stds = stds
        width = config.channels
        flat = width * config.roi_size**2
        widths = [flat] + [config.fc_channels] * config.shared_fcs
        self.shared_convs = nn.ModuleList(ConvBatchNorm(width, width) for _ in range(config.shared_convs))
        self.shared_fcs = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.fc_cls = nn.Linear(config.fc_channels, num_classes + 1)
        self.fc_reg = nn.Linear(config.fc_channels, 4 * (1 if config.class_agnostic else num_classes))
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
        return BoxOutputs(self.fc_cls(x).float(), self.fc_reg(x).float().view(len(x), boxes, 4))

    def decode(self, boxes: Tensor, outputs: BoxOutputs, labels: Tensor, size: tuple[int, int]) -> Tensor:
        """The box (R, 4) that each region has if it is of its class in `labels` (R,), within the image."""
        return decode_boxes(boxes, deltas_of(outputs, labels), self.stds, size)

    def losses(
        self,
        outputs: BoxOutputs,
        samples: Sequence[Samples],
        labels: Sequence[Tensor],
        boxes: Sequence[Tensor],
        *,
        decoded: bool,
        box_weight: float,
    ) -> dict[str, Tensor]:
        """Cross entropy over all samples, and the box loss of the foreground over the number of all samples.

        Args:
            outputs: of all images' samples, one image after the other.
            samples: of each image.
            labels: (N,) of each image's objects.
            boxes: (N, 4) of each image's objects.
            decoded: GIoU loss on the boxes, else L1 on their encoding.
            box_weight: what the box loss is multiplied with.
        """
        truth = torch.cat([sample_labels(s, each, self.num_classes) for s, each in zip(samples, labels, strict=True)])
        wanted = torch.cat([each[s.objects] for s, each in zip(samples, boxes, strict=True)]).float()
        regions = torch.cat([s.foreground for s in samples])
        foreground = truth < self.num_classes
        deltas = deltas_of(outputs, truth.clamp(max=self.num_classes - 1))[foreground]
        if decoded:
            found = decode_boxes(regions, deltas, self.stds)
            distance = generalized_box_iou_loss(found, wanted, reduction="sum", eps=1e-6)
        else:
            distance = box_distance(deltas, encode_boxes(regions, wanted, self.stds), 0.0)
        count = max(1, len(truth))
        return {
            "loss_cls": F.cross_entropy(outputs.logits, truth, reduction="sum") / count,
            "loss_bbox": (distance + outputs.deltas.sum() * 0) * box_weight / count,
        }


def deltas_of(outputs: BoxOutputs, labels: Tensor) -> Tensor:
    """The encoded box of each region's class, (R, 4); `labels` (R,) are 0..K-1."""
    if outputs.deltas.shape[1] == 1:
        return outputs.deltas[:, 0]
    return outputs.deltas[torch.arange(len(labels), device=labels.device), labels]


def sample_labels(samples: Samples, labels: Tensor, num_classes: int) -> Tensor:
    """The class of every sample, (P + Q,), background K."""
    truth = labels.new_full((len(samples.boxes),), num_classes)
    truth[: len(samples.objects)] = labels[samples.objects]
    return truth


def top_classes(logits: Tensor) -> Tensor:
    """The likeliest class of each region besides background, (R,)."""
    return logits[:, :-1].argmax(1)


class Found(NamedTuple):
    """Detections of one image in the padded image's pixels, best first."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def detect(head: BoxHead, boxes: Tensor, outputs: BoxOutputs, size: tuple[int, int], config: DetectorConfig) -> Found:
    """Scores over the threshold, after non-maximum suppression within each class, the best of them.

    Args:
        head: whose `outputs` for the regions `boxes` (R, 4) of one image these are.
        size: height and width of the image without padding.
        config: thresholds.
    """
    scores = outputs.logits.softmax(1)[:, :-1]  # (R, K)
    regions, labels = torch.nonzero(scores > config.score_threshold, as_tuple=True)
    score = scores[regions, labels]
    chosen = BoxOutputs(outputs.logits[regions], outputs.deltas[regions])
    found = head.decode(boxes[regions], chosen, labels, size)
    kept = batched_nms(found, score, labels, config.nms_iou)[: config.detections]
    return Found(found[kept], score[kept], labels[kept])
