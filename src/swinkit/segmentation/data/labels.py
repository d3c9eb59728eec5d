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
