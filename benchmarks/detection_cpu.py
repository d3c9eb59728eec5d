"""How long does a detector take on a CPU, and on what?

Cascade Mask R-CNN with Swin-T on one image of 800 x 1333 (padded to 800 x 1344), fp32, batch 1: seconds of backbone,
neck, proposal network with its proposals, box heads, mask heads, and of what comes after them: non-maximum suppression
and pasting every mask into the image. Weights are random ones under which 100 objects are found. Prints medians and the
peak memory of the process, and writes them to benchmarks/results/.

    python benchmarks/detection_cpu.py [--rounds 3] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from swinkit.backbone.variants import SWIN_T
from swinkit.detection.box_head import BoxOutputs
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.inference import detect
from swinkit.detection.mask_head import of_class
from swinkit.detection.rcnn import RCNN
from swinkit.detection.roi_align import align_regions
from swinkit.detection.roi_head import StageOutputs, refined_boxes
from swinkit.layers.pixels import pad_batch
from swinkit.ops.masks import paste_masks

SIZE = (800, 1333)
Result = TypeVar("Result")


class Stopwatch:
    """Seconds by the name of what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        return result


def detector() -> RCNN:
    """Random weights: class scores far apart, so that about a hundred detections are over the threshold."""
    torch.manual_seed(0)
    model = CascadeMaskRCNN().build(SWIN_T.build(), 80).eval()
    with torch.no_grad():
        for head in model.roi_head.bbox_head:
            head.fc_cls.weight.normal_(std=0.3)
    return model


@torch.inference_mode()
def one_image(model: RCNN, image: Tensor) -> tuple[dict[str, float], int]:
    """Seconds of every part, and how many instances were found."""
    watch, heads, config = Stopwatch(), model.roi_head, model.config
    batch, sizes = pad_batch([image])
    images = watch.run("normalise", lambda: model.normalise(batch, sizes))
    features = watch.run("backbone", lambda: model.backbone(images))
    maps = watch.run("neck", lambda: model.neck(features))
    anchors = watch.run("proposal_network", lambda: model.rpn_head(maps))
    proposals = watch.run("proposals", lambda: model.rpn_head.proposals(anchors, sizes, config.rpn.inference))

    def read(boxes: Tensor, size: int) -> Tensor:
        return align_regions(maps[: len(heads.strides)], heads.strides, [boxes], size, config.finest_scale)

    boxes, stages = proposals[0].boxes, []
    for head, stage in zip(heads.bbox_head, config.stages, strict=True):
        said = watch.run("box_heads", lambda h=head, b=boxes: h(read(b, config.roi_size)))
        stages.append(StageOutputs([boxes], said, None, None))
        (boxes,) = refined_boxes(stages[-1], stage.stds, sizes, None)
    mean = BoxOutputs(
        torch.stack([stage.box_outputs.logits for stage in stages]).mean(0), stages[-1].box_outputs.deltas
    )
    limits = {"score_threshold": config.score_threshold, "nms_iou": config.nms_iou, "detections": config.detections}
    regions, stds = stages[-1].regions[0], config.stages[-1].stds
    found = watch.run("suppression", lambda: detect(regions, mean, sizes[0], stds=stds, **limits))

    def masks_of() -> Tensor:
        logits = [of_class(head(read(found.boxes, config.mask_roi_size)), found.labels) for head in heads.mask_head]
        return torch.stack(logits).sigmoid().mean(0)

    masks = watch.run("mask_heads", masks_of)
    watch.run("pasting", lambda: sum(int(mask.any()) for mask in paste_masks(masks, found.boxes, sizes[0])))
    return watch.seconds, len(found.boxes)


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, image = detector(), torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)
    one_image(model, image[:, :320, :320])  # warms up
    rounds = [one_image(model, image) for _ in range(options.rounds)]
    parts = {name: statistics.median(seconds[name] for seconds, _ in rounds) for name in rounds[0][0]}
    total = statistics.median(sum(seconds.values()) for seconds, _ in rounds)
    after = parts["suppression"] + parts["pasting"]
    results = {
        "device": processor(),
        "threads": options.threads,
        "image": SIZE,
        "versions": {name: version(name) for name in ("swinkit", "torch", "torchvision")},
        "objects": rounds[0][1],
        "seconds": parts | {"total": total},
        "post_processing_share": after / total,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    for name, value in (parts | {"total": total}).items():
        print(f"  {name:17} {value:7.3f} s  {value / total:6.1%}")
    print(f"  post-processing {after / total:.2%} of it, {rounds[0][1]} objects, {results['peak_memory_gib']:.2f} GiB")
    device = "".join(c if c.isalnum() else "-" for c in results["device"]).strip("-").lower()
    out = Path(__file__).parent / "results" / f"detection-cpu-{device}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
