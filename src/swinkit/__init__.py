"""The Swin Transformer (arXiv 2103.14030) as software people can use today: exact, fast and pleasant.

import swinkit

model = swinkit.swin_t(weights="swin_tiny_patch4_window7_224", num_classes=10)   # a classifier
backbone = swinkit.SwinTransformer(swinkit.SWIN_T)                               # a feature pyramid
"""

from swinkit.backbone.swin import SwinConfig, SwinTransformer
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
