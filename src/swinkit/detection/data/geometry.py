"""What resizing, mirroring and cutting do to an image, the objects in it and its semantic map.

Images are (3, h, w) uint8 tensors. Boxes stay within the image; sizes and roundings are the published code's (mmcv's
imrescale, imresize and imcrop).

Shapes: N objects, h w image.
"""

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat

from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.structures import Instances

Sample = tuple[Tensor, Instances]


def resize_within(image: Tensor, objects: Instances, *, shorter_side: int, longest_side: int) -> Sample:
    """The largest image of the same proportions with at most these sides, see `resize_to`."""
    height, width = image.shape[1:]
    return resize_to(image, objects, resized_shape(height, width, 1.0, (shorter_side, longest_side)))


def resize_to(image: Tensor, objects: Instances, size: tuple[int, int]) -> Sample:
    """The image at this height and width.

    Pixels bilinearly without smoothing, rounded; masks and the semantic map from the nearest pixel at or before the
    place, as OpenCV does both. Each axis of the boxes is scaled by what rounding made of it.
    """
    height, width = image.shape[1:]
    if size == (height, width):
        return image, objects
    scale = torch.tensor([size[1] / width, size[0] / height] * 2, dtype=torch.float32)
    boxes = _within(objects.boxes * scale, size)
    rows, columns = _nearest(height, size[0]), _nearest(width, size[1])
    masks, semantic = (
        None if each is None else each[..., rows, :][..., columns] for each in (objects.masks, objects.semantic)
    )
    return resized_image(image, size), Instances(boxes, objects.labels, masks, semantic)


def mirror(image: Tensor, objects: Instances, *, vertically: bool = False) -> Sample:
    """Left and right exchanged, or top and bottom."""
    height, width = image.shape[1:]
    boxes = BoundingBoxes(objects.boxes, format=BoundingBoxFormat.XYXY, canvas_size=(height, width))
    axis = -2 if vertically else -1
    flipped = (F.vertical_flip if vertically else F.horizontal_flip)(boxes).as_subclass(Tensor)
    masks, semantic = (None if each is None else each.flip(axis) for each in (objects.masks, objects.semantic))
    return image.flip(axis), Instances(flipped, objects.labels, masks, semantic)


def cut_out(image: Tensor, objects: Instances, *, top: int, left: int, height: int, width: int) -> Sample:
    """The part of the image; boxes are cut off at its edges, and objects of which nothing is left are dropped.

    Nothing is left where the box has no area in the part or, other than in the published code, which goes by boxes
    alone, where the mask has no pixel in it: such an object cannot be seen.
    """
    boxes = _within(objects.boxes - torch.tensor([left, top] * 2, dtype=torch.float32), (height, width))
    kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
    rows, columns = slice(top, top + height), slice(left, left + width)
    masks = None
    if objects.masks is not None:
        masks = objects.masks[:, rows, columns]
        kept &= masks.flatten(1).any(1)
        masks = masks[kept]
    semantic = None if objects.semantic is None else objects.semantic[rows, columns]
    return image[:, rows, columns], Instances(boxes[kept], objects.labels[kept], masks, semantic)


def jitter_colours(image: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and saturation each by a random factor within 1 +- strength, in random order."""
    return v2.ColorJitter(strength, strength, strength)(image)


def _within(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    limits = torch.tensor([width, height] * 2, dtype=boxes.dtype)
    return torch.minimum(boxes.clamp(min=0), limits)


def _nearest(length: int, new_length: int) -> Tensor:
    """(new_length,) int64: which of `length` pixels each new one takes its value from."""
    places = torch.arange(new_length, dtype=torch.float64) * (length / new_length)
    return places.floor().long().clamp(max=length - 1)
