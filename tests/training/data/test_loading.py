"""Batches are the same for any number of workers and any resume point, and errors arrive whole."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from image_folders import write_classes, write_zip_maps
from torch.utils.data import Dataset

from swinkit.classification.data.augmentation import TrainAugmentation, train_transform
from swinkit.classification.data.class_folders import read_class_folder
from swinkit.classification.data.zip_maps import open_zip_maps
from swinkit.errors import InputError
from swinkit.images.read import ImageError
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler, TrainSampler
from swinkit.training.data.seeding import SeededSamples, SeededView


def view_of(data) -> SeededView:
    return SeededView(data, train_transform(TrainAugmentation(image_size=8)), seed=0)


@pytest.mark.parametrize("layout", ["folders", "zip"])
def test_workers_change_nothing(tmp_path, layout):
    if layout == "zip":
        data = open_zip_maps(write_zip_maps(tmp_path))[0]
        data[0]  # opens the archive here: the workers must open their own
    else:
        data = read_class_folder(write_classes(tmp_path, {"a": 4, "b": 5}))
    view = view_of(data)
    sampler = TrainSampler(len(view), batch_size=2, seed=0)
    keys = [key for epoch in range(2) for key in sampler.batches(epoch)]
    results = [list(load_batches(view, keys, workers=workers)) for workers in (0, 2)]
    assert len(results[0]) == len(results[1]) == len(keys)
    for (images, labels), (other_images, other_labels) in zip(*results, strict=True):
        assert images.shape == (2, 3, 8, 8) and labels.dtype == torch.int64
        assert torch.equal(images, other_images) and torch.equal(labels, other_labels)
    assert not torch.equal(results[0][0][0], results[0][len(keys) // 2][0])


def test_resumed_epoch_is_the_tail_of_the_whole(tmp_path):
    view = view_of(read_class_folder(write_classes(tmp_path, {"a": 4, "b": 4})))
    sampler = TrainSampler(len(view), batch_size=2, seed=0)
    whole = list(load_batches(view, sampler.batches(3)))
    tail = list(load_batches(view, sampler.batches(3, start=2)))
    assert len(tail) == 2
    assert all(
        torch.equal(a, b) for one, two in zip(whole[2:], tail, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_the_models_generator_is_left_alone(tmp_path):
    view = view_of(read_class_folder(write_classes(tmp_path, {"a": 2})))
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for workers in (0, 1):
        list(load_batches(view, EvalSampler(2, batch_size=1).batches(), workers=workers))
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_stops_with_one_sentence_or_is_skipped(tmp_path, workers):
    write_classes(tmp_path, {"a": 3})
    (tmp_path / "a" / "a1.jpg").write_bytes(b"")
    keys = list(EvalSampler(3, batch_size=1).batches())
    batches = load_batches(view_of(read_class_folder(tmp_path)), keys, workers=workers)
    next(batches)
    with pytest.raises(ImageError) as caught:
        next(batches)
    assert str(caught.value) == f"{tmp_path}/a/a1.jpg is empty (0 bytes); replace or remove it"
    skipping = read_class_folder(tmp_path, on_corrupt="skip")
    assert len(list(load_batches(view_of(skipping), keys, workers=workers))) == 3


def test_skipping_is_logged(tmp_path, caplog):
    write_classes(tmp_path, {"a": 2})
    (tmp_path / "a" / "a1.jpg").write_bytes(b"")
    view = view_of(read_class_folder(tmp_path, on_corrupt="skip"))
    with caplog.at_level(logging.WARNING):
        list(load_batches(view, [[(0, 1)]]))
    assert "a1.jpg is empty" in caplog.text


class Deadly(Dataset):
    """Reading sample 5 ends the process, as a decoder's crash does."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(1), index

    def sample_name(self, index: int) -> str:
        return f"photos/{index}.jpg"


def load_deadly() -> None:
    view = SeededSamples(Deadly(), lambda x, label: (x, label), seed=0)
    try:
        list(load_batches(view, [[(0, index)] for index in range(8)], workers=1))
    except InputError as error:
        print(error, flush=True)
    os._exit(0)  # before PyTorch raises the death once more


def test_the_death_of_a_worker_is_named_with_its_image() -> None:
    """In a process of its own: PyTorch raises a worker's death again where the process is when its next child ends."""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    code = "import test_loading; test_loading.load_deadly()"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=paths)
    assert child.stdout.startswith("a process that loads images has died while the images "), child.stderr
    assert "photos/5.jpg" in child.stdout
