"""--precision bf16: half as many bits, and what that gains and changes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image
from torchvision.ops import box_iou

from swinkit.classification.predictor import Classifier
from swinkit.classification.result import Classification
from swinkit.detection.predictor import Detector
from swinkit.detection.result import DetectionResult
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.result import Segmentation
from swinkit.training.stepping import autocast

Result = Classification | DetectionResult | Segmentation
Sight = Callable[[Image.Image], Result]
"""What a model says of a picture, in one precision."""

MOST_COMPARED = 3
"""Images."""
ROUNDS = 3
"""Times that the first one is timed, of which the shortest counts."""
LEAST_SCORE = 0.3
"""Detections below it are not compared."""


def sight(predictor: Classifier | Detector | Segmentor, precision: str = "fp32") -> Sight:
    """What the predictor says, of a classifier of all its classes; in bf16 under autocast, which exported files do not
    know: they have been opened in their precision."""

    def see(picture: Image.Image) -> Result:
        with autocast(predictor.device, precision):
            if isinstance(predictor, Classifier):
                result: object = predictor.predict(picture, top=len(predictor.classes))
            else:
                result = predictor.predict(picture)
        assert isinstance(result, Result)
        return result

    return see


def describe_bf16(fp32: Sight, bf16: Sight, pictures: Sequence[Image.Image]) -> str:
    """A line on how fast bf16 is beside fp32 on these images, and on what it changes in them."""
    before, after = ([see(picture) for picture in pictures] for see in (fp32, bf16))
    slow, fast = (min(_seconds(see, pictures[0]) for _ in range(ROUNDS)) for see in (fp32, bf16))
    gain = slow / fast
    advice = "" if gain > 1 else "; it is no faster here, so leave --precision out"
    return f"bf16 is {gain:.2f} times as fast as fp32 on this machine; on {describe_changes(before, after)}{advice}"


def describe_changes(before: Sequence[Result], after: Sequence[Result]) -> str:
    """How many images, and what is another in them."""
    return f"{len(before)} image{'' if len(before) == 1 else 's'} {_changes(before, after)}"


def _seconds(see: Sight, picture: Image.Image) -> float:
    began = time.perf_counter()
    see(picture)
    return time.perf_counter() - began


def _changes(before: Sequence[Result], after: Sequence[Result]) -> str:
    pairs = list(zip(before, after, strict=True))
    classes = [(a, b) for a, b in pairs if isinstance(a, Classification) and isinstance(b, Classification)]
    if classes:
        same = sum(a.best == b.best for a, b in classes)
        away = max(_largest_change(a, b) for a, b in classes)
        return f"the class is the same in {same}, and probabilities change by at most {away:.4f}"
    masks = [(a, b) for a, b in pairs if isinstance(a, Segmentation) and isinstance(b, Segmentation)]
    if masks:
        other = sum(float((a.mask != b.mask).mean()) for a, b in masks) / len(masks)
        return f"{100 * other:.2f} % of the pixels get another class"
    found = [(a, b) for a, b in pairs if isinstance(a, DetectionResult) and isinstance(b, DetectionResult)]
    matched = sum(_matched(a, b) for a, b in found)
    counts = [sum(int((each[side].scores >= LEAST_SCORE).sum()) for each in found) for side in (0, 1)]
    return f"{matched} of {counts[0]} detections are found again, {counts[1] - matched} are new"


def _largest_change(before: Classification, after: Classification) -> float:
    told = dict(zip(after.classes, after.probabilities, strict=True))
    return max(abs(told[name] - value) for name, value in zip(before.classes, before.probabilities, strict=True))


def _matched(before: DetectionResult, after: DetectionResult) -> int:
    """Detections for which there is one of their class that overlaps by half or more, each matched once."""
    kept = [each[each.scores >= LEAST_SCORE] for each in (before, after)]
    overlaps = box_iou(kept[0].boxes, kept[1].boxes) * (kept[0].labels[:, None] == kept[1].labels)
    matched = 0
    while overlaps.numel() and float(overlaps.max()) >= 0.5:
        row, column = divmod(int(overlaps.argmax()), overlaps.shape[1])
        overlaps[row], overlaps[:, column] = 0.0, 0.0
        matched += 1
    return matched
