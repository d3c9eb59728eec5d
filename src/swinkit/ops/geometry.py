"""What the published classification and dense code do differently."""

from __future__ import annotations

from typing import Literal

Geometry = Literal["classification", "dense"]
"""Which published code decides at the borders; they differ in two places.

"classification": pixels beyond the last whole patch are left out; a map no larger than the window in one direction
takes one window as large as that, without a shift. "dense" (detection and segmentation): the image is padded with
zeros to whole patches; the window and the shift are the same on every map.
"""
