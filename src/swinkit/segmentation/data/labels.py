"""What the values of a mask mean: classes, and pixels to ignore.

Shapes: H W image, K classes.
"""

from collections.abc import Sequence

import numpy as np

from swinkit.errors import InputError
from swinkit.images.masks import MaskError
from swinkit.ops.labels import IGNORE


def as_labels(
    values: np.ndarray,
    num_classes: int,
    *,
    reduce_zero_label: bool,
    name: str,
    mask_values: Sequence[int] | None = None,
) -> np.ndarray:
    """Values of a mask as labels, (H, W) uint8: 0..K-1, and 255 for pixels to ignore.

    With `reduce_zero_label`, as for ADE20K, 0 is ignored and 1..K become 0..K-1; else values are labels. 255 is ignored
    either way, unless it is one of `mask_values`, which names the value of each class in their order.

    Raises MaskError, naming the mask, where a value is no label.
    """
    if mask_values is not None:
        return _named_values(values, mask_values, name)
    first = 1 if reduce_zero_label else 0
    last = num_classes - 1 + first
    allowed = (values <= last) | (values == IGNORE)
    if values.dtype != np.uint8:
        allowed &= values >= 0
    if not allowed.all():
        outside = values[~allowed]
        is_one_more = not reduce_zero_label and ((outside >= 0) & (outside <= num_classes)).all()
        raise MaskError(
            f"the mask {name} has the value {int(outside[0])}, but {num_classes} classes have the values "
            f"{first} to {last} (and {IGNORE} is ignored); correct the mask or the list of classes"
            f"{', or give --reduce-zero-label, if 0 is no class' if is_one_more else ''}"
        )
    labels = values.astype(np.uint8)
    return np.where((labels == 0) | (labels == IGNORE), np.uint8(IGNORE), labels - first) if first else labels


def check_mask_values(mask_values: Sequence[int], classes: Sequence[str], *, reduce_zero_label: bool) -> None:
    """Raises InputError where the values are not one for each class, all different, or go with `reduce_zero_label`."""
    if reduce_zero_label:
        raise InputError("--mask-values and --reduce-zero-label both say which value is which class; give one of them")
    if len(mask_values) != len(classes) or len(set(mask_values)) < len(classes) or min(mask_values) < 0:
        raise InputError(
            f"--mask-values must be {len(classes)} different whole numbers from 0 on, one for each class "
            f"({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}), not {' '.join(map(str, mask_values))}"
        )


def _named_values(values: np.ndarray, mask_values: Sequence[int], name: str) -> np.ndarray:
    labels = np.full(values.shape, IGNORE, dtype=np.uint8)
    known = values == IGNORE
    for label, value in enumerate(mask_values):
        labels[values == value] = label
        known |= values == value
    if not known.all():
        raise MaskError(
            f"the mask {name} has the value {int(values[~known][0])}, which is none of the --mask-values "
            f"{' '.join(map(str, mask_values))} (and {IGNORE} is ignored); correct the mask or the values"
        )
    return labels
