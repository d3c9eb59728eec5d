import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mask_folders import CLASSES, write_masks
from run_results import assert_same_run, losses, metrics
from safetensors.torch import load_file, save_file
from small_segmentation import BACKBONE, CPU, FROZEN, opened, small_model, tiny

from swinkit.backbone.timm import TimmConfig, TimmFeatures
from swinkit.errors import InputError
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.evaluation import PICTURES, draw_pictures
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.recipe import SegmentationRecipe, open_data
from swinkit.training.processes import Processes
from swinkit.training.run import train
from swinkit.weights.starting_weights import load_starting_weights


@pytest.fixture(scope="module", autouse=True)
def _without_pictures() -> Iterator[None]:
    """They take longer than the runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("swinkit.segmentation.task.draw_pictures", lambda *_: ())
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that others are compared with."""
    folder = tmp_path_factory.mktemp("plain")
    train(tiny(), folder)
    return folder


def test_it_learns(plain: Path) -> None:
    curve = losses(plain)
    assert len(curve) == 24 and curve[0] == pytest.approx(1.4 * 2.398, abs=0.2)  # log of eleven classes, both heads
    assert sum(curve[-4:]) / 4 < 0.6 * curve[0]
    last = metrics(plain)[-1]
    assert last["step"] == 24 and {"val/miou", "val/pixel_accuracy", "val/mean_accuracy"} <= last.keys()
    segmentor = opened(plain)
    assert segmentor.classes == ("background", *"0123456789")
    assert segmentor.description["results"]["val/miou"] == last["val/miou"]


def test_workers_change_nothing(plain: Path, tmp_path: Path) -> None:
    train(tiny(workers=2), tmp_path)
    assert_same_run(plain, tmp_path)


def test_recomputed_activations_change_nothing(plain: Path, tmp_path: Path) -> None:
    train(tiny(checkpoint_activations=True), tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(plain), abs=1e-4)


def test_a_class_that_weighs_nothing_is_not_learned(plain: Path, tmp_path: Path) -> None:
    """Without weights most of what is painted is background."""
    train(replace(tiny(), class_weights=(0.0, *(1.0,) * 10)), tmp_path)
    assert metrics(plain)[-1]["val/pixel_accuracy"] > 0.6
    assert metrics(tmp_path)[-1]["val/pixel_accuracy"] < 0.2


def test_balanced_weights_make_classes_count_the_same() -> None:
    recipe = replace(tiny(), class_weights="balanced")
    weights = recipe.build(Processes(0, 1, CPU)).class_weights
    masks = [labels for _, labels in map(open_data(recipe)[0].__getitem__, range(recipe.scenes.train_scenes))]
    pixels = torch.bincount(torch.from_numpy(np.stack(masks)).flatten(), minlength=11)
    torch.testing.assert_close(weights * pixels, torch.full((11,), float(pixels.sum() / 11)))


