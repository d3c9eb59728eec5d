"""The golden checker on detectors: every kind of stored tensor counts, and what cannot be built is one sentence.

That the original code's files pass, by every way to compute attention, is in `test_goldens`.
"""

import json
from pathlib import Path
from typing import Any

import check_goldens
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from shared_files import shared_path
from torch import Tensor


def edited(tmp_path: Path, name: str, tensors: dict[str, Tensor], config: dict[str, Any] | None = None) -> Path:
    """The original code's file with some tensors and values of its configuration replaced."""
    with safe_open(shared_path(f"goldens/{name}.safetensors"), framework="pt") as file:
        metadata = file.metadata()
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if config is not None:
        metadata |= {"config": json.dumps(json.loads(metadata["config"]) | config)}
    path = tmp_path / f"{name}_edited.safetensors"
    save_file(stored | tensors, path, metadata)
    return path


def stored(name: str, key: str) -> Tensor:
    with safe_open(shared_path(f"goldens/{name}.safetensors"), framework="pt") as file:
        return file.get_tensor(key)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("mask_rcnn", "pyramid.4"),
        ("mask_rcnn", "detections.1.labels"),
        ("mask_rcnn", "detections.0.masks_packed"),
        ("mask_rcnn", "proposals.1.boxes"),
        ("cascade_mask_rcnn", "losses.s2.loss_bbox"),
        ("mask_rcnn", "detections.0.boxes"),
        ("cascade_mask_rcnn", "gradient_norms"),
    ],
)
def test_every_kind_of_stored_tensor_counts(
    tmp_path: Path, name: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tensor = stored(name, key).clone()
    if key.endswith("labels"):
        tensor[0] = (tensor[0] + 1) % 5
    elif key.endswith("masks_packed"):
        tensor[:1] ^= 255
    elif key.endswith("boxes"):
        tensor[0, 0] += 1.0
    else:
        tensor.view(-1)[0] += 0.02 * tensor.abs().max()
    assert check_goldens.main([str(edited(tmp_path, name, {key: tensor})), "--attention", "sdpa"]) == 1
    missed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "MISS" in line]
    # A wrong box, score or label has no counterpart, so that its whole image misses.
    group = key.rpartition(".")[0] if key.startswith(("detections", "proposals")) else key
    assert missed and all(name.startswith(group) for name in missed)


@pytest.mark.parametrize("key", ["neck.fpn_convs.0.conv.bias", "roi_head.bbox_head.1.shared_convs.2.bn.running_var"])
def test_one_wrong_number_among_the_weights_is_a_miss(tmp_path: Path, key: str) -> None:
    weight = stored("cascade_mask_rcnn", f"weights.{key}").clone()
    weight[3] += 0.2
    path = edited(tmp_path, "cascade_mask_rcnn", {f"weights.{key}": weight})
    assert check_goldens.main([str(path), "--attention", "sdpa"]) == 1


def test_a_border_in_the_configuration_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The published cascade leaves anchors out that reach beyond the image: the proposal network's losses change."""
    with safe_open(shared_path("goldens/cascade_mask_rcnn.safetensors"), framework="pt") as file:
        train = json.loads(file.metadata()["config"])["train_cfg"]
    train["rpn"]["allowed_border"] = 0
    path = edited(tmp_path, "cascade_mask_rcnn", {}, {"train_cfg": train})
    assert check_goldens.main([str(path), "--attention", "sdpa"]) == 1
    missed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "MISS" in line}
    assert "losses.loss_rpn_cls" in missed and not any(name.startswith(("pyramid", "detections")) for name in missed)


@pytest.mark.parametrize("wrong", [{"add_extra_convs": True}, {"in_channels": [16, 32, 64]}, {"colour": 1}])
def test_a_detector_that_swinkit_cannot_build_is_one_sentence(
    tmp_path: Path, wrong: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with safe_open(shared_path("goldens/mask_rcnn.safetensors"), framework="pt") as file:
        neck = json.loads(file.metadata()["config"])["neck"]
    path = edited(tmp_path, "mask_rcnn", {}, {"neck": neck | wrong})
    assert check_goldens.main([str(path), "--attention", "sdpa"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
