"""Class activation maps: they peak at what decides, on the pixels of the original image, and touch nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_exports import KINDS, noise, predictor
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.detection.detector import DetectorModel
from swinkit.detection.explanation import shown_to
from swinkit.detection.predictor import Detector
from swinkit.errors import InputError
from swinkit.explanation.activation import activation_map
from swinkit.explanation.features import level_for
from swinkit.explanation.frame import Frame, whole_frame
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.predictor import Segmentor

pytest.importorskip("pytorch_grad_cam", reason="needs pip install 'swinkit[explain]'")

SMALL = SwinConfig(embed_dim=16, depths=(2, 2), num_heads=(1, 2), window_size=4, image_size=(64, 64))
METHODS = ("hirescam", "gradcam", "layercam")


def classifier(*, size: tuple[int, int] = (64, 64), shorter_side: int | None = 64) -> Classifier:
    """Whose blocks mix nothing, so that each place of the last map knows its own 8 x 8 pixels alone, and for which a
    red place speaks for "red" and any other against it."""
    torch.manual_seed(0)
    model = SwinClassifier(SMALL, num_classes=2).eval()
    with torch.no_grad():
        for stage in model.stages:
            for block in stage.blocks:
                for layer in (block.attn.proj, block.mlp.fc2):
                    nn.init.zeros_(layer.weight)
        preprocessing = EvalPreprocessing(size, shorter_side=shorter_side)
        made = Classifier(model, classes=("red", "other"), preprocessing=preprocessing)
        red, grey = (made.inputs([Image.new("RGB", (64, 64), colour)]) for colour in ("red", "grey"))
        direction = (model.forward_features(red) - model.forward_features(grey))[0, 0, 0]
        model.head.weight.copy_(torch.stack([direction, -direction]))
        model.head.bias.zero_()
    return made


def scene(width: int, height: int, left: int, top: int, side: int = 8) -> Image.Image:
    """Grey with a red square."""
    image = Image.new("RGB", (width, height), "grey")
    image.paste("red", (left, top, left + side, top + side))
    return image


def is_inside(peak: tuple[float, float] | None, box: Sequence[float]) -> bool:
    assert peak is not None
    return box[0] <= peak[0] <= box[2] and box[1] <= peak[1] <= box[3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stage", [0, -1])
def test_the_map_of_a_class_peaks_at_the_only_informative_patch(stage: int, method: str) -> None:
    result = classifier().explain(scene(64, 64, 40, 8), classes=("red",), stage=stage, method=method)  # type: ignore[arg-type]
    (found,) = result.maps
    assert found.name == "red" and found.heatmap.shape == (64, 64) and found.heatmap.dtype == np.float32
    assert found.heatmap.min() >= 0 and found.heatmap.max() == 1
    assert is_inside(found.peak, (40, 8, 48, 16)), found.peak
    assert found.stride == (4, 8)[stage]


def test_another_class_has_another_map() -> None:
    opposite = classifier().explain(scene(64, 64, 40, 8), classes=("other",)).maps[0]
    assert not is_inside(opposite.peak, (40, 8, 48, 16)) and opposite.heatmap[11:13, 43:45].max() < 0.5


@pytest.mark.parametrize(("width", "height"), [(192, 128), (128, 192), (64, 2000)])
def test_peaks_lie_in_the_original_image_where_its_middle_is_shown(width: int, height: int) -> None:
    made = classifier(size=(64, 64), shorter_side=64)
    scale = min(width, height) / 64
    left, top = (width - 64 * scale) / 2 + 40 * scale, (height - 64 * scale) / 2 + 8 * scale
    side = round(8 * scale)
    result = made.explain(scene(width, height, round(left), round(top), side), classes=("red",))
    assert result.heatmap.shape == (height, width)
    assert is_inside(result.maps[0].peak, (left, top, left + side, top + side)), result.maps[0].peak
    assert result.frame.seen == (
        (width - 64 * scale) / 2,
        (height - 64 * scale) / 2,
        (width + 64 * scale) / 2,
        (height + 64 * scale) / 2,
    )
    outside = result.heatmap[: round(result.frame.seen[1]), : round(result.frame.seen[0])]
    assert not outside.any()


@pytest.mark.parametrize(("shorter_side", "size"), [(40, (32, 24)), (33, (33, 17)), (None, (20, 30))])
@pytest.mark.parametrize(("width", "height"), [(100, 60), (61, 101), (40, 1000), (33, 33)])
def test_what_is_seen_is_what_the_transform_cuts_out(
    shorter_side: int | None, size: tuple[int, int], width: int, height: int
) -> None:
    """Of an image whose pixels say where they are."""
    preprocessing = EvalPreprocessing(size, shorter_side=shorter_side, interpolation="bilinear")
    transform = Classifier(SwinClassifier(SMALL, num_classes=2), classes="ab", preprocessing=preprocessing).transform
    left, top, right, bottom = transform.seen(width, height)
    for axis, (first, last, length) in enumerate(((left, right, width), (top, bottom, height))):
        row = np.linspace(0, 255, length).round().astype(np.uint8)
        pixels = np.broadcast_to(row if axis == 0 else row[:, None], (height, width))
        shown = transform(Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB"))[0].float()
        line = shown.mean(0) if axis == 0 else shown.mean(1)
        count = len(line)
        expected = first + (torch.arange(count) + 0.5) * (last - first) / count - 0.5  # pixel whose value is shown
        difference = (line - expected * 255 / (length - 1)).abs()
        assert difference[2:-2].max() < 1.5 * 255 / (length - 1) + 1


def test_at_the_last_stage_the_map_is_the_class_activation_map() -> None:
    """Its places add up to the logit (arXiv 1512.04150)."""
    torch.manual_seed(1)
    model = SwinClassifier(SMALL, num_classes=3).eval()
    nn.init.normal_(model.head.weight)
    x = model.forward_features(torch.randn(1, 3, 64, 64)).detach()
    with torch.no_grad():
        signed = (x @ model.head.weight[1])[0]
        assert torch.allclose(signed.mean() + model.head.bias[1], model.forward_head(x)[0, 1], atol=1e-5)

    def score(given: list[Tensor]) -> Tensor:
        return model.forward_head(given[0].permute(0, 2, 3, 1))[0, 1]

    cells = activation_map(model, [x.permute(0, 3, 1, 2)], 0, score, centred=False)
    expected = signed.clamp(min=0)
    torch.testing.assert_close(
        cells, (expected - expected.min()) / (expected.max() - expected.min()), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("backend", ["auto", "reference", "cpu", "sdpa"])
def test_weights_gradients_and_later_predictions_stay_as_they_were(backend: str) -> None:
    made, image = classifier(), scene(64, 64, 40, 8)
    made.model.use_attention(backend)  # type: ignore[arg-type]
    made.model.patch_embed.requires_grad_(False)
    made.model.head.weight.grad = torch.ones_like(made.model.head.weight)
    before = made.predict(image)  # leaves what is remembered from inference mode
    learning = [each.requires_grad for each in made.model.parameters()]
    with torch.inference_mode():
        inside = made.explain(image, stage=0)
    outside = made.explain(image, stage=0)
    assert np.array_equal(inside.heatmap, outside.heatmap) and inside.heatmap.max() == 1
    assert [each.requires_grad for each in made.model.parameters()] == learning
    assert made.model.head.weight.grad is not None and (made.model.head.weight.grad == 1).all()
    assert all(each.grad is None for name, each in made.model.named_parameters() if name != "head.weight")
    assert made.predict(image) == before


def test_a_score_without_gradients_is_one_sentence() -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(InputError, match="no gradients"):
        activation_map(model, [torch.ones(1, 2, 3, 3)], 0, lambda given: given[0].detach().sum())
    with pytest.raises(InputError, match="no method 'grad-cam'"):
        activation_map(model, [torch.ones(1, 2, 3, 3)], 0, lambda given: given[0].sum(), method="grad-cam")  # type: ignore[arg-type]


def test_without_the_library_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(InputError, match=r"pip install 'swinkit\[explain\]'"):
        classifier().explain(scene(64, 64, 40, 8))


def test_what_nothing_speaks_for_has_no_peak() -> None:
    ones = [torch.ones(1, 2, 3, 3)]
    cells = activation_map(nn.Linear(1, 1), ones, 0, lambda given: -given[0].sum(), centred=False)
    assert not cells.any()
    made = classifier()
    nn.init.zeros_(made.model.head.weight)
    result = made.explain(scene(64, 64, 40, 8))
    assert result.maps[0].peak is None and result.to_dict()["maps"][0]["peak"] is None
    assert result.draw().width > 300


@pytest.mark.parametrize("name", KINDS)
def test_logits_of_detections_are_those_that_their_scores_were_made_from(name: str) -> None:
    """Found again by another way: by what a score is in each kind."""
    detector = predictor(name)
    batch, frame = shown_to(detector.model, noise(90, 60), detector.preprocessing)
    outputs = detector.model(batch, [frame.shown])
    (found,) = detector.model.postprocess(outputs, [frame.size])
    logits = detector.model.class_logits(outputs, frame.size)
    assert logits.shape == found.scores.shape and len(logits) > 3 and logits.requires_grad
    pairs = candidates(detector.model, outputs)  # logits and scores of everything, (M, K) each
    for logit, score, label in zip(logits.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True):
        same = (pairs[0][:, label] - logit).abs() < 1e-5
        assert same.any()
        if name == "soft-NMS":
            assert pairs[1][same, label].max() >= score - 1e-5
        else:
            assert (pairs[1][same, label] - score).abs().min() < 1e-5


def candidates(model: DetectorModel, outputs: object) -> tuple[Tensor, Tensor]:
    """Logits and scores of all cells, regions or proposals, (M, K) each."""
    found: object = outputs
    if hasattr(found, "stages"):
        logits = torch.stack([stage.box_outputs.logits for stage in found.stages]).mean(0)
        return logits[:, :-1].detach(), logits.softmax(1)[:, :-1].detach()
    if hasattr(found, "centreness"):
        rows = [x[0].flatten(1).t() for x in found.logits]
        centres = [x[0].flatten(1).t() for x in found.centreness]
        logits = torch.cat(rows)
        return logits.detach(), (logits.sigmoid() * torch.cat(centres).sigmoid()).detach()
    if hasattr(found, "levels"):
        logits = torch.cat([level.logits[0].flatten(1).t() for level in found.levels])
        return logits.detach(), logits.sigmoid().detach()
    logits = found.logits[-1][0]  # type: ignore[attr-defined]
    return logits.detach(), logits.sigmoid().detach()


@pytest.mark.parametrize("name", KINDS)
def test_every_detector_explains_its_best_detections(name: str) -> None:
    detector, image = predictor(name), noise(90, 60)
    before = {key: value.clone() for key, value in detector.model.state_dict().items()}
    found = detector.predict(image)
    result = detector.explain(image, top=2, threshold=0.0)
    assert [each.name for each in result.maps] == found.names[:2]
    for number, each in enumerate(result.maps):
        assert each.heatmap.shape == (60, 90) and each.heatmap.max() in (0, 1)
        torch.testing.assert_close(torch.tensor(each.box), found.boxes[number], atol=1e-3, rtol=0)
        assert each.score == pytest.approx(float(found.scores[number]), abs=1e-5)
    assert any(each.heatmap.max() == 1 for each in result.maps)
    assert len(result[0]) == 1 and result[0].heatmap is not None and len(list(result)) == 2
    assert all(torch.equal(before[key], value) for key, value in detector.model.state_dict().items())
    assert all(each.grad is None for each in detector.model.parameters())


def test_detections_of_one_class_and_above_a_score() -> None:
    detector, image = predictor("mask_rcnn"), noise(90, 60)
    found = detector.predict(image)
    chosen = found.names[-1]
    result = detector.explain(image, classes=(chosen,), top=100, threshold=0.0)
    assert [each.name for each in result.maps] == [name for name in found.names if name == chosen]
    assert len(detector.explain(image, threshold=1.0)) == 0
    assert detector.explain(image, threshold=1.0).draw().width > 200
    with pytest.raises(InputError, match="no class 'dog'; it has cat, Hund, 猫"):
        detector.explain(image, classes=("dog",))
    with pytest.raises(InputError, match="stage is 0 to 1"):
        detector.explain(image, stage=2)


class Bright(nn.Module):
    """A backbone of two features whose only channels say how bright places are."""

    channels = (1, 1)
    strides = (4, 8)

    def forward(self, images: Tensor) -> list[Tensor]:
        grey = images.mean(1, keepdim=True)
        return [nn.functional.avg_pool2d(grey, stride) for stride in self.strides]


class BrightSpots(DetectorModel):
    """Finds the brightest cell of each feature, its score made from that cell alone."""

    has_masks = False
    num_classes = 1

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Bright()
        self.scale = nn.Parameter(torch.tensor(0.01))

    def forward(self, images: Tensor, sizes: object, targets: object = None) -> list[Tensor]:
        return [self.scale * each for each in self.backbone(images.float())]

    def losses(self, outputs: object, targets: object) -> dict[str, Tensor]:
        return {}

    def postprocess(self, outputs: list[Tensor], sizes: Sequence[tuple[int, int]], *, scales: object = None) -> list:
        from swinkit.structures import Detections

        place = int(outputs[0][0, 0].argmax())
        row, column = divmod(place, outputs[0].shape[3])
        box = torch.tensor([[4.0 * column, 4.0 * row, 4.0 * column + 4, 4.0 * row + 4]])
        return [Detections(box, outputs[0].max().sigmoid()[None].detach(), torch.zeros(1).long(), None, sizes[0])]

    def class_logits(self, outputs: list[Tensor], size: object, *, scale: object = None) -> Tensor:
        return outputs[0].max()[None]


def bright_spots() -> Detector:
    from swinkit.detection.data.augmentation import DetectionResize

    return Detector(BrightSpots().eval(), ("spot",), DetectionResize(50, 70), {"architecture": "spots"})


def test_a_detector_of_one_s_own_is_explained_by_its_class_logits() -> None:
    """The peak lies where the only cell is that the score was read from; padding of the input falls away."""
    image = Image.new("RGB", (70, 50))
    image.paste("white", (36, 20, 40, 24))
    (found,) = bright_spots().explain(image).maps
    assert found.stride == 4 and is_inside(found.peak, (36, 20, 40, 24))
    inside = found.heatmap[20:24, 36:40].sum()
    assert inside > 0.3 * found.heatmap.sum()


def test_a_detector_that_does_not_say_where_scores_come_from_is_one_sentence() -> None:
    class Silent(BrightSpots):
        class_logits = DetectorModel.class_logits

    with pytest.raises(InputError, match="Silent does not say which of its scores"):
        replace(bright_spots(), model=Silent().eval()).explain(Image.new("RGB", (70, 50), "white"))


def test_the_feature_fits_the_box() -> None:
    found = [level_for(side, (4, 8, 16, 32), cells=6) for side in (3, 24, 47, 48, 100, 192, 900)]
    assert found == [0, 0, 0, 1, 2, 3, 3]


def test_a_last_map_of_few_cells_is_not_looked_at() -> None:
    assert classifier(size=(24, 24), shorter_side=24).explain(scene(64, 64, 40, 8)).maps[0].stride == 4
    assert classifier(size=(32, 32), shorter_side=32).explain(scene(64, 64, 40, 8)).maps[0].stride == 8


def segmentor() -> Segmentor:
    import small_segmentation

    made = small_segmentation.segmentor()
    return Segmentor(made, tuple("abcde"), InferenceSettings(), {"architecture": "uper_net"})


def test_painted_classes_are_explained_largest_first() -> None:
    made, image = segmentor(), noise(70, 50)
    result = made.explain(image, top=2)
    painted = list(made.predict(image).shares)
    assert [each.name for each in result.maps] == painted[:2]
    assert all(each.heatmap.shape == (50, 70) for each in result.maps) and result.heatmap.max() == 1
    assert [each.name for each in made.explain(image, classes=(painted[-1],)).maps] in ([painted[-1]], [])
    with pytest.raises(InputError, match="no class 'z'"):
        made.explain(image, classes=("z",))


def test_maps_of_segments_lie_where_the_logits_are_read() -> None:
    """A head that copies its feature: what speaks for a class is where it is painted."""

    class Copy(nn.Module):
        num_classes = 2

        def __init__(self) -> None:
            super().__init__()
            self.backbone = Bright()
            self.scale = nn.Parameter(torch.tensor(1.0))

        def forward(self, images: Tensor) -> object:
            from swinkit.segmentation.model import SegmentationOutputs

            bright = self.backbone(images.float())[0] * self.scale
            return SegmentationOutputs(torch.cat([bright, torch.full_like(bright, 100.0)], 1))

    image = Image.new("RGB", (64, 48))
    image.paste("white", (8, 24, 24, 32))
    made = Segmentor(Copy().eval(), ("bright", "dark"), InferenceSettings(), {"architecture": "copy"})  # type: ignore[arg-type]
    result = made.explain(image, classes=("bright",), stage=0)
    heat = result.heatmap
    assert is_inside(result.maps[0].peak, (8, 24, 24, 32)) and heat[24:32, 8:24].sum() > 0.6 * heat.sum()
    assert result.maps[0].score == pytest.approx(16 * 8 / (64 * 48))


def test_cells_land_on_their_pixels() -> None:
    cells = torch.zeros(4, 4)
    cells[1, 2] = 5
    frame = Frame((100, 200), (40.0, 10.0, 160.0, 90.0), (24, 32))  # 3.75 x 3.33 pixels of the image for one of input
    heat = frame.heatmap(cells, 8, smooth=False)
    rows, columns = np.nonzero(heat)
    assert heat.shape == (100, 200) and heat.max() == 1
    assert abs(rows.min() - (10 + 8 * 80 / 24)) <= 1 and abs(rows.max() - (10 + 16 * 80 / 24 - 1)) <= 1
    assert abs(columns.min() - (40 + 16 * 3.75)) <= 1 and abs(columns.max() - (40 + 24 * 3.75 - 1)) <= 1
    assert frame.to_image(*frame.to_shown(50, 60)) == pytest.approx((50, 60))


def test_cells_of_padding_fall_away() -> None:
    cells = torch.zeros(4, 4)
    cells[3, 3], cells[0, 0] = 9, 1
    heat = whole_frame((20, 20), (20, 20)).heatmap(cells, 8, smooth=False)
    assert heat[0, 0] == 1 and heat[19, 19] == 0  # the cell at 24 to 32 pixels is none of the image


def test_pictures_mark_peak_and_box() -> None:
    result = bright_spots().explain(Image.new("RGB", (70, 50), "white"))
    picture = np.asarray(result.draw()).astype(int)
    marked = (abs(picture - (0, 229, 255)).sum(2) < 40).sum()
    assert marked > 30
    plain = replace(result, maps=(replace(result.maps[0], box=None),))
    assert (abs(np.asarray(plain.draw()).astype(int) - (0, 229, 255)).sum(2) < 40).sum() < marked
