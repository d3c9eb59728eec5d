import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from small_segmentation import Pictures, small_model
from torch import Tensor

from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.losses import segmentation_cross_entropy
from swinkit.segmentation.model import UperNet
from swinkit.segmentation.scores import SegmentationScores
from swinkit.segmentation.task import SegmentationEvaluationImages, SegmentationTask
from swinkit.training.processes import Processes

CPU = torch.device("cpu")


def images(count: int = 5, *, rank: int = 0, processes: int = 1, **settings: object) -> SegmentationEvaluationImages:
    place = Processes(rank, processes, CPU)
    return SegmentationEvaluationImages(Pictures(count), InferenceSettings(**settings), workers=0, processes=place)


def task_of(**options: object) -> SegmentationTask:
    model = small_model()
    return SegmentationTask(model, evaluation=images(), description=model.description() | {"classes": ["a"]}, **options)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (2, 32, 32), generator=generator)
    labels[:, :4] = 255
    return torch.randn(2, 3, 32, 32, generator=generator), labels


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 0.0])])
@pytest.mark.parametrize("auxiliary", [0.4, 0.0])
def test_losses_of_both_heads(weights: Tensor | None, auxiliary: float) -> None:
    task, (pixels, labels) = task_of(class_weights=weights, auxiliary_weight=auxiliary), batch()
    outputs = task.model(pixels)
    losses = task((pixels, labels))
    assert losses.keys() == {"loss_decode", "loss_auxiliary"}
    for name, logits, factor in (("decode", outputs.head, 1.0), ("auxiliary", outputs.auxiliary, auxiliary)):
        expected = factor * segmentation_cross_entropy(logits, labels, class_weights=weights)
        assert losses[f"loss_{name}"].item() == pytest.approx(expected.item())


def test_class_weights_are_no_part_of_the_saved_model() -> None:
    assert "class_weights" not in task_of(class_weights=torch.ones(3)).state_dict()


def test_evaluation_is_the_score_of_every_image_at_its_own_size() -> None:
    task, scores = task_of(), SegmentationScores(3)
    for index in range(5):
        image, labels = Pictures(5)[index]
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)
        scores.update(predict_classes(task.model, pixels.permute(2, 0, 1)), torch.from_numpy(labels))
    assert task.evaluate() == {
        "val/miou": scores.miou,
        "val/pixel_accuracy": scores.pixel_accuracy,
        "val/mean_accuracy": scores.mean_accuracy,
    }


def test_settings_of_inference_decide_the_evaluation() -> None:
    model = small_model()
    results = {images(**settings).scores(model).miou for settings in ({}, {"crop": (16, 16)}, {"resize": (16, 64)})}
    assert len(results) == 3


@pytest.mark.parametrize("count", [4, 5, 7, 2])
def test_processes_share_the_images_and_run_the_model_equally_often(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    forward = UperNet.head_logits

    def counted(self: UperNet, pixels: Tensor) -> Tensor:
        calls[-1] += 1
        return forward(self, pixels)

    monkeypatch.setattr(UperNet, "head_logits", counted)
    model, counts, shapes = small_model(), torch.zeros(9, dtype=torch.int64), []
    for rank in range(3):
        calls.append(0)
        scores = SegmentationScores(3)
        for classes, labels in images(count, rank=rank, processes=3).predictions(model):
            scores.update(classes, labels)
            shapes.append(tuple(labels.shape))
        counts += scores.counts()
    assert calls == [-(-count // 3)] * 3
    assert sorted(shapes) == [Pictures(count)[index][1].shape for index in range(count)]
    together = SegmentationScores.from_counts(counts, num_classes=3)
    assert torch.equal(together.confusion, images(count).scores(model).confusion)


def test_the_saved_file_describes_itself(tmp_path: Path) -> None:
    task = task_of()
    task.save_model(tmp_path / "a.safetensors", task.model.state_dict(), {"val/miou": 0.25})
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        description = json.loads(file.metadata()["description"])
        assert set(file.keys()) == set(task.model.state_dict())
    assert description["results"] == {"val/miou": 0.25} and description["task"] == "segmentation"
    assert UperNet.from_description(description).num_classes == 3


def test_blocks_are_what_is_gathered_at_once() -> None:
    assert len(task_of().blocks()) == 2