def test_class_weights_of_another_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--class-weights must be 11 numbers"):
        train(replace(tiny(), class_weights=(1.0, 2.0)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def started_from(weights: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, **changed: object) -> dict:
    """The weights of a run that starts so and learns nothing."""
    recipe = replace(tiny(optimizer=FROZEN, steps=1), weights=weights, **changed)
    with caplog.at_level(logging.INFO, "swinkit"):
        run = train(recipe, tmp_path / "run")
    return load_file(run.folder.last_model)


def test_starts_from_a_backbone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(7)
    state = BACKBONE.build().state_dict()
    save_file(state, tmp_path / "backbone.safetensors")
    after = started_from(str(tmp_path / "backbone.safetensors"), tmp_path, caplog)
    assert any("tensors loaded" in message for message in caplog.messages)
    for name, tensor in state.items():
        assert torch.equal(after[f"backbone.{name}"], tensor), name


@pytest.mark.parametrize("classes", [5, 11])
def test_starts_from_a_whole_segmentor(tmp_path: Path, classes: int, caplog: pytest.LogCaptureFixture) -> None:
    """Of another number of classes, the last layers are new and all else is kept."""
    source = small_model(num_classes=classes, seed=7)
    save_file(source.state_dict(), tmp_path / "source.safetensors")
    after = started_from(str(tmp_path / "source.safetensors"), tmp_path, caplog)
    own_statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, tensor in source.state_dict().items():
        if name.endswith(own_statistics):
            continue
        if "conv_seg" in name and classes != 11:
            assert len(after[name]) == 11, name
        else:
            assert torch.equal(after[name], tensor), name


def test_starts_from_the_backbone_of_another_model(tmp_path: Path) -> None:
    source = small_model(seed=7)
    state = {n: t for n, t in source.state_dict().items() if n.startswith("backbone.")}
    save_file(state | {"roi_head.fc.weight": torch.zeros(3, 3)}, tmp_path / "detector.safetensors")
    model = small_model(seed=8)
    before = model.decode_head.conv_seg.weight.clone()
    load_starting_weights(model, str(tmp_path / "detector.safetensors"))
    for name, tensor in state.items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert torch.equal(model.decode_head.conv_seg.weight, before)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    save_file(replace(BACKBONE, embed_dim=8).build().state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="does not fit the model"):
        train(replace(tiny(), weights=str(tmp_path / "other.safetensors")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_timm_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TimmConfig] = []

    def recorded(config: TimmConfig) -> TimmFeatures:
        asked.append(config)
        return TimmFeatures(replace(config, pretrained=False))

    monkeypatch.setattr("swinkit.backbone.timm.TimmFeatures", recorded)
    backbone = TimmConfig("resnet18", pretrained=True)
    recipe = replace(tiny(steps=2), backbone=backbone, head=UperNetConfig(channels=16, auxiliary_channels=8))
    run = train(recipe, tmp_path)
    assert asked == [backbone]
    assert isinstance(opened(run.folder.best_model).model.backbone, TimmFeatures)
    assert asked[1:] == 2 * [TimmConfig("resnet18")]  # without values first, to see whether the file's tensors fit


def folder_recipe(data: Path | None, **changed: object) -> SegmentationRecipe:
    augmentation = SegmentationAugmentation(crop_size=(32, 32), resize=None)
    return replace(tiny(steps=2), dataset="folder", data=data, augmentation=augmentation, **changed)


def test_a_folder_of_masks(tmp_path: Path) -> None:
    recipe = folder_recipe(write_masks(tmp_path / "data"), inference=InferenceSettings(resize=(32, 64)))
    run = train(recipe, tmp_path / "run")
    segmentor = opened(run.folder.best_model)
    assert segmentor.classes == CLASSES and segmentor.preprocessing.resize == (32, 64)
    assert segmentor.description["recipe"]["data"] == str(tmp_path / "data")


def test_data_without_a_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs images with masks; say where they are with --data DIR"):
        folder_recipe(None).build(Processes(0, 1, CPU))


@pytest.mark.parametrize(
    ("inference", "scenes", "words"),
    [
        (InferenceSettings(), 1, "1 validation images are too few for 2 processes that share a model"),
        (InferenceSettings(crop=(16, 16)), 7, "leave --inference.crop out, or use --sharding ddp"),
    ],
)
def test_processes_that_would_wait_for_each_other(inference: InferenceSettings, scenes: int, words: str) -> None:
    recipe = replace(tiny(sharding="fsdp"), inference=inference)
    recipe = replace(recipe, scenes=replace(recipe.scenes, val_scenes=scenes))
    two = Processes(0, 2, CPU)
    with pytest.raises(InputError, match=words):
        recipe.build(two)
    assert isinstance(replace(recipe, loop=tiny().loop).build(two).model, UperNet)


def test_pictures_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swinkit.segmentation.task.draw_pictures", draw_pictures)
    run = train(tiny(steps=2), tmp_path)
    assert [path.name for path in run.pictures] == [f"{name}.png" for name in PICTURES]
    assert all(path.exists() for path in run.pictures)
    times = {path: path.stat().st_mtime_ns for path in run.pictures}
    again = train(tiny(steps=2), tmp_path)
    assert again.result.steps_now == 0 and again.pictures == run.pictures
    assert {path: path.stat().st_mtime_ns for path in again.pictures} == times
