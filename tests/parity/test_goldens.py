"""The golden checker: it passes on the original code's files and on our own of awkward configs, and misses nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_goldens
import pytest
import torch
from golden_upernet import write_upernet
from golden_writer import write_classification, write_dense
from safetensors import safe_open
from safetensors.torch import save_file
from shared_files import SHARED, shared_path
from torch import Tensor

SMALL = {"embed_dim": 8, "num_classes": 5}
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "odd_depths_one_channel": {"img_size": 32, "patch_size": 2, "in_chans": 1, "window_size": 4}
    | {"depths": [1, 3, 2], "num_heads": [1, 2, 4]},
    "window5_no_bias_scale": {"img_size": 80, "window_size": 5, "depths": [2, 2, 1], "num_heads": [2, 2, 2]}
    | {"mlp_ratio": 2, "qkv_bias": False, "qk_scale": 0.7},
    "scale_of_zero_is_none": {"img_size": 32, "window_size": 4, "depths": [2], "num_heads": [2], "qk_scale": 0.0},
    "tall_window_as_large_as_the_map": {"img_size": [112, 56], "depths": [2, 2], "num_heads": [1, 2]},
    "wide_window_larger_than_the_map": {"img_size": [24, 48], "depths": [2, 2], "num_heads": [1, 2]},
    "pixels_left_over": {"img_size": [58, 59], "depths": [2, 2], "num_heads": [4, 8]},
    "position_wide_four_channels": {"img_size": [56, 112], "in_chans": 4, "ape": True, "patch_norm": False}
    | {"depths": [2, 2], "num_heads": [1, 2]},
    "position_left_over": {"img_size": [33, 67], "window_size": 8, "ape": True, "depths": [2], "num_heads": [2]},
    "single_token": {"img_size": 16, "window_size": 2, "depths": [2, 2, 2], "num_heads": [1, 2, 4]},
    "window1": {"img_size": 16, "window_size": 1, "depths": [2, 1], "num_heads": [1, 2], "use_checkpoint": True},
    "no_head": {"img_size": 24, "window_size": 3, "depths": [2, 2], "num_heads": [1, 2], "num_classes": 0},
    "one_class": {"img_size": 24, "window_size": 3, "depths": [2], "num_heads": [1], "num_classes": 1},
    "fused": {"img_size": 32, "window_size": 4, "depths": [2], "num_heads": [1], "fused_window_process": True},
}
TWO = {"embed_dim": 8, "depths": [2, 2], "num_heads": [1, 2], "out_indices": [0, 1]}
THREE = {"embed_dim": 8, "depths": [2, 1, 2], "num_heads": [1, 2, 2], "out_indices": [0, 1, 2]}
DENSE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "odd": (THREE, {"size": (61, 90)}),
    "smaller_than_the_window": (TWO, {"size": (17, 9), "batch": 3}),
    "smaller_than_a_patch": (TWO, {"size": (3, 2), "batch": 2}),
    "one_row": (TWO | {"window_size": 4}, {"size": (4, 70)}),
    "patch2_window4": (THREE | {"patch_size": 2, "window_size": 4, "in_chans": 1, "mlp_ratio": 2}, {"size": (31, 44)}),
    "window5_scale": (THREE | {"window_size": 5, "qk_scale": 0.3, "qkv_bias": False}, {"size": (46, 63)}),
    "position": (TWO | {"ape": True, "pretrain_img_size": [40, 64], "in_chans": 4}, {"size": (50, 41)}),
    "position_same_grid": (TWO | {"ape": True, "pretrain_img_size": 64, "patch_norm": False}, {"size": (62, 64)}),
    "skips_stages": (THREE | {"out_indices": [0, 2]}, {"size": (40, 50)}),
    "skips_stages_by_position": (THREE | {"out_indices": [1, 2]}, {"size": (40, 50), "by_position": True}),
    "stops_early": (THREE | {"out_indices": [1]}, {"size": (40, 50)}),
    "stops_early_zeros": (THREE | {"out_indices": [0, 1]}, {"size": (40, 50), "zeros": True}),
    "frozen0": (TWO | {"frozen_stages": 0, "ape": True, "pretrain_img_size": 32}, {"size": (40, 50)}),
    "frozen1": (TWO | {"frozen_stages": 1, "ape": True, "pretrain_img_size": 32}, {"size": (40, 50), "zeros": True}),
    "frozen2": (THREE | {"frozen_stages": 2}, {"size": (40, 50)}),
    "frozen_all": (THREE | {"frozen_stages": 4, "use_checkpoint": True}, {"size": (40, 50), "zeros": True}),
}
FOUR = {"embed_dim": 8, "depths": [1, 2, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
UPERNET: dict[str, dict[str, Any]] = {
    "slides": {"head": {"channels": 12, "num_classes": 7}, "auxiliary": {"channels": 6}, "size": (64, 96)}
    | {"test": {"mode": "slide", "crop_size": [32, 48], "stride": [21, 40]}},
    "crop_larger_than_the_image": {"head": {"channels": 6, "num_classes": 33}, "auxiliary": {"channels": 20}}
    | {"size": (50, 70), "test": {"mode": "slide", "crop_size": [64, 32], "stride": [64, 32]}},
    "odd_sizes_other_pools": {"head": {"channels": 10, "num_classes": 3, "pool_scales": [1, 4]}, "size": (45, 61)}
    | {"auxiliary": {"channels": 5, "num_convs": 2, "in_index": 1}, "test": {"mode": "whole"}},
    "class_weights": {"head": {"channels": 8, "num_classes": 3}, "auxiliary": {"channels": 8}, "size": (40, 40)}
    | {"test": {"mode": "whole"}, "loss": {"class_weight": [0.5, 2.0, 1.0], "loss_weight": 0.7}},
    "mean_of_the_labelled": {"head": {"channels": 8, "num_classes": 2}, "auxiliary": {"channels": 8}}
    | {"size": (40, 48), "test": {"mode": "whole"}, "loss": {"avg_non_ignore": True}},
}


def present_goldens() -> list[str]:
    """Names below the shared folder; one that the tests will skip for where there is none."""
    found = (path.name for kind in check_goldens.KINDS for path in SHARED.glob(f"goldens/{kind}*.safetensors"))
    return sorted(found) or ["classification_small.safetensors"]


def edited(
    source: Path,
    target: Path,
    *,
    changes: dict[str, Tensor] | None = None,
    drop: str = "",
    metadata: dict[str, str] | None = None,
) -> Path:
    """A copy of a golden file with some tensors changed, added or dropped."""
    with safe_open(source, framework="pt") as file:
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names if name != drop}
        old = file.metadata()
    save_file(tensors | (changes or {}), target, old if metadata is None else metadata)
    return target


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SMALL | {"img_size": 32, "window_size": 4, "depths": [2], "num_heads": [2]}
    return write_classification(tmp_path_factory.mktemp("goldens") / "classification_x.safetensors", config)


@pytest.mark.parametrize("name", present_goldens())
def test_equals_the_original_code(name: str) -> None:
    path = shared_path(f"goldens/{name}")
    assert check_goldens.main([str(path)]) == 0


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_equals_the_official_rules_of_classification(tmp_path: Path, name: str) -> None:
    path = write_classification(tmp_path / f"classification_{name}.safetensors", SMALL | CLASSIFIERS[name])
    assert check_goldens.main([str(path)]) == 0


@pytest.mark.parametrize("name", DENSE)
def test_equals_the_official_rules_of_the_dense_backbone(tmp_path: Path, name: str) -> None:
    config, how = DENSE[name]
    path = write_dense(tmp_path / f"dense_backbone_{name}.safetensors", config, **how)
    assert check_goldens.main([str(path)]) == 0


@pytest.mark.parametrize("name", UPERNET)
def test_equals_the_published_rules_of_upernet(tmp_path: Path, name: str) -> None:
    path = write_upernet(tmp_path / f"upernet_{name}.safetensors", FOUR, **UPERNET[name])
    assert check_goldens.main([str(path)]) == 0


def test_an_upernet_of_two_levels(tmp_path: Path) -> None:
    case = UPERNET["odd_sizes_other_pools"]
    path = write_upernet(tmp_path / "upernet_two.safetensors", FOUR | {"out_indices": [1, 3]}, **case)
    assert check_goldens.main([str(path), "--attention", "sdpa"]) == 0


@pytest.mark.parametrize("name", ["head_logits", "slide_logits_argmax", "whole_logits_sample", "losses.aux.loss_ce"])
def test_every_stored_tensor_of_upernet_counts(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_upernet(tmp_path / "upernet_x.safetensors", FOUR, **UPERNET["slides"])
    with safe_open(path, framework="pt") as file:
        stored = file.get_tensor(name)
    if stored.is_floating_point():
        stored.view(-1)[0] += 1e-3 * stored.abs().max()
    else:
        stored[:, :2] = (stored[:, :2] + 1) % 7
    wrong = edited(path, tmp_path / "upernet_wrong.safetensors", changes={name: stored})
    assert check_goldens.main([str(wrong), "--attention", "sdpa"]) == 1
    missed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "MISS" in line]
    assert missed == [name]


@pytest.mark.parametrize("wrong", [{"align_corners": True}, {"in_index": [0, 1]}, {"dilations": [1]}])
def test_an_upernet_that_swinkit_cannot_build_is_one_sentence(
    tmp_path: Path, wrong: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    case = UPERNET["slides"]
    path = write_upernet(tmp_path / "upernet_x.safetensors", FOUR, **case)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    config = json.loads(metadata["config"])
    config["decode_head"] |= wrong
    path = edited(path, tmp_path / "upernet_y.safetensors", metadata=metadata | {"config": json.dumps(config)})
    assert check_goldens.main([str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("backend", check_goldens.BACKENDS)
@pytest.mark.parametrize(
    "name",
    ["patch_embed.proj.bias", "layers.0.blocks.1.attn.relative_position_bias_table", "layers.0.blocks.0.norm2.weight"],
)
def test_one_wrong_number_among_the_weights_is_a_miss(
    small_file: Path, tmp_path: Path, backend: str, name: str
) -> None:
    with safe_open(small_file, framework="pt") as file:
        weight = file.get_tensor(f"weights.{name}")
    weight.view(-1)[7] += 0.05
    wrong = edited(small_file, tmp_path / small_file.name, changes={f"weights.{name}": weight})
    assert check_goldens.main([str(small_file), "--attention", backend]) == 0
    assert check_goldens.main([str(wrong), "--attention", backend]) == 1


@pytest.mark.parametrize("name", sorted({present_goldens()[0], present_goldens()[-1]}))
def test_one_wrong_number_in_an_original_file_is_a_miss(tmp_path: Path, name: str) -> None:
    path = shared_path(f"goldens/{name}")
    with safe_open(path, framework="pt") as file:
        ending = "layers.0.blocks.1.attn.relative_position_bias_table"
        names = file.keys()
        (weight,) = (name for name in names if name in (f"weights.{ending}", f"weights.backbone.{ending}"))
        table = file.get_tensor(weight)
    table[84, 0] += 0.05
    changes = {weight: table}
    assert check_goldens.main([str(edited(path, tmp_path / name, changes=changes)), "--attention", "reference"]) == 1


STORED = ["features", "logits", "loss", "gradient_norms", "gradients.patch_embed.proj.weight"]
BUFFERS = ["weights.layers.0.blocks.1.attn_mask", "weights.layers.0.blocks.0.attn.relative_position_index"]


@pytest.mark.parametrize("name", STORED + BUFFERS)
def test_every_stored_tensor_counts(
    small_file: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with safe_open(small_file, framework="pt") as file:
        stored = file.get_tensor(name)
    stored.view(-1)[0] += 2e-3 * stored.norm() if stored.is_floating_point() else 1
    wrong = edited(small_file, tmp_path / small_file.name, changes={name: stored})
    assert check_goldens.main([str(wrong), "--attention", "reference"]) == 1
    missed = [line for line in capsys.readouterr().out.splitlines() if "MISS" in line]
    assert len(missed) == 1
    assert missed[0].split()[0] == name


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("features.0", torch.zeros(1)),
        ("surprise", torch.zeros(1)),
        ("gradients.layers.9.weight", torch.zeros(1)),
        ("weights.layers.0.blocks.0.attn_mask.extra", torch.zeros(1)),
        ("weights.auxiliary.weight", torch.zeros(1)),
        ("logits", torch.full((2, 5), torch.nan)),
        ("logits", torch.zeros(2, 4)),
        ("gradient_norms", torch.zeros(3)),
        ("weights.layers.0.blocks.1.attn.qkv.weight", torch.zeros(3, 3)),
    ],
)
def test_what_cannot_be_compared_is_a_miss(small_file: Path, tmp_path: Path, name: str, tensor: Tensor) -> None:
    wrong = edited(small_file, tmp_path / small_file.name, changes={name: tensor})
    assert check_goldens.main([str(wrong), "--attention", "reference"]) == 1


@pytest.mark.parametrize("name", ["weights.norm.weight", "weights.layers.0.blocks.1.mlp.fc1.bias"])
def test_a_weight_that_the_file_lacks_is_a_miss(small_file: Path, tmp_path: Path, name: str) -> None:
    assert check_goldens.main([str(edited(small_file, tmp_path / small_file.name, drop=name))]) == 1


def test_a_parameter_that_should_have_been_frozen_is_a_miss(tmp_path: Path) -> None:
    config = TWO | {"frozen_stages": 2}
    path = write_dense(tmp_path / "dense_backbone_frozen.safetensors", config, size=(40, 50))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    metadata["config"] = metadata["config"].replace('"frozen_stages": 2', '"frozen_stages": 0')
    thawed = edited(path, tmp_path / "dense_backbone_thawed.safetensors", metadata=metadata)
    assert check_goldens.main([str(path), "--attention", "reference"]) == 0
    assert check_goldens.main([str(thawed), "--attention", "reference"]) == 1


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("classification_empty.safetensors", b"", "cannot be read"),
        ("classification_text.safetensors", b"not a tensor in sight", "cannot be read"),
        ("mask_rcnn.safetensors", b"", "cannot be read"),
        ("cascade_mask_rcnn.safetensors", b"", "cannot be read"),
        ("surprise.safetensors", b"", "does not say its kind"),
        ("dense_backbone_absent.safetensors", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_checked_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert check_goldens.main([str(tmp_path / name)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert sentence in errors[0]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ('{"depth": [2]}', "depth, which the official constructor does not take"),
        ('{"patch_size": [4, 2]}', "not square"),
        ('{"depths": 2}', "none that swinkit can build"),
        ("[]", "no 'config'"),
        ("{", "no 'config'"),
    ],
)
def test_a_bad_config_is_one_sentence(
    small_file: Path, tmp_path: Path, config: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(small_file, tmp_path / small_file.name, metadata={"config": config})
    assert check_goldens.main([str(path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert sentence in errors[0]


def test_the_command_goes_on_after_a_bad_file_and_prints_a_total(small_file: Path) -> None:
    bad = small_file.parent / "mask_rcnn.safetensors"
    command = [sys.executable, check_goldens.__file__, str(bad), str(small_file), "--attention", "sdpa"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "logits" in result.stdout
    assert "0 missed; 1 of 2 files could not be checked" in result.stdout.splitlines()[-1]
    assert len(result.stderr.splitlines()) == 1
