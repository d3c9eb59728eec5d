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
from swinkit.backbone.timm import TimmConfig
from swinkit.detection.architectures import AnyDetector
from swinkit.detection.atss import ATSS
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.data.augmentation import DetectionResize, SmallDetectionAugmentation
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.predictor import Detector
from swinkit.detection.rcnn import RCNNConfig
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.rpn import ProposalConfig
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.training.processes import Processes
from swinkit.training.run import train
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.weights.model_file import read_model_file
from swinkit.weights.save import save_weights

BACKBONE = SwinConfig(embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
FEW = ProposalConfig(pre_nms=60, post_nms=40)
ALONE = Processes(0, 1, torch.device("cpu"))


def small(config: RCNNConfig) -> RCNNConfig:
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
        backbone=BACKBONE,
        detector=small(MaskRCNN()),
        augmentation=SmallDetectionAugmentation(
            shorter_side=(side, side), longest_side=2 * side, horizontal_flip=0.0, crop_probability=0.0
        ),
        resize=DetectionResize(side, 2 * side),
        optimizer=OptimizerSettings(lr=lr, reference_batch=None, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine"),
        loop=LoopSettings(**values),
    )


def opened(path: Path) -> Detector:
    return Detector.from_file(read_model_file(path), device=torch.device("cpu"))


def test_what_the_recipe_says_of_classes_reaches_the_loss(tmp_path: Path) -> None:
    write_objects(tmp_path)
    for told in (tiny(tmp_path), tiny()):
        task = replace(told, class_weights="balanced", label_smoothing=0.1).build(ALONE)
        labels = [each["category_id"] for each in task.data[0].coco()["annotations"] if not each["iscrowd"]]
        counts = torch.tensor([labels.count(number) for number in sorted(set(labels))])
        weights = task.model.class_weights
        torch.testing.assert_close(weights * counts, torch.full_like(weights, len(labels) / len(counts)))
        assert task.model.label_smoothing == 0.1 and "class_weights" not in task.model.state_dict()
    costs = []
    for smoothing, told_weights in ((0.1, weights), (0.1, None), (0.0, None)):
        task.model.label_smoothing, task.model.class_weights = smoothing, told_weights
        torch.manual_seed(0)  # samples are drawn
        costs.append(task(next(iter(task.batches.batches(0, 1))))["loss_cls"].item())
    assert len(set(costs)) == 3


def test_focal_loss_takes_no_smoothing() -> None:
    with pytest.raises(InputError, match=r"\(mask_rcnn, cascade_mask_rcnn, htc\), and this one does by focal loss"):
        replace(tiny(), detector=ATSS(channels=16, groups=8, convs=1), label_smoothing=0.1).build(ALONE)


@pytest.fixture(scope="module", autouse=True)
def _without_pictures() -> Iterator[None]:
    """They take longer than the runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("swinkit.detection.task.draw_pictures", lambda *_, **__: ())
        yield


@pytest.fixture(scope="module")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("rectangles"))


@pytest.fixture(scope="module")
def trained(rectangles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(tiny(rectangles, epochs=16), folder)
    return folder


def test_digit_scenes_are_learned(tmp_path: Path) -> None:
    train(tiny(epochs=2), tmp_path)
    curve = losses(tmp_path)
    assert len(curve) == 48 and sum(curve[-4:]) / 4 < 0.6 * curve[0]
    names = {f"train/loss_{name}" for name in ("rpn_cls", "rpn_bbox", "cls", "bbox", "mask")}
    assert names <= metrics(tmp_path)[0].keys()
    assert opened(tmp_path).classes == tuple("0123456789")


def test_rectangles_are_found(trained: Path) -> None:
    last = metrics(trained)[-1]
    assert last["val/box_ap50"] > 0.3 and last["val/mask_ap50"] > 0.3 and last["val/box_recall50"] > 0.3
    detector = opened(trained)
    assert detector.classes == CLASSES and detector.preprocessing == DetectionResize(40, 80)
    assert detector.description["results"]["val/box_ap"] == max(m.get("val/box_ap", 0) for m in metrics(trained))


def test_the_same_seed_gives_the_same_run(rectangles: Path, tmp_path: Path) -> None:
    for name, changed in (("one", {}), ("other", {"workers": 2})):
        train(tiny(rectangles, epochs=3, **changed), tmp_path / name)
    assert_same_run(tmp_path / "one", tmp_path / "other")
    train(tiny(rectangles, epochs=1, seed=1), tmp_path / "third")
    assert losses(tmp_path / "third")[0] != losses(tmp_path / "one")[0]


def test_half_precision_and_recomputed_activations(rectangles: Path, tmp_path: Path) -> None:
    train(tiny(rectangles, epochs=2, precision="bf16", checkpoint_activations=True), tmp_path)
    assert all(math.isfinite(loss) for loss in losses(tmp_path))


def test_boxes_alone(tmp_path: Path) -> None:
    """Annotations without segmentation leave the mask head out; --masks False does so where there are masks."""
    data = write_objects(tmp_path / "data", masks=False)
    train(tiny(data, epochs=2), tmp_path / "run")
    chosen = write_objects(tmp_path / "masks")
    train(replace(tiny(chosen, epochs=2), masks=False), tmp_path / "chosen")
    for run in (tmp_path / "run", tmp_path / "chosen"):
        assert not opened(run).model.has_masks
        assert not any("mask" in name for line in metrics(run) for name in line)
        assert "val/box_ap" in metrics(run)[-1]
    with pytest.raises(InputError, match="with a mask to learn"):
        train(replace(tiny(data), masks=True), tmp_path / "refused")


@pytest.mark.parametrize(
    "detector",
    [
        ATSS(channels=16, groups=4, convs=1),
        SparseRCNN(proposals=8, stages=2, channels=16, heads=2, inner=4, hidden=32, finest_scale=14.0),
        RepPointsV2(channels=16, groups=4, convs=1, corner_channels=8),
        MaskRepPointsV2(channels=16, groups=4, convs=1, corner_channels=8, mask_channels=8),
    ],
    ids=lambda config: type(config).__name__,
)
def test_the_other_detectors_run_to_their_end(detector: AnyDetector, rectangles: Path, tmp_path: Path) -> None:
    """Trained, with masks or without them where the data have them, written, opened and shown an image."""
    train(replace(tiny(rectangles, epochs=2, lr=0.001), detector=detector), tmp_path)
    found = opened(tmp_path)
    assert found.model.config == detector and "val/box_ap" in metrics(tmp_path)[-1]
    finest = 4 if isinstance(detector, SparseRCNN) else 8
    assert found.model.backbone.strides[0] == finest
    assert ("val/mask_ap" in metrics(tmp_path)[-1]) == detector.masks
    result = found.predict(next((rectangles / "val").glob("*.png")), threshold=0.0, top=3)
    assert (result.masks is not None) == detector.masks
    if result.masks is not None:
        assert [tuple(mask.shape) for mask in result.masks] == [result.detections.size] * len(result.scores)
    result.save(tmp_path / "found.png")  # at another size than the image's
    if result.masks is not None:
        with pytest.raises(InputError, match="this detector learns masks, and the data or the recipe have none"):
            train(replace(tiny(rectangles), detector=detector, masks=False), tmp_path / "boxes")


def test_images_without_instances_are_left_out_or_learned_from(rectangles: Path) -> None:
    training, validation = tiny(rectangles).open_data()
    assert (len(training), len(validation)) == (11, 5)
    everything, _ = replace(tiny(rectangles), skip_empty=False).open_data()
    assert len(everything) == 12


def test_batches_of_empty_images_are_learned_from(tmp_path: Path) -> None:
    data = write_objects(tmp_path / "data", train=3, val=2)
    recipe = replace(tiny(data, epochs=3, batch_size=1), skip_empty=False, detector=small(CascadeMaskRCNN()))
    train(recipe, tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 9 and all(math.isfinite(loss) for loss in losses(tmp_path / "run"))


def started_from(weights: Path, data: Path, out: Path, caplog: pytest.LogCaptureFixture) -> dict[str, torch.Tensor]:
    """The weights of a run that starts so and learns nothing."""
    recipe = replace(tiny(data, lr=0.0, steps=1), weights=str(weights))
    with caplog.at_level(logging.INFO, "swinkit"):
        run = train(recipe, out)
    return load_file(run.folder.last_model)


def test_starts_from_a_backbone(rectangles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a classifier, too: its norm and head have no place here."""
    torch.manual_seed(7)
    given = {name: t for name, t in SwinTransformer(BACKBONE).state_dict().items() if not name.startswith("norm")}
    assert len(given) > 20
    head = {"norm.weight": torch.ones(32), "norm.bias": torch.zeros(32)}
    head |= {"head.weight": torch.zeros(12, 32), "head.bias": torch.zeros(12)}
    save_weights(tmp_path / "a.safetensors", given | head, {"format": "swinkit"})
    after = started_from(tmp_path / "a.safetensors", rectangles, tmp_path / "run", caplog)
    for name, tensor in given.items():
        assert torch.equal(after[f"backbone.{name}"], tensor), name


def test_starts_from_a_detector(trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of other classes too: that only the last layers are then new is in `test_opened_detector`."""
    source = load_file(trained / "best.safetensors")
    same = started_from(trained / "best.safetensors", write_objects(tmp_path / "data"), tmp_path / "run", caplog)
    assert same.keys() == source.keys() and all(torch.equal(tensor, source[name]) for name, tensor in same.items())


def test_weights_of_another_kind_are_one_sentence(rectangles: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = small(CascadeMaskRCNN()).build(BACKBONE.build(), 2)
    other = tmp_path / "cascade.safetensors"
    save_weights(other, model.state_dict(), {"format": "swinkit"})
    with pytest.raises(InputError) as error:
        train(replace(tiny(rectangles), weights=str(other)), tmp_path / "run")
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "--data DIR"),
        ({"backbone": replace(BACKBONE, in_channels=1)}, "must be 3, not 1"),
        ({"backbone": TimmConfig("no_such_net")}, "no_such_net"),
    ],
)
def test_what_recipes_cannot_be(rectangles: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(replace(tiny(rectangles), **changes))


def test_a_timm_backbone_is_trained_and_opened(rectangles: Path, tmp_path: Path) -> None:
    backbone = TimmConfig("resnet10t", levels=(4, 8))
    train(replace(tiny(rectangles, steps=2), backbone=backbone), tmp_path)
    assert opened(tmp_path).model.backbone.config == backbone


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
    training, validation = recipe.open_data()
    truth = [*training.coco()["annotations"], *validation.coco()["annotations"]]
    counts = [len(split[index][1].boxes) for split in (training, validation) for index in range(len(split))]
    crowd = sum(each["iscrowd"] for each in truth)
    assert len(training.classes) == 80 and crowd > 0 and sum(counts) == len(truth) - crowd and counts.count(0) >= 3
    train(recipe, tmp_path / "run")
    curve, last = losses(tmp_path / "run"), metrics(tmp_path / "run")[-1]
    assert len(curve) == 4 and all(math.isfinite(loss) for loss in curve)
    assert 0 <= last["val/box_ap"] <= 1 and 0 <= last["val/mask_ap"] <= 1
    detector = opened(tmp_path / "run")
    assert detector.classes == training.classes
    assert detector.predict(validation[0][0]).detections.size == validation.sizes[0]
