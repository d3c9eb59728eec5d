"""Box and mask heads together: losses of each stage, the way boxes take through a cascade, and what comes out."""

from dataclasses import replace

import pytest
import torch
from small_detectors import BOTH, SIZES, SMALL_CASCADE, SMALL_MASK, detector, losses_of, nothing, outputs_of, scene

from swinkit.detection.box_head import BoxOutputs, top_classes
from swinkit.detection.roi_align import align_regions
from swinkit.detection.roi_head import StageOutputs, refined_boxes
from swinkit.detection.samplers import Samples
from swinkit.ops.boxes import decode_boxes

STAGE = ("loss_cls", "loss_bbox", "loss_mask")


def test_names_of_losses():
    for config, expected in ((SMALL_MASK, set(STAGE)), (SMALL_CASCADE, {f"s{s}.{n}" for s in range(3) for n in STAGE})):
        losses = losses_of(detector(config), scene())
        assert set(losses) == expected | {"loss_rpn_cls", "loss_rpn_bbox"}
        assert all(loss.ndim == 0 for loss in losses.values())


def test_stages_are_weighted():
    """1, 0.5 and 0.25 of what the stages say alone."""
    unweighted = replace(SMALL_CASCADE, stages=tuple(replace(stage, weight=1.0) for stage in SMALL_CASCADE.stages))
    results = []
    for config in (SMALL_CASCADE, unweighted):
        model = detector(config).eval()
        torch.manual_seed(0)
        results.append(losses_of(model, scene()))
    for stage, weight in enumerate((1.0, 0.5, 0.25)):
        for name in STAGE:
            torch.testing.assert_close(results[0][f"s{stage}.{name}"], weight * results[1][f"s{stage}.{name}"])


def test_refinement_leaves_ground_truth_out_and_decodes_by_the_right_class():
    """Positives by their true class, negatives by their likeliest; the ground truth's own box is no sample of the next
    stage. Without targets, every region by its likeliest class."""
    targets, stds, generator = scene(), (0.1, 0.1, 0.2, 0.2), torch.Generator().manual_seed(0)
    boxes = [torch.rand(9, 4, generator=generator) * 20 + torch.tensor([0.0, 0, 20, 20]) for _ in targets]
    samples = [
        Samples(
            torch.cat([each.boxes, near]),
            torch.arange(len(each.boxes)),
            torch.tensor([True] * len(each.boxes) + [False] * len(near)),
        )
        for each, near in zip(targets, boxes, strict=True)
    ]
    regions = [s.boxes for s in samples]
    count = sum(map(len, regions))
    said = BoxOutputs(torch.randn(count, 4, generator=generator), torch.randn(count, 3, 4, generator=generator))
    stage = StageOutputs(regions, said, None, samples)
    refined = refined_boxes(stage, stds, SIZES, targets)
    assert [len(each) for each in refined] == [9, 9] and not refined[0].requires_grad

    def decoded(first: int, labels: torch.Tensor) -> torch.Tensor:
        deltas = said.deltas[torch.arange(first, first + len(labels)), labels]
        return decode_boxes(regions[0][first : first + len(labels)], deltas, stds, SIZES[0])

    likeliest = top_classes(said.logits[:12])
    assert torch.equal(refined[0], decoded(3, likeliest[3:]))
    unmarked = [s._replace(are_gt=torch.zeros_like(s.are_gt)) for s in samples]
    whole = refined_boxes(stage._replace(samples=unmarked), stds, SIZES, targets)
    assert torch.equal(whole[0][:3], decoded(0, targets[0].labels)) and not likeliest[:3].equal(targets[0].labels)
    assert torch.equal(refined_boxes(stage._replace(samples=None), stds, SIZES, None)[0], decoded(0, likeliest))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("targets", [scene, nothing, lambda: [scene()[0], nothing()[1]]])
def test_losses_are_finite_and_every_parameter_has_a_gradient(name, targets):
    model = detector(BOTH[name]).train()
    losses = losses_of(model, targets())
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    if targets is nothing:
        assert losses["loss_rpn_bbox"] == 0 and all(v == 0 for k, v in losses.items() if "mask" in k)
    else:
        assert all(loss > 0 for key, loss in losses.items() if not key.startswith("s"))
    if targets is scene:
        assert all(parameter.grad.any() for key, parameter in model.named_parameters() if "bias" not in key)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("targets", [scene, nothing])
def test_no_proposal_at_all(name, targets):
    """Proposals that must be longer than any image: the ground truth's own boxes remain, or nothing."""
    config = BOTH[name]
    none = replace(config.rpn.training, min_size=1e4)
    model = detector(replace(config, rpn=replace(config.rpn, training=none, inference=none))).train()
    losses = losses_of(model, targets())
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(torch.isfinite(buffer).all() for buffer in model.buffers())
    found = model.eval().postprocess(outputs_of(model), SIZES)
    assert [len(each.boxes) for each in found] == [0, 0] and found[0].masks.shape == (0, 8, 8)


def test_the_seed_decides_the_losses():
    """Few samples of many proposals: the draw matters."""
    few = replace(SMALL_MASK.stages[0], sampler=replace(SMALL_MASK.stages[0].sampler, count=8))
    model = detector(replace(SMALL_MASK, stages=(few,))).eval()

    def losses(seed: int) -> list[float]:
        torch.manual_seed(seed)
        return [loss.item() for loss in losses_of(model, scene()).values()]

    assert losses(3) == losses(3) != losses(4)


@torch.no_grad()
def test_a_cascade_averages_scores_and_masks_and_takes_the_last_boxes():
    model = detector(replace(SMALL_CASCADE, score_threshold=0.0, nms_iou=1.0, detections=10_000)).eval()
    head = model.roi_head
    for box_head in head.bbox_head:
        box_head.fc_reg.weight.normal_(std=0.2)
        box_head.fc_cls.weight.normal_(std=0.2)
    outputs = outputs_of(model)
    found = model.postprocess(outputs, SIZES)[0]
    levels, regions, logits = [x[:1] for x in outputs.maps[:2]], outputs.proposals[0], []
    for box_head, stage in zip(head.bbox_head, model.config.stages, strict=True):
        said, read = box_head(align_regions(levels, head.strides, [regions], 7, 8.0)), regions
        logits.append(said.logits)
        labels = said.logits[:, :-1].argmax(1)
        regions = decode_boxes(regions, said.deltas[torch.arange(len(regions)), labels], stage.stds, SIZES[0])
    scores = (sum(logits) / 3).softmax(1)
    best = int(scores[:, 1].argmax())
    last = decode_boxes(read[best], said.deltas[best, 1], model.config.stages[2].stds, SIZES[0])
    mine = (found.labels == 1).nonzero()[0, 0]  # the best of its class
    torch.testing.assert_close(found.scores[mine], scores[best, 1])
    torch.testing.assert_close(found.boxes[mine], last, atol=1e-3, rtol=1e-4)
    seen = align_regions(levels, head.strides, [found.boxes[mine][None]], 4, 8.0)
    mean = sum(each(seen).logits[0, 1].sigmoid() for each in head.mask_head) / 3
    torch.testing.assert_close(found.masks[mine], mean)
