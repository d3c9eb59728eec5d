"""Which layout is found in a folder, and evaluation on what is there."""

import pytest
from image_folders import write_classes, write_json_lists, write_zip_maps

from swinkit.classification.data.sources import find_layout, open_classification_data, open_evaluation_data
from swinkit.errors import InputError


def test_layouts_are_found(tmp_path):
    for name, write in (("zip_maps", write_zip_maps), ("json_lists", write_json_lists)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    write_classes(tmp_path / "class_folders", {"a": 2, "b": 2})
    for name, size in (("zip_maps", 6), ("json_lists", 4), ("class_folders", 2)):
        assert find_layout(tmp_path / name) == name
        assert len(open_classification_data(tmp_path / name)[0]) == size
    (tmp_path / "zip_maps" / "n01").mkdir()
    assert find_layout(tmp_path / "zip_maps") == "zip_maps"
    with pytest.raises(InputError, match=r"lacks train\.zip"):
        open_classification_data(tmp_path / "class_folders", layout="zip_maps")


def test_nothing_found_says_what_is_accepted(tmp_path):
    (tmp_path / "file.zip").touch()
    accepted = r"train/<class>/\*\.jpg.* train_map\.txt.*ILSVRC2011fall_whole_map_train\.txt"
    for path, what in ((tmp_path, "found no data set"), (tmp_path / "x", "not exist"), (tmp_path / "file.zip", "file")):
        with pytest.raises(InputError, match=rf"{what}.*{accepted}"):
            open_classification_data(path)


def test_evaluation_needs_no_training_folder_and_uses_the_models_classes(tmp_path):
    write_classes(tmp_path / "val", {"b": 1, "c": 1})
    data = open_evaluation_data(tmp_path, classes=("a", "b", "c"))
    assert (data.labels.tolist(), data.classes) == ([1, 2], ("a", "b", "c"))
    with pytest.raises(InputError, match="class 'c'"):
        open_evaluation_data(tmp_path, classes=("a", "b"))


def test_evaluation_of_one_folder_takes_what_training_held_out_unless_told_otherwise(tmp_path):
    write_classes(tmp_path, {"a": 5, "b": 5})
    held_out = open_classification_data(tmp_path)[1]
    data = open_evaluation_data(tmp_path, classes=("b", "a"))
    assert [data.sample_name(i) for i in range(2)] == [held_out.sample_name(i) for i in range(2)]
    assert data.labels.tolist() == [1, 0]
    assert len(open_evaluation_data(tmp_path, classes=("b", "a"), part="all")) == 10


def test_evaluation_of_lists_goes_by_name_or_else_by_number(tmp_path):
    write_zip_maps(tmp_path)
    assert open_evaluation_data(tmp_path, classes=("n03", "n02", "n01", "n00")).labels.tolist() == [2, 1, 0]
    data = open_evaluation_data(tmp_path, classes=("tench", "goldfish", "shark"))
    assert (data.labels.tolist(), data.classes[2]) == ([0, 1, 2], "shark")
    with pytest.raises(InputError, match="has 3 classes, the model 2"):
        open_evaluation_data(tmp_path, classes=("tench", "goldfish"))
