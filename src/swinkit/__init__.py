"""The Swin Transformer (arXiv 2103.14030) as software people can use today: exact, fast and pleasant.

import swinkit

model = swinkit.swin_t(weights="swin_tiny_patch4_window7_224", num_classes=10)   # a classifier
backbone = swinkit.SwinTransformer(swinkit.SWIN_T)                               # a feature pyramid

`import swinkit` imports nothing else: a name brings its module, and with it PyTorch, where it is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and type checkers see; `_MODULES` says the same to `__getattr__`
    from swinkit.backbone.config import SwinConfig
    from swinkit.backbone.features import SwinTransformer
    from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_L, SWIN_L_384, SWIN_S, SWIN_T, VARIANTS
    from swinkit.classification.model import SwinClassifier
    from swinkit.classification.variants import build_classifier, swin_b, swin_b_384, swin_l, swin_l_384, swin_s, swin_t
    from swinkit.compilation import compile_model as compile
    from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN
    from swinkit.detection.model import RCNN
    from swinkit.errors import InputError
    from swinkit.export.program import export_program
    from swinkit.segmentation.model import UperNet
    from swinkit.weights.catalogue import CATALOGUE
    from swinkit.weights.load import LoadReport, load_weights

__version__ = "0.1.0"

__all__ = [
    "CASCADE_MASK_RCNN",
    "CATALOGUE",
    "MASK_RCNN",
    "RCNN",
    "SWIN_B",
    "SWIN_B_384",
    "SWIN_L",
    "SWIN_L_384",
    "SWIN_S",
    "SWIN_T",
    "VARIANTS",
    "InputError",
    "LoadReport",
    "SwinClassifier",
    "SwinConfig",
    "SwinTransformer",
    "UperNet",
    "build_classifier",
    "compile",
    "export_program",
    "load_weights",
    "swin_b",
    "swin_b_384",
    "swin_l",
    "swin_l_384",
    "swin_s",
    "swin_t",
]

_MODULES = {
    "CASCADE_MASK_RCNN": "detection.config",
    "CATALOGUE": "weights.catalogue",
    "MASK_RCNN": "detection.config",
    "RCNN": "detection.model",
    "SWIN_B": "backbone.variants",
    "SWIN_B_384": "backbone.variants",
    "SWIN_L": "backbone.variants",
    "SWIN_L_384": "backbone.variants",
    "SWIN_S": "backbone.variants",
    "SWIN_T": "backbone.variants",
    "VARIANTS": "backbone.variants",
    "InputError": "errors",
    "LoadReport": "weights.load",
    "SwinClassifier": "classification.model",
    "SwinConfig": "backbone.config",
    "SwinTransformer": "backbone.features",
    "UperNet": "segmentation.model",
    "build_classifier": "classification.variants",
    "compile": "compilation",
    "export_program": "export.program",
    "load_weights": "weights.load",
    "swin_b": "classification.variants",
    "swin_b_384": "classification.variants",
    "swin_l": "classification.variants",
    "swin_l_384": "classification.variants",
    "swin_s": "classification.variants",
    "swin_t": "classification.variants",
}
"""Public names to the modules that define them, below swinkit."""

_NAMES_THERE = {"compile": "compile_model"}
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
