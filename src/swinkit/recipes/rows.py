"""Rows of the paper's tables 4, 6 and 8 that are made from a base recipe, as values: no PyTorch is needed to read them.

`swinkit.recipes.ablations` makes the recipes; none is written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from swinkit.recipes.published import Published


@dataclass(frozen=True)
class Variant:
    """A row of table 4 or 6: Swin-T with another attention or position."""

    title: str
    """In words."""
    changes: Mapping[str, Any]
    """Fields of the backbone's configuration that differ from Swin-T's."""
    table: int
    top1: float
    top5: float
    box_ap: float | None = None
    mask_ap: float | None = None
    miou: float | None = None

    def published(self, task: str) -> Published | None:
        """Its figures of "imagenet1k", "coco" or "ade20k"; None where the paper has none."""
        source = f"paper, table {self.table}"
        if task == "imagenet1k":
            return Published(top1=self.top1, top5=self.top5, source=source)
        if task == "coco":
            return None if self.box_ap is None else Published(box_ap=self.box_ap, mask_ap=self.mask_ap, source=source)
        return None if self.miou is None else Published(miou_multi_scale=self.miou, source=source)


_NO_BIAS = {"relative_position_bias": False}

VARIANTS: dict[str, Variant] = {
    "unshifted": Variant("without shifted windows", {"attention": "unshifted"}, 4, 80.2, 95.1, 47.7, 41.5, 43.3),
    "no_position": Variant("without positions", _NO_BIAS, 4, 80.1, 94.9, 49.2, 42.6, 43.8),
    "absolute": Variant(
        "with an absolute position embedding alone",
        {**_NO_BIAS, "absolute_position_embedding": True},
        4,
        *(80.5, 95.2, 49.0, 42.4, 43.2),
    ),
    "absolute_relative": Variant(
        "with both position embedding and bias", {"absolute_position_embedding": True}, 4, 81.3, 95.6, 50.2, 43.4, 44.0
    ),
    "without_appearance": Variant(
        "with attention by position alone, without queries and keys", {"qk_scale": 0.0}, 4, 79.3, 94.7, 48.2, 41.9, 44.1
    ),
    "sliding": Variant("with sliding windows", {"attention": "sliding"}, 6, 81.4, 95.6, 50.2, 43.5, 45.8),
    "performer": Variant(
        "with the Performer's attention (inferred)", {**_NO_BIAS, "attention": "performer"}, 6, 79.0, 94.2
    ),
}
"""By the suffix of the recipes' names. The rows that are Swin-T itself are `imagenet1k_swin_t_paper` and the like."""


@dataclass(frozen=True)
class Resolution:
    """A cell of table 8 that has no recipe in the official code: fine-tuned from 224 pixels."""

    model: str
    """t, s or b."""
    size: int
    """Pixels; windows have a 32nd of it."""
    top1: float
    published: Published = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "published", Published(top1=self.top1, source="paper, table 8"))

    @property
    def name(self) -> str:
        """Of the recipe."""
        return f"imagenet1k_swin_{self.model}_{self.size}_finetune_paper"


RESOLUTIONS = tuple(
    Resolution(model, size, top1)
    for model, size, top1 in (
        *(("t", 256, 81.6), ("t", 320, 82.1), ("t", 384, 82.2)),
        *(("s", 256, 83.4), ("s", 320, 83.7), ("s", 384, 83.9)),
        *(("b", 256, 83.7), ("b", 320, 84.0)),  # 384 is in the official code, and `imagenet1k` has both forms
    )
)

PREFIXES = {"imagenet1k": "imagenet1k_swin_t", "coco": "coco_cascade_swin_t", "ade20k": "ade20k_swin_t"}
"""What stands before a variant in a recipe's name, by data set."""
TASKS = {"imagenet1k": "classification", "coco": "detection", "ade20k": "segmentation"}


def described_rows() -> Iterator[tuple[str, str, str, Published]]:
    """Name, task, summary and figures of every recipe that is made from these rows."""
    for each in RESOLUTIONS:
        summary = f"Swin-{each.model.upper()} from 224 to {each.size} on ImageNet-1K, as in the paper's text (table 8)."
        yield each.name, "classification", summary, each.published
    for data, models in (("imagenet1k", "Swin-T"), ("coco", "Cascade Mask R-CNN"), ("ade20k", "UperNet")):
        for name, variant in VARIANTS.items():
            published = variant.published(data)
            if published is not None:
                of = "Swin-T" if models == "Swin-T" else f"{models} with Swin-T"
                yield f"{PREFIXES[data]}_{name}", TASKS[data], f"{of} {variant.title}.", published
