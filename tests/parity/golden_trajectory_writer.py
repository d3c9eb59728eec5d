"""Trajectory files of our own making: the published loops once more, line by line, and from nothing of swinkit's.

Optimizers are written out, decay rules are looked up by name, and the rates are those of timm's and mmcv's formulas.
The classifier is `golden_reference`'s; detectors and segmentors are swinkit's own, which other golden files guard.

Shapes: B images, C channels, H W image, K classes.
"""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import golden_reference
import torch
import torch.nn.functional as F
from golden_detection import build_rcnn
from golden_models import CLASSIFICATION
from golden_segmentation import build_upernet
from golden_writer import _head_shapes, common_shapes, random, random_weights
from safetensors.torch import save_file
from torch import Tensor, nn

from swinkit.layers.pixels import pad_batch
from swinkit.structures import Instances

TRAIN = {"EPOCHS": 300, "WARMUP_EPOCHS": 20, "WEIGHT_DECAY": 0.05, "BASE_LR": 5e-4, "WARMUP_LR": 5e-7, "MIN_LR": 5e-6}
TRAIN |= {"CLIP_GRAD": 5.0, "ACCUMULATION_STEPS": 1, "LR_SCHEDULER.NAME": "cosine", "LR_SCHEDULER.DECAY_EPOCHS": 30}
TRAIN |= {"LR_SCHEDULER.DECAY_RATE": 0.1, "LR_SCHEDULER.WARMUP_PREFIX": True, "LR_SCHEDULER.MULTISTEPS": []}
TRAIN |= {"LR_SCHEDULER.GAMMA": 0.1, "OPTIMIZER.NAME": "adamw", "OPTIMIZER.EPS": 1e-8, "OPTIMIZER.MOMENTUM": 0.9}
TRAIN |= {"OPTIMIZER.BETAS": [0.9, 0.999]}
"""config.py of the official classification code, TRAIN."""


@dataclass
class Update:
    """The two optimizers, written out."""

    settings: dict[str, Any]
    """type ("AdamW" or "SGD"), betas, eps, momentum, nesterov."""
    decays: dict[str, float]
    """Of every parameter."""
    memory: dict[str, list[Tensor]] = field(default_factory=dict)
    count: int = 0

    @torch.no_grad()
    def step(self, weights: dict[str, Tensor], rate: float) -> None:
        self.count += 1
        for name, weight in weights.items():
            if weight.grad is not None:
                (self._adamw if self.settings["type"] == "AdamW" else self._sgd)(name, weight, weight.grad, rate)

    def _adamw(self, name: str, weight: Tensor, gradient: Tensor, rate: float) -> None:
        first, second = self.settings["betas"]
        mean, square = self.memory.setdefault(name, [torch.zeros_like(weight), torch.zeros_like(weight)])
        weight.mul_(1 - rate * self.decays[name])
        mean.mul_(first).add_((1 - first) * gradient)
        square.mul_(second).add_((1 - second) * gradient**2)
        root = (square / (1 - second**self.count)).sqrt() + self.settings["eps"]
        weight.sub_(rate * (mean / (1 - first**self.count)) / root)

    def _sgd(self, name: str, weight: Tensor, gradient: Tensor, rate: float) -> None:
        gradient = gradient + self.decays[name] * weight
        momentum = self.settings["momentum"]
        if name in self.memory:
            self.memory[name][0].mul_(momentum).add_(gradient)
        else:
            self.memory[name] = [gradient.clone()]
        velocity = self.memory[name][0]
        weight.sub_(rate * (gradient + momentum * velocity if self.settings.get("nesterov") else velocity))


@dataclass
class Log:
    """What a trajectory file stores of its updates."""

    names: list[str]
    values: dict[str, list[Any]] = field(default_factory=dict)
    after: dict[str, Tensor] = field(default_factory=dict)

    def add(self, **values: Any) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def gradients(self, weights: dict[str, Tensor], clip: float | None) -> None:
        """Their norms, and then clipped."""
        each = {n: torch.zeros(()) if (g := weights[n].grad) is None else g.norm() for n in self.names}
        total = torch.stack(list(each.values())).norm()
        self.add(gradient_norm=total, parameter_gradient_norms=torch.stack(list(each.values())))
        if clip is not None:
            for weight in weights.values():
                if weight.grad is not None:
                    weight.grad.mul_(min(1.0, clip / (float(total) + 1e-6)))

    def keep(self, number: int, state: dict[str, Tensor]) -> None:
        self.after |= {f"after.{number}.{name}": tensor.detach().clone() for name, tensor in state.items()}

    def tensors(self, groups: int) -> dict[str, Tensor]:
        rates = torch.tensor(self.values.pop("rate"), dtype=torch.float64)[:, None].expand(-1, groups)
        stacked = {
            name: torch.stack([torch.as_tensor(value, dtype=torch.float32) for value in values])
            for name, values in self.values.items()
        }
        return stacked | {"learning_rates": rates} | self.after


