"""What one training loop can be told, as values: every task uses the same ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from swinkit.errors import InputError

Freeze = Literal["all-but-head", "backbone"] | tuple[Literal["stages"], int]
"""What of a model keeps its weights, see `OptimizerSettings.freeze`."""


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimiser and its parameter groups."""

    kind: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with momentum."""
    lr: float = 5e-4
    """Peak learning rate for `reference_batch` images a step (for any batch, where that is None)."""
    reference_batch: int | None = 512
    """All rates (peak, start of the warm-up, minimum) are multiplied with batch size / this number, as in the published
    classification code: over all processes, and over accumulated parts too, so that --accumulate changes no rate."""
    weight_decay: float = 0.05
    no_decay: Literal["classification", "dense"] | tuple[str, ...] = "classification"
    """What has no weight decay. "classification": 1-D parameters, biases, position embeddings and bias tables.
    "dense" (detection, segmentation): names with `norm`, position embeddings and bias tables. Or parts of names of your
    own: a parameter whose name contains one of them has none."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's running averages."""
    eps: float = 1e-8
    """AdamW's denominator."""
    momentum: float = 0.9
    """SGD's momentum."""
    nesterov: bool = False
    """SGD's other form of momentum, which the published classification code takes."""
    freeze: Annotated[Freeze | None, tyro.conf.arg(prefix_name=False)] = None
    """What keeps the weights that the run starts from, and its norms' statistics: "all-but-head" leaves the heads to
    learn, "backbone" the necks of detectors too, "stages N" all but patch embedding and first N stages."""
    layer_decay: Annotated[float | None, tyro.conf.arg(prefix_name=False)] = None
    """The learning rate of a layer of the backbone is that of the layer behind it times this, 0 < decay <= 1, such as
    0.8; heads learn at the full rate. None: one rate for all."""

    def __post_init__(self) -> None:
        for name in ("lr", "weight_decay", "eps", "momentum"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise InputError(f"optimizer.{name} must be 0 or more, not {getattr(self, name)}")
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise InputError(f"optimizer.betas must lie in 0 <= beta < 1, not {self.betas}")
        if self.reference_batch is not None and self.reference_batch < 1:
            raise InputError(f"optimizer.reference_batch must be at least 1, not {self.reference_batch}")
        if self.layer_decay is not None and not 0.0 < self.layer_decay <= 1.0:
            raise InputError(f"layer_decay must lie in 0 < decay <= 1, not {self.layer_decay}")
        if isinstance(self.freeze, tuple) and self.freeze[1] < 1:
            raise InputError(f"freeze stages takes how many, from 1 on, not {self.freeze[1]}")


@dataclass(frozen=True)
class ScheduleSettings:
    """The learning rate over the steps of a run. Rates are for `reference_batch` images, as in the optimiser."""

    decay: Literal["cosine", "linear", "poly", "step", "constant"] = "cosine"
    warmup_epochs: float = 0.0
    """Length of the linear warm-up, in epochs."""
    warmup_steps: int | None = None
    """Length of the linear warm-up, in steps; takes the place of `warmup_epochs`."""
    warmup_lr: float = 5e-7
    """Where the warm-up starts (classification code)."""
    warmup_ratio: float | None = None
    """Where the warm-up starts, as a share of the decayed rate (detection and segmentation code); takes the place of
    `warmup_lr`."""
    warmup_prefix: bool = True
    """Whether the decay starts after the warm-up (the classification code since 2022-10) or counts from the first
    step (the code that trained the released weights)."""
    set_after_step: bool = False
    """The published classification code sets the rate after a step, for the next one: steps 0 and 1 both have the
    warm-up's first rate, and the decay's last rate is never used. It counts an epoch's left-over parts of a step too,
    whose gradient it throws away. False: each step has its own rate, as in the detection and segmentation code."""
    min_lr: float = 0.0
    """Where cosine, linear and poly decay end, and the least that "step" leaves."""
    milestones: tuple[float, ...] = ()
    """Epochs at which "step" multiplies the rate with `gamma`."""
    gamma: float = 0.1
    power: float = 1.0
    """Exponent of "poly"."""
    fit_short_runs: bool = True
    """Shorten a warm-up that would fill a third of the run, and milestones beyond its end; False leaves them as they
    are, as the published loops do."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and how a run trains."""

    epochs: int = 300
    """Passes over the training data."""
    steps: int | None = None
    """Steps of the run, wherever in an epoch the last one falls; takes the place of `epochs`. A run may go on with
    another length: the learning rate is then that of a run of this length, from there on."""
    patience: int | None = None
    """End the run after so many evaluations in a row without a better best result; None trains to the end."""
    batch_size: int = 1024
    """Images of one step, over all processes and accumulated parts together."""
    accumulate: int = 1
    """In how many parts each process works off its share of a step; more parts need less memory."""
    clip_grad: float | None = 5.0
    """Largest L2 norm of the whole gradient; larger ones are scaled down."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Automatic mixed precision; weights stay fp32."""
    checkpoint_activations: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """Run the model through torch.compile."""
    ema_decay: float | None = None
    """Keep an exponential moving average of the weights (0..1, close to 1), evaluate and save that."""
    sharding: Literal["ddp", "fsdp"] = "ddp"
    """With several processes: every one holds the whole model (ddp), or a share of it (fsdp)."""
    evaluate_every: int = 1
    """Epochs between evaluations; the end of the run is always evaluated."""
    evaluate_every_steps: int | None = None
    """Steps between evaluations; takes the place of `evaluate_every`."""
    checkpoint_every: int | None = None
    """Steps between checkpoints within an epoch; there is always one at an epoch's end."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl, metrics.csv and TensorBoard."""
    log: tuple[Literal["wandb", "mlflow"], ...] = ()
    """Send the metrics to Weights & Biases or MLflow, too, which must be installed."""
    seed: int = 0
    """Decides initial weights, data order, augmentation and dropout."""
    workers: int = 2
    """Processes that load images; 0 loads in the training process. Results do not depend on it."""
    threads: int | None = None
    """CPU threads of each process; None leaves it to PyTorch. Small models are fastest with one, above all where other
    programs run too: threads that wait for each other at every operation lose more than they gain."""
    device: str | None = None
    """Device such as cuda or cpu; None takes the GPU if there is one."""

    def __post_init__(self) -> None:
        counts = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "accumulate": self.accumulate,
            "evaluate_every": self.evaluate_every,
            "log_every": self.log_every,
            "steps": self.steps,
            "patience": self.patience,
            "evaluate_every_steps": self.evaluate_every_steps,
            "checkpoint_every": self.checkpoint_every,
        }
        for name, value in counts.items():
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, not {value}")
        if self.ema_decay is not None and not 0.0 < self.ema_decay < 1.0:
            raise InputError(f"ema_decay must lie between 0 and 1, not {self.ema_decay}")
        if self.clip_grad is not None and not self.clip_grad > 0.0:
            raise InputError(f"clip_grad must be above 0, not {self.clip_grad}; None does not clip")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads must be at least 1, not {self.threads}")
        if self.workers < 0:
            raise InputError(f"workers must be 0 or more, not {self.workers}")

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole run."""
        return self.epochs * steps_per_epoch if self.steps is None else self.steps

    def batch_of_process(self, processes: int) -> int:
        """Images that one process takes at once; raises InputError where the batch cannot be shared out evenly."""
        parts = processes * self.accumulate
        if self.batch_size % parts:
            raise InputError(
                f"a batch of {self.batch_size} images cannot be shared out evenly over {processes} process(es) and "
                f"{self.accumulate} part(s); choose a multiple of {parts}"
            )
        return self.batch_size // parts
