"""How often the peak of a detection's class activation map lies in the box of the object that was found.

    python benchmarks/explained_peaks.py RUN... [--images 100] [--methods hirescam layercam]

Of detectors that were trained on digit scenes. Of every validation scene the best detection counts, if an object of its
class has a box with an IoU of at least 0.5; the peak must lie in that object's box, which is what chance would hit as
often as its share of the scene says.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torchvision.ops import box_iou

import swinkit
from swinkit.detection.predictor import Detector
from swinkit.images.digit_scenes import DigitScenes, SceneSettings
from swinkit.serialization import from_plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--methods", nargs="+", default=["hirescam"])
    arguments = parser.parse_args()
    for run in arguments.runs:
        detector = swinkit.open(run)
        assert isinstance(detector, Detector)
        told = detector.description["recipe"]["scenes"]
        scenes = DigitScenes(from_plain(SceneSettings, told, where=f"the scenes of {run}"), "val")
        for method in arguments.methods:
            print(f"{run} {method}: {counted(detector, scenes, arguments.images, method)}", flush=True)


def counted(detector: Detector, scenes: DigitScenes, images: int, method: Any) -> str:
    """How many peaks lie in their objects' boxes."""
    inside, shares = [], []
    for number in range(min(images, len(scenes))):
        image, truth, _ = scenes.scene(number)
        for each in detector.explain(image, top=1, threshold=0.0, method=method).maps:
            overlaps = box_iou(torch.tensor([each.box]), truth.boxes)[0]
            overlaps[truth.labels != detector.classes.index(each.name)] = 0
            if overlaps.max() < 0.5:
                continue
            left, top, right, bottom = truth.boxes[int(overlaps.argmax())].tolist()
            x, y = each.peak or (-1.0, -1.0)
            inside.append(left <= x <= right and top <= y <= bottom)
            shares.append((right - left) * (bottom - top) / (image.width * image.height))
    total = max(1, len(inside))
    return f"{sum(inside)} of {len(inside)} in the box ({sum(inside) / total:.1%}; chance {sum(shares) / total:.1%})"


if __name__ == "__main__":
    main()
