"""Our numbers beside those of a golden file: how far apart, and how far they may be.

Tolerances are those of the golden files' README, for fp32: values 1e-4 of the largest magnitude in the tensor,
gradient norms 1e-3 relative. The README gives none for whole gradients; they get the 1e-3 of their norms, as the norm
of the difference over the norm: by the triangle inequality that is the stricter of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from golden_file import GRADIENTS, WEIGHTS, Golden
from torch import Tensor

VALUES = 1e-4
GRADIENT_NORMS = 1e-3
NOTHING = 1e-6
"""A gradient smaller than this share of the file's largest one is zero in theory and rounding in practice, so that a
relative error says nothing: it must be as small here, and no more is asked. Such are the bias tables, queries and keys
of 1 x 1 windows (the softmax of a single logit is 1, whatever the logit), or everything before the loss of a
classifier of one class. Keys' biases are another (they add the same to all logits of a query, and softmax does not see
it), but these share a parameter with those of queries and values. fp32 rounds to 1e-7."""


@dataclass(frozen=True)
class Comparison:
    """One tensor of the file. A NaN or infinite error is a miss."""

    name: str
    error: float
    tolerance: float
    note: str = ""

    @property
    def is_ok(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.is_ok else "MISS"
        note = f"  ({self.note})" if self.note else ""
        return f"  {self.name:<72} error {self.error:8.2e}  tolerance {self.tolerance:7.1e}  {verdict}{note}"


def miss(name: str, note: str) -> Comparison:
    """A tensor that could not be compared at all."""
    return Comparison(name, float("inf"), 0.0, note)


def compare_values(name: str, ours: Tensor, theirs: Tensor) -> Comparison:
    """Largest difference over the largest magnitude of theirs."""
    if ours.shape != theirs.shape:
        return miss(name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}")
    largest = theirs.double().abs().max().item()
    difference = (ours.double() - theirs.double()).abs().max().item()
    return Comparison(name, difference / (largest or 1.0), VALUES)


def compare_exactly(name: str, ours: Tensor, theirs: Tensor) -> Comparison:
    """Buffers: constants, with nothing to round."""
    if ours.shape != theirs.shape:
        return miss(name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}")
    return Comparison(name, (ours.double() - theirs.double()).abs().max().item(), 0.0)


def compare_gradients(golden: Golden, gradients: Mapping[str, Tensor | None]) -> list[Comparison]:
    """Every stored gradient and gradient norm.

    Args:
        golden: the file.
        gradients: of every parameter of the model, under its official name and in its official layout; None where it
            has none because it is frozen or unused, which the file may say as 0 or by leaving the name out.
    """
    stored = {n.removeprefix(GRADIENTS): t.double() for n, t in golden.stored.items() if n.startswith(GRADIENTS)}
    norms = _stored_norms(golden)
    nothing = NOTHING * max([*norms.values(), *(t.norm().item() for t in stored.values())], default=0.0)
    lines = []
    for name, norm in norms.items():
        ours = gradients.get(name)
        size = 0.0 if ours is None else ours.double().norm().item()
        lines.append(_relative(f"gradient_norms {name}", abs(size - norm), norm, nothing, name in gradients))
    for name, theirs in stored.items():
        ours = gradients.get(name)
        ours = torch.zeros_like(theirs) if ours is None else ours.double()
        if ours.shape != theirs.shape:
            lines.append(miss(GRADIENTS + name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}"))
            continue
        difference, norm = (ours - theirs).norm().item(), theirs.norm().item()
        lines.append(_relative(GRADIENTS + name, difference, norm, nothing, name in gradients))
    if "gradient_norms" in golden.stored and len(norms) != golden.stored["gradient_norms"].numel():
        lines.append(miss("gradient_norms", f"its length is not that of gradient_names, {len(golden.gradient_names)}"))
    return lines


def compare_trained(golden: Golden, gradients: Mapping[str, Tensor | None]) -> Comparison:
    """Whether all parameters that get a gradient here are in the file's list: none that should be frozen is not."""
    surplus = [name for name, gradient in gradients.items() if gradient is not None and gradient.any()]
    surplus = [name for name in surplus if name not in golden.gradient_names]
    note = f"the file has no gradient of {', '.join(surplus[:3])}" if surplus else ""
    return Comparison("gradients of frozen parameters", float(len(surplus)), 0.0, note)


def uncompared(golden: Golden, lines: list[Comparison], *, used: set[str]) -> list[Comparison]:
    """A miss for every stored tensor that no line speaks of."""
    compared = {line.name.split(" ")[0] for line in lines} | used
    names = [*golden.stored, *(WEIGHTS + name for name in golden.weights)]
    return [miss(name, "stored, but compared with nothing") for name in names if name not in compared]


def _stored_norms(golden: Golden) -> dict[str, float]:
    norms = golden.stored.get("gradient_norms")
    return {} if norms is None else dict(zip(golden.gradient_names, norms.flatten().tolist(), strict=False))


def _relative(name: str, difference: float, norm: float, nothing: float, exists: bool) -> Comparison:
    if not exists:
        return miss(name, "our model has no such parameter")
    if norm <= nothing:
        return Comparison(name, difference, nothing, "zero in theory: absolute error")
    return Comparison(name, difference / norm, GRADIENT_NORMS)
