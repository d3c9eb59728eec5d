"""What is kept of one forward pass of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from swinkit.classification.predictor import Classifier
from swinkit.classification.result import Classification
from swinkit.pictures.figure import percent
from swinkit.web.markup import reduced, text

MOST_KEPT = 100
"""Classes, the most probable ones."""


@dataclass(frozen=True)
class KeptClasses:
    """The most probable classes of an image, from which any number and any threshold are taken later."""

    result: Classification
    """With the image as small as it is shown."""

    def chosen(self, least: float, top: int) -> Classification:
        """Those with at least the probability `least`, 0..1, at most `top`; the first one always."""
        count = max(1, sum(probability >= least for probability in self.result.probabilities[:top]))
        return replace(
            self.result, classes=self.result.classes[:count], probabilities=self.result.probabilities[:count]
        )

    def html(self, least: float, top: int) -> str:
        """Bars."""
        shown = self.chosen(least, top)
        rows = "".join(
            f'<li tabindex="0"><span class="name">{text(name)}</span><span class="value">{percent(share)}</span>'
            f'<span class="bar"><i style="width:{100 * share:.2f}%"></i></span></li>'
            for name, share in zip(shown.classes, shown.probabilities, strict=True)
        )
        return f'<ol class="bars" aria-label="classes">{rows}</ol>'

    def picture(self, least: float, top: int) -> Image.Image:
        """The image with its bars."""
        return self.chosen(least, top).draw()

    def data(self, least: float, top: int) -> Any:
        """Plain data."""
        return self.chosen(least, top).to_dict()


def look_for_classes(classifier: Classifier, image: Image.Image) -> KeptClasses:
    """One forward pass."""
    result = classifier.predict(image, top=MOST_KEPT)
    assert isinstance(result, Classification)
    return KeptClasses(replace(result, image=reduced(image)))
