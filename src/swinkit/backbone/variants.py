"""The published architectures as configurations (paper table 7)."""

from __future__ import annotations

from dataclasses import asdict

from swinkit.backbone.architecture import ARCHITECTURES
from swinkit.backbone.swin import SwinConfig

VARIANTS: dict[str, SwinConfig] = {name: SwinConfig(**asdict(values)) for name, values in ARCHITECTURES.items()}
"""Public names to configurations."""

SWIN_T = VARIANTS["swin_t"]
SWIN_S = VARIANTS["swin_s"]
SWIN_B = VARIANTS["swin_b"]
SWIN_L = VARIANTS["swin_l"]
SWIN_B_384 = VARIANTS["swin_b_384"]
SWIN_L_384 = VARIANTS["swin_l_384"]
