"""Options that earlier versions called otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from swinkit.errors import InputError

RENAMED = (
    (r"--variant", "--backbone"),
    (r"--timm-backbone", "--backbone timm:NAME"),
    (r"--model\.(.*)", r"--backbone.\1"),
    (r"--updates", "--steps"),
    (r"--evaluate-every-updates", "--evaluate-every-steps"),
    (r"(--detector\..*)before-nms", r"\1pre-nms"),
    (r"(--detector\.rpn\.(?:training|inference)\.)kept", r"\1post-nms"),
    (r"(--detector\..*matcher\.)foreground", r"\1positive-iou"),
    (r"(--detector\..*matcher\.)background", r"\1negative-iou"),
    (r"(--detector\..*matcher\.)low-quality", r"\1low-quality-iou"),
    (r"(--detector\..*sampler\.)foreground", r"\1positive-fraction"),
    (r"(--detector\..*sampler\.)background-limit", r"\1negatives-per-positive"),
    (r"(--detector\..*sampler\.)adds-objects", r"\1add-gt-proposals"),
)
"""What options were called, as patterns, to what they are called now."""


def refuse_old_names(arguments: Sequence[str]) -> None:
    """Raises InputError, which says the new name, where an option is called as in an earlier version."""
    for argument in arguments:
        option = argument.partition("=")[0]
        for old, new in RENAMED:
            if re.fullmatch(old, option):
                raise InputError(f"{option} is called {re.sub(old, new, option)} now")
