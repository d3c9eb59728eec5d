"""A model on the page: one forward pass, of which enough is kept for every threshold, and what the sliders mean."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from swinkit.classification.predictor import Classifier
from swinkit.detection.predictor import Detector
from swinkit.export.runtimes import is_exported
from swinkit.opening import open_model
from swinkit.segmentation.predictor import Segmentor
from swinkit.training.processes import choose_device
from swinkit.web.kept_classes import MOST_KEPT as MOST_CLASSES
from swinkit.web.kept_classes import look_for_classes
from swinkit.web.kept_objects import LEAST_KEPT, look_for_objects
from swinkit.web.kept_objects import MOST_KEPT as MOST_OBJECTS
from swinkit.web.kept_pixels import look_at_pixels


class Kept(Protocol):
    """What is kept of one forward pass. `least` is a probability, score or share, 0..1, and `top` a number."""

    def html(self, least: float, top: int) -> str:
        """As the page shows it."""

    def picture(self, least: float, top: int) -> Image.Image:
        """As `swinkit predict` draws it."""

    def data(self, least: float, top: int) -> Any:
        """Plain data."""


@dataclass(frozen=True)
class Sliders:
    """What a task's two sliders are called, and where they stand; the first one is in percent."""

    least: str
    top: str
    default_least: int
    lowest_least: int
    default_top: int
    most: int


SLIDERS = {
    "classification": Sliders("Least probability, %", "Classes shown", 0, 0, 5, 20),
    "detection": Sliders("Least score, %", "Objects shown", 30, round(100 * LEAST_KEPT), MOST_OBJECTS, MOST_OBJECTS),
    "segmentation": Sliders("Least share of the picture, %", "Classes shown", 0, 0, 20, 40),
}


@dataclass(frozen=True)
class Looked:
    """What a model made of a picture."""

    kept: Kept
    name: str
    """Of the picture, for the files made of it."""
    seconds: float


@dataclass(frozen=True)
class ShownModel:
    """A model on the page."""

    name: str
    """After its run or file."""
    task: str
    """"classification", "detection" or "segmentation"."""
    predictor: Classifier | Detector | Segmentor

    @classmethod
    def open(cls, source: str, name: str, *, device: str | None = None) -> ShownModel:
        """Raises InputError where there is no such file, or it holds no model."""
        predictor = open_model(source, device=None if is_exported(source) else choose_device(device))
        return cls(name, task_of(predictor), predictor)

    @property
    def sliders(self) -> Sliders:
        """Those of its task, no further than it has classes."""
        found = SLIDERS[self.task]
        if self.task == "detection":
            return found
        most = min(found.most, len(self.predictor.classes), MOST_CLASSES)
        return Sliders(
            found.least, found.top, found.default_least, found.lowest_least, min(found.default_top, most), most
        )

    def look(self, image: Image.Image, name: str) -> Looked:
        """One forward pass."""
        began = time.perf_counter()
        kept = look(self.predictor, image)
        return Looked(kept, name, time.perf_counter() - began)


def look(predictor: Classifier | Detector | Segmentor, image: Image.Image) -> Kept:
    """One forward pass of a model of any task."""
    if isinstance(predictor, Detector):
        return look_for_objects(predictor, image)
    if isinstance(predictor, Segmentor):
        return look_at_pixels(predictor, image)
    return look_for_classes(predictor, image)


def task_of(predictor: Classifier | Detector | Segmentor) -> str:
    """ "classification", "detection" or "segmentation"."""
    if isinstance(predictor, Detector):
        return "detection"
    return "segmentation" if isinstance(predictor, Segmentor) else "classification"


def picture_name(sent: object) -> str:
    """What files made of an uploaded picture are called after."""
    name = sent.get("orig_name") if isinstance(sent, dict) else None
    return Path(name).stem[:60] if isinstance(name, str) and Path(name).stem else "picture"
