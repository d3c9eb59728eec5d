from pathlib import Path

import pytest
import torch
from small_segmentation import CPU, Pictures, opened, picture, small_model
from torch import Tensor

from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.data.augmentation import SegmentationBatch
from swinkit.segmentation.evaluation import EvaluationImages
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.losses import segmentation_cross_entropy
from swinkit.segmentation.model import SegmentationOutputs, UperNet
from swinkit.segmentation.scores import SegmentationScores
from swinkit.segmentation.task import SegmentationTask
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import TrainSampler
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes


def images(count: int = 5, *, rank: int = 0, processes: int = 1, **settings: object) -> EvaluationImages:
    place = Processes(rank, processes, CPU)
    return EvaluationImages(Pictures(count), InferenceSettings(**settings), workers=0, processes=place)


def task_of(**options: object) -> SegmentationTask:
    model, validation = small_model(), images()
    view = SeededSamples(validation.data, lambda *sample: sample, seed=0)
    batches = EpochBatches(view, TrainSampler(5, batch_size=2, seed=0), workers=0, pin_memory=False)
    description = describe_segmentor(model, ("a", "b", "c"), validation.inference)
    return SegmentationTask(
        model, batches=batches, train=Pictures(4), validation=validation, description=description, **options
    )


def batch() -> SegmentationBatch:
    labels = torch.randint(0, 3, (2, 32, 32), generator=torch.Generator().manual_seed(1))
    labels[:, :4] = 255
    return SegmentationBatch(picture(2, 3, 32, 32), labels, [(32, 32), (20, 31)])


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 0.0])])
@pytest.mark.parametrize("auxiliary", [0.4, 0.0])
def test_losses_of_both_heads(weights: Tensor | None, auxiliary: float) -> None:
    task, given = task_of(class_weights=weights, auxiliary_weight=auxiliary).train(), batch()
    torch.manual_seed(0)  # of dropout
    outputs = task.model(given.images, given.sizes)
    torch.manual_seed(0)
    losses = task(given)
    assert losses.keys() == {"loss_decode", "loss_auxiliary"}
    for name, logits, factor in (("decode", outputs.head, 1.0), ("auxiliary", outputs.auxiliary, auxiliary)):
        expected = factor * segmentation_cross_entropy(logits, given.labels, class_weights=weights)
        assert losses[f"loss_{name}"].item() == pytest.approx(expected.item())


def test_smoothing_reaches_both_heads() -> None:
    given = batch()
    losses = []
    for smoothing in (0.0, 0.2):
        task = task_of(label_smoothing=smoothing).train()
        torch.manual_seed(0)  # of dropout
        losses.append(task(given))
    plain, smoothed = losses
    assert all(smoothed[name] != plain[name] for name in ("loss_decode", "loss_auxiliary"))


def test_class_weights_are_no_part_of_the_saved_model() -> None:
    assert "class_weights" not in task_of(class_weights=torch.ones(3)).state_dict()


def test_evaluation_is_the_score_of_every_image_at_its_own_size() -> None:
    task, scores = task_of(), SegmentationScores(3)
    for index in range(5):
        image, labels = Pictures(5)[index]
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, image.height, image.width, 3)
        scores.update(predict_classes(task.model.eval(), pixels.permute(0, 3, 1, 2))[0], torch.from_numpy(labels))
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
    forward = UperNet.forward

    def counted(self: UperNet, pixels: Tensor) -> SegmentationOutputs:
        calls[-1] += 1
        return forward(self, pixels)

    monkeypatch.setattr(UperNet, "forward", counted)
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
    segmentor = opened(tmp_path / "a.safetensors")
    assert segmentor.description["results"] == {"val/miou": 0.25} and segmentor.classes == ("a", "b", "c")
    assert segmentor.model.state_dict().keys() == task.model.state_dict().keys()


def test_what_the_loop_sees() -> None:
    task = task_of()
    assert task.images == (4, 5) and len(task.blocks()) == 2
