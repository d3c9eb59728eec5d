"""For each reader of swinkit: how a hostile input is made in a folder, and how it is read.

`READERS[name](folder, draw)` writes one input and reads it as a command would. It returns where the input is accepted,
and raises InputError where it is refused; anything else is a fault. A new reader is one more function here.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutation import atom, json_bytes, mutated, png, spoiled
from PIL import Image
from pycocotools import mask as coco_mask
from safetensors.torch import save
from toy_task import run_toy, settings

import swinkit
from swinkit.backbone.swin import SwinConfig
from swinkit.classification.class_map import read_class_map
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.data.sources import open_classification_data
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.detection.atss import ATSS
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.data.check import check_detection
from swinkit.detection.data.coco import CocoData, read_coco
from swinkit.detection.data.conversion import convert_detection_data
from swinkit.detection.data.semantic import SemanticMaps
from swinkit.detection.data.sources import find_detection_files, open_detection_evaluation
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.rpn import ProposalConfig, RPNConfig
from swinkit.detection.submission import UNFINISHED, fingerprint, write_submission
from swinkit.errors import InputError
from swinkit.images.read import read_image, read_image_size
from swinkit.pictures.metrics import read_metrics
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.data.check import check_segmentation
from swinkit.segmentation.data.folders import find_splits, match_pairs, open_segmentation_folder, read_classes
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNetConfig
from swinkit.structures import ONE_VIEW
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.metrics_log import MetricsLog
from swinkit.training.run_folder import RunFolder, open_run_folder
from swinkit.weights.convert import convert
from swinkit.weights.load import load_weights
from swinkit.weights.model_file import write_description
from swinkit.weights.starting_weights import load_starting_weights

Reader = Callable[[Path, random.Random], None]
SIZE = (24, 16)
"""Width and height of the images."""


@functools.cache
def photo(kind: str = "PNG") -> bytes:
    values = np.random.default_rng(0).integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
    return path


@functools.cache
def packed_counts() -> str:
    values = np.zeros(SIZE[::-1], dtype=np.uint8)
    values[2:9, 3:11] = 1
    packed: bytes = coco_mask.encode(np.asfortranarray(values))["counts"]
    return packed.decode()


def coco_content() -> dict[str, Any]:
    width, height = SIZE
    boxes = [[1, 2, 8, 6], [3.5, 1.0, 9.25, 7.5], [0, 0, 24, 16]]
    shapes: list[Any] = [
        [[1, 2, 9, 2, 9, 8, 1, 8]],
        {"size": [height, width], "counts": [10, 20, height * width - 30]},
        {"size": [height, width], "counts": packed_counts()},
    ]
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": width, "height": height} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": 1 + i % 2, "category_id": 1 + i % 2, "bbox": box, "area": 9.0, "iscrowd": 0}
            | {"segmentation": shape}
            for i, (box, shape) in enumerate(zip(boxes, shapes, strict=True))
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def coco(folder: Path, draw: random.Random) -> None:
    content = mutated(coco_content(), draw)
    if draw.random() < 0.2 and isinstance(content, dict) and isinstance(content.get("annotations"), list):
        scale = draw.choice((2, 100, 10_000))
        polygon = [draw.choice((-1, 0, 1)) * draw.random() * scale for _ in range(draw.choice((6, 7, 2000)))]
        content["annotations"].append(coco_content()["annotations"][0] | {"segmentation": [polygon]})
    path = write(folder / "annotations" / "train.json", json_bytes(content, draw))
    for number in (1, 2):
        write(folder / "train" / f"{number}.png", spoiled(photo(), draw) if draw.random() < 0.05 else photo())
    for files in find_detection_files(folder).values():
        report, data = check_detection(files.json_path, files.image_root)
        for index in range(len(data)):
            data[index]
        list(map(str, report.problems))
    data = read_coco(path, folder / "train", masks=draw.choice((None, True, False)))
    for index in range(len(data)):
        data[index]
    data.coco()


def xml_content(draw: random.Random) -> bytes:
    shown = functools.partial(_shown, draw)
    text = f"""<annotation><filename>{shown("1.png")}</filename><size><width>{shown(SIZE[0])}</width>
    <height>{shown(SIZE[1])}</height><depth>3</depth></size><object><name>{shown("cat")}</name><difficult>{shown(0)}
    </difficult><bndbox><xmin>{shown(1)}</xmin><ymin>{shown(2)}</ymin><xmax>{shown(9)}</xmax><ymax>{shown(8)}</ymax>
    </bndbox></object></annotation>"""
    kind = draw.randrange(10)
    if kind == 0:
        text = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]>' + text.replace("cat", "&c;")
    if kind == 1:
        text = f"<a>{'<b>' * draw.choice((100, 100_000))}{text}"
    if kind == 2:
        text = f'<?xml version="1.0" encoding="{draw.choice(("utf-16", "gbk", "x", "utf-7", "hex"))}"?>{text}'
    content = text.encode(errors="surrogatepass")
    return spoiled(content, draw) if kind in (3, 4) else content


def _shown(draw: random.Random, value: object) -> str:
    return str(value) if draw.random() < 0.8 else str(atom(draw))[:2000]


def voc(folder: Path, draw: random.Random) -> None:
    write(folder / "Annotations" / "1.xml", xml_content(draw))
    write(folder / "JPEGImages" / "1.png", photo())
    if draw.random() < 0.3:
        write(folder / "ImageSets" / "Main" / "train.txt", spoiled(b"1\n", draw))
    convert_detection_data(folder, folder / "out")


def yolo(folder: Path, draw: random.Random) -> None:
    line = " ".join(_shown(draw, value) for value in (0, 0.5, 0.5, 0.25, 0.5))
    write(
        folder / "labels" / "1.txt", spoiled(line.encode(errors="surrogatepass"), draw) if draw.random() < 0.3 else line
    )
    write(folder / "images" / "1.png", photo())
    values: Any = {"train": "images", "names": ["cat", "dog"], "nc": 2, "path": "."}
    text = json.dumps(mutated(values, draw))
    kind = draw.randrange(12)
    tricks = [
        "names: !!int a",
        "names: 2001-99-99",
        "a: &a [x, x]\nb: &b [*a, *a, *a]\nnames: [*b]",
        "names: {<<: {0: a}, 1: b}",
        "? [a]\n: b\nnames: [x]",
        "names: !!binary x",
        "names: [" + "1:" * 2000 + "1]",
        "names: " + "[" * 3000,
        "names: !!python/object/apply:os.system [x]",
    ]
    if kind < 3:
        text = draw.choice(tricks)
    content = text.encode(errors="surrogatepass")
    write(folder / "data.yaml", spoiled(content, draw) if kind == 3 else content)
    convert_detection_data(folder, folder / "out")


def other_annotations(folder: Path, draw: random.Random) -> None:
    """CVAT, LabelMe and CSV: whichever of them is read, by the commands that find out what a folder holds."""
    write(folder / "images" / "1.png", photo())
    point = [[1, 2], [9, 2], [9, 8]]
    labelme = {"version": "5.0", "imagePath": "1.png", "imageHeight": 16, "imageWidth": 24, "imageData": None}
    labelme |= {"shapes": [{"label": "cat", "points": point, "shape_type": "polygon", "group_id": None}]}
    box = f'xtl="{_shown(draw, 1)}" ytl="2" xbr="{_shown(draw, 9)}" ybr="8" rotation="{_shown(draw, 0)}"'
    cvat = (
        f'<annotations><image id="0" name="1.png" width="24" height="16"><box label="cat" {box}/></image></annotations>'
    )
    table = f"filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,24,16,cat,{_shown(draw, 1)},2,9,8\n"
    kind = draw.randrange(3)
    if kind == 0:
        write(folder / "images" / "1.json", json_bytes(mutated(labelme, draw), draw))
    if kind == 1:
        write(folder / "annotations.xml", spoiled(cvat.encode(errors="replace"), draw) if draw.random() < 0.3 else cvat)
    if kind == 2:
        write(folder / "_annotations.csv", spoiled(table.encode(errors="replace"), draw))
    convert_detection_data(folder, folder / "out")


def lists(folder: Path, draw: random.Random) -> None:
    pairs = [["a/1.png", 0], ["b/2.png", 1], ["a/3.png", "0"]]
    for name in ("train", "val"):
        path = folder / f"ILSVRC2011fall_whole_map_{name}.txt"
        write(path, json_bytes(mutated(pairs, draw) if draw.random() < 0.7 else pairs, draw))
    for name in ("a/1.png", "b/2.png", "a/3.png"):
        write(folder / name, photo())
    _read_some(folder)


def zip_maps(folder: Path, draw: random.Random) -> None:
    for name in ("train", "val"):
        write(folder / f"{name}.zip", archive(draw))
        lines = f"a/1.png\t{_shown(draw, 0)}\nb/2.png\t{_shown(draw, 1)}\n"
        write(
            folder / f"{name}_map.txt", spoiled(lines.encode(errors="replace"), draw) if draw.random() < 0.2 else lines
        )
    _read_some(folder)


def archive(draw: random.Random) -> bytes:
    buffer = io.BytesIO()
    method = draw.choice((0, 0, 8, 12, 14))
    with zipfile.ZipFile(buffer, "w", method) as packed:
        packed.writestr("a/1.png", photo())
        packed.writestr("b/2.png", bytes(10**7) if draw.random() < 0.1 else photo("JPEG"))
    content = bytearray(buffer.getvalue())
    for _ in range(draw.choice((0, 0, 1, 2, 4))):
        start = content.find(draw.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")))
        place = start + draw.randrange(4, 46)
        if start >= 0 and place < len(content):
            content[place] = draw.choice((0, 1, 99, 255, draw.randrange(256)))
    return spoiled(bytes(content), draw) if draw.random() < 0.2 else bytes(content)


def _read_some(folder: Path) -> None:
    for part in open_classification_data(folder):
        for index in range(min(3, len(part))):
            part[index]


def hostile_image(draw: random.Random) -> bytes:
    kind = draw.randrange(6)
    if kind == 0:
        sides = draw.choice(((20_000, 20_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (65_500, 1), (0, 5), (3, 3)))
        colour, depth = draw.choice(((0, 8), (0, 16), (2, 8), (3, 8), (4, 8), (6, 8), (6, 16), (0, 1), (7, 3)))
        return png(*sides, depth=depth, colour=colour, rows=b"x\x9c\x03\0\0\0\0\1")
    if kind == 1 and draw.random() < 0.05:  # large, and what it says it is
        return png(5000, 5000, depth=draw.choice((8, 16)), colour=draw.choice((0, 6)))
    return spoiled(photo(draw.choice(("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"))), draw)


def images(folder: Path, draw: random.Random) -> None:
    path = write(folder / "a.png", hostile_image(draw))
    read_image_size(path)
    read_image(path)
    read_image(path.read_bytes(), name="bytes")


def class_folders(folder: Path, draw: random.Random) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write(folder / name, hostile_image(draw) if draw.random() < 0.3 else photo())
    _read_some(folder)


def masks(folder: Path, draw: random.Random) -> None:
    values = np.zeros(SIZE[::-1], dtype=draw.choice((np.uint8, np.uint16)))
    values[:4] = draw.choice((0, 1, 2, 3, 255, 256, 65_535)) % (np.iinfo(values.dtype).max + 1)
    for name in ("1", "2"):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, draw.choice(("PNG", "TIFF")))
        content = draw.choice((buffer.getvalue(), spoiled(buffer.getvalue(), draw), hostile_image(draw)))
        write(folder / "annotations" / f"{name}.png", content)
        write(folder / "images" / f"{name}.png", photo())
    write(folder / "classes.txt", spoiled(b"cat\ndog\nsky\n", draw) if draw.random() < 0.2 else "cat\ndog\nsky\n")
    reduced = draw.random() < 0.3
    for places in find_splits(folder).values():
        pairs = match_pairs(folder, *places)
        data = SegmentationImages(
            folder, pairs.images, pairs.masks, read_classes(None, folder), reduce_zero_label=reduced
        )
        check_segmentation(data, pairs)
    for data in open_segmentation_folder(folder, reduce_zero_label=reduced):
        for index in range(len(data)):
            data[index]


SWIN = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=2, image_size=(16, 16))


@functools.cache
def models() -> dict[str, tuple[dict[str, torch.Tensor], dict[str, Any]]]:
    """Small models of all tasks: weights, and what their files say."""
    torch.manual_seed(0)
    classifier = Classifier(
        SwinClassifier(SWIN, num_classes=3), classes="abc", preprocessing=EvalPreprocessing(16, shorter_side=None)
    )
    few = ProposalConfig(pre_nms=20, post_nms=10)
    rcnn = MaskRCNN(channels=8, fc_channels=8, mask_convs=1, rpn=RPNConfig(scales=(4.0,), training=few, inference=few))
    heads = {"rcnn": rcnn, "atss": ATSS(channels=8, convs=1, groups=2)}
    detectors = {name: config.build(SWIN.build(), 2) for name, config in heads.items()}
    head = UperNetConfig(channels=8, auxiliary_channels=8, auxiliary_level=1, pool_scales=(1, 2))
    segmentor = head.build(SWIN.build(), 3)
    return {
        "classifier": (classifier.model.state_dict(), classifier.description),
        **{
            name: (model.state_dict(), describe_detector(model, "ab", DetectionResize(32, 48)))
            for name, model in detectors.items()
        },
        "segmentor": (segmentor.state_dict(), describe_segmentor(segmentor, "abc", InferenceSettings())),
    }


def model_headers(folder: Path, draw: random.Random) -> None:
    weights, description = models()[draw.choice(list(models()))]
    header = write_description(mutated(description, draw))
    kind = draw.randrange(6)
    if kind == 0:
        header["description"] = json_bytes(mutated(json.loads(header["description"]), draw), draw).decode(
            errors="replace"
        )
    header["description"] = header["description"].encode(errors="replace").decode()
    content = save(dict(weights), header)
    if kind == 1:
        content = spoiled(content, draw)
    if kind == 2:
        length = struct.unpack("<Q", content[:8])[0]
        table = json.dumps(mutated(json.loads(content[8 : 8 + length]), draw)).encode()
        content = struct.pack("<Q", len(table)) + table + content[8 + length :]
    path = write(folder / "model.safetensors", content)
    swinkit.open(path).predict(Image.new("RGB", (40, 30)))


def foreign_state(draw: random.Random) -> dict[str, Any]:
    """Weights under official names, some of them wrong in kind, shape or name."""
    state: dict[str, Any] = dict(models()[draw.choice(list(models()))][0])
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        name = draw.choice(list(state))
        tensor = state[name]
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            continue
        wrong: list[Callable[[], Any]] = [
            lambda t=tensor: t.flatten(),
            lambda t=tensor: t[None],
            lambda t=tensor: torch.zeros(()),
            lambda t=tensor: torch.zeros(draw.choice((0, 1, 7)), 3),
            lambda t=tensor: torch.zeros(1).expand(10 ** draw.choice((3, 9)), 10**3),
            lambda t=tensor: torch.zeros(10**9, 0),
            lambda t=tensor: t.to("meta"),
            lambda t=tensor: torch.zeros(3, 3).to_sparse(),
            lambda t=tensor: t.to(draw.choice((torch.float16, torch.int8, torch.bool, torch.complex64, torch.float64))),
            lambda t=tensor: torch.full_like(t, draw.choice((torch.nan, torch.inf))) if t.is_floating_point() else t,
            lambda t=tensor: torch.quantize_per_tensor(torch.zeros(3, 3), 1.0, 0, torch.qint8),
            lambda t=tensor: atom(draw),
        ]
        kind = draw.randrange(len(wrong) + 4)
        if kind < len(wrong):
            state[name] = wrong[kind]()
        elif kind == len(wrong):
            del state[name]
        else:
            number = str(draw.choice((0, 1, 3, 99, 3_000_000, 10**30, "9" * 5000)))
            parts = [number if part.isdigit() and draw.random() < 0.5 else part for part in name.split(".")]
            state[".".join(parts)] = tensor
            state[name + draw.choice((".", "x", "." * 3000, ".weight", "\0", "\n", "\ud800"))] = tensor
    return state


def foreign_pickle(draw: random.Random) -> bytes:
    """Pickles that a safe reader would follow, and some that it must not."""
    return draw.choice(
        (
            b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
            b"\x80\x02ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R.",
            b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.",
            b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR.",
            b"\x80\x02" + b"(" * 100_000 + b".",
            b"\x80\x02]" + b"q\x00h\x00a" * 1000 + b".",
            pickle.dumps({"state_dict": {"a": 1}}, protocol=2),
        )
    )


def pth(folder: Path, draw: random.Random) -> None:
    state: Any = foreign_state(draw)
    if draw.random() < 0.3:
        state = mutated({"state_dict": None, "meta": {"CLASSES": ["a", "b"]}}, draw)
        state = state if isinstance(state, dict) else {}
        state["state_dict"] = foreign_state(draw)
    buffer = io.BytesIO()
    torch.save(OrderedDict(state), buffer, _use_new_zipfile_serialization=draw.random() < 0.7)
    content = buffer.getvalue()
    kind = draw.randrange(8)
    if kind == 0:
        content = spoiled(content, draw)
    if kind == 1 and content[:2] == b"PK":
        content = repacked(content, draw)
    if kind == 2:
        content = foreign_pickle(draw) if draw.random() < 0.5 else repacked(content, draw, foreign_pickle(draw))
    path = write(folder / "weights.pth", content)
    action = draw.randrange(4)
    if action == 0:
        convert(path, folder / "out.safetensors")
    elif action == 1:
        load_weights(SwinClassifier(SWIN, num_classes=3), path, replace_head=draw.random() < 0.5)
    elif action == 2:
        load_starting_weights(UperNetConfig(channels=8, auxiliary_level=1).build(SWIN.build(), 3), str(path))
    else:
        swinkit.open(path).predict(Image.new("RGB", (40, 30)))


def repacked(content: bytes, draw: random.Random, program: bytes | None = None) -> bytes:
    """A PyTorch file with packed records, or another pickle in it."""
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", draw.choice((0, 8))) as new:
            for name in old.namelist():
                record = old.read(name)
                if name.endswith("data.pkl"):
                    record = program or spoiled(record, draw)
                elif draw.random() < 0.1:
                    record = bytes(10**7)
                new.writestr(name, record)
    except zipfile.BadZipFile:
        return content
    return buffer.getvalue()


RECIPE = {"name": "toy", "optimizer": {"lr": 0.1, "betas": [0.9, 0.999]}, "data": None}


def recipe_file(folder: Path, draw: random.Random) -> None:
    write(folder / "recipe.json", json_bytes(mutated(RECIPE | {"version": 2}, draw), draw))
    write(folder / "checkpoint.pt", b"")
    open_run_folder(folder, RECIPE)


@functools.cache
def _unfinished() -> tuple[dict[str, Any], bytes]:
    """The checkpoint and recipe of a run that has not ended."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        _, run = run_toy(Path(folder), settings(epochs=1))
        state = load_checkpoint(run.checkpoint)
        assert state is not None
        return state, run.recipe.read_bytes()


