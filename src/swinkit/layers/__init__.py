"""Modules that know no task: attention, block, patch embedding and merging, MLP, drop path."""

from swinkit.layers.attention import WindowAttention
from swinkit.layers.block import SwinBlock
from swinkit.layers.drop_path import DropPath
from swinkit.layers.mlp import Mlp
from swinkit.layers.patch import PatchEmbed, PatchMerging

__all__ = ["DropPath", "Mlp", "PatchEmbed", "PatchMerging", "SwinBlock", "WindowAttention"]
