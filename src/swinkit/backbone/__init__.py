"""The Swin Transformer without a task: its configuration, the published variants, and its feature pyramid."""

from swinkit.backbone.config import SwinConfig
from swinkit.backbone.contract import Backbone
from swinkit.backbone.features import SwinTransformer
from swinkit.backbone.stages import Geometry, SwinStages
from swinkit.backbone.timm_features import TimmFeatures
from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_L, SWIN_L_384, SWIN_S, SWIN_T, VARIANTS

__all__ = [
    "SWIN_B",
    "SWIN_B_384",
    "SWIN_L",
    "SWIN_L_384",
    "SWIN_S",
    "SWIN_T",
    "VARIANTS",
    "Backbone",
    "Geometry",
    "SwinConfig",
    "SwinStages",
    "SwinTransformer",
    "TimmFeatures",
]
