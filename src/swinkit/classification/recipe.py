"""Everything that decides a classification run, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T, VARIANTS
from swinkit.classification.data.augmentation import SmallImageAugmentation, TrainAugmentation
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.errors import InputError
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@dataclass(frozen=True)
class ClassificationRecipe:
    """A classification run; the defaults are the published ImageNet-1K recipe of Swin-T, save stochastic depth."""

    name: Annotated[str, tyro.conf.Suppress] = "classification"
    """What the run is called; its folder is runs/NAME unless told otherwise."""
    data: Path | None = None
    """Folder with the images: a folder for each class (in train/ and val/, or split by swinkit), the official zip and
    map files, or the ImageNet-22K lists."""
    dataset: Literal["folder", "digits"] = "folder"
    """"folder" reads `data`; "digits" takes scikit-learn's handwritten digits, which need none."""
    validation_fraction: float = 0.2
    """Share of each class held out for validation where the data has no validation part, 0..1."""
    on_corrupt: Literal["stop", "skip"] = "stop"
    """What to do with an image that cannot be read: stop the run, or report it and take the next one."""
    image_size: int | None = None
    """Train and evaluate at another image size, in pixels, than the recipe's."""
    weights: str | None = None
    """Weights to start from: a file, a name that `swinkit models` lists, an address, or hf-hub:owner/name. The head is
    new where the classes differ in number."""
    class_map: Path | None = None
    """Text file with one number a line: the rows of the weights' head to start from (ImageNet-22K to 1K)."""
    variant: Literal["swin_t", "swin_s", "swin_b", "swin_l", "swin_b_384", "swin_l_384"] | None = None
    """Take this published architecture instead of the recipe's; its stochastic depth stays."""
    model: SwinConfig = SWIN_T
    augmentation: TrainAugmentation | SmallImageAugmentation = field(default_factory=TrainAugmentation)
    preprocessing: EvalPreprocessing = field(default_factory=EvalPreprocessing)
    mixing: Mixing = field(default_factory=Mixing)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(
        default_factory=lambda: ScheduleSettings(warmup_epochs=20, warmup_lr=5e-7, min_lr=5e-6)
    )
    loop: Annotated[LoopSettings, tyro.conf.arg(name="")] = field(default_factory=LoopSettings)

    def resolved(self) -> ClassificationRecipe:
        """The same recipe with `variant` and `image_size` put where they belong.

        Raises InputError where model, augmentation and preprocessing are left with different sizes.
        """
        recipe = self
        if self.variant is not None:
            model = replace(VARIANTS[self.variant], drop_path_rate=self.model.drop_path_rate)
            recipe = replace(recipe._resized(max(model.image_size)), variant=None, model=model)
        if self.image_size is not None:
            recipe = replace(recipe._resized(self.image_size), image_size=None)
        sizes = (recipe.model.image_size, recipe.augmentation.image_size, recipe.preprocessing.image_size)
        if recipe.model.in_channels != 3:
            raise InputError(
                f"images are read as RGB, so --model.in-channels must be 3, not {recipe.model.in_channels}"
            )
        if len({_pair(size) for size in sizes}) != 1:
            raise InputError(
                f"model, augmentation and preprocessing have the image sizes {sizes}; set all of them with --image-size"
            )
        return recipe

    def _resized(self, size: int) -> ClassificationRecipe:
        """For images of `size` pixels; the ratio of resizing and cropping stays."""
        before = max(_pair(self.preprocessing.image_size))
        shorter = self.preprocessing.shorter_side
        shorter = None if shorter is None else int(shorter / before * size)
        return replace(
            self,
            model=replace(self.model, image_size=(size, size)),
            augmentation=replace(self.augmentation, image_size=size),
            preprocessing=replace(self.preprocessing, image_size=size, shorter_side=shorter),
        )


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
