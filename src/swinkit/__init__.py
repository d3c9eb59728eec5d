"""The Swin Transformer (arXiv 2103.14030) as software people can use today: exact, fast and pleasant.

import swinkit

model = swinkit.swin_t(weights="swin_tiny_patch4_window7_224", num_classes=10)   # a classifier
backbone = swinkit.SwinTransformer(swinkit.SWIN_T)                               # a feature pyramid
swinkit.open("runs/digits").predict("photo.jpg")                                 # any trained model

`import swinkit` imports nothing else: a name brings its module, and with it PyTorch, where it is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and type checkers see; `_MODULES` says the same to `__getattr__`
    from swinkit.backbone.swin import SwinConfig, SwinTransformer
    from swinkit.backbone.timm import TimmConfig
    from swinkit.backbone.torchvision_pyramid import BackboneWithFPN
    from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_L, SWIN_L_384, SWIN_S, SWIN_T, VARIANTS
    from swinkit.classification.model import SwinClassifier
    from swinkit.classification.variants import build_classifier, swin_b, swin_b_384, swin_l, swin_l_384, swin_s, swin_t
    from swinkit.compilation import compile_model as compile
    from swinkit.detection.atss import ATSS
    from swinkit.detection.cascade import CascadeMaskRCNN
    from swinkit.detection.htc import HTC
    from swinkit.detection.mask_rcnn import MaskRCNN
    from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
    from swinkit.detection.reppoints_v2 import RepPointsV2
    from swinkit.detection.soft_nms import Suppression
    from swinkit.detection.sparse_rcnn import SparseRCNN
    from swinkit.errors import InputError
    from swinkit.export.program import export_program
    from swinkit.opening import open_model as open
    from swinkit.segmentation.model import UperNet, UperNetConfig
    from swinkit.structures import Views
    from swinkit.training.run import train
    from swinkit.weights.catalogue import CATALOGUE
    from swinkit.weights.load import LoadReport, load_weights

__version__ = "0.1.0"

__all__ = [
    "ATSS",
    "CATALOGUE",
    "HTC",
    "SWIN_B",
    "SWIN_B_384",
    "SWIN_L",
    "SWIN_L_384",
    "SWIN_S",
    "SWIN_T",
    "VARIANTS",
    "BackboneWithFPN",
    "CascadeMaskRCNN",
    "InputError",
    "LoadReport",
    "MaskRCNN",
    "MaskRepPointsV2",
    "RepPointsV2",
    "SparseRCNN",
    "Suppression",
    "SwinClassifier",
    "SwinConfig",
    "SwinTransformer",
    "TimmConfig",
    "UperNet",
    "UperNetConfig",
    "Views",
    "build_classifier",
    "compile",
    "export_program",
    "load_weights",
    "open",
    "swin_b",
    "swin_b_384",
    "swin_l",
    "swin_l_384",
    "swin_s",
    "swin_t",
    "train",
]

_MODULES = {
    "ATSS": "detection.atss",
    "BackboneWithFPN": "backbone.torchvision_pyramid",
    "CATALOGUE": "weights.catalogue",
    "CascadeMaskRCNN": "detection.cascade",
    "HTC": "detection.htc",
    "InputError": "errors",
    "LoadReport": "weights.load",
    "MaskRCNN": "detection.mask_rcnn",
    "MaskRepPointsV2": "detection.mask_reppoints_v2",
    "RepPointsV2": "detection.reppoints_v2",
    "SWIN_B": "backbone.variants",
    "SWIN_B_384": "backbone.variants",
    "SWIN_L": "backbone.variants",
    "SWIN_L_384": "backbone.variants",
    "SWIN_S": "backbone.variants",
    "SWIN_T": "backbone.variants",
    "SparseRCNN": "detection.sparse_rcnn",
    "Suppression": "detection.soft_nms",
    "SwinClassifier": "classification.model",
    "SwinConfig": "backbone.swin",
    "SwinTransformer": "backbone.swin",
    "TimmConfig": "backbone.timm",
    "UperNet": "segmentation.model",
    "UperNetConfig": "segmentation.model",
    "VARIANTS": "backbone.variants",
    "Views": "structures",
    "build_classifier": "classification.variants",
    "compile": "compilation",
    "export_program": "export.program",
    "load_weights": "weights.load",
    "open": "opening",
    "swin_b": "classification.variants",
    "swin_b_384": "classification.variants",
    "swin_l": "classification.variants",
    "swin_l_384": "classification.variants",
    "swin_s": "classification.variants",
    "swin_t": "classification.variants",
    "train": "training.run",
}
"""Public names to the modules that define them, below swinkit."""

_NAMES_THERE = {"compile": "compile_model", "open": "open_model"}
if not TYPE_CHECKING:  # with a module's __getattr__ in sight, type checkers would take any misspelt name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            value = getattr(import_module(f"swinkit.{_MODULES[name]}"), _NAMES_THERE.get(name, name))
            globals()[name] = value
            return value
        if not name.startswith("_") and find_spec(f"swinkit.{name}") is not None:
            return import_module(f"swinkit.{name}")
        raise AttributeError(f"module 'swinkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
