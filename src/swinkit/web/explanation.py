"""What a model looked at, where its predictor can say it."""

from __future__ import annotations

from typing import Any

from PIL import Image

from swinkit.errors import InputError


def can_explain(predictor: object) -> bool:
    """Whether the predictor makes class activation maps; one that runs an exported file has no gradients."""
    described = getattr(predictor, "description", None) or {}
    return callable(getattr(predictor, "explain", None)) and "exported" not in described


def explanation(predictor: Any, image: Image.Image) -> Image.Image:
    """The class activation map of what the model is surest of, over the image; one more forward pass and a backward
    pass.

    Raises InputError where there is nothing to explain.
    """
    if not can_explain(predictor):
        raise InputError("this model does not say what it looked at")
    picture: Image.Image = predictor.explain(image).draw()
    return picture
