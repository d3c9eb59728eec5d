"""Box heads: losses, boxes of classes, and suppression within classes."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou

from swinkit.detection.box_head import BoxHead, BoxOutputs, box_head_losses, deltas_of, sample_labels, top_classes
from swinkit.detection.inference import Found, detect
from swinkit.detection.samplers import Samples
from swinkit.detection.soft_nms import Suppression
from swinkit.ops.boxes import decode_boxes, encode_boxes
from swinkit.structures import Instances

STDS = (0.1, 0.1, 0.2, 0.2)
TRUTH = Instances(torch.tensor([[10.0, 10, 30, 30], [40, 40, 60, 50]]), torch.tensor([2, 0]), None)
SAMPLES = Samples(
    torch.tensor([[12.0, 9, 33, 28], [41, 38, 60, 52], [10, 11, 30, 30], [0, 0, 5, 5], [70, 3, 90, 20]]),
    torch.tensor([0, 1, 0]),
    torch.zeros(5, dtype=torch.bool),
)
NONE = Instances(TRUTH.boxes[:0], TRUTH.labels[:0], None)


def outputs() -> BoxOutputs:
    torch.manual_seed(1)
    return BoxOutputs(torch.randn(5, 4, requires_grad=True), torch.randn(5, 3, 4, requires_grad=True))


def test_the_samples_classes_end_with_background():
    assert sample_labels(SAMPLES, TRUTH.labels, 3).tolist() == [2, 0, 2, 3, 3]
    assert sample_labels(SAMPLES._replace(matched=torch.zeros(0).long()), TRUTH.labels, 3).tolist() == [3] * 5


@pytest.mark.parametrize("decoded", [False, True])
def test_losses_by_hand(decoded):
    given = outputs()
    losses = box_head_losses(given, [SAMPLES], [TRUTH], stds=STDS, decoded=decoded, beta=0.0, box_weight=10.0)
    labels = torch.tensor([2, 0, 2, 3, 3])
    torch.testing.assert_close(losses["loss_cls"], F.cross_entropy(given.logits, labels))
    deltas = torch.stack([given.deltas[number, label] for number, label in enumerate([2, 0, 2])])
    wanted = TRUTH.boxes[[0, 1, 0]]
    if decoded:
        found = decode_boxes(SAMPLES.boxes[:3], deltas, STDS)
        expected = (1 - generalized_box_iou(found, wanted).diagonal()).sum()
    else:
        expected = (deltas - encode_boxes(SAMPLES.boxes[:3], wanted, STDS)).abs().sum()
    torch.testing.assert_close(losses["loss_bbox"], 10 * expected / 5, rtol=1e-5, atol=1e-6)
    losses["loss_bbox"].backward()
    assert given.deltas.grad[0, 2].any() and not given.deltas.grad[0, :2].any() and not given.deltas.grad[3:].any()


def test_classes_weigh_their_samples_and_labels_are_smoothed():
    given, weights = outputs(), torch.tensor([3.0, 1.0, 0.5])
    told = {"stds": STDS, "decoded": False, "beta": 0.0, "box_weight": 1.0}
    costs = F.cross_entropy(given.logits, torch.tensor([2, 0, 2, 3, 3]), reduction="none")
    found = box_head_losses(given, [SAMPLES], [TRUTH], class_weights=weights, **told)["loss_cls"]
    torch.testing.assert_close(found, (costs * torch.tensor([0.5, 3.0, 0.5, 1.0, 1.0])).mean())
    smooth = box_head_losses(given, [SAMPLES], [TRUTH], label_smoothing=0.2, **told)["loss_cls"]
    torch.testing.assert_close(smooth, 0.8 * costs.mean() - 0.2 * given.logits.log_softmax(1).mean())


@pytest.mark.parametrize("decoded", [False, True])
def test_without_positives_the_box_loss_is_0_and_keeps_the_graph(decoded):
    given = outputs()
    alone = SAMPLES._replace(matched=torch.zeros(0).long())
    losses = box_head_losses(given, [alone], [NONE], stds=STDS, decoded=decoded, beta=0.0, box_weight=1.0)
    assert losses["loss_bbox"] == 0 and losses["loss_cls"] > 0
    losses["loss_bbox"].backward()
    assert given.deltas.grad is not None and not given.deltas.grad.any()


def test_no_samples_at_all():
    none = BoxOutputs(torch.zeros(0, 4, requires_grad=True), torch.zeros(0, 3, 4, requires_grad=True))
    samples = Samples(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).bool())
    losses = box_head_losses(none, [samples], [NONE], stds=STDS, decoded=True, beta=0.0, box_weight=10.0)
    assert losses["loss_cls"] == losses["loss_bbox"] == 0
    sum(losses.values()).backward()


@pytest.mark.parametrize(("convs", "fcs", "boxes"), [(0, 2, 3), (4, 1, 3), (0, 2, 1)])
def test_layers_and_shapes(convs, fcs, boxes):
    torch.manual_seed(0)
    head = BoxHead(8, 7, 3, convs=convs, fcs=fcs, fc_channels=12, class_agnostic=boxes == 1)
    assert (len(head.shared_convs), len(head.shared_fcs)) == (convs, fcs)
    result = head(torch.randn(5, 8, 7, 7))
    assert result.logits.shape == (5, 4) and result.deltas.shape == (5, boxes, 4)
    assert head(torch.randn(0, 8, 7, 7)).deltas.shape == (0, boxes, 4)
    labels = torch.tensor([0, 1, 2, 0, 1])
    chosen = [result.deltas[number, label if boxes == 3 else 0] for number, label in enumerate(labels)]
    assert torch.equal(deltas_of(result, labels), torch.stack(chosen))


def test_background_is_never_the_likeliest_class():
    assert top_classes(torch.tensor([[0.0, 1, 0, 9], [3, 1, 0, 2]])).tolist() == [1, 0]


def found_of(boxes, scores, *, detections=10, size=(100, 100)) -> Found:
    """Detections of regions with zero deltas whose classes have these scores (R, 3)."""
    scores = torch.tensor(scores)
    logits = torch.cat([scores, 1 - scores.sum(1, keepdim=True)], 1).log()
    given = BoxOutputs(logits, torch.zeros(len(boxes), 3, 4))
    regions = torch.tensor(boxes, dtype=torch.float32)
    return detect(
        regions,
        given,
        size,
        stds=STDS,
        score_threshold=0.05,
        nms_iou=0.5,
        suppression=Suppression(),
        detections=detections,
    )


NEAR = [[0, 0, 20, 20], [0, 0, 20, 19], [50, 50, 70, 70]]


def test_suppression_is_within_a_class():
    same = found_of(NEAR, [[0.9, 0, 0], [0.8, 0, 0], [0.7, 0, 0]])
    assert same.labels.tolist() == [0, 0] and same.scores.tolist() == pytest.approx([0.9, 0.7])
    other = found_of(NEAR, [[0.9, 0, 0], [0, 0.8, 0], [0.7, 0, 0]])
    assert other.labels.tolist() == [0, 1, 0] and other.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_a_region_counts_for_every_class_over_the_threshold():
    both = found_of(NEAR[:1], [[0.5, 0.3, 0.04]])
    assert both.labels.tolist() == [0, 1] and both.boxes.tolist() == [NEAR[0]] * 2
    none = found_of(NEAR[:1], [[0.04, 0.03, 0.04]])
    assert none.boxes.shape == (0, 4) and none.labels.dtype == torch.int64


def test_the_best_are_kept_and_boxes_end_at_the_image():
    found = found_of([[0, 0, 20, 20], [30, 30, 60, 60]], [[0.6, 0, 0], [0, 0, 0.9]], size=(40, 50))
    assert found.boxes.tolist() == [[30, 30, 50, 40], [0, 0, 20, 20]]
    assert found_of(NEAR, [[0.6, 0, 0], [0, 0, 0.9], [0, 0.7, 0]], detections=1).labels.tolist() == [2]
