"""The published architectures (paper table 7). Stochastic depth belongs to a recipe, not to a variant."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swinkit.backbone.config import SwinConfig

SWIN_T = SwinConfig()
SWIN_S = replace(SWIN_T, depths=(2, 2, 18, 2))
SWIN_B = replace(SWIN_S, embed_dim=128, num_heads=(4, 8, 16, 32))
SWIN_L = replace(SWIN_S, embed_dim=192, num_heads=(6, 12, 24, 48))
SWIN_B_384 = replace(SWIN_B, window_size=12, image_size=(384, 384))
SWIN_L_384 = replace(SWIN_L, window_size=12, image_size=(384, 384))

Variant = Literal["swin_t", "swin_s", "swin_b", "swin_l", "swin_b_384", "swin_l_384"]

VARIANTS: dict[str, SwinConfig] = {
    "swin_t": SWIN_T,
    "swin_s": SWIN_S,
    "swin_b": SWIN_B,
    "swin_l": SWIN_L,
    "swin_b_384": SWIN_B_384,
    "swin_l_384": SWIN_L_384,
}
"""Public names to architectures."""
