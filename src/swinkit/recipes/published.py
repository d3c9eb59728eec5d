"""What was published about a recipe: the figures it reached, and how it was run. No PyTorch is needed to read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Figures of a run as its publication writes them: in percent or hundredths, so 81.2 is a top-1 of 0.812 and 43.7 a
    box AP of 0.437. swinkit's own scores lie in 0..1.

    Of several publications it is the one whose form the recipe has: the official README for the code's recipes, the
    paper for those of its text.
    """

    source: str = ""
    """Where they stand, such as "official README" or "paper, table 2"."""
    top1: float | None = None
    """ImageNet-1K validation images whose first guess is right."""
    top5: float | None = None
    box_ap: float | None = None
    """COCO AP of boxes, over IoU 0.50 to 0.95."""
    mask_ap: float | None = None
    miou: float | None = None
    """Mean IoU of ADE20K's validation images, at one scale."""
    miou_multi_scale: float | None = None
    """Mean IoU over six scales and flips."""
    test_score: float | None = None
    """ADE20K's own score of its test images, from its server."""
    after: str | None = None
    """Pretraining has no figure of its own: the recipe that goes on from it and has one."""

    @property
    def figures(self) -> str:
        """In words, such as "43.7 box AP, 39.8 mask AP"; empty where there are none."""
        several = "multi-scale" if self.miou is not None else "mIoU multi-scale"
        values = (
            (self.top1, "% top-1"),
            (self.top5, "% top-5"),
            (self.box_ap, "box AP"),
            (self.mask_ap, "mask AP"),
            (self.miou, "mIoU"),
            (self.miou_multi_scale, several),
            (self.test_score, "test score"),
        )
        return ", ".join(f"{value} {unit}" for value, unit in values if value is not None)

    @property
    def expectation(self) -> str:
        """What to expect of the recipe, with its source."""
        if self.after is not None:
            return f"no figure of its own is published; {self.after} goes on from it, and has one."
        return f"{self.figures} ({self.source})."


@dataclass(frozen=True)
class Launch:
    """How the published run is started: on how many GPUs, with how many images on each."""

    data: str
    """The data set's folder, as the command names it."""
    images: int
    """On a GPU at a time."""
    gpus: int = 8
    """Of one machine."""
    machines: int = 1
    accumulate: int = 1
    """How many times `images` on each GPU make one update."""
    options: str = ""
    """What else the command needs."""
    source: str | None = None
    """Where that is published, or that it is not."""

    def command(self, name: str) -> str:
        """The command line that trains by the recipe `name`."""
        machines = f"--nnodes {self.machines} " if self.machines > 1 else ""
        accumulate = f" --accumulate {self.accumulate}" if self.accumulate > 1 else ""
        options = f" {self.options}" if self.options else ""
        torchrun = f"torchrun {machines}--nproc-per-node {self.gpus}"
        return f"{torchrun} -m swinkit train {name} --data {self.data}{accumulate}{options}"

    @property
    def hardware(self) -> str:
        """In words."""
        images = f"{self.accumulate} x {self.images}" if self.accumulate > 1 else str(self.images)
        source = f" ({self.source})" if self.source else ""
        return (
            f"{self.machines * self.gpus} GPUs with {images} images each{source}; on fewer an update stays the same, "
            "and --accumulate saves memory."
        )
