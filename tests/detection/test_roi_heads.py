"""Box and mask heads together: losses of each stage, the way boxes take through a cascade, and what comes out."""

from dataclasses import replace

import pytest
import torch
from small_detectors import BOTH, SIZES, TINY_CASCADE, TINY_MASK, detector, nothing, outputs_of, scene

from swinkit.detection.box_head import top_classes
from swinkit.detection.model import RCNN, DetectorOutputs
from swinkit.detection.sampler import Samples

STAGE = ("loss_cls", "loss_bbox", "loss_mask")


def proposals(model: RCNN, outputs: DetectorOutputs) -> list[torch.Tensor]:
    config = model.config.rpn.training
    return [each.boxes for each in model.rpn_head.proposals(outputs.rpn, outputs.sizes, config)]


def test_names_of_losses():
    for config, expected in ((TINY_MASK, set(STAGE)), (TINY_CASCADE, {f"s{s}.{n}" for s in range(3) for n in STAGE})):
        model = detector(config)
        losses = model.losses(outputs_of(model), scene())
        assert set(losses) == expected | {"loss_rpn_cls", "loss_rpn_bbox"}
        assert all(loss.ndim == 0 for loss in losses.values())


def test_stages_are_weighted():
    """1, 0.5 and 0.25 of what the stages say alone."""
    unweighted = replace(TINY_CASCADE, stages=tuple(replace(stage, weight=1.0) for stage in TINY_CASCADE.stages))
    results = []
    for config in (TINY_CASCADE, unweighted):
        model = detector(config).eval()
        outputs = outputs_of(model)
        torch.manual_seed(0)
        results.append(model.losses(outputs, scene()))
    for stage, weight in enumerate((1.0, 0.5, 0.25)):
        for name in STAGE:
            torch.testing.assert_close(results[0][f"s{stage}.{name}"], weight * results[1][f"s{stage}.{name}"])


def test_refinement_leaves_objects_out_and_decodes_by_the_right_class():
    """Foreground by its true class, background by its likeliest; an object's own box is no sample of the next stage."""
    model = detector(TINY_CASCADE).eval()
    head = model.roi_head
    outputs = outputs_of(model)
    boxes, targets = proposals(model, outputs), scene()
    given = [
        Samples(
            torch.cat([each.boxes, near]),
            torch.arange(len(each.boxes)),
            torch.tensor([True] * len(each.boxes) + [False] * len(near)),
        )
        for each, near in zip(targets, boxes, strict=True)
    ]
    said = head.box_heads[0](head._read(outputs.maps, [s.boxes for s in given], 7))
    with torch.no_grad():
        said.deltas.normal_()
    refined = head._refined(0, given, said, targets, SIZES)
    assert [len(each) for each in refined] == [len(each) for each in boxes]
    first = len(targets[0].boxes)
    labels = top_classes(said.logits[first : len(given[0].boxes)])
    part = type(said)(said.logits[first : len(given[0].boxes)], said.deltas[first : len(given[0].boxes)])
    expected = head.box_heads[0].decode(boxes[0], part, labels, SIZES[0])
    assert torch.equal(refined[0], expected) and not refined[0].requires_grad
    without = [s._replace(are_objects=torch.zeros_like(s.are_objects)) for s in given]
    whole = head._refined(0, without, said, targets, SIZES)
    own = type(said)(said.logits[:first], said.deltas[:first])
    by_truth = head.box_heads[0].decode(targets[0].boxes, own, targets[0].labels, SIZES[0])
    assert torch.equal(whole[0][:first], by_truth)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("targets", [scene, nothing])
def test_losses_are_finite_and_every_parameter_has_a_gradient(name, targets):
    model = detector(BOTH[name]).train()
    losses = model.losses(outputs_of(model), targets())
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    missing = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    if targets is scene:
        assert all(parameter.grad.any() for key, parameter in model.named_parameters() if "bias" not in key)
    else:
        assert losses["loss_rpn_bbox"] == 0 and all(v == 0 for k, v in losses.items() if "mask" in k)


@pytest.mark.parametrize("name", BOTH)
def test_one_image_may_be_without_objects(name):
    model = detector(BOTH[name])
    losses = model.losses(outputs_of(model), [scene()[0], nothing()[1]])
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(loss > 0 for key, loss in losses.items() if not key.startswith("s"))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("targets", [scene, nothing])
def test_no_proposal_at_all(name, targets):
    """Proposals that must be longer than any image: the objects' own boxes remain, or nothing."""
    config = BOTH[name]
    none = replace(config.rpn.training, min_size=1e4)
    config = replace(config, rpn=replace(config.rpn, training=none, inference=none))
    model = detector(config).train()
    losses = model.losses(outputs_of(model), targets())
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(torch.isfinite(buffer).all() for buffer in model.buffers())
    found = model.eval().postprocess(outputs_of(model), SIZES)
    assert [len(each.boxes) for each in found] == [0, 0] and found[0].masks.shape == (0, 8, 8)


def test_the_seed_decides_the_losses():
    """Few samples of many proposals: the draw matters."""
    few = replace(TINY_MASK.stages[0], sampler=replace(TINY_MASK.stages[0].sampler, count=8))
    model = detector(replace(TINY_MASK, stages=(few,))).eval()
    outputs = outputs_of(model)

    def losses(seed: int) -> list[float]:
        torch.manual_seed(seed)
        return [loss.item() for loss in model.losses(outputs, scene()).values()]

    assert losses(3) == losses(3) != losses(4)


def test_a_cascade_averages_scores_and_masks_and_takes_the_last_boxes():
    model = detector(replace(TINY_CASCADE, score_threshold=0.0, nms_iou=1.0, detections=10**6)).eval()
    head = model.roi_head
    with torch.no_grad():
        for box_head in head.box_heads:
            box_head.fc_reg.weight.normal_(std=0.2)
            box_head.fc_cls.weight.normal_(std=0.2)
        outputs = outputs_of(model)
        boxes = [
            each.boxes for each in model.rpn_head.proposals(outputs.rpn, outputs.sizes, model.config.rpn.inference)
        ]
        (found, _), regions, logits = head.detections(outputs.maps, boxes, SIZES), boxes[0], []
        levels = [x[:1] for x in outputs.maps]
        for number, box_head in enumerate(head.box_heads):
            said = box_head(head._read(levels, [regions], 7))
            logits.append(said.logits)
            if number < 2:
                regions = box_head.decode(regions, said, said.logits[:, :-1].argmax(1), SIZES[0])
        scores = (sum(logits) / 3).softmax(1)
        best = int(scores[:, 1].argmax())
        last = head.box_heads[2].decode(regions, said, torch.ones(len(regions)).long(), SIZES[0])[best]
        mine = (found.labels == 1).nonzero()[0, 0]  # the best of its class
        torch.testing.assert_close(found.scores[mine], scores[best, 1])
        torch.testing.assert_close(found.boxes[mine], last, atol=1e-3, rtol=1e-4)
        (masks, _) = head.masks(
            outputs.maps, [found, found._replace(**{k: getattr(found, k)[:0] for k in found._fields})]
        )
        seen = head._read(levels, [found.boxes[mine][None]], 4)
        mean = sum(each(seen)[0, 1].sigmoid() for each in head.mask_heads) / 3
        torch.testing.assert_close(masks[mine], mean)
