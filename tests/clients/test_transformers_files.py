"""Folders that transformers wrote: UperNet whole, MaskFormer's backbone, class names of config.json."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_detectors
import torch
import torch.nn.functional as F
from PIL import Image
from small_detectors import small
from small_segmentation import opened, segmentor

import swinkit
from swinkit import InputError, SwinConfig, SwinTransformer, load_weights
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.predictor import describe_detector
from swinkit.segmentation.predictor import Segmentor
from swinkit.structures import Detections
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights

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


def test_colours_of_openmmlabs_files(tmp_path: Path) -> None:
    """Its pictures and index masks have them, also where it was saved again; what are no colours are left out."""
    model, palette = segmentor(num_classes=3), [[4, 0, 250], (120, 120, 120), (6, 230, 230)]
    told = {"new.pth": {"dataset_meta": {"classes": NAMES, "palette": palette}}, "old.pth": {"PALETTE": palette}}
    for name, meta in told.items():
        torch.save({"meta": meta, "state_dict": model.state_dict()}, tmp_path / name)
        assert opened(tmp_path / name).palette == tuple(map(tuple, palette))
    for bad in ([[0, 0, 0]] * 2, [[0, 0]] * 3, [[0, 0, 256]] * 3, [[0, 0, 0.5]] * 3, "abc", 3):
        meta = {"dataset_meta": {"classes": NAMES, "palette": bad}}
        torch.save({"meta": meta, "state_dict": model.state_dict()}, tmp_path / "bad.pth")
        assert opened(tmp_path / "bad.pth").palette == ()
    saved = opened(tmp_path / "new.pth").save_pretrained(tmp_path / "saved")
    result = opened(saved).predict(Image.new("RGB", (40, 40), "white"))
    result.save_mask(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.getpalette()[:9] == [value for colour in palette for value in colour]
    red, green, blue = (round(255 + 0.55 * (value - 255)) for value in palette[int(result.mask[20, 20])])
    shown = np.asarray(result.draw()).reshape(-1, 3).astype(int)
    assert (abs(shown - (red, green, blue)).max(axis=1) <= 1).any()


def test_colours_of_a_detector(tmp_path: Path) -> None:
    model = small(MaskRCNN()).build(small_detectors.BACKBONE.build(), num_classes=3)
    palette = [[4, 0, 250], [120, 10, 20], [6, 230, 230]]
    described = describe_detector(model, NAMES, DetectionResize(64, 64)) | {"palette": palette}
    save_weights(tmp_path / "own.safetensors", model.state_dict(), write_description(described))
    result = swinkit.open(tmp_path / "own.safetensors").predict(Image.new("RGB", (64, 64)))
    assert result.palette == tuple(map(tuple, palette)) and result[:0].palette == result.palette
    boxes, labels = torch.tensor([[4.0, 4, 30, 30], [30, 30, 60, 60]]), torch.tensor([2, 0])
    found = Detections(boxes, torch.ones(2), labels, None, (64, 64))
    shown = np.asarray(replace(result, detections=found).draw()).reshape(-1, 3).tolist()
    assert palette[2] in shown and palette[0] in shown


def test_segmentor_is_no_classifier(tmp_path: Path) -> None:
    torch.save({"state_dict": segmentor().state_dict()}, tmp_path / "mmseg.pth")
    folder = Segmentor.from_pretrained(tmp_path / "mmseg.pth").save_pretrained(tmp_path / "saved")
    with pytest.raises(InputError, match="segmentation model, not a classifier"):
        swinkit.SwinClassifier.from_pretrained(folder)