def write_classification_run(
    path: Path, config: dict[str, Any], train: dict[str, Any], *, hard: bool, micro_steps: int, smoothing: float = 0.1
) -> Path:
    """A run of the official `train_one_epoch`.

    Args:
        path: the file.
        config: what differs from the official constructor's defaults.
        train: what differs from config.py's TRAIN.
        hard: labels (B,) instead of mixed targets (B, K).
        micro_steps: of an epoch; what fills no last update is thrown away.
        smoothing: of hard labels.
    """
    full, told, batch = CLASSIFICATION | config, TRAIN | train, 2
    weights = random_weights(common_shapes(full) | _head_shapes(full))
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    log, parts = Log(list(weights)), told["ACCUMULATION_STEPS"]
    plain = ("absolute_pos_embed", "relative_position_bias_table")
    decays = {
        name: 0.0 if weight.ndim == 1 or any(part in name for part in plain) else told["WEIGHT_DECAY"]
        for name, weight in weights.items()
    }
    optimizer = {"type": "AdamW", "betas": told["OPTIMIZER.BETAS"], "eps": told["OPTIMIZER.EPS"]}
    if told["OPTIMIZER.NAME"] == "sgd":
        optimizer = {"type": "SGD", "momentum": told["OPTIMIZER.MOMENTUM"], "nesterov": True}
    update, inputs, micro_losses = Update(optimizer, decays), {}, []
    rate = _timm_rate(told, batch * parts / 512, micro_steps // parts, 0)
    updates = micro_steps // parts * told["EPOCHS"]
    for epoch in range(told["EPOCHS"]):
        for weight in weights.values():
            weight.grad = None
        losses = []
        for index in range(micro_steps):
            number = epoch * micro_steps + index
            images, targets = random(batch, 3, full["img_size"], full["img_size"]), _targets(full, batch, hard, number)
            inputs |= {f"micro.{number}.images": images.half(), f"micro.{number}.targets": targets}
            logits = golden_reference.classifier_logits(
                weights, golden_reference.classifier_features(weights, full, images)
            )
            loss = _criterion(logits, targets, smoothing)
            (loss / parts).backward()
            micro_losses.append(loss.detach())
            losses.append(loss.detach())
            if (index + 1) % parts:
                continue
            log.gradients(weights, told["CLIP_GRAD"])
            update.step(weights, rate)
            log.add(rate=rate, losses=torch.stack(losses).mean())
            if update.count in (1, updates):
                log.keep(update.count, weights)
            for weight in weights.values():
                weight.grad = None
            losses = []
            rate = _timm_rate(told, batch * parts / 512, micro_steps // parts, number // parts)
    official = {f"TRAIN.{key}": value for key, value in train.items()} | {"DATA.BATCH_SIZE": batch}
    official |= {"MODEL.LABEL_SMOOTHING": smoothing, "AUG.MIXUP": 0.0 if hard else 0.8, "MODEL.NAME": "x"}
    kind = ("LabelSmoothingCrossEntropy" if smoothing else "CrossEntropyLoss") if hard else "SoftTargetCrossEntropy"
    recipe = {"loss": {"type": kind}, "accumulation_steps": parts, "micro_steps_per_epoch": micro_steps}
    recipe |= {"updates_per_epoch": micro_steps // parts, "world_size": 1}
    groups = [[name for name in weights if decays[name]], [name for name in weights if not decays[name]]]
    tensors = inputs | log.tensors(len(groups)) | {"micro_losses": torch.stack(micro_losses)}
    metadata = {"config": config, "recipe": recipe, "official": official, "undetermined": _undetermined(weights)}
    metadata |= {"groups": [_group(names, decays, optimizer) for names in groups]}
    return _write(path, tensors, start, metadata, list(weights))


def _targets(config: dict[str, Any], batch: int, hard: bool, number: int) -> Tensor:
    labels = (torch.arange(batch) + number) % config["num_classes"]
    if hard:
        return labels
    mixed = 0.7 * F.one_hot(labels, config["num_classes"]) + 0.3 * F.one_hot(labels.flip(0), config["num_classes"])
    return 0.9 * mixed + 0.1 / config["num_classes"]


def _criterion(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """timm's SoftTargetCrossEntropy and LabelSmoothingCrossEntropy, torch's CrossEntropyLoss."""
    logs = logits.log_softmax(1)
    if targets.ndim == 2:
        return -(targets * logs).sum(1).mean()
    own = -logs.gather(1, targets[:, None])[:, 0]
    return ((1 - smoothing) * own - smoothing * logs.mean(1)).mean()


def _timm_rate(told: dict[str, Any], scale: float, each: int, number: int) -> float:
    """What timm 0.4.12's schedulers set in `step_update(number)`, as build_scheduler makes them."""
    base, begin, low = (told[key] * scale for key in ("BASE_LR", "WARMUP_LR", "MIN_LR"))
    total, warm, name = told["EPOCHS"] * each, told["WARMUP_EPOCHS"] * each, told["LR_SCHEDULER.NAME"]
    if number < warm:
        return begin + number * (base - begin) / warm
    if name == "cosine":
        prefix = warm if told["LR_SCHEDULER.WARMUP_PREFIX"] else 0
        if number - prefix >= total - prefix:
            return low
        return low + 0.5 * (base - low) * (1 + math.cos(math.pi * (number - prefix) / (total - prefix)))
    if name == "linear":
        return base - (base - 0.01 * base) * (number - warm) / (total - warm)
    if name == "step":
        return base * told["LR_SCHEDULER.DECAY_RATE"] ** (number // (told["LR_SCHEDULER.DECAY_EPOCHS"] * each))
    passed = bisect.bisect_right([epoch * each for epoch in told["LR_SCHEDULER.MULTISTEPS"]], number)
    return base * told["LR_SCHEDULER.GAMMA"] ** passed


def write_detection_run(path: Path, config: dict[str, Any], recipe: dict[str, Any], *, updates: int) -> Path:
    """A run of an mmdetection model with mmcv's hooks; `recipe` as in the file, without its batches."""
    torch.manual_seed(0)
    model, inputs = build_rcnn(config, "reference"), {}
    batches = []
    for number, sizes in enumerate([((64, 80), (70, 60)), ((50, 64), (64, 64))]):
        images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
        targets = [_objects(*size, classes=5, seed=number) for size in sizes]
        for image, truth in enumerate(targets):
            assert truth.masks is not None
            inputs |= {f"images.{number}.{image}": images[image], f"targets.{number}.{image}.boxes": truth.boxes}
            inputs |= {f"targets.{number}.{image}.labels": truth.labels}
            inputs |= {f"targets.{number}.{image}.masks": truth.masks.to(torch.uint8)}
        batches.append((*pad_batch(images), targets))
    renamed = {"roi_head.bbox_head.0.": "roi_head.bbox_head.", "roi_head.mask_head.0.": "roi_head.mask_head."}

    def losses(number: int) -> dict[str, Tensor]:
        images, sizes, targets = batches[number]
        return {f"losses.{k}": v for k, v in model.losses(model(images, sizes, targets), targets).items()}

    return _write_dense(path, model, config, recipe, inputs, losses, updates=updates, renamed=renamed)


def write_segmentation_run(path: Path, config: dict[str, Any], recipe: dict[str, Any], *, updates: int) -> Path:
    """A run of an mmsegmentation model with mmcv's hooks, batch norm in training mode."""
    torch.manual_seed(0)
    model, decode, auxiliary = build_upernet(config, "reference")
    generator = torch.Generator().manual_seed(1)
    images = [torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=generator) for _ in range(2)]
    labels = [torch.arange(4 * 64 * 64).reshape(4, 64, 64) // (30 + 7 * n) % decode["num_classes"] for n in range(2)]
    labels[0][:, :9] = 255
    inputs = {f"images.{number}": each for number, each in enumerate(images)}
    inputs |= {f"labels.{number}": each.byte() for number, each in enumerate(labels)}

    def losses(number: int) -> dict[str, Tensor]:
        outputs, found = model(images[number]), {}
        heads = (("decode", outputs.head, decode), ("aux", outputs.auxiliary, auxiliary))
        for name, logits, settings in heads:
            full = F.interpolate(logits, size=(64, 64), mode="bilinear", align_corners=False)
            cost = F.cross_entropy(full, labels[number], ignore_index=255, reduction="none").mean()
            found[f"losses.{name}.loss_ce"] = settings["loss_decode"]["loss_weight"] * cost
        return found

    return _write_dense(path, model, config, recipe, inputs, losses, updates=updates)


def _write_dense(
    path: Path,
    model: nn.Module,
    config: dict[str, Any],
    recipe: dict[str, Any],
    inputs: dict[str, Tensor],
    losses: Callable[[int], dict[str, Tensor]],
    *,
    updates: int,
    renamed: dict[str, str] | None = None,
) -> Path:
    def official(name: str) -> str:
        for ours, theirs in (renamed or {}).items():
            name = name.replace(ours, theirs)
        return name

    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    weights = {official(name): parameter for name, parameter in model.named_parameters()}
    start = {official(name): t.detach().clone() for name, t in model.state_dict().items() if "normalise" not in name}
    told = recipe["optimizer"]
    decays = {n: 0.0 if any(p in n for p in told["no_decay_names"]) else told["weight_decay"] for n in weights}
    log, update = Log(list(weights)), Update(told, decays)
    for number, rate in enumerate(_mmcv_rates(recipe, updates)):
        model.train()
        found = losses(number % 2)
        total = torch.stack(list(found.values())).sum()
        model.zero_grad(set_to_none=True)
        total.backward()
        log.gradients(weights, (recipe.get("grad_clip") or {}).get("max_norm"))
        update.step(weights, rate)
        log.add(rate=rate, losses=total.detach(), **{name: loss.detach() for name, loss in found.items()})
        if update.count in (1, updates):
            log.keep(update.count, {official(n): t for n, t in model.state_dict().items() if "normalise" not in n})
    metadata = {"config": config, "recipe": recipe | {"batches": [number % 2 for number in range(updates)]}}
    metadata |= {"groups": [_group([name], decays, told) for name in weights], "undetermined": _undetermined(weights)}
    return _write(path, inputs | log.tensors(len(weights)), start, metadata, list(weights))


def _mmcv_rates(recipe: dict[str, Any], updates: int) -> Iterator[float]:
    """mmcv's StepLrUpdaterHook, PolyLrUpdaterHook and FixedLrUpdaterHook with linear warm-up."""
    told, base = recipe["lr_config"], recipe["optimizer"]["lr"]
    for k in range(updates):
        if told["policy"] == "step":
            place = k // recipe["updates_per_epoch"] if told.get("by_epoch", True) else k
            regular = base * told.get("gamma", 0.1) ** sum(place >= each for each in told["step"])
            regular = max(regular, told.get("min_lr") or 0.0)
        elif told["policy"] == "poly":
            low = told.get("min_lr", 0.0)
            regular = (base - low) * (1 - k / recipe["max_iters"]) ** told["power"] + low
        else:
            regular = base
        warm = told.get("warmup_iters", 0) if told.get("warmup") else 0
        yield regular * (1 - (1 - k / warm) * (1 - told["warmup_ratio"])) if k < warm else regular


def _objects(height: int, width: int, *, classes: int, seed: int) -> Instances:
    """Two boxes, filled."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(2, 2, generator=generator) * 0.4
    boxes = torch.cat([corners, corners + 0.5], 1) * torch.tensor([width, height, width, height])
    masks = torch.zeros(2, height, width, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    return Instances(boxes, torch.randint(classes, (2,), generator=generator), masks)


def _group(names: list[str], decays: dict[str, float], optimizer: dict[str, Any]) -> dict[str, Any]:
    values = {key: optimizer[key] for key in ("betas", "eps", "momentum", "nesterov") if key in optimizer}
    return {"names": names, "weight_decay": decays[names[0]]} | values


def _undetermined(weights: dict[str, Tensor]) -> list[list[Any]]:
    """Biases of keys, which softmax does not see, and of norms before a 1 x 1 convolution and its batch norm."""
    keys = [[n, len(w) // 3, 2 * len(w) // 3] for n, w in weights.items() if n.endswith("qkv.bias")]
    heads = any(name.startswith("decode_head") for name in weights)
    norms = [n for n in weights if heads and n in ("backbone.norm0.bias", "backbone.norm1.bias")]
    return keys + [[name, 0, len(weights[name])] for name in norms]


def _write(
    path: Path, tensors: dict[str, Tensor], start: dict[str, Tensor], metadata: dict[str, Any], names: list[str]
) -> Path:
    tensors |= {f"weights.{name}": t.half() if t.is_floating_point() else t for name, t in start.items()}
    plain = {key: json.dumps(value) for key, value in (metadata | {"gradient_names": names}).items()}
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, path, plain)
    return path
