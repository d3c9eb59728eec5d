"""The same model from every library that has it, as something to run.

Shapes: B images, H W image.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import VARIANTS
from swinkit.benchmark.task_models import detector, segmentor, torchvision_detector, transformers_segmentor
from swinkit.classification.model import SwinClassifier
from swinkit.compilation import compile_model
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.errors import InputError

Mode = Literal["inference", "training", "features", "segmentation", "detection"]
TASKS = ("segmentation", "detection")
RESNET = "resnet50"
"""For detection alone: what torchvision has a Mask R-CNN of."""
Library = Literal["swinkit", "timm", "torchvision", "transformers"]
LIBRARIES: tuple[Library, ...] = ("swinkit", "timm", "torchvision", "transformers")

TIMM_NAMES = {
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_b": "swin_base_patch4_window7_224",
    "swin_b_384": "swin_base_patch4_window12_384",
    "swin_l": "swin_large_patch4_window7_224",
    "swin_l_384": "swin_large_patch4_window12_384",
}

DROP_PATH_RATES = {"swin_t": 0.2, "swin_s": 0.3}
"""As published for training from scratch; torchvision's are built in. Others: 0.5."""


@dataclass(frozen=True)
class Case:
    """What is measured."""

    model: str = "swin_t"
    """A name of the table `VARIANTS`; for detection also `RESNET`."""
    mode: Mode = "inference"
    """inference: logits. training: forward, cross entropy, backward. features: the pyramid that detectors take.
    segmentation: UperNet, from pixels to classes. detection: Mask R-CNN, from pixels to whole masks."""
    batch: int = 8
    size: tuple[int, int] = (224, 224)
    """Height and width in pixels."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Lower precisions: inference with weights of that kind, training with autocast."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        known = (*VARIANTS, RESNET) if self.mode == "detection" else tuple(VARIANTS)
        if self.model not in known:
            raise InputError(f"there is no model {self.model!r} to benchmark; choose of {', '.join(known)}")
        if self.mode in TASKS and self.dtype != "float32":
            raise InputError(f"{self.mode} is measured in float32, not in {self.dtype}")
        if min(self.batch, *self.size) < 1:
            raise InputError(f"batch and sizes must be at least 1, not {self.batch} and {self.size}")

    @property
    def config(self) -> SwinConfig:
        """The architecture, with its published drop path rate."""
        return replace(VARIANTS[self.model], drop_path_rate=DROP_PATH_RATES.get(self.model, 0.5))

    @property
    def title(self) -> str:
        height, width = self.size
        return f"{self.mode}, {self.model}, batch {self.batch}, {height}x{width}, {self.dtype}"


@dataclass(frozen=True)
class Candidate:
    """Something to time, with its name."""

    name: str
    run: Callable[[], object]


class _Logits(nn.Module):
    """transformers' classifier, returning its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).logits


