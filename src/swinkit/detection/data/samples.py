"""Images with objects: what a detection data set is to everything after it.

Shapes: N objects, h w image.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from PIL import Image
from torch import Tensor

from swinkit.layers.pixels import pad_batch
from swinkit.structures import Instances


class DetectionData(Protocol):
    """Images with the objects in them."""

    classes: tuple[str, ...]
    """Names; label i is classes[i]."""
    has_masks: bool
    """Whether the objects have masks beside their boxes."""

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every image, known without reading it."""

    @property
    def image_ids(self) -> list[int]:
        """What `coco` and the results call the images."""

    @property
    def class_counts(self) -> list[int]:
        """How many objects of each class there are to learn, known without reading the images."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image.Image, Instances]:
        """The image in 8-bit RGB, and the objects to learn: never a crowd or an ignored region; with its semantic map
        where these are data to train a detector on that wants one."""

    def sample_name(self, index: int) -> str:
        """What to call sample `index` in messages and pictures."""

    def subset(self, indices: Sequence[int]) -> "DetectionData":
        """The images at `indices`, in that order."""

    def coco(self) -> dict[str, Any]:
        """The ground truth in COCO's form (images, annotations with the crowds, categories in the order of the labels):
        what detections are compared with."""


DetectionBatch = tuple[Tensor, list[tuple[int, int]], list[Instances]]
"""Images (B, 3, H, W) uint8, padded; height and width of each without padding; the ground truth of each."""


def collate_detection(samples: list[tuple[Tensor, Instances]]) -> DetectionBatch:
    """A batch of transformed samples, images (3, h, w) uint8 of their own sizes with their ground truth."""
    images, sizes = pad_batch([image for image, _ in samples])
    return images, sizes, [truth for _, truth in samples]
