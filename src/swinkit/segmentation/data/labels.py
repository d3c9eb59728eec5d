"""What the values of a mask mean: classes, and pixels to ignore.

Shapes: H W image, K classes.
"""

import numpy as np

from swinkit.images.masks import MaskError
from swinkit.ops.labels import IGNORE


def as_labels(values: np.ndarray, num_classes: int, *, reduce_zero_label: bool, name: str) -> np.ndarray:
    """Values of a mask as labels, (H, W) uint8: 0..K-1, and 255 for pixels to ignore.

    With `reduce_zero_label`, as for ADE20K, 0 is ignored and 1..K become 0..K-1; else values are labels. 255 is ignored
    either way.

    Raises MaskError, naming the mask, where a value is no label.
    """
    first = 1 if reduce_zero_label else 0
    ignored = values == IGNORE
    if reduce_zero_label:
        ignored |= values == 0
    labels = np.where(ignored, IGNORE, values - first)
    outside = labels[(labels < 0) | ((labels >= num_classes) & ~ignored)]
    if outside.size:
        is_one_more = not reduce_zero_label and (labels[~ignored] <= num_classes).all()
        raise MaskError(
            f"the mask {name} has the value {int(outside[0]) + first}, but {num_classes} classes have the values "
            f"{first} to {num_classes - 1 + first} (and {IGNORE} is ignored); correct the mask or the list of classes"
            f"{', or give --reduce-zero-label, if 0 is no class' if is_one_more else ''}"
        )
    return labels.astype(np.uint8)
