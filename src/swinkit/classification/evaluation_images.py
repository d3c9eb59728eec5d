"""Validation images, shown to a classifier over all processes.

Shapes: B images, H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from swinkit.classification.data.preprocessing import EvalPreprocessing, eval_transform
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.scores import ClassificationScores
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.processes import Processes


class EvaluationImages:
    """Labelled images to measure a classifier on, shared out over the processes; `batch_size` is per process."""

    def __init__(
        self,
        data: ClassificationData,
        preprocessing: EvalPreprocessing,
        *,
        batch_size: int,
        workers: int,
        processes: Processes,
    ) -> None:
        self.data = data
        self.preprocessing = preprocessing
        self.workers = workers
        self.processes = processes
        self.sampler = EvalSampler(len(data), batch_size=batch_size, rank=processes.rank, world_size=processes.count)

    def scores(
        self, classify: Callable[[Tensor], Tensor], step: Callable[[int], object] = lambda done: None
    ) -> ClassificationScores:
        """The scores over all images and all processes.

        Args:
            classify: images (B, 3, H, W), 0..255, on the process's device, to logits (B, K).
            step: called with how many of this process's images are done.
        """
        device, num_classes = self.processes.device, len(self.data.classes)
        scores = ClassificationScores(num_classes, device=device)
        view = SeededView(self.data, eval_transform(self.preprocessing), seed=0)  # nothing is drawn in an evaluation
        done = 0
        with self.processes.own_share():
            for images, labels in load_batches(view, self.sampler.batches(), workers=self.workers):
                scores.update(classify(images.to(device)), labels.to(device))
                done += len(labels)
                step(done)
        return ClassificationScores.from_counts(self.processes.sum(scores.counts()), num_classes=num_classes)
