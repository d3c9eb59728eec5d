"""Converted files: official names, safetensors, and no config inside."""

from pathlib import Path

import pytest
import small_models
import torch
from fake_yacs import CfgNode, pretend_yacs

from swinkit.errors import InputError
from swinkit.weights.convert import convert
from swinkit.weights.load import load_weights
from swinkit.weights.read import read_weights_file


def test_a_self_trained_official_file(tmp_path: Path) -> None:
    """The bytes yacs would pickle are read without yacs, and the config is gone afterwards."""
    theirs, ours = small_models.classifier(), small_models.classifier(seed=2)
    weights = theirs.state_dict()
    payload = {"model": weights | small_models.official_buffers(weights), "epoch": 299, "max_accuracy": 81.2}
    with pretend_yacs():
        torch.save(payload | {"config": CfgNode.example()}, tmp_path / "ckpt.pth")
    out = tmp_path / "out.safetensors"
    recognised = convert(tmp_path / "ckpt.pth", out)
    assert recognised.format == "official"
    assert len(recognised.dropped) == 9
    file = read_weights_file(out)
    assert file.metadata == {"format": "swinkit", "source_format": "official"}
    assert small_models.same_tensors(file.tensors, dict(weights))
    report = load_weights(ours, out)
    assert report.format == "swinkit"
    assert not (report.missing or report.dropped)


def test_a_peers_file_keeps_its_dtype(tmp_path: Path) -> None:
    model = small_models.timm_classifier().half()
    torch.save(model.state_dict(), tmp_path / "timm.pth")
    convert(tmp_path / "timm.pth", tmp_path / "out.safetensors")
    file = read_weights_file(tmp_path / "out.safetensors")
    assert file.metadata["source_format"] == "timm"
    assert torch.equal(file.tensors["head.weight"], model.head.fc.weight)
    assert file.tensors["head.weight"].dtype == torch.float16


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    out.write_text("precious")
    torch.save(small_models.classifier().state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "w.pth", out)
    assert out.read_text() == "precious"


def test_other_networks_are_not_converted(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.ones(2)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"no Swin that swinkit knows .*conv1\.weight"):
        convert(tmp_path / "w.pth", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
