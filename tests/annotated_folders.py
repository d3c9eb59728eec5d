"""Small data sets in the formats that labelling tools write: noise with a bright rectangle or two in each image."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (48, 40)
"""Width and height."""
Box = tuple[int, int, int, int]


def boxes_of(number: int) -> list[Box]:
    """Left, top, right, bottom of the one or two rectangles of image `number`."""
    draw = np.random.default_rng(number)
    left, top = int(draw.integers(1, 8)), int(draw.integers(1, 15))
    first = (left, top, left + 12, top + 16)
    return [first] if number % 3 == 0 else [first, (left + 20, top + 2, left + 32, top + 20)]


def write_image(path: Path, number: int) -> Path:
    pixels = np.random.default_rng(number).integers(0, 90, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for left, top, right, bottom in boxes_of(number):
        pixels[top:bottom, left:right] += 120
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def instance_map(number: int) -> np.ndarray:
    values = np.zeros(SIZE[::-1], dtype=np.uint8)
    for value, (left, top, right, bottom) in enumerate(boxes_of(number), 1):
        values[top:bottom, left:right] = value
    return values


def save_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def write_voc(root: Path, count: int = 6) -> Path:
    """images/*.jpg and annotations/*.xml, as the raccoons have them."""
    for number in range(count):
        write_image(root / "images" / f"raccoon-{number}.jpg", number)
        objects = "".join(
            f"<object><name>raccoon</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for left, top, right, bottom in boxes_of(number)
        )
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"raccoon-{number}.xml").write_text(
            f"<annotation><filename>raccoon-{number}.jpg</filename><size><width>48</width><height>40</height></size>"
            f"{objects}</annotation>"
        )
    return root


def write_index_masks(root: Path, count: int = 6) -> Path:
    """PNGImages/a.png and PedMasks/a_mask.png, as Penn-Fudan has them."""
    for number in range(count):
        write_image(root / "PNGImages" / f"Ped{number}.png", number)
        save_mask(root / "PedMasks" / f"Ped{number}_mask.png", instance_map(number))
    (root / "readme.txt").write_text("pedestrians")
    return root


def write_instance_files(root: Path, count: int = 6, *, layout: str = "folder an image") -> Path:
    """A file for every instance."""
    for number in range(count):
        place = {
            "folder an image": (root / f"id{number}" / "images" / f"id{number}.png", root / f"id{number}" / "masks"),
            "folders of masks": (root / "images" / f"id{number}.png", root / "masks" / f"id{number}"),
            "numbered": (root / "images" / f"id{number}.png", root / "masks"),
        }[layout]
        write_image(place[0], number)
        for value in range(1, len(boxes_of(number)) + 1):
            name = f"id{number}_{value}.png" if layout == "numbered" else f"{value:02d}.png"
            save_mask(place[1] / name, ((instance_map(number) == value) * 255).astype(np.uint8))
    return root


def write_cvat(root: Path, count: int = 6) -> Path:
    """annotations.xml beside images/: boxes."""
    items = []
    for number in range(count):
        write_image(root / "images" / f"frame_{number}.png", number)
        shapes = "".join(
            f'<box label="car" occluded="0" xtl="{a}" ytl="{b}" xbr="{c}" ybr="{d}" z_order="0"></box>'
            for a, b, c, d in boxes_of(number)
        )
        items.append(f'<image id="{number}" name="frame_{number}.png" width="48" height="40">{shapes}</image>')
    (root / "annotations.xml").write_text(
        "<?xml version='1.0' encoding='utf-8'?><annotations><version>1.1</version><meta><task><labels><label>"
        f"<name>car</name></label></labels></task></meta>{''.join(items)}</annotations>"
    )
    return root


def write_labelme(root: Path, count: int = 6) -> Path:
    """A json beside each image: polygons."""
    for number in range(count):
        path = write_image(root / f"photo{number}.png", number)
        shapes = [
            {"label": "leaf", "points": [[a, b], [c, b], [c, d], [a, d]], "group_id": None, "shape_type": "polygon"}
            for a, b, c, d in boxes_of(number)
        ]
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": path.name,
            "imageData": base64.b64encode(path.read_bytes()).decode(),
            "imageHeight": 40,
            "imageWidth": 48,
        }
        path.with_suffix(".json").write_text(json.dumps(content))
    return root


def write_yolo(root: Path, count: int = 6, *, polygons: bool = False) -> Path:
    """data.yaml, images/train with labels/train."""
    for number in range(count):
        write_image(root / "images" / "train" / f"{number}.png", number)
        lines = []
        for a, b, c, d in boxes_of(number):
            corners = [(a, b), (c, b), (c, d), (a, d)] if polygons else [((a + c) / 2, (b + d) / 2), (c - a, d - b)]
            lines.append("0 " + " ".join(f"{x / 48:.6f} {y / 40:.6f}" for x, y in corners))
        path = root / "labels" / "train" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    (root / "data.yaml").write_text("train: images/train\nnames: [bee]\nnc: 1\n")
    return root


def small_png(values: np.ndarray) -> str:
    """A PNG as text."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
