"""How the published code trains, in its own words, and what that is in ours: the one place where the two meet.

The three loops have habits that nobody expects; here each is a value of our settings, so that a recipe says it:

* Classification multiplies all three rates (peak, start of the warm-up, minimum) by the images of a step over 512, with
  those of accumulated parts among them: `reference_batch`. It sets a rate after a step, for the next one, so that steps
  0 and 1 both have the warm-up's first rate: `set_after_step`. Its cosine starts after the warm-up: `warmup_prefix`.
* Detection and segmentation multiply the warm-up with the decayed rate instead, so poly decay and warm-up overlap:
  `warmup_ratio`. A step has its own rate. Biases and batch norms named `bn` decay: `no_decay` "dense".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swinkit.classification.data.mixing import Mixing
from swinkit.errors import InputError
from swinkit.training.loop import TrainingSettings
from swinkit.training.optimizers import DENSE
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

BATCH_OF_RATES = 512
"""Images of a step for which the classification code's rates are written down."""
LINEAR_END = 0.01
"""Where its linear decay ends, as a share of the peak; it does not look at `min_lr`."""


@dataclass(frozen=True)
class ClassificationTraining:
    """What config.py of the official classification code says of training, with its defaults. Names are its keys."""

    batch_size: int = 128
    """DATA.BATCH_SIZE: images of one process at a time."""
    epochs: int = 300
    warmup_epochs: int = 20
    weight_decay: float = 0.05
    base_lr: float = 5e-4
    warmup_lr: float = 5e-7
    min_lr: float = 5e-6
    clip_grad: float | None = 5.0
    accumulation_steps: int = 1
    lr_scheduler_name: Literal["cosine", "linear", "step", "multistep"] = "cosine"
    lr_scheduler_decay_epochs: int = 30
    """Of "step": epochs between two decays."""
    lr_scheduler_decay_rate: float = 0.1
    lr_scheduler_warmup_prefix: bool = True
    """Of "cosine": whether it starts after the warm-up; the code that trained the released weights had no such key,
    and its cosine counts from the first step."""
    lr_scheduler_multisteps: tuple[int, ...] = ()
    """Of "multistep": epochs at which the rate decays by `lr_scheduler_gamma`."""
    lr_scheduler_gamma: float = 0.1
    optimizer_name: Literal["adamw", "sgd"] = "adamw"
    optimizer_eps: float = 1e-8
    optimizer_betas: tuple[float, float] = (0.9, 0.999)
    optimizer_momentum: float = 0.9
    amp_enable: bool = True
    """AMP_ENABLE: mixed precision, fp16."""
    mixup: float = 0.8
    """AUG.MIXUP; with it or CutMix the loss is the cross entropy of soft targets."""
    cutmix: float = 1.0
    label_smoothing: float = 0.1
    """MODEL.LABEL_SMOOTHING."""

    def settings(self, processes: int) -> TrainingSettings:
        """On so many processes (GPUs)."""
        parts = max(1, self.accumulation_steps)
        optimizer = OptimizerSettings(
            kind=self.optimizer_name,
            lr=self.base_lr,
            reference_batch=BATCH_OF_RATES,
            weight_decay=self.weight_decay,
            no_decay="classification",
            betas=self.optimizer_betas,
            eps=self.optimizer_eps,
            momentum=self.optimizer_momentum,
            nesterov=self.optimizer_name == "sgd",
        )
        loop = LoopSettings(
            epochs=self.epochs,
            batch_size=self.batch_size * processes * parts,
            accumulate=parts,
            clip_grad=self.clip_grad,
            precision="fp16" if self.amp_enable else "fp32",
        )
        return TrainingSettings(loop, optimizer, self._schedule())

    def mixing(self) -> Mixing:
        """All batches are mixed, half of them by CutMix."""
        return Mixing(
            mixup_alpha=self.mixup,
            cutmix_alpha=self.cutmix,
            probability=1.0,
            switch_probability=0.5,
            label_smoothing=self.label_smoothing,
        )

    def _schedule(self) -> ScheduleSettings:
        decays = self.lr_scheduler_name in ("step", "multistep")
        least = {"cosine": self.min_lr, "linear": LINEAR_END * self.base_lr}
        repeated = range(self.lr_scheduler_decay_epochs, self.epochs + 1, self.lr_scheduler_decay_epochs)
        is_step = self.lr_scheduler_name == "step"
        return ScheduleSettings(
            decay="step" if decays else self.lr_scheduler_name,  # type: ignore[arg-type]  # cosine or linear
            warmup_epochs=self.warmup_epochs,
            warmup_lr=self.warmup_lr,
            warmup_prefix=self.lr_scheduler_warmup_prefix or self.lr_scheduler_name != "cosine",
            set_after_step=True,
            min_lr=least.get(self.lr_scheduler_name, 0.0),
            milestones=() if not decays else tuple(repeated) if is_step else self.lr_scheduler_multisteps,
            gamma=self.lr_scheduler_decay_rate if is_step else self.lr_scheduler_gamma,
        )


