"""Class activation maps, computed by the library grad-cam.

Shapes: C channels, h w map of a backbone's feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from swinkit.errors import InputError

Method = Literal["hirescam", "gradcam", "layercam"]
"""hirescam multiplies every value of the map with its own gradient (arXiv 2011.08891), layercam with what of it is
positive, gradcam with its channel's mean gradient (arXiv 1610.02391)."""

Score = Callable[[list[Tensor]], Tensor]
"""From the features of a backbone, (1, C_i, h_i, w_i) each, to one number."""


def activation_map(
    model: nn.Module,
    features: Sequence[Tensor],
    level: int,
    score: Score,
    *,
    method: Method = "hirescam",
    centred: bool = True,
) -> Tensor:
    """Where feature number `level` speaks for a score: (h, w) float32 on the CPU, 0..1; zeros where nothing does.

    Neither the weights nor their gradients are touched, and nothing before the feature is computed again.

    Args:
        model: what `score` runs.
        features: of one image, (1, C_i, h_i, w_i) each.
        level: which of them.
        score: what is explained; it must depend on that feature.
        method: how values and gradients become a map.
        centred: values count as differences from their mean over the map: what a place says beside an average one. In
            front of a norm, values themselves times their gradients add up to nothing; behind it, what all places have
            in common blurs what one of them says.

    Raises:
        InputError: where grad-cam is not installed, there is no such method, or the score has no gradient.
    """
    kind = _method(method)
    asked = _Asked(features, level, score, centred=centred)
    with torch.inference_mode(False), torch.enable_grad(), _constant_weights(model):
        cam = kind(asked, [asked.leaf])
        try:
            found = cam(asked.features[level], targets=[_itself])
        finally:
            cam.activations_and_grads.release()
    return torch.from_numpy(found[0])


def check_method(method: str) -> None:
    """Raises InputError where there is no such method, or grad-cam is not installed."""
    _method(method)


class _Asked(nn.Module):
    """A score as the library wants a model: one that has parameters and a layer whose output is looked at."""

    def __init__(self, features: Sequence[Tensor], level: int, score: Score, *, centred: bool) -> None:
        super().__init__()
        # Tensors of inference mode have no gradients, even outside of it; their copies do.
        with torch.inference_mode(False):
            self.features = [each.clone() for each in features]
        self.level = level
        self.score = score
        self.centred = centred
        self.leaf = _Leaf()
        self.place = nn.Parameter(torch.zeros((), device=features[level].device))  # the library asks where it is

    def forward(self, _: Tensor) -> Tensor:
        features, looked_at = list(self.features), self.features[self.level].float()
        average = looked_at.mean((2, 3), keepdim=True) if self.centred else looked_at.new_zeros(())
        features[self.level] = (self.leaf(looked_at - average) + average).to(features[self.level].dtype)
        value = self.score(features)
        if not value.requires_grad:
            raise InputError(
                "this model's scores have no gradients to its features, so no class activation map can be made; open "
                "the checkpoint itself, on a backend that trains"
            )
        return value.reshape(1)


class _Leaf(nn.Module):
    """Where gradients end."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach().requires_grad_()


def _itself(output: Tensor) -> Tensor:
    return output


@contextmanager
def _constant_weights(model: nn.Module) -> Iterator[None]:
    """Weights without gradients, so that none are computed for them or written into them."""
    learning = [each for each in model.parameters() if each.requires_grad]
    for each in learning:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in learning:
            each.requires_grad_(True)


def _method(method: str) -> Any:
    if method not in get_args(Method):
        raise InputError(f"there is no method {method!r}; choose one of {', '.join(get_args(Method))}")
    try:
        import pytorch_grad_cam
    except ImportError:
        raise InputError(
            "class activation maps need the library grad-cam; install it with pip install 'swinkit[explain]'"
        ) from None
    return {
        "hirescam": pytorch_grad_cam.HiResCAM,
        "gradcam": pytorch_grad_cam.GradCAM,
        "layercam": pytorch_grad_cam.LayerCAM,
    }[method]
