"""The detectors by the names that files have for them; for reading files only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from swinkit.detection.atss import ATSS
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.detector import DetectorConfig
from swinkit.detection.htc import HTC
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.errors import InputError

DETECTORS: dict[str, type[DetectorConfig]] = {
    "mask_rcnn": MaskRCNN,
    "cascade_mask_rcnn": CascadeMaskRCNN,
    "htc": HTC,
    "atss": ATSS,
    "sparse_rcnn": SparseRCNN,
    "reppoints_v2": RepPointsV2,
    "mask_reppoints_v2": MaskRepPointsV2,
}
"""What files call a detector, to its configuration."""

AnyDetector = MaskRCNN | CascadeMaskRCNN | HTC | ATSS | SparseRCNN | RepPointsV2 | MaskRepPointsV2
"""What a recipe may ask for."""


def architecture_of(config: DetectorConfig, table: Mapping[str, type[DetectorConfig]] = DETECTORS) -> str:
    """What files call it; a detector that `table` lacks is called after its class."""
    return next((name for name, kind in table.items() if type(config) is kind), type(config).__name__)


def config_class(name: object, table: Mapping[str, type[DetectorConfig]] = DETECTORS) -> type[DetectorConfig]:
    """The configuration of what files call `name`; raises InputError where there is none."""
    if not isinstance(name, str) or name not in table:
        raise InputError(
            f"there is no detector {name!r}; there are {', '.join(table)}, and the argument architectures of "
            "swinkit.open takes one of your own"
        )
    return table[name]


def recognise_detector(
    tensors: Mapping[str, Tensor], table: Mapping[str, type[DetectorConfig]] = DETECTORS
) -> tuple[DetectorConfig, int] | None:
    """The configuration and number of classes of weights under official names; None where they are no detector's."""
    return next((found for kind in table.values() if (found := kind.recognise(tensors)) is not None), None)
