"""Categories of a json as tools write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swinkit.detection.data.ids import as_id


def without_unused_root(categories: Sequence[Any], annotations: Sequence[Any]) -> Sequence[Any]:
    """Without the category that Roboflow puts first: "none" above it, all others below it, and not one annotation.

    It is no class, and is often called as one of them.
    """
    items = [item for item in categories if isinstance(item, dict)]
    roots = [item for item in items if item.get("supercategory") == "none"]
    if len(roots) != 1 or len(items) < 2 or len(items) != len(categories):
        return categories
    (root,) = roots
    below = all(item.get("supercategory") == root.get("name") for item in items if item is not root)
    used = any(
        isinstance(each, dict) and as_id(each.get("category_id")) == as_id(root.get("id")) for each in annotations
    )
    return categories if used or not below else [item for item in categories if item is not root]
