"""What all detectors share: the network is `forward` alone, and one of your own needs no change in swinkit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import torch
from old_torch import not_traced_by_old_torch
from small_detectors import BACKBONE, BOTH, SMALL_CASCADE, detector, pictures, scene
from torch import Tensor, nn
from torch.nn import functional as F

import swinkit
from swinkit.backbone.contract import Backbone
from swinkit.detection.architectures import DETECTORS, architecture_of
from swinkit.detection.data.augmentation import DetectionResize, SmallDetectionAugmentation
from swinkit.detection.detector import DetectorModel, Size, at_original_size, check_targets
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.predictor import Detector
from swinkit.detection.recipe import DetectionRecipe
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.layers.pixels import PixelNormalisation, pad_batch
from swinkit.structures import Detections, Instances
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@pytest.mark.parametrize("name", ["mask_rcnn", pytest.param("cascade", marks=not_traced_by_old_torch)])
def test_forward_can_be_exported_with_fixed_sizes(name: str) -> None:
    model = detector(replace(BOTH[name], score_threshold=0.0)).eval()
    images, sizes = pad_batch(pictures())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torchvision's own, of what torch calls otherwise now
        program = torch.export.export(model, (images, sizes), strict=False).module()
        for seed in (0, 1):  # another image has another number of detections
            images, _ = pad_batch(pictures(seed))
            pairs = zip(
                model.postprocess(program(images, sizes), sizes),
                model.postprocess(model(images, sizes), sizes),
                strict=True,
            )
            for ours, theirs in pairs:
                assert len(ours.boxes) > 10 and ours.masks is not None and theirs.masks is not None
                torch.testing.assert_close(ours.boxes, theirs.boxes)
                torch.testing.assert_close(ours.masks, theirs.masks)


def test_compiling_covers_the_heads() -> None:
    """Every part with weights lies in a graph that torch.compile hands to its backend."""
    model, seen = detector(replace(SMALL_CASCADE, score_threshold=0.0)).eval(), set()

    def backend(graph: torch.fx.GraphModule, _: object) -> Any:
        seen.update(node.name for node in graph.graph.nodes if node.op in ("placeholder", "get_attr"))
        return graph

    images, sizes = pad_batch(pictures())
    expected = model.postprocess(model(images, sizes), sizes)
    compiled = torch.compile(model, backend=backend)
    with torch.no_grad():
        found = model.postprocess(compiled(images, sizes), sizes)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.boxes, theirs.boxes, atol=1e-3, rtol=1e-4)
    for part in ("rpn_cls", "fc_cls", "fc_reg", "shared_fcs", "conv_logits", "fpn_convs", "qkv"):
        assert any(part in name for name in seen), f"{part} was not compiled"
    torch.compiler.reset()


def test_only_forward_uses_weights() -> None:
    """FSDP gathers them for nothing else, so `losses` and `postprocess` must do without."""
    model = detector(replace(SMALL_CASCADE, score_threshold=0.0)).eval()
    images, sizes = pad_batch(pictures())
    truth = scene()
    with torch.no_grad():
        learned, shown = model(images, sizes, truth), model(images, sizes)
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
        assert all(loss.isfinite() for loss in model.losses(learned, truth).values())
        assert all(found.boxes.isfinite().all() for found in model.postprocess(shown, sizes))
    assert type(learned) is type(shown)
    with pytest.raises(InputError, match="forward gives with targets"):
        model.losses(shown, truth)
    with pytest.raises(InputError, match="forward gives without targets"):
        model.postprocess(learned, sizes)


# A detector of one box an image, as someone outside would write it.


class CentreOutputs(NamedTuple):
    logits: Tensor
    boxes: Tensor
    sizes: list[Size]


@dataclass(frozen=True)
class Centre:
    width: int = 8
    masks: bool = False

    def build(self, backbone: Backbone, num_classes: int) -> CentreDetector:
        return CentreDetector(self, backbone, num_classes)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        return None


class CentreDetector(DetectorModel):
    def __init__(self, config: Centre, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.config, self.backbone, self.num_classes = config, backbone, num_classes
        self.normalise = PixelNormalisation()
        self.hidden = nn.Linear(backbone.channels[-1], config.width)
        self.out = nn.Linear(config.width, num_classes + 4)

    def forward(
        self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None
    ) -> CentreOutputs:
        if targets is not None:
            check_targets(targets, sizes, num_classes=self.num_classes, masks=False)
        pooled = self.backbone(self.normalise(images, sizes))[-1].mean((2, 3))
        said = self.out(F.relu(self.hidden(pooled)))
        lengths = said.new_tensor([[w, h, w, h] for h, w in sizes])
        return CentreOutputs(said[:, 4:], said[:, :4].sigmoid().sort(1).values * lengths, list(sizes))

    def losses(self, outputs: CentreOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        labels = torch.stack([each.labels[0] for each in targets])
        boxes = torch.stack([each.boxes[0] for each in targets])
        return {
            "loss_cls": F.cross_entropy(outputs.logits, labels),
            "loss_bbox": F.l1_loss(outputs.boxes, boxes) / 100,
        }

    def postprocess(
        self, outputs: CentreOutputs, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        scores, labels = outputs.logits.softmax(1).max(1)
        found = []
        for number, size in enumerate(sizes):
            box = outputs.boxes[number : number + 1]
            shown = at_original_size(box, outputs.sizes[number], size, None if scales is None else scales[number])
            found.append(Detections(shown, scores[number : number + 1], labels[number : number + 1], None, size))
        return found


def test_a_detector_of_your_own_is_trained_evaluated_saved_opened_and_predicts(tmp_path: Path) -> None:
    recipe = DetectionRecipe(
        name="centre",
        dataset="digit_scenes",
        scenes=SceneSettings(size=32, digits=(1, 2), side=(16, 24), train_scenes=8, val_scenes=4),
        backbone=BACKBONE,
        detector=Centre(),  # type: ignore[arg-type]
        masks=False,
        augmentation=SmallDetectionAugmentation(shorter_side=(32, 32), longest_side=32, horizontal_flip=0.0),
        resize=DetectionResize(32, 32),
        optimizer=OptimizerSettings(lr=1e-3, reference_batch=None, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine"),
        loop=LoopSettings(epochs=1, batch_size=4, workers=0, threads=1, device="cpu", log_every=1),
    )
    run = swinkit.train(recipe, tmp_path / "run")
    assert run.result.steps == 2 and "val/box_ap" in run.result.results and run.pictures
    with pytest.raises(InputError, match=r"there is no detector 'Centre'.*architectures"):
        swinkit.open(tmp_path / "run")
    opened = swinkit.open(tmp_path / "run", architectures=DETECTORS | {"Centre": Centre})
    assert isinstance(opened, Detector) and isinstance(opened.model, CentreDetector)
    result = opened.predict(tmp_path / "run" / "sample.png")
    assert len(result) == 1 and result.to_dict()[0]["class"] in "0123456789"
    opened.save_pretrained(tmp_path / "saved")
    again = swinkit.open(tmp_path / "saved", architectures={"Centre": Centre})
    assert torch.equal(again.predict(tmp_path / "run" / "sample.png").boxes, result.boxes)


def test_a_kind_of_one_of_swinkit_s_own_is_not_taken_for_it() -> None:
    class Wider(MaskRCNN):
        pass

    assert architecture_of(Wider()) == "Wider" and architecture_of(MaskRCNN()) == "mask_rcnn"
