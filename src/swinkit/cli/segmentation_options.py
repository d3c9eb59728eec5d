"""How `swinkit evaluate` and `swinkit predict` show images to a segmentor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from swinkit.errors import InputError
from swinkit.segmentation.inference import MULTI_SCALE, InferenceSettings
from swinkit.structures import ONE_VIEW, Views


@dataclass(frozen=True)
class ShownAs:
    """Options of inference."""

    mode: Literal["trained", "whole", "slide", "multi_scale"] = "trained"
    """"trained": as in the validation of the training; "whole": at once; "slide": in windows of `crop`; "multi_scale":
    at 0.5 to 1.75 times the size and mirrored, probabilities averaged (paper section A2.3), in windows with `crop`."""
    crop: tuple[int, int] | None = None
    """Height and width of sliding windows, in pixels; "slide" takes 512 512 where none is given."""
    stride: tuple[int, int] | None = None
    """Pixels between windows, downwards and sideways. Default: two thirds of the crop."""
    keep_size: bool = False
    """Show images as large as they are, also where the model was validated on resized ones."""

    def settings(self, trained: InferenceSettings, views: Views = ONE_VIEW) -> InferenceSettings:
        """The inference that is meant, for a model that was validated with `trained`, where --scales and --flip say
        `views`."""
        if self.mode == "multi_scale" and views != ONE_VIEW:
            raise InputError(
                "--mode multi_scale has scales and flip of its own; leave it out where --scales say others"
            )
        if self.mode in ("trained", "whole") and (self.crop or self.stride):
            raise InputError(f"--crop and --stride go with --mode slide or multi_scale, not {self.mode}")
        resize = None if self.keep_size else trained.resize
        if self.mode == "trained":
            return replace(trained, resize=resize)
        crop = self.crop or ((512, 512) if self.mode == "slide" else None)
        multi = self.mode == "multi_scale"
        return InferenceSettings(
            resize=resize, scales=MULTI_SCALE if multi else (1.0,), flip=multi, crop=crop, stride=self.stride
        )
