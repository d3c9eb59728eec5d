"""Folders of classes: what is found, how it is split, and what is refused."""

import os
from pathlib import Path

import pytest
from image_folders import jpeg_bytes, write_classes
from shared_files import shared_path

from swinkit.classification.data.class_folders import open_class_folders, read_class_folder
from swinkit.errors import InputError


def test_classes_are_sorted_and_labels_follow(tmp_path):
    data = read_class_folder(write_classes(tmp_path, {"b": 2, "A": 1, "a10": 1, "a2": 1}))
    assert data.classes == ("A", "a10", "a2", "b")
    assert [data.sample_name(i) for i in range(len(data))] == [
        str(tmp_path / name) for name in ("A/A0.jpg", "a10/a100.jpg", "a2/a20.jpg", "b/b0.jpg", "b/b1.jpg")
    ]
    assert data.labels.tolist() == [0, 1, 2, 3, 3]
    image, label = data[3]
    assert (image.mode, image.getpixel((0, 0)), label) == ("RGB", (0, 0, 0), 3)


def test_nested_images_count_and_hidden_or_other_files_do_not(tmp_path):
    write_classes(tmp_path, {"a": 1, ".hidden": 1})
    write_classes(tmp_path / "a" / "deep", {"deeper": 1})
    (tmp_path / "a" / "._a0.jpg").write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / "upper.JPG").write_bytes(jpeg_bytes())
    (tmp_path / "readme.md").write_text("")
    data = read_class_folder(tmp_path)
    assert data.classes == ("a",)
    assert len(data) == 3


def test_link_loops_end(tmp_path):
    write_classes(tmp_path, {"a": 2})
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    assert len(read_class_folder(tmp_path)) == 2


def test_train_and_val(tmp_path):
    write_classes(tmp_path / "train", {"cat": 2, "dog": 3, "emu": 1})
    write_classes(tmp_path / "val", {"dog": 2})
    train, val = open_class_folders(tmp_path)
    assert (len(train), len(val)) == (6, 2)
    assert train.classes == val.classes == ("cat", "dog", "emu")
    assert val.labels.tolist() == [1, 1]


def test_single_folder_is_split_by_class_and_the_same_way_each_time(tmp_path):
    write_classes(tmp_path, {"a": 10, "b": 5, "c": 2, "d": 1})
    train, val = open_class_folders(tmp_path)
    assert [(val.labels == label).sum() for label in range(4)] == [2, 1, 1, 0]
    names = [{data.sample_name(i) for i in range(len(data))} for data in (train, val)]
    assert len(names[0] | names[1]) == 18 and not names[0] & names[1]
    again = open_class_folders(tmp_path)[1]
    assert [again.sample_name(i) for i in range(len(again))] == [val.sample_name(i) for i in range(len(val))]
    other = open_class_folders(tmp_path, split_seed=1)[1]
    assert {other.sample_name(i) for i in range(len(other))} != names[1]


def test_train_without_val_is_split_and_a_class_may_be_called_train(tmp_path):
    write_classes(tmp_path / "one" / "train", {"a": 5, "b": 5})
    train, val = open_class_folders(tmp_path / "one")
    assert (train.classes, len(train), len(val)) == (("a", "b"), 8, 2)
    train, val = open_class_folders(write_classes(tmp_path / "two", {"bus": 5, "train": 5}))
    assert (train.classes, len(train), len(val)) == (("bus", "train"), 8, 2)


def test_empty_class_missing_class_no_class(tmp_path):
    write_classes(tmp_path / "train", {"cat": 1, "dog": 1})
    write_classes(tmp_path / "val", {"dog": 1, "wolf": 1})
    with pytest.raises(InputError, match=r"val/wolf has no counterpart in .*train; add training images for 'wolf'"):
        open_class_folders(tmp_path)
    (tmp_path / "train" / "ape").mkdir()
    with pytest.raises(InputError, match=r"class folder .*train/ape holds no image"):
        open_class_folders(tmp_path)
    with pytest.raises(InputError, match=r"cat has no class folders"):
        read_class_folder(tmp_path / "train" / "cat")
    with pytest.raises(InputError, match=r"cannot read the folder .*gone: No such file"):
        read_class_folder(tmp_path / "gone")
    with pytest.raises(InputError, match=r"no class folder in .* holds two images"):
        open_class_folders(write_classes(tmp_path / "few", {"a": 1, "b": 1}))


def test_unreadable_folder_is_named(tmp_path, monkeypatch):
    write_classes(tmp_path, {"a": 1, "b": 1})
    real = os.scandir

    def scandir(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything, so no chmod
    with pytest.raises(InputError, match=r"cannot read the folder .*/b: Permission denied"):
        read_class_folder(tmp_path)


def test_labels_follow_given_classes(tmp_path):
    write_classes(tmp_path, {"a": 1, "c": 1})
    data = read_class_folder(tmp_path, classes=("d", "c", "b", "a"))
    assert (data.labels.tolist(), data.classes) == ([3, 1], ("d", "c", "b", "a"))
    with pytest.raises(InputError, match=r"class 'c' .* is none of the 2 classes asked for \(a, b\)"):
        read_class_folder(tmp_path, classes=("a", "b"))


def test_imagenette():
    train, val = open_class_folders(shared_path("data/imagenette"))
    assert (len(train), len(val), len(train.classes)) == (2000, 500, 10)
    assert train.classes[0] == "n01440764"
    assert train[1999][0].size == (128, 128)
