"""The command line in processes of its own, which can be killed, or work together.

They are forked from a server that has imported swinkit once, so that each starts in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["swinkit.cli.train_recipe", "swinkit.cli.evaluate", "swinkit.cli.predict", "sklearn.datasets"]
)

TINY = (
    *("--backbone.embed-dim", "16", "--backbone.depths", "2", "1", "--backbone.num-heads", "1", "2"),
    *("--backbone.window-size", "2"),
    *("--epochs", "1", "--evaluate-every", "1", "--log-every", "1", "--device", "cpu"),
    *("--optimizer.lr", "0.01", "--schedule.warmup-epochs", "0"),
)
"""Options that make `swinkit train digits` a run of two seconds: a Swin of 23,000 parameters, 22 steps, in which the
loss falls from 2.3 to 1.6."""


TINY_FINETUNE = (
    *("--image-size", "32", "--backbone.embed-dim", "16", "--backbone.depths", "2", "1"),
    *("--backbone.num-heads", "1", "2", "--backbone.window-size", "4", "--epochs", "4", "--batch-size", "9"),
    *("--log-every", "1", "--device", "cpu"),
    *("--optimizer.lr", "0.003", "--workers", "0", "--augmentation.rand-augment.probability", "0"),
)
"""Options that make `swinkit train finetune` a short run, of a few dozen images in a folder."""

TINY_SEGMENTOR = (
    *(
        "--backbone.embed-dim",
        "16",
        "--backbone.depths",
        "1",
        "1",
        "--backbone.num-heads",
        "1",
        "2",
        "--backbone.window-size",
        "4",
    ),
    *("--head.channels", "16", "--head.auxiliary-channels", "8", "--head.pool-scales", "1", "2"),
    *("--head.auxiliary-level", "1", "--augmentation.crop-size", "32", "32", "--batch-size", "4", "--log-every", "1"),
    *("--optimizer.lr", "0.01", "--schedule.warmup-steps", "0", "--device", "cpu", "--workers", "0", "--threads", "1"),
    *("--clip-grad", "5", "--augmentation.no-photometric"),
)
"""Options that make a segmentation recipe one of an UperNet of 40,000 parameters on crops of 32 x 32 pixels."""

TINY_SCENES = (
    *TINY_SEGMENTOR,
    *("--scenes.size", "32", "--scenes.side", "14", "20", "--scenes.digits", "1", "2"),
    *("--scenes.train-scenes", "96", "--scenes.val-scenes", "7", "--epochs", "1", "--augmentation.ratio", "1", "1"),
    *("--class-weights", "None"),
)
"""Options that make `swinkit train digit_scenes_segmentation` a run of two seconds: 24 steps, in which the loss
halves."""

TINY_MASKS = (
    *TINY_SEGMENTOR,
    "--steps",
    "40",
    "--evaluate-every-steps",
    "20",
    "--augmentation.ratio",
    "0.75",
    "1.25",
)
"""Options that make `swinkit train finetune_segmentation` a short run, of a dozen images of 40 x 48 pixels."""

TINY_DETECTOR = (
    *(
        "--weights",
        "None",
        "--backbone.embed-dim",
        "16",
        "--backbone.depths",
        "1",
        "1",
        "--backbone.num-heads",
        "1",
        "2",
    ),
    *("--backbone.window-size", "4", "--detector.channels", "16", "--detector.fc-channels", "32"),
    *("--detector.finest-scale", "14", "--detector.mask-convs", "1", "--detector.mask-roi-size", "7"),
    *("--detector.rpn.scales", "4", "--detector.rpn.border", "None"),
    *("--detector.rpn.training.pre-nms", "60", "--detector.rpn.training.post-nms", "40"),
    *("--detector.rpn.inference.pre-nms", "60", "--detector.rpn.inference.post-nms", "40"),
    *("--augmentation.horizontal-flip", "0", "--augmentation.crop-probability", "0", "--batch-size", "4"),
    *("--log-every", "1", "--precision", "fp32", "--optimizer.lr", "0.005", "--schedule.warmup-steps", "0"),
    *("--clip-grad", "5", "--device", "cpu", "--workers", "0", "--threads", "1"),
)
"""Options that make a COCO recipe one of a detector of 150,000 parameters and less."""

TINY_OBJECTS = (
    *TINY_DETECTOR,
    *("--augmentation.shorter-sides", "40", "--resize.shorter-side", "40", "--resize.longest-side", "64"),
    *("--epochs", "16", "--evaluate-every", "8"),
)
"""Options that make `swinkit train coco_mask_rcnn_swin_t_1x` a short run, of a dozen images of 40 x 48 pixels."""

TINY_DIGIT_OBJECTS = (
    *TINY_DETECTOR,
    *("--dataset", "digit_scenes", "--scenes.size", "32", "--scenes.side", "14", "20", "--scenes.digits", "1", "2"),
    *("--scenes.train-scenes", "48", "--scenes.val-scenes", "7", "--augmentation.shorter-sides", "32"),
    *("--resize.shorter-side", "32", "--resize.longest-side", "32", "--epochs", "1"),
)
"""Options that make a COCO recipe a run of two seconds on digit scenes: 12 steps."""


def start(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> ForkServerProcess:
    """`swinkit ARGUMENTS` on one thread, its stdout and stderr in `log`."""
    process = _CONTEXT.Process(target=_session, args=(list(arguments), log, dict(environment or {})))
    process.start()
    return process


def arguments_of(line: str) -> list[str]:
    """The arguments of a printed command, `swinkit ARGUMENTS` or `python -m swinkit ARGUMENTS`."""
    words = shlex.split(line)
    return words[3:] if words[1] == "-m" else words[1:]


def run(arguments: Sequence[str], log: Path) -> int:
    """The exit code of `swinkit ARGUMENTS`."""
    process = start(arguments, log)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def start_together(arguments: Sequence[str], log: Path, *, count: int = 2) -> list[ForkServerProcess]:
    """`swinkit ARGUMENTS` in `count` processes, as torchrun starts them; the log of process 0 ends with .0."""
    return [
        start(arguments, log.with_suffix(f".{rank}"), environment)
        for rank, environment in enumerate(_environments(count))
    ]


def call_together(function: Callable[[], None], *, count: int = 2) -> int:
    """The largest exit code of `count` processes, as torchrun starts them, that each call a module's function."""
    processes = [_CONTEXT.Process(target=_call, args=(function, each)) for each in _environments(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


def _call(function: Callable[[], None], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    import torch

    torch.set_num_threads(1)
    function()


def _environments(count: int) -> list[dict[str, str]]:
    """What torchrun tells each of its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def run_together(arguments: Sequence[str], log: Path, *, count: int = 2) -> int:
    """The largest exit code of `start_together`."""
    processes = start_together(arguments, log, count=count)
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


def _session(arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    # A child of the server would fork its own workers from another server, unlike a process that a shell starts.
    multiprocessing.set_start_method("fork", force=True)
    import torch

    from swinkit.cli import main

    torch.set_num_threads(1)
    sys.exit(main(arguments))