def checkpoint(folder: Path, draw: random.Random) -> None:
    state, recipe = _unfinished()
    changed: Any = dict(state)
    for _ in range(draw.choice((1, 1, 2))):
        place: Any = changed
        while True:
            key = draw.choice(list(place)) if isinstance(place, dict) else draw.randrange(len(place))
            if isinstance(place[key], (dict, list)) and place[key] and draw.random() < 0.8:
                place[key] = dict(place[key]) if isinstance(place[key], dict) else list(place[key])
                place = place[key]
                continue
            old = place[key]
            tensors = [torch.zeros(3), torch.zeros(2, 2).expand(2, 2), torch.zeros(3, device="meta"), torch.tensor(7)]
            place[key] = draw.choice(tensors) if isinstance(old, torch.Tensor) and draw.random() < 0.6 else atom(draw)
            break
    buffer = io.BytesIO()
    torch.save(changed, buffer)
    content = spoiled(buffer.getvalue(), draw) if draw.random() < 0.2 else buffer.getvalue()
    write(folder / "checkpoint.pt", content)
    write(folder / "recipe.json", recipe)
    run_toy(folder, settings(epochs=2))


def metrics_file(folder: Path, draw: random.Random) -> None:
    lines = [{"step": step, "epoch": 1, "train/loss": 1 / step, "val/top1": 0.5} for step in range(1, 6)]
    content = b"\n".join(json_bytes(mutated(line, draw), draw) for line in lines)
    path = write(folder / "metrics.jsonl", content)
    with contextlib.suppress(InputError):
        read_metrics(path)
    MetricsLog(RunFolder(folder), step=draw.choice((0, 3, 10))).close()


