from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.augmentation import SmallImageAugmentation, train_transform
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.evaluation_images import EvaluationImages
from swinkit.classification.model import SwinClassifier
from swinkit.classification.task import ClassificationTask
from swinkit.layers.pixels import PixelNormalisation
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import TrainSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.processes import Processes

ONE = Processes(0, 1, torch.device("cpu"))
CONFIG = SwinConfig(embed_dim=8, depths=(1,), num_heads=(1,), window_size=2, image_size=(8, 8))
SHOWN = EvalPreprocessing(8, shorter_side=None)
OFF = Mixing(probability=0.0, label_smoothing=0.0)


class Squares:
    """Grey squares, the darker the higher their number."""

    classes = ("even", "odd", "never")

    def __init__(self, count: int = 10) -> None:
        self.labels = np.arange(count) % 2

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.new("RGB", (8, 8), (250 - 20 * index,) * 3), int(self.labels[index])

    def sample_name(self, index: int) -> str:
        return str(index)


def task_of(mixing: Mixing = OFF) -> ClassificationTask:
    torch.manual_seed(0)
    data = Squares()
    model = SwinClassifier(CONFIG, num_classes=3)
    return ClassificationTask(
        model,
        mixing=mixing,
        evaluation=EvaluationImages(data, SHOWN, batch_size=4, workers=0, processes=ONE),
        batches=epoch_batches(data),
        images=(10, 10),
        description=model.description(),
    )


def epoch_batches(data: Squares) -> EpochBatches:
    """Two steps an epoch, of two parts each."""
    view = SeededView(data, train_transform(SmallImageAugmentation(8)), seed=3)
    sampler = TrainSampler(10, batch_size=4, seed=3, accumulation=2)
    return EpochBatches(view, sampler, workers=0, pin_memory=False)


def batch(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(count) % 3


def test_loss_is_the_cross_entropy() -> None:
    task, (images, labels) = task_of(), batch()
    assert task((images, labels))["loss"].item() == pytest.approx(F.cross_entropy(task.model(images), labels).item())
    smooth = task_of(Mixing(probability=0.0, label_smoothing=0.1))
    expected = F.cross_entropy(smooth.model(images), labels, label_smoothing=0.1).item()
    assert smooth((images, labels))["loss"].item() == pytest.approx(expected, rel=1e-6)


def test_mixture_follows_from_the_seed_and_moves_on_within_a_step() -> None:
    task = task_of(Mixing())
    torch.manual_seed(5)
    losses = [task(batch())["loss"].item() for _ in range(8)]
    assert len(set(losses)) > 4
    torch.manual_seed(5)
    assert [task(batch())["loss"].item() for _ in range(8)] == losses


def test_evaluation_counts_every_image_once() -> None:
    task = task_of().eval()
    results = task.evaluate()
    pixels = torch.tensor([250 - 20 * i for i in range(10)])[:, None, None, None].expand(10, 3, 8, 8)
    images, labels = PixelNormalisation()(pixels), torch.arange(10) % 2
    with torch.no_grad():
        logits = task.model(images)
    assert results["val/top1"] == (logits.argmax(1) == labels).double().mean().item()
    assert results["val/loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert "val/top5" not in results  # of two classes it says nothing


def test_saved_model_says_what_it_is(tmp_path: Path) -> None:
    task = task_of()
    task.save_model(tmp_path / "a.safetensors", task.model.state_dict(), {"val/top1": 0.125})
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(task.model.state_dict())
        assert '"results": {"val/top1": 0.125}' in file.metadata()["description"]


def test_blocks_are_what_is_gathered_at_once() -> None:
    assert len(task_of().blocks()) == 1


def test_batches_from_any_step_are_those_of_the_whole_run() -> None:
    batches = epoch_batches(Squares())
    each = batches.steps_per_epoch
    assert each == 2
    whole = list(batches.batches(0, 3 * each))
    assert len(whole) == 3 * each * 2
    for start in range(3 * each):
        rest = list(batches.batches(start, 3 * each))
        assert len(rest) == len(whole) - 2 * start
        for (images, labels), (expected, expected_labels) in zip(rest, whole[2 * start :], strict=True):
            assert torch.equal(images, expected) and torch.equal(labels, expected_labels)
    assert list(batches.batches(3 * each, 3 * each)) == []