@dataclass(frozen=True)
class DenseTraining:
    """What the configurations of the official detection and segmentation code say of training: mmcv's `optimizer`,
    `lr_config`, `optimizer_config` and runner. Names are theirs; the defaults are those of detection, 1x."""

    type: Literal["AdamW", "SGD"] = "AdamW"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.05
    momentum: float = 0.9
    """Of "SGD"."""
    no_decay_names: tuple[str, ...] = DENSE
    """Keys of paramwise_cfg.custom_keys whose decay_mult is 0."""
    policy: Literal["step", "poly", "fixed"] = "step"
    step: tuple[int, ...] = (8, 11)
    """Of "step": epochs, or with `by_epoch` False iterations, at which the rate decays by `gamma`."""
    gamma: float = 0.1
    power: float = 1.0
    min_lr: float = 0.0
    by_epoch: bool = True
    warmup_iters: int = 500
    """0: no warm-up."""
    warmup_ratio: float = 1e-3
    max_epochs: int = 12
    max_iters: int | None = None
    """Of an IterBasedRunner; takes the place of `max_epochs`."""
    grad_clip: float | None = None
    """max_norm of optimizer_config's grad_clip."""
    batch_size: int = 16
    """Images of a step, over all GPUs."""

    def settings(self, *, epoch_steps: int | None = None) -> TrainingSettings:
        """Raises InputError where our loop has no such decay: `by_epoch` of poly, or iterations for "step" without the
        `epoch_steps` to count them in."""
        if self.policy == "poly" and (self.by_epoch or self.max_iters is None):
            raise InputError("poly decay counts steps here: give by_epoch False and max_iters")
        if self.policy == "step" and not self.by_epoch and epoch_steps is None:
            raise InputError("decays at iterations need the number of steps in an epoch")
        unit = 1 if self.by_epoch or epoch_steps is None else epoch_steps
        optimizer = OptimizerSettings(
            kind="adamw" if self.type == "AdamW" else "sgd",
            lr=self.lr,
            reference_batch=None,
            weight_decay=self.weight_decay,
            no_decay="dense" if set(self.no_decay_names) == set(DENSE) else self.no_decay_names,
            betas=self.betas,
            eps=self.eps,
            momentum=self.momentum,
        )
        schedule = ScheduleSettings(
            decay="constant" if self.policy == "fixed" else self.policy,
            warmup_steps=self.warmup_iters or None,
            warmup_ratio=self.warmup_ratio if self.warmup_iters else None,
            min_lr=self.min_lr,
            milestones=tuple(each if unit == 1 else each / unit for each in self.step) if self.policy == "step" else (),
            gamma=self.gamma,
            power=self.power,
        )
        loop = LoopSettings(
            epochs=self.max_epochs, steps=self.max_iters, batch_size=self.batch_size, clip_grad=self.grad_clip
        )
        return TrainingSettings(loop, optimizer, schedule)