def semantic_maps(folder: Path, draw: random.Random) -> None:
    """COCO's objects with a map of classes for every pixel, whose folder the names in the json lead to."""
    content = coco_content() if draw.random() < 0.5 else mutated(coco_content(), draw)
    path = write(folder / "annotations" / "train.json", json_bytes(content, draw))
    for number in (1, 2):
        buffer = io.BytesIO()
        Image.new("L", SIZE, draw.choice((0, 1, 10, 255))).save(buffer, "PNG")
        write(folder / "train" / f"{number}.png", photo())
        content_of_map = draw.choice((buffer.getvalue(), spoiled(buffer.getvalue(), draw), hostile_image(draw)))
        write(folder / "stuffthingmaps" / "train" / f"{number}.png", content_of_map)
    data = read_coco(path, folder / "train").with_semantic(SemanticMaps(11))
    for index in range(len(data)):
        data[index]


def instance_masks(folder: Path, draw: random.Random) -> None:
    """A mask with a value for each instance, or a folder of masks for each image."""
    values = np.zeros(SIZE[::-1], dtype=draw.choice((np.uint8, np.uint16)))
    values[1:5, 2:9], values[8:12, 3:20] = 1, draw.choice((1, 2, 255))
    for name in ("1", "2"):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, draw.choice(("PNG", "TIFF")))
        content = draw.choice((buffer.getvalue(), spoiled(buffer.getvalue(), draw), hostile_image(draw)))
        place = folder / "masks" / name / "a.png" if draw.random() < 0.3 else folder / "masks" / f"{name}.png"
        write(place, content)
        write(folder / "images" / f"{name}.png", photo())
    convert_detection_data(folder, folder / "out")


