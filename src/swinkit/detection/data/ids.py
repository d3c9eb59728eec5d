"""Ids of images and categories as tools write them."""

from __future__ import annotations

import re


def as_id(value: object) -> int | None:
    """The whole number that an id is: 100, 100.0 and "100" are one. None where it is none, or beyond 63 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,19}(\.0+)?\s*", value, re.ASCII):
        value = int(value.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 2**63 else None
