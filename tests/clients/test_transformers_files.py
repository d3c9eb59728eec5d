"""Folders that transformers wrote: UperNet whole, MaskFormer's backbone, class names of config.json."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small_segmentation import opened, segmentor

import swinkit
from swinkit import InputError, SwinConfig, SwinTransformer, load_weights
from swinkit.segmentation.predictor import Segmentor

transformers = pytest.importorskip("transformers")

SMALL = {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
NAMES = ("wall", "building", "sky")
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}
BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4)


def test_whole_uper_net(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.UperNetConfig(
        backbone_config=transformers.SwinConfig(**SMALL, out_features=STAGES),
        hidden_size=16,
        auxiliary_channels=8,
        auxiliary_in_channels=32,
        **LABELS,
    )
    theirs = transformers.UperNetForSemanticSegmentation(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    for name, values in theirs.named_buffers():
        if "running" in name:
            values.uniform_(0.5, 1.5)
    theirs.save_pretrained(tmp_path)
    found = swinkit.open(tmp_path)
    assert isinstance(found, Segmentor)
    assert found.classes == NAMES
    images = torch.randint(0, 256, (1, 3, 64, 96)).float()
    with torch.no_grad():
        logits = theirs(found.model.normalise(images)).logits
        ours = F.interpolate(found.model(images).head, (64, 96), mode="bilinear", align_corners=False)
    assert logits.abs().max() > 1e-3
    assert torch.allclose(ours, logits, atol=1e-5)


def test_classifier_has_the_names_of_its_config(tmp_path: Path) -> None:
    model = transformers.SwinForImageClassification(transformers.SwinConfig(**SMALL, **LABELS))
    model.save_pretrained(tmp_path)
    assert swinkit.open(tmp_path).classes == NAMES
    (tmp_path / "config.json").write_text("{damaged")
    assert swinkit.open(tmp_path).classes == ("0", "1", "2")


def test_mask_formers_backbone_with_its_norms() -> None:
    module = pytest.importorskip("transformers.models.maskformer.modeling_maskformer_swin")
    theirs = module.MaskFormerSwinBackbone(
        transformers.models.maskformer.MaskFormerSwinConfig(**SMALL, out_features=STAGES)
    ).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tensors = {f"model.pixel_level_module.encoder.{name}": x for name, x in theirs.state_dict().items()}
    ours = SwinTransformer(BACKBONE).eval()
    report = load_weights(ours, tensors)
    assert report.missing == ()
    images = torch.randn(1, 3, 64, 64)
    for a, b in zip(ours(images), theirs(images).feature_maps, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_classes_of_openmmlabs_files(tmp_path: Path) -> None:
    model = segmentor(num_classes=3)
    meta = {"dataset_meta": {"classes": NAMES, "palette": [(0, 0, 0)] * 3}, "epoch": 1}
    torch.save({"meta": meta, "state_dict": model.state_dict()}, tmp_path / "mmseg.pth")
    torch.save({"meta": {"CLASSES": NAMES}, "state_dict": model.state_dict()}, tmp_path / "old.pth")
    torch.save({"meta": {"dataset_meta": {"classes": 3}}, "state_dict": model.state_dict()}, tmp_path / "odd.pth")
    assert opened(tmp_path / "mmseg.pth").classes == NAMES == opened(tmp_path / "old.pth").classes
    assert opened(tmp_path / "odd.pth").classes == ("0", "1", "2")


def test_segmentor_is_no_classifier(tmp_path: Path) -> None:
    torch.save({"state_dict": segmentor().state_dict()}, tmp_path / "mmseg.pth")
    folder = Segmentor.from_pretrained(tmp_path / "mmseg.pth").save_pretrained(tmp_path / "saved")
    with pytest.raises(InputError, match="segmentation model, not a classifier"):
        swinkit.SwinClassifier.from_pretrained(folder)