class _FeatureMaps(nn.Module):
    """transformers' backbone, returning its features."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.model(images).feature_maps


def candidates(
    case: Case, *, libraries: Sequence[Library] = LIBRARIES, compiled: Sequence[Library] = ()
) -> list[Candidate]:
    """The candidates for a case: each library that is installed and has it, eager, and compiled where asked for.

    swinkit's compiled form is that of `swinkit.compile`; the others' that of torch.compile(model). Compiling happens
    in the first run.
    """
    found = []
    for library in libraries:
        model = build(case, library)
        if model is not None:
            found.append(Candidate(library, runner(case, model)))
    for library in compiled:
        model = build(case, library)
        if model is not None:
            fast = compile_model(model) if library == "swinkit" else torch.compile(model)
            found.append(Candidate(f"{library} compiled", runner(case, fast)))
    return found


def build(case: Case, library: Library) -> nn.Module | None:
    """The model, randomly initialised, on its device; None where the library is missing or has no such model."""
    if library != "swinkit" and importlib.util.find_spec(library) is None:
        return None
    builder = {"swinkit": _own, "timm": _timm, "torchvision": _torchvision, "transformers": _transformers}[library]
    model = builder(case)
    if model is None:
        return None
    model.train(case.mode == "training")
    dtype = torch.float32 if case.mode == "training" else getattr(torch, case.dtype)
    return model.to(case.device, dtype)


def runner(case: Case, model: Callable[[Tensor], Any]) -> Callable[[], object]:
    """One run of the case: of the inference, or of a training step without the optimizer."""
    device, dtype = torch.device(case.device), getattr(torch, case.dtype)
    images = torch.randn(case.batch, 3, *case.size, device=device)
    labels = torch.randint(0, 1000, (case.batch,), device=device)

    if case.mode in TASKS:
        images = torch.randint(0, 256, images.shape, dtype=torch.uint8, device=device)
    if case.mode == "segmentation":
        images = images.float()  # transformers' takes no other

    def infer() -> None:
        with torch.no_grad():
            model(images.to(dtype) if images.is_floating_point() else images)

    def step() -> None:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        assert isinstance(model, nn.Module)
        model.zero_grad(set_to_none=True)

    return step if case.mode == "training" else infer


def _own(case: Case) -> nn.Module:
    if case.mode == "detection":
        return detector(MaskRCNN(), TimmConfig(RESNET).build() if case.model == RESNET else case.config.build())
    config = case.config
    if case.mode == "segmentation":
        return segmentor(config)
    return SwinTransformer(config) if case.mode == "features" else SwinClassifier(config)


def _timm(case: Case) -> nn.Module | None:
    if case.model not in TIMM_NAMES or case.mode in (
        "features",
        *TASKS,
    ):  # it pads after the shift, so its features are others at most sizes
        return None
    timm: Any = importlib.import_module("timm")
    config = case.config
    size = {} if case.size == config.image_size else {"img_size": case.size}
    return timm.create_model(TIMM_NAMES[case.model], drop_path_rate=config.drop_path_rate, **size)


def _torchvision(case: Case) -> nn.Module | None:
    if case.mode == "detection":
        return torchvision_detector() if case.model == RESNET else None
    models: Any = importlib.import_module("torchvision.models")
    build_model = getattr(models, case.model, None)
    if case.mode in ("features", "segmentation") or build_model is None:
        return None
    return build_model()


def _transformers(case: Case) -> nn.Module | None:
    if case.mode == "detection":
        return None
    transformers: Any = importlib.import_module("transformers")
    config = case.config
    settings: dict[str, Any] = {
        "embed_dim": config.embed_dim,
        "depths": list(config.depths),
        "num_heads": list(config.num_heads),
        "window_size": config.window_size,
        "image_size": config.image_size[0],
        "drop_path_rate": config.drop_path_rate,
    }
    if case.mode == "segmentation":
        return transformers_segmentor(settings)
    if case.mode == "features":
        stages = [f"stage{number + 1}" for number in range(len(config.depths))]
        return _FeatureMaps(transformers.SwinBackbone(transformers.SwinConfig(out_features=stages, **settings)))
    return _Logits(transformers.SwinForImageClassification(transformers.SwinConfig(num_labels=1000, **settings)))


def linear_shapes(config: SwinConfig, size: tuple[int, int]) -> list[tuple[int, int, int]]:
    """(tokens of an image, inputs, outputs) of every linear layer of a stage's blocks and mergings, in order."""
    shapes = []
    height, width = (side // config.patch_size for side in size)
    for stage, (dim, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        tokens, hidden = height * width, int(dim * config.mlp_ratio)
        shapes += [(tokens, dim, 3 * dim), (tokens, dim, dim), (tokens, dim, hidden), (tokens, hidden, dim)] * depth
        if stage + 1 < len(config.depths):
            height, width = (height + 1) // 2, (width + 1) // 2
            shapes.append((height * width, 4 * dim, 2 * dim))
    return shapes
