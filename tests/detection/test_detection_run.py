"""Training a detector: it learns, starts from weights of any kind, and takes data as they come."""

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from object_folders import CLASSES, write_objects
from run_results import assert_same_run, losses, metrics
from safetensors.torch import load_file
from shared_files import shared_path

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.classification.model import SwinClassifier
from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN, DetectorConfig, ProposalConfig
from swinkit.detection.data.augmentation import DetectionResize, SmallDetectionAugmentation
from swinkit.detection.model import RCNN
from swinkit.detection.predictor import open_detector
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.run import open_data, train_detector
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.weights.save import save_weights

MODEL = SwinConfig(embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
FEW = ProposalConfig(before_nms=60, kept=40)


def small(config: DetectorConfig) -> DetectorConfig:
    rpn = replace(config.rpn, scales=(4.0,), border=None, training=FEW, inference=FEW)
    sizes = {"channels": 16, "fc_channels": 32, "finest_scale": 14.0, "mask_convs": 1, "mask_roi_size": 7}
    return replace(config, rpn=rpn, **sizes)


def tiny(data: Path | None = None, *, size: int = 40, lr: float = 0.005, **loop: Any) -> DetectionRecipe:
    """Digit scenes of 32 pixels, or rectangles of `object_folders`."""
    values = {"epochs": 8, "batch_size": 4, "log_every": 1, "workers": 0, "threads": 1, "device": "cpu"} | loop
    values |= {"evaluate_every": values["epochs"]}
    side = size if data else 32
    return DetectionRecipe(
        name="tiny",
        dataset="coco" if data else "digit_scenes",
        data=data,
        scenes=SceneSettings(size=32, side=(14, 20), digits=(1, 2), train_scenes=96, val_scenes=7),
        model=MODEL,
        detector=small(MASK_RCNN),
        augmentation=SmallDetectionAugmentation(
            shorter_side=(side, side), longest_side=2 * side, horizontal_flip=0.0, crop_probability=0.0
        ),
        resize=DetectionResize(side, 2 * side),
        optimizer=OptimizerSettings(lr=lr, reference_batch=None, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine"),
        loop=LoopSettings(**values),
    )


@pytest.fixture(scope="module", autouse=True)
def _without_pictures() -> Iterator[None]:
    """They take longer than the runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("swinkit.detection.run.draw_pictures", lambda *_, **__: ())
        yield


@pytest.fixture(scope="module")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("rectangles"))


@pytest.fixture(scope="module")
def trained(rectangles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_detector(tiny(rectangles, epochs=16), folder)
    return folder


def test_digit_scenes_are_learned(tmp_path: Path) -> None:
    train_detector(tiny(epochs=2), tmp_path)
    curve = losses(tmp_path)
    assert len(curve) == 48 and sum(curve[-4:]) / 4 < 0.6 * curve[0]
    names = {f"train/loss_{name}" for name in ("rpn_cls", "rpn_bbox", "cls", "bbox", "mask")}
    assert names <= metrics(tmp_path)[0].keys()
    assert open_detector(tmp_path).classes == tuple("0123456789")


def test_rectangles_are_found(trained: Path) -> None:
    last = metrics(trained)[-1]
    assert last["val/box_ap50"] > 0.3 and last["val/mask_ap50"] > 0.3 and last["val/box_recall50"] > 0.3
    detector = open_detector(trained)
    assert detector.classes == CLASSES and detector.resize == DetectionResize(40, 80)
    assert detector.description["results"]["val/box_ap"] == max(m.get("val/box_ap", 0) for m in metrics(trained))


def test_the_same_seed_gives_the_same_run(rectangles: Path, tmp_path: Path) -> None:
    for name, changed in (("one", {}), ("other", {"workers": 2})):
        train_detector(tiny(rectangles, epochs=3, **changed), tmp_path / name)
    assert_same_run(tmp_path / "one", tmp_path / "other")
    train_detector(tiny(rectangles, epochs=1, seed=1), tmp_path / "third")
    assert losses(tmp_path / "third")[0] != losses(tmp_path / "one")[0]


@pytest.mark.parametrize("precision", ["bf16"])
def test_half_precision_and_recomputed_activations(rectangles: Path, tmp_path: Path, precision: str) -> None:
    train_detector(tiny(rectangles, epochs=2, precision=precision, checkpoint_activations=True), tmp_path)
    assert all(math.isfinite(loss) for loss in losses(tmp_path))


def test_boxes_alone(tmp_path: Path) -> None:
    """Annotations without segmentation leave the mask head out; --masks False does so where there are masks."""
    data = write_objects(tmp_path / "data", masks=False)
    train_detector(tiny(data, epochs=2), tmp_path / "run")
    chosen = write_objects(tmp_path / "masks")
    train_detector(replace(tiny(chosen, epochs=2), masks=False), tmp_path / "chosen")
    for run in (tmp_path / "run", tmp_path / "chosen"):
        assert not open_detector(run).model.has_masks
        assert not any("mask" in name for line in metrics(run) for name in line)
        assert "val/box_ap" in metrics(run)[-1]
    with pytest.raises(InputError, match="with a mask to learn"):
        train_detector(replace(tiny(data), masks=True), tmp_path / "refused")


def test_images_without_objects_are_left_out_or_learned_from(rectangles: Path) -> None:
    train, val = open_data(tiny(rectangles))
    assert (len(train), len(val)) == (11, 5)
    everything, _ = open_data(replace(tiny(rectangles), skip_empty=False))
    assert len(everything) == 12


def test_batches_of_empty_images_are_learned_from(tmp_path: Path) -> None:
    data = write_objects(tmp_path / "data", train=3, val=2)
    recipe = replace(tiny(data, epochs=3, batch_size=1), skip_empty=False, detector=small(CASCADE_MASK_RCNN))
    train_detector(recipe, tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 9 and all(math.isfinite(loss) for loss in losses(tmp_path / "run"))


def started_from(weights: Path, data: Path, out: Path, caplog: pytest.LogCaptureFixture) -> dict[str, torch.Tensor]:
    """The weights of a run that starts so and learns nothing."""
    recipe = replace(tiny(data, lr=0.0, steps=1), weights=str(weights))
    with caplog.at_level(logging.INFO, "swinkit"):
        run = train_detector(recipe, out)
    return load_file(run.folder.last_model)


def test_starts_from_a_classifier(rectangles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(7)
    classifier = SwinClassifier(MODEL, num_classes=12)
    classifier.save_pretrained(tmp_path / "source")
    after = started_from(tmp_path / "source" / "model.safetensors", rectangles, tmp_path / "run", caplog)
    kept = {name: t for name, t in classifier.state_dict().items() if name.startswith(("patch_embed", "layers"))}
    assert len(kept) > 20
    for name, tensor in kept.items():
        assert torch.equal(after[f"backbone.{name}"], tensor), name


def test_starts_from_a_detector_of_other_classes(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two classes in the checkpoint, one in the data: only the last layers are new."""
    data = write_objects(tmp_path / "data")
    for part in ("train", "val"):
        path = data / "annotations" / f"{part}.json"
        content = json.loads(path.read_text())
        content["categories"] = content["categories"][:1]
        content["annotations"] = [each for each in content["annotations"] if each["category_id"] == 3]
        path.write_text(json.dumps(content))
    source = load_file(trained / "best.safetensors")
    after = started_from(trained / "best.safetensors", data, tmp_path / "run", caplog)
    assert after["roi_head.bbox_head.fc_cls.weight"].shape[0] == 2
    assert after.keys() == source.keys()
    for name, tensor in after.items():
        is_new = name.split(".")[-2] in ("fc_cls", "fc_reg", "conv_logits")
        assert is_new == (tensor.shape != source[name].shape) and (is_new or torch.equal(tensor, source[name])), name
    same = started_from(trained / "best.safetensors", write_objects(tmp_path / "two"), tmp_path / "again", caplog)
    assert all(torch.equal(tensor, source[name]) for name, tensor in same.items())


def test_weights_of_another_kind_are_one_sentence(rectangles: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = RCNN(SwinTransformer(MODEL), small(CASCADE_MASK_RCNN), num_classes=2)
    other = tmp_path / "cascade.safetensors"
    save_weights(other, model.state_dict(), {"format": "swinkit"})
    with pytest.raises(InputError) as error:
        train_detector(replace(tiny(rectangles), weights=str(other)), tmp_path / "run")
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_what_recipes_cannot_be(rectangles: Path) -> None:
    with pytest.raises(InputError, match="--data DIR"):
        train_detector(replace(tiny(rectangles), data=None))
    with pytest.raises(InputError, match="must be 3, not 1"):
        replace(tiny(), model=replace(MODEL, in_channels=1)).resolved()
    with pytest.raises(InputError, match="leave one out"):
        replace(tiny(), variant="swin_t", timm_backbone="resnet50").resolved()
    resolved = replace(tiny(), variant="swin_t").resolved()
    assert resolved.model.embed_dim == 96 and resolved.model.drop_path_rate == MODEL.drop_path_rate


def test_coco_mini_goes_through_without_a_special_case(tmp_path: Path) -> None:
    """80 sparse category ids, polygons, crowd regions, and images without objects, of which three are made: trained,
    evaluated, opened."""
    folder = shared_path("data/coco_mini")
    (source,) = folder.glob("**/*.json")
    content = json.loads(source.read_text())
    bare = {each["id"] for each in content["images"][::20]}
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] not in bare]
    (tmp_path / "coco.json").write_text(json.dumps(content))
    recipe = tiny(tmp_path / "coco.json", size=96, epochs=1, batch_size=8, steps=4)
    recipe = replace(recipe, images=folder / "images", skip_empty=False)
    train, val = open_data(recipe)
    truth = [*train.coco()["annotations"], *val.coco()["annotations"]]
    counts = [len(part[index][1].boxes) for part in (train, val) for index in range(len(part))]
    crowd = sum(each["iscrowd"] for each in truth)
    print(f"\n{len(train)} + {len(val)} images, {len(truth)} annotations, {crowd} crowd, {counts.count(0)} empty")
    assert len(train.classes) == 80 and crowd > 0 and sum(counts) == len(truth) - crowd and counts.count(0) >= 3
    train_detector(recipe, tmp_path / "run")
    curve, last = losses(tmp_path / "run"), metrics(tmp_path / "run")[-1]
    assert len(curve) == 4 and all(math.isfinite(loss) for loss in curve)
    assert 0 <= last["val/box_ap"] <= 1 and 0 <= last["val/mask_ap"] <= 1
    detector = open_detector(tmp_path / "run")
    assert detector.classes == train.classes and detector.predict(val[0][0]).size == val.sizes[0]
