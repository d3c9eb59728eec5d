"""Steps of an augmentation from golden files, their random choices given, run through swinkit's own geometry.

Shapes: N objects, H W image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from golden_comparison import Comparison, compare_exactly, miss
from golden_file import Golden
from torch import Tensor

from swinkit import InputError
from swinkit.detection.data.geometry import cut_out, mirror, resize_to, resize_within
from swinkit.layers.pixels import pad_batch
from swinkit.ops.resizing import resized_shape
from swinkit.ops.window_attention import AttentionBackend
from swinkit.structures import Instances

BOXES = 1e-4
"""Pixels."""
GREY_LEVELS = 1.0
"""OpenCV interpolates with 11 bits."""


@dataclass(frozen=True)
class State:
    """A sample between two steps, and what the original code keeps beside it."""

    image: Tensor
    """(3, H, W) uint8."""
    objects: Instances
    """Labels are the objects' numbers in the source."""
    boxes: Instances
    """The same without masks: of a part, swinkit drops objects that cannot be seen in it, the original only those
    whose box lies outside."""
    scale: Tensor
    """(4,) of the last resize: width, height, width, height."""
    shape: tuple[int, int]
    """Height and width without padding."""
    padded: tuple[int, int]
    """Height and width with padding, as of the last step that says so: cutting does not."""


