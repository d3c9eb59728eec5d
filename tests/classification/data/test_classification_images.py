"""What an unreadable image does, and choosing parts of a data set."""

import logging

import pytest
from image_folders import write_classes

from swinkit.classification.data.class_folders import read_class_folder
from swinkit.errors import InputError
from swinkit.images.names import NameTable
from swinkit.images.read import ImageError


def damaged(tmp_path, *names):
    write_classes(tmp_path, {"a": 3, "b": 3})
    for name in names:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    return tmp_path


def test_stop_names_the_file(tmp_path):
    data = read_class_folder(damaged(tmp_path, "a/a1.jpg"))
    assert data[0][1] == 0
    with pytest.raises(ImageError, match=r"a/a1\.jpg is"):
        data[1]


def test_skip_takes_the_next_readable_sample_and_reports_once(tmp_path, caplog):
    data = read_class_folder(damaged(tmp_path, "a/a1.jpg", "a/a2.jpg", "b/b2.jpg"), on_corrupt="skip")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert [data[i][1] for i in range(6)] == [0, 1, 1, 1, 1, 0]
    assert sum("a/a1.jpg" in record.message for record in caplog.records) == 1
    assert len(caplog.records) == 3
    assert data[1][0].getpixel((0, 0)) == (20, 20, 20)  # image and label of b0


def test_skip_gives_up_where_nothing_can_be_read(tmp_path):
    names = [f"{folder}/{folder}{i}.jpg" for folder in "ab" for i in range(3)]
    data = read_class_folder(damaged(tmp_path, *names), on_corrupt="skip")
    with pytest.raises(InputError, match="no readable image in 6 samples"):
        data[2]


def test_subset_keeps_classes_and_policy(tmp_path):
    data = read_class_folder(damaged(tmp_path, "a/a0.jpg"), on_corrupt="skip").subset([0, 4])
    assert (len(data), data.labels.tolist(), data.classes) == (2, [0, 1], ("a", "b"))
    assert data[0][1] == 1


def test_name_table_holds_any_name():
    names = ["", "a/b.jpg", "Größe/雪.png", "odd\udcff.jpg", ""]
    table = NameTable(names)
    assert [table[i] for i in range(len(table))] == names
