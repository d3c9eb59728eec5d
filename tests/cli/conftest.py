"""Finished runs for the tests of the command line: digits, a folder of colours, images with masks, and with objects."""

from pathlib import Path

import numpy as np
import pytest
import sessions
from mask_folders import write_masks
from object_folders import write_objects
from PIL import Image

COLOURS = {"blue": (30, 60, 200), "green": (40, 160, 60), "red": (200, 40, 50)}


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name needs quoting, with the run in it and what it printed beside it, in `log`."""
    folder = tmp_path_factory.mktemp("digits") / "my run"
    log = folder.parent / "log"
    assert sessions.run(["train", "digits", *sessions.TINY, "--run-dir", str(folder)], log) == 0, log.read_text()
    return folder


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noisy images of each of three colours, in class folders."""
    root = tmp_path_factory.mktemp("colours")
    noise = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(12):
            pixels = np.clip(colour + noise.normal(0, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{name}{number:02d}.png")
    return root


@pytest.fixture(scope="session")
def colours_run(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on `colours`, a quarter of which swinkit holds out; one training image cannot be read."""
    folder = tmp_path_factory.mktemp("colours_run") / "run"
    log = folder.parent / "log"
    arguments = ["train", "finetune", *sessions.TINY_FINETUNE, "--data", str(colours), "--validation-fraction", "0.25"]
    assert sessions.run([*arguments, "--run-dir", str(folder)], log) == 0, log.read_text()
    return folder


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images with masks to train on and four to validate on."""
    return write_masks(tmp_path_factory.mktemp("masks"))


@pytest.fixture(scope="session")
def masks_run(masks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on `masks`, and what it printed beside it, in `log`."""
    folder = tmp_path_factory.mktemp("masks_run") / "run"
    log = folder.parent / "log"
    arguments = ["train", "finetune_segmentation", *sessions.TINY_MASKS, "--data", str(masks)]
    assert sessions.run([*arguments, "--run-dir", str(folder)], log) == 0, log.read_text()
    return folder


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images with boxes and masks to train on and five to validate on."""
    return write_objects(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="session")
def objects_run(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on `objects`, and what it printed beside it, in `log`."""
    folder = tmp_path_factory.mktemp("objects_run") / "run"
    log = folder.parent / "log"
    arguments = ["train", "coco_mask_rcnn_swin_t_1x", *sessions.TINY_OBJECTS, "--data", str(objects)]
    assert sessions.run([*arguments, "--run-dir", str(folder)], log) == 0, log.read_text()
    return folder