def config_beside(folder: Path, draw: random.Random) -> None:
    """Weights without a description in the folder of another library."""
    weights, _ = models()["classifier"]
    write(folder / "model.safetensors", save(dict(weights)))
    labels = {"id2label": {"0": "a", "1": "b", "2": "c"}, "model_type": "swin"}
    write(folder / "config.json", json_bytes(mutated(labels, draw), draw))
    swinkit.open(folder).predict(Image.new("RGB", (40, 30)))


def unfinished_submission(folder: Path, draw: random.Random) -> None:
    """Detections of a json without annotations that are gone on with."""
    plain = coco_content()
    del plain["annotations"]
    path = write(folder / "annotations" / "image_info_test.json", json.dumps(plain))
    for number in (1, 2):
        write(folder / "test" / f"{number}.png", photo())
    weights, description = models()["rcnn"]
    names = {"classes": [each["name"] for each in plain["categories"]]}
    write(folder / "model.safetensors", save(dict(weights), write_description(description | names)))
    detector = swinkit.open(folder / "model.safetensors")
    assert isinstance(detector, Detector)
    data = open_detection_evaluation(path, classes=detector.classes, image_root=folder / "test")
    assert isinstance(data, CocoData)
    begun = fingerprint(detector, data, ONE_VIEW)
    row = {"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
    line = json_bytes(mutated({"image_id": 1, "found": [row]}, draw), draw)
    write(folder / "out" / UNFINISHED, begun.encode() + b"\n" + line + draw.choice((b"", b"\n")))
    write_submission(detector, data, folder / "out", name="net", workers=0)


def class_map(folder: Path, draw: random.Random) -> None:
    read_class_map(write(folder / "map.txt", spoiled(b"1\n2\n30\n", draw)))


READERS: dict[str, Reader] = {
    "coco": coco,
    "voc": voc,
    "yolo": yolo,
    "cvat, labelme, csv": other_annotations,
    "lists": lists,
    "zip and map": zip_maps,
    "images": images,
    "class folders": class_folders,
    "masks": masks,
    "model headers": model_headers,
    "pth": pth,
    "recipe.json": recipe_file,
    "checkpoint.pt": checkpoint,
    "metrics.jsonl": metrics_file,
    "class map": class_map,
    "semantic maps": semantic_maps,
    "instance masks": instance_masks,
    "config.json": config_beside,
    "unfinished submission": unfinished_submission,
}