def check_augmentation(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """A line for every tensor of every case, and the sizes; nothing here depends on the attention."""
    lines = _compare_sizes(golden) if "sizes.in" in golden.stored else []
    for name, case in golden.config.get("cases", {}).items():
        state = _source(golden)
        for step in case["steps"]:
            state = _after(state, step)
        lines += _compare(golden, name, state)
    return lines


def _source(golden: Golden) -> State:
    image, boxes = golden.tensor("source.image"), golden.tensor("source.boxes")
    numbers, size = torch.arange(len(boxes)), (image.shape[1], image.shape[2])
    masks, semantic = golden.tensor("source.masks").bool(), golden.tensor("source.semantic")
    return State(
        image,
        Instances(boxes, numbers, masks, semantic),
        Instances(boxes, numbers, None),
        torch.ones(4),
        size,
        size,
    )


def _after(state: State, step: dict[str, Any]) -> State:
    match step:
        case {"do": "resize", "scale": scale, **rest} if not rest.keys() - {"keep_ratio"}:
            return _resized(state, tuple(scale), keep_ratio=rest.get("keep_ratio", True))
        case {"do": "flip", "direction": "horizontal" | "vertical" | "diagonal" as direction}:
            for vertically in {"horizontal": (False,), "vertical": (True,), "diagonal": (False, True)}[direction]:
                image, objects = mirror(state.image, state.objects, vertically=vertically)
                _, boxes = mirror(state.image, state.boxes, vertically=vertically)
                state = replace(state, image=image, objects=objects, boxes=boxes)
            return state
        case {"do": "crop", "offset": [top, left], "size": [height, width]}:
            height, width = min(height, state.image.shape[1] - top), min(width, state.image.shape[2] - left)
            where = {"top": top, "left": left, "height": height, "width": width}
            image, objects = cut_out(state.image, state.objects, **where)
            _, boxes = cut_out(state.image, state.boxes, **where)
            return replace(state, image=image, objects=objects, boxes=boxes, shape=(height, width))
        case {"do": "pad", "divisor": divisor}:
            return _padded(state, divisor)
        case {"do": "seg_rescale", "factor": factor}:
            return replace(state, objects=_with_scaled_map(state.objects, factor))
    raise InputError(f"it has the step {step}, which swinkit does not have")


def _resized(state: State, scale: tuple[int, int], *, keep_ratio: bool) -> State:
    height, width = state.image.shape[1:]
    if keep_ratio:
        image, objects = resize_within(state.image, state.objects, shorter_side=min(scale), longest_side=max(scale))
    else:
        image, objects = resize_to(state.image, state.objects, (scale[1], scale[0]))
    size = (image.shape[1], image.shape[2])
    _, boxes = resize_to(state.image, state.boxes, size)
    factors = torch.tensor([size[1] / width, size[0] / height] * 2)
    return State(image, objects, boxes, factors, size, size)


def _padded(state: State, divisor: int) -> State:
    """All but the boxes; a semantic map with 0, as the original code of then, where ours leave padding to the model."""
    image = pad_batch([state.image], divisor=divisor)[0][0]
    size = (image.shape[1], image.shape[2])
    assert state.objects.masks is not None and state.objects.semantic is not None
    masks = state.objects.masks.new_zeros(len(state.objects.labels), *size)
    masks[:, : state.image.shape[1], : state.image.shape[2]] = state.objects.masks
    semantic = state.objects.semantic.new_zeros(size)
    semantic[: state.image.shape[1], : state.image.shape[2]] = state.objects.semantic
    return replace(state, image=image, objects=state.objects._replace(masks=masks, semantic=semantic), padded=size)


def _with_scaled_map(objects: Instances, factor: float) -> Instances:
    assert objects.semantic is not None
    height, width = objects.semantic.shape
    size = resized_shape(height, width, factor, (min(height, width), max(height, width)))
    nothing = objects._replace(boxes=objects.boxes[:0], labels=objects.labels[:0], masks=None)
    scaled = resize_to(torch.zeros(3, height, width, dtype=torch.uint8), nothing, size)[1].semantic
    return objects._replace(semantic=scaled)


def _compare(golden: Golden, case: str, state: State) -> list[Comparison]:
    objects, boxes = state.objects, state.boxes
    theirs = {part: golden.tensor(f"{case}.{part}") for part in ("image", "boxes", "labels", "masks", "semantic")}
    lines = [
        _within(f"{case}.image", state.image, theirs["image"], GREY_LEVELS),
        _within(f"{case}.boxes", boxes.boxes, theirs["boxes"], BOXES),
        compare_exactly(f"{case}.labels", golden.tensor("source.labels")[boxes.labels], theirs["labels"]),
        _compare_masks(f"{case}.masks", objects, boxes, theirs["masks"]),
        compare_exactly(f"{case}.semantic", _known(objects.semantic), theirs["semantic"]),
        compare_exactly(f"{case}.scale_factor", state.scale, golden.tensor(f"{case}.scale_factor")),
        compare_exactly(f"{case}.img_shape", torch.tensor(state.shape), golden.tensor(f"{case}.img_shape")),
        compare_exactly(f"{case}.pad_shape", torch.tensor(state.padded), golden.tensor(f"{case}.pad_shape")),
    ]
    if not torch.equal(objects.boxes, boxes.boxes[torch.isin(boxes.labels, objects.labels)]):
        lines.append(miss(f"{case}.boxes", "they depend on the masks"))
    return lines


def _compare_masks(name: str, objects: Instances, boxes: Instances, theirs: Tensor) -> Comparison:
    """Where swinkit drops an object that cannot be seen, theirs must be empty."""
    if len(theirs) != len(boxes.labels):
        return miss(name, f"{len(boxes.labels)} objects, the file has {len(theirs)}")
    ours = torch.zeros(len(theirs), *_known(objects.masks).shape[1:], dtype=torch.uint8)
    ours[torch.isin(boxes.labels, objects.labels)] = _known(objects.masks).to(torch.uint8)
    return compare_exactly(name, ours, theirs)


def _within(name: str, ours: Tensor, theirs: Tensor, tolerance: float) -> Comparison:
    if ours.shape != theirs.shape:
        return miss(name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}")
    apart = (ours.double() - theirs.double()).abs()
    return Comparison(name, apart.max().item() if apart.numel() else 0.0, tolerance)


def _compare_sizes(golden: Golden) -> list[Comparison]:
    """Width and height that an image of (width, height) gets within a scale, and the factors."""
    given = golden.tensor("sizes.in").tolist()
    sizes = [resized_shape(height, width, 1.0, (one, other))[::-1] for width, height, one, other in given]
    factors = [(new[0] / old[0], new[1] / old[1]) for new, old in zip(sizes, given, strict=True)]
    return [
        compare_exactly("sizes.out", torch.tensor(sizes), golden.tensor("sizes.out")),
        compare_exactly("sizes.scale_factor", torch.tensor(factors), golden.tensor("sizes.scale_factor")),
    ]


def _known(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor
