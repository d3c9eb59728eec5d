"""The published weights of the first Swin Transformer: where they are and what they expect.

Sources: the model lists of the official classification, detection and segmentation repositories (releases of
SwinTransformer/storage), torchvision's documentation and OpenMMLab's converted copies of the official backbones.
Weight files carry no licence of their own; `licence` is that of the repository that publishes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

Task = Literal["classification", "detection", "segmentation", "backbone"]

_OFFICIAL = "https://github.com/SwinTransformer/storage/releases/download/"
_TORCHVISION = "https://download.pytorch.org/models/"
_OPENMMLAB = "https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"


@dataclass(frozen=True)
class Preprocessing:
    """How an image is resized and cut out for the weights; all of them were trained with ImageNet's mean."""

    resize: int | tuple[int, int]
    """An int: the shorter side becomes that. A pair: (height, width), or with `keep_ratio` the largest size whose
    shorter and longer sides stay within the pair."""
    crop: int | None = None
    """Side of the square cut from the centre after resizing."""
    keep_ratio: bool = True
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"


@dataclass(frozen=True)
class PublishedWeights:
    """One published file."""

    url: str
    task: Task
    architecture: str
    """swin (classifier or backbone), mask_rcnn, cascade_mask_rcnn, reppoints_v2, mask_reppoints_v2 or upernet."""
    variant: str
    """swin_t, swin_s, swin_b or swin_l; swin_t_c24 is Swin-T with heads of 24 channels (4, 8, 16, 32 of them)."""
    classes: int
    """0 for a backbone without head."""
    input_size: tuple[int, int]
    """Height and width of training crops or, for detection, the test scale (shorter and longer side), in pixels."""
    window: int
    preprocessing: Preprocessing
    licence: str
    trained_on: str
    published: str
    """Published accuracy as text; empty where none is."""
    top1: float | None = None
    """ImageNet-1K top-1 in percent."""
    sha256_prefix: str | None = None
    """First digits of the file's SHA-256, where they were published."""

    @property
    def name(self) -> str:
        """The file's name without suffix, which is its key in `CATALOGUE`."""
        return PurePosixPath(urlsplit(self.url).path).stem


def _evaluation(size: int) -> Preprocessing:
    """The official rule: 384 is squeezed to a square, smaller sizes keep the 256 : 224 ratio of resize and crop."""
    if size == 384:
        return Preprocessing((384, 384), keep_ratio=False)
    return Preprocessing(size * 256 // 224, size)


def _official(
    stem: str, variant: str, release: str, trained_on: str, *, top1: float | None = None, classes: int = 1000
) -> PublishedWeights:
    window, size = (int(part) for part in stem.split("window")[1].split("_")[:2])
    return PublishedWeights(
        url=f"{_OFFICIAL}{release}/{stem}.pth",
        task="classification",
        architecture="swin",
        variant=variant,
        classes=classes,
        input_size=(size, size),
        window=window,
        preprocessing=_evaluation(size),
        licence="MIT",
        trained_on=trained_on,
        published="" if top1 is None else f"{top1} % top-1",
        top1=top1,
    )


def _torchvision(stem: str, variant: str, resize: int, top1: float) -> PublishedWeights:
    return PublishedWeights(
        url=f"{_TORCHVISION}{stem}.pth",
        task="classification",
        architecture="swin",
        variant=variant,
        classes=1000,
        input_size=(224, 224),
        window=7,
        preprocessing=Preprocessing(resize, 224),
        licence="BSD-3-Clause",
        trained_on="ImageNet-1K, torchvision's own recipe",
        published=f"{top1} % top-1",
        top1=top1,
        sha256_prefix=stem.split("-")[1],
    )


def _openmmlab(stem: str, variant: str, trained_on: str) -> PublishedWeights:
    window, size = (int(part) for part in stem.split("window")[1].split("_")[:2])
    return PublishedWeights(
        url=f"{_OPENMMLAB}{stem}.pth",
        task="backbone",
        architecture="swin",
        variant=variant,
        classes=0,
        input_size=(size, size),
        window=window,
        preprocessing=_evaluation(size),
        licence="Apache-2.0",
        trained_on=trained_on,
        published="",
        sha256_prefix=stem.split("-")[1],
    )


def _detector(release: str, stem: str, architecture: str, variant: str, pretraining: str, ap: str) -> PublishedWeights:
    return PublishedWeights(
        url=f"{_OFFICIAL}{release}/{stem}.pth",
        task="detection",
        architecture=architecture,
        variant=variant,
        classes=80,
        input_size=(800, 1333),
        window=7,
        preprocessing=Preprocessing((800, 1333), interpolation="bilinear"),
        licence="Apache-2.0",
        trained_on=f"COCO, from {pretraining}",
        published=ap,
    )


def _segmentor(size: str, variant: str, miou: str) -> PublishedWeights:
    return PublishedWeights(
        url=f"{_OFFICIAL}v1.0.1/upernet_swin_{size}_patch4_window7_512x512.pth",
        task="segmentation",
        architecture="upernet",
        variant=variant,
        classes=150,
        input_size=(512, 512),
        window=7,
        preprocessing=Preprocessing((512, 2048), interpolation="bilinear"),
        licence="Apache-2.0",
        trained_on="ADE20K, from ImageNet-1K",
        published=miou,
    )


_1K, _22K, _22K_1K = "ImageNet-1K", "ImageNet-22K", "ImageNet-22K, then ImageNet-1K"

_CLASSIFIERS = (
    _official("swin_tiny_patch4_window7_224", "swin_t", "v1.0.0", _1K, top1=81.2),
    _official("swin_small_patch4_window7_224", "swin_s", "v1.0.0", _1K, top1=83.2),
    _official("swin_base_patch4_window7_224", "swin_b", "v1.0.0", _1K, top1=83.5),
    _official("swin_base_patch4_window12_384", "swin_b", "v1.0.0", _1K, top1=84.5),
    _official("swin_tiny_c24_patch4_window8_256", "swin_t_c24", "v1.0.5", _1K, top1=81.6),
    _official("swin_tiny_patch4_window7_224_22k", "swin_t", "v1.0.8", _22K, classes=21841),
    _official("swin_small_patch4_window7_224_22k", "swin_s", "v1.0.8", _22K, classes=21841),
    _official("swin_base_patch4_window7_224_22k", "swin_b", "v1.0.0", _22K, classes=21841),
    _official("swin_large_patch4_window7_224_22k", "swin_l", "v1.0.0", _22K, classes=21841),
    _official("swin_base_patch4_window12_384_22k", "swin_b", "v1.0.0", _22K, classes=21841),
    _official("swin_large_patch4_window12_384_22k", "swin_l", "v1.0.0", _22K, classes=21841),
    _official("swin_tiny_patch4_window7_224_22kto1k_finetune", "swin_t", "v1.0.8", _22K_1K, top1=80.9),
    _official("swin_small_patch4_window7_224_22kto1k_finetune", "swin_s", "v1.0.8", _22K_1K, top1=83.2),
    _official("swin_base_patch4_window7_224_22kto1k", "swin_b", "v1.0.0", _22K_1K, top1=85.2),
    _official("swin_large_patch4_window7_224_22kto1k", "swin_l", "v1.0.0", _22K_1K, top1=86.3),
    _official("swin_base_patch4_window12_384_22kto1k", "swin_b", "v1.0.0", _22K_1K, top1=86.4),
    _official("swin_large_patch4_window12_384_22kto1k", "swin_l", "v1.0.0", _22K_1K, top1=87.3),
    _torchvision("swin_t-704ceda3", "swin_t", 232, 81.474),
    _torchvision("swin_s-5e29d889", "swin_s", 246, 83.196),
    _torchvision("swin_b-68c6b09e", "swin_b", 238, 83.582),
)

_BACKBONES = (
    _openmmlab("swin_tiny_patch4_window7_224_20220317-1cdeb081", "swin_t", _1K),
    _openmmlab("swin_small_patch4_window7_224_20220317-7ba6d6dd", "swin_s", _1K),
    _openmmlab("swin_base_patch4_window7_224_20220317-e9b98025", "swin_b", _1K),
    _openmmlab("swin_base_patch4_window7_224_22k_20220317-4f79f7c0", "swin_b", _22K),
    _openmmlab("swin_base_patch4_window12_384_20220317-55b0104a", "swin_b", _1K),
    _openmmlab("swin_base_patch4_window12_384_22k_20220317-e5c09f74", "swin_b", _22K),
    _openmmlab("swin_large_patch4_window7_224_22k_20220412-aeecf2aa", "swin_l", _22K),
    _openmmlab("swin_large_patch4_window12_384_22k_20220412-6580f57d", "swin_l", _22K),
)

_MASK, _CASCADE = "mask_rcnn", "cascade_mask_rcnn"
_POINTS, _MASK_POINTS = "reppoints_v2", "mask_reppoints_v2"

_DETECTORS = (
    _detector("v1.0.3", "mask_rcnn_swin_tiny_patch4_window7_1x", _MASK, "swin_t", _1K, "43.7 box AP, 39.8 mask AP"),
    _detector("v1.0.2", "mask_rcnn_swin_tiny_patch4_window7", _MASK, "swin_t", _1K, "46.0 box AP, 41.6 mask AP"),
    _detector("v1.0.2", "mask_rcnn_swin_small_patch4_window7", _MASK, "swin_s", _1K, "48.5 box AP, 43.3 mask AP"),
    _detector(
        "v1.0.3", "cascade_mask_rcnn_swin_tiny_patch4_window7_1x", _CASCADE, "swin_t", _1K, "48.1 box AP, 41.7 mask AP"
    ),
    _detector(
        "v1.0.2", "cascade_mask_rcnn_swin_tiny_patch4_window7", _CASCADE, "swin_t", _1K, "50.4 box AP, 43.7 mask AP"
    ),
    _detector(
        "v1.0.2", "cascade_mask_rcnn_swin_small_patch4_window7", _CASCADE, "swin_s", _1K, "51.9 box AP, 45.0 mask AP"
    ),
    _detector(
        "v1.0.2", "cascade_mask_rcnn_swin_base_patch4_window7", _CASCADE, "swin_b", _1K, "51.9 box AP, 45.0 mask AP"
    ),
    _detector("v1.0.9", "reppointsv2_swin_tiny_patch4_window7_3x", _POINTS, "swin_t", _1K, "50.0 box AP"),
    _detector(
        "v1.0.9",
        "mask_reppointsv2_swin_tiny_patch4_window7_3x",
        _MASK_POINTS,
        "swin_t",
        _1K,
        "50.4 box AP, 43.8 mask AP",
    ),
)

_SEGMENTORS = (
    _segmentor("tiny", "swin_t", "44.51 mIoU, 45.81 multi-scale"),
    _segmentor("small", "swin_s", "47.64 mIoU, 49.47 multi-scale"),
    _segmentor("base", "swin_b", "48.13 mIoU, 49.72 multi-scale"),
)

CATALOGUE: dict[str, PublishedWeights] = {
    entry.name: entry for entry in (*_CLASSIFIERS, *_BACKBONES, *_DETECTORS, *_SEGMENTORS)
}
"""File name without suffix, such as `swin_tiny_patch4_window7_224`, to the published file."""
