"""Compare swinkit with golden files: small models that the original code ran once.

    python tests/parity/check_goldens.py FILE... [--attention reference|matmul|sdpa|cpu|all]

The kind of model is told by how the file's name begins, the model by the `config` in its metadata. The weights go
through the public loader, and every stored tensor is compared: a line each, and a total. Exit code 0: all within their
tolerances; 1: a miss, or a stored tensor that was compared with nothing; 2: a file that could not be checked.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from golden_atss import check_atss
from golden_augmentation import check_augmentation
from golden_comparison import Comparison, miss, uncompared
from golden_detection import check_detection
from golden_file import BUFFERS, WEIGHTS, Golden, read_golden
from golden_htc_tta import check_htc_tta
from golden_models import check_classification, check_dense_backbone
from golden_reppoints import check_reppoints
from golden_segmentation import check_upernet
from golden_soft_nms import check_soft_nms
from golden_sparse_rcnn import check_sparse_rcnn
from golden_trajectory_tasks import check_trajectory

from swinkit import InputError
from swinkit.ops.window_attention import AttentionBackend

KINDS: dict[str, Callable[[Golden, AttentionBackend], list[Comparison]]] = {
    "classification_": check_classification,
    "dense_backbone_": check_dense_backbone,
    "upernet": check_upernet,
    "mask_rcnn": check_detection,
    "cascade_mask_rcnn": check_detection,
    "htc_tta": check_htc_tta,
    "htc": check_detection,
    "atss": check_atss,
    "sparse_rcnn": check_sparse_rcnn,
    "reppoints_v2": check_reppoints,
    "mask_reppoints_v2": check_reppoints,
    "soft_nms": check_soft_nms,
    "augmentation": check_augmentation,
    "trajectory_": check_trajectory,
}
"""How file names begin, to the function that checks such a file. A new kind of golden file is one more line here."""

WITHOUT_WEIGHTS = {check_augmentation, check_soft_nms}
"""The checks of files that hold no model."""

BACKENDS: tuple[AttentionBackend, ...] = ("reference", "matmul", "sdpa", "cpu")
INPUTS = {"input", "target", "images", "labels", "sizes.in"}
INPUT_PARTS = ("images.", "targets.", "source.", "labels.", "micro.")
"""Beginnings of the names of inputs of which there are several."""


def kind_of(path: Path) -> Callable[[Golden, AttentionBackend], list[Comparison]]:
    """The check for a file of this name; raises InputError where there is none."""
    for prefix, check in KINDS.items():
        if path.name.startswith(prefix):
            return check
    raise InputError(f"the name of {path} does not say its kind; it must begin with {' or '.join(KINDS)}")


def check_file(path: Path, backend: AttentionBackend) -> list[Comparison]:
    """A line for every tensor of the file; raises InputError where the file cannot be checked."""
    check = kind_of(path)
    golden = read_golden(path)
    if not golden.weights and check not in WITHOUT_WEIGHTS:
        raise InputError(f"{path} holds no tensors named {WEIGHTS}*, so it is not a golden file")
    try:
        lines = check(golden, backend)
    except InputError as error:
        raise InputError(f"{path} cannot be checked: {error}") from None
    except Exception as error:  # a model that breaks on one file must not hide what it does on the others
        traceback.print_exc()
        return [miss(path.name, f"{type(error).__name__} while running the model, see above")]
    loaded = {WEIGHTS + name for name in golden.weights if not name.endswith(BUFFERS)}
    inputs = INPUTS | {name for name in golden.stored if name.startswith(INPUT_PARTS)}
    lines += uncompared(golden, lines, used=inputs | loaded)
    return lines if lines else [miss(path.name, "nothing in it to compare")]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--attention", choices=(*BACKENDS, "all"), default="all", help="default: all three")
    options = parser.parse_args(arguments)
    backends = BACKENDS if options.attention == "all" else (options.attention,)
    compared, missed, refused = 0, 0, 0
    for path in options.files:
        for backend in backends:
            try:
                lines = check_file(path, backend)
            except InputError as error:
                print(error, file=sys.stderr)
                refused += 1
                break
            print(f"{path}, {backend} attention", *lines, sep="\n")
            compared += len(lines)
            missed += sum(not line.is_ok for line in lines)
    print(f"{compared} comparisons, {missed} missed; {refused} of {len(options.files)} files could not be checked")
    return 1 if missed else 2 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
