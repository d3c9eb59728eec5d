"""The Swin Transformer (arXiv 2103.14030) as software people can use today: exact, fast and pleasant.

import swinkit

model = swinkit.swin_t(weights="swin_tiny_patch4_window7_224", num_classes=10)   # a classifier
backbone = swinkit.SwinTransformer(swinkit.SWIN_T)                               # a feature pyramid"""

import importlib

__version__ = "0.1.0"
_HOMES = {
    "SwinConfig": ("swinkit.backbone.swin", "SwinConfig"),
    "SwinTransformer": ("swinkit.backbone.swin", "SwinTransformer"),
    "SWIN_B": ("swinkit.backbone.variants", "SWIN_B"),
    "SWIN_B_384": ("swinkit.backbone.variants", "SWIN_B_384"),
    "SWIN_L": ("swinkit.backbone.variants", "SWIN_L"),
    "SWIN_L_384": ("swinkit.backbone.variants", "SWIN_L_384"),
    "SWIN_S": ("swinkit.backbone.variants", "SWIN_S"),
    "SWIN_T": ("swinkit.backbone.variants", "SWIN_T"),
    "VARIANTS": ("swinkit.backbone.variants", "VARIANTS"),
    "SwinClassifier": ("swinkit.classification.model", "SwinClassifier"),
    "build_classifier": ("swinkit.classification.variants", "build_classifier"),
    "swin_b": ("swinkit.classification.variants", "swin_b"),
    "swin_b_384": ("swinkit.classification.variants", "swin_b_384"),
    "swin_l": ("swinkit.classification.variants", "swin_l"),
    "swin_l_384": ("swinkit.classification.variants", "swin_l_384"),
    "swin_s": ("swinkit.classification.variants", "swin_s"),
    "swin_t": ("swinkit.classification.variants", "swin_t"),
    "compile": ("swinkit.compilation", "compile_model"),
    "InputError": ("swinkit.errors", "InputError"),
    "export_program": ("swinkit.export.program", "export_program"),
    "UperNet": ("swinkit.segmentation.model", "UperNet"),
    "CATALOGUE": ("swinkit.weights.catalogue", "CATALOGUE"),
    "LoadReport": ("swinkit.weights.load", "LoadReport"),
    "load_weights": ("swinkit.weights.load", "load_weights"),
    "MaskRCNN": ("swinkit.detection.mask_rcnn", "MaskRCNN"),
    "CascadeMaskRCNN": ("swinkit.detection.cascade", "CascadeMaskRCNN"),
    "open": ("swinkit.opening", "open_model"),
    "train": ("swinkit.training.run", "train"),
}


def __getattr__(name: str):
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(name)
